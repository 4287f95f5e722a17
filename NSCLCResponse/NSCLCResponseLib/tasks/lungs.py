"""The lungs, coarse, as a file: what a 3D view shows for orientation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.atomic import staged_file

if TYPE_CHECKING:
    from ..worker import TaskContext

_SPACING_MM = 5.0  # enough for orientation; the surface of the CT's own grid takes twice as long to draw


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Find the lungs of a CT, and smooth them for their surface.

    :param arguments: ``ct`` and ``out``, image files.
    :returns: ``is_chest``, without which there is no file, and ``out``.
    :raises NSCLCResponseError: there is no body in it.
    """
    from NSCLCResponseSegmentLib.core.anatomy import segment_anatomy

    from ..render.aim import coarse_body, lungs_within, smooth_lungs

    ct = sitk.ReadImage(arguments["ct"])
    anatomy = segment_anatomy(ct, context.progress.part(0.0, 0.9))
    if anatomy.is_chest:
        with staged_file(Path(arguments["out"]), overwrite=True, token=context.token) as aside:
            lungs = lungs_within(anatomy.coarse_lungs, coarse_body(ct))
            sitk.WriteImage(smooth_lungs(lungs, _SPACING_MM), str(aside))
    context.progress.report(1.0, "Done")
    return {"is_chest": bool(anatomy.is_chest), "out": arguments["out"]}
