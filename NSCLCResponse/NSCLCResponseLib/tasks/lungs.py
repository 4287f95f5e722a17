"""The lungs, coarse, as files: what a 3D view shows for orientation, and what tells where lesions lie."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.atomic import staged_folder

if TYPE_CHECKING:
    from ..worker import TaskContext

_SPACING_MM = 5.0  # enough for orientation; the surface of the CT's own grid takes twice as long to draw


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Find the lungs of a CT, and smooth them for their surface.

    :param arguments: ``ct``, an image file, and ``out``, the folder to make: ``lungs.nrrd`` and the folder ``anatomy``,
        as :func:`NSCLCResponseSegmentLib.core.anatomy_files.read_anatomy` reads it.
    :returns: ``is_chest``, without which there is no folder, and ``out``.
    :raises NSCLCResponseError: there is no body in it.
    """
    from NSCLCResponseSegmentLib.core.anatomy import segment_anatomy
    from NSCLCResponseSegmentLib.core.anatomy_files import write_anatomy

    from ..render.aim import coarse_body, lungs_within, smooth_lungs

    ct = sitk.ReadImage(arguments["ct"])
    anatomy = segment_anatomy(ct, context.progress.part(0.0, 0.8))
    if anatomy.is_chest:
        with staged_folder(Path(arguments["out"]), overwrite=True, token=context.token) as aside:
            lungs = lungs_within(anatomy.coarse_lungs, coarse_body(ct))
            sitk.WriteImage(smooth_lungs(lungs, _SPACING_MM), str(aside / "lungs.nrrd"))
            (aside / "anatomy").mkdir()
            write_anatomy(anatomy, aside / "anatomy")
    context.progress.report(1.0, "Done")
    return {"is_chest": bool(anatomy.is_chest), "out": arguments["out"]}
