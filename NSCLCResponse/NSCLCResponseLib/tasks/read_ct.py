"""A CT as one file, for a process that has no time to read it: the browser workspace when it opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.reading import read_ct

from ..core.image_handover import hand_over

if TYPE_CHECKING:
    from ..worker import TaskContext


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Read a CT in HU.

    :param arguments: ``ct`` (DICOM folder or image file), ``series`` and ``out``, an ``.nrrd`` file.
    :returns: what :func:`NSCLCResponseLib.core.image_handover.take_over` needs.
    :raises ImageError: it cannot be used.
    """
    loaded = read_ct(Path(arguments["ct"]), arguments.get("series", ""), context.progress)
    return hand_over(loaded, Path(arguments["out"]), context.token)
