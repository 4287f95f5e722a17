"""Finds the files that ship with the extension (``Resources/``) in every way it can be installed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from .errors import DependencyError

_MARKER = Path("Settings") / "ct.yaml"


@lru_cache(maxsize=1)
def resources_root() -> Path:
    """The folder ``Resources`` of the extension.

    Looked for in a checkout or a Slicer build tree (three levels above this package), beside the installed scripted
    modules of Slicer (``Resources/NSCLCResponse-data``), and inside the wheel (``NSCLCResponseData``).

    :raises DependencyError: the installation lacks its data files.
    """
    library = Path(__file__).resolve().parents[1]
    candidates = (
        library.parents[1] / "Resources",
        library.parent / "Resources" / "NSCLCResponse-data",
        library.parent / "NSCLCResponseData",
    )
    for folder in candidates:
        if (folder / _MARKER).is_file():
            return folder
    raise DependencyError(
        f"The data files of NSCLC Response are missing (looked in {', '.join(str(c) for c in candidates)}).",
        "Install the extension again.",
    )


def resource(*parts: str) -> Path:
    """Path of a shipped file, e.g. ``resource("Settings", "ct.yaml")``.

    :raises DependencyError: the file is not part of this installation.
    """
    path = resources_root().joinpath(*parts)
    if not path.exists():
        raise DependencyError(
            f"The shipped file {'/'.join(parts)} is missing in {resources_root()}.", "Install the extension again."
        )
    return path
