"""The job behind ``nsclc-response phantom``: a cohort of simulated patients."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.phantom import TRAITS, CohortPlan, usable_cores, write_plan

if TYPE_CHECKING:
    from ..worker import TaskContext


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Simulate patients into ``arguments["out"]``.

    :param arguments: ``patients``, ``seed``, ``out``; optional ``signal``, ``fine``, ``traits``, ``best_auc``,
        ``response_rate``, ``without_pet``, ``first``, ``jobs`` (0: all cores), ``overwrite``.
    :returns: ``summary`` (text), ``out`` (folder), ``patients``, ``responders``, ``best_auc``.
    :raises SettingsError: a value makes no sense.
    :raises OutputError: the folder cannot be written.
    """
    plan = CohortPlan(
        patients=int(arguments["patients"]),
        seed=int(arguments["seed"]),
        signal=arguments.get("signal", "planted"),
        fine=bool(arguments.get("fine")),
        traits=tuple(arguments.get("traits") or TRAITS),
        best_auc=float(arguments.get("best_auc", 0.95)),
        response_rate=float(arguments.get("response_rate", 0.33)),
        without_pet=float(arguments.get("without_pet", 0.0)),
        first=int(arguments.get("first", 1)),
    )
    out = Path(arguments["out"])
    done = write_plan(
        out,
        plan,
        jobs=int(arguments.get("jobs") or 0) or usable_cores(),
        overwrite=bool(arguments.get("overwrite")),
        progress=context.progress,
        token=context.token,
    )
    summary = (
        f"{done['patients']} simulated patients, {done['responders']} responders; best reachable AUC by construction "
        f"{done['best_auc']:.2f}.\nTable: {out / 'cohort.csv'}; roles: {out / 'roles.yaml'}"
    )
    return {"summary": summary, "out": str(out), **done}
