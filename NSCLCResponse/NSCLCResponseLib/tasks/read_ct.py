"""A CT as one file, for a process that has no time to read it: the browser workspace when it opens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.reading import read_ct

from ..core.image_handover import hand_over
from ..render.aim import body_box_ras

if TYPE_CHECKING:
    from ..worker import TaskContext


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Read a CT in HU.

    :param arguments: ``ct`` (DICOM folder or image file), ``series`` and ``out``, an ``.nrrd`` file.
    :returns: what :func:`NSCLCResponseLib.core.image_handover.take_over` needs, and ``body_ras``, the corners (2, 3)
        of the box around the body (RAS mm).
    :raises ImageError: it cannot be used.
    """
    loaded = read_ct(Path(arguments["ct"]), arguments.get("series", ""), context.progress)
    handed_over = hand_over(loaded, Path(arguments["out"]), context.token)
    return {**handed_over, "body_ras": body_box_ras(loaded.image).tolist()}
