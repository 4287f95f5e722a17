"""The job that lists every problem of a cohort table."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..worker import TaskContext


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Check a cohort.

    :param arguments: ``cohort``, ``roles`` and, if there is one, ``holdout``: paths.
    :returns: ``summary`` (text), ``findings`` (severity, problem, remedy), ``errors`` (number).
    :raises NSCLCResponseError: the roles file or a table cannot be read at all.
    """
    from ..core.cohort_check import check_files

    holdout = Path(arguments["holdout"]) if arguments.get("holdout") else None
    found = check_files(Path(arguments["cohort"]), Path(arguments["roles"]), holdout, context.progress)
    errors = sum(f.severity == "error" for f in found)
    lines = [str(f) for f in found]
    lines.append(f"{errors} errors, {len(found) - errors} warnings." if found else "No problem found.")
    return {"summary": "\n".join(lines), "findings": [asdict(f) for f in found], "errors": errors}
