"""One click for panel and browser: up to three sizes to choose from, or an outline corrected around further points."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.atomic import staged_folder
from NSCLCResponseSegmentLib.core.one_click import outline_click, preload
from NSCLCResponseSegmentLib.core.reading import read_ct

if TYPE_CHECKING:
    from ..worker import TaskContext


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Outline the tumour around a point, or correct ``previous``.

    :param arguments: ``ct`` and, to correct it, ``previous`` (image files on one grid); ``include_ras`` and
        ``exclude_ras``, lists of points in mm; ``out``, the folder to make.
    :returns: ``sizes``, each with ``path``, ``volume_ml`` and ``confidence``, the likeliest first; ``chosen``;
        ``notes``.
    :raises NSCLCResponseError: a point is where no tumour can be, or the CT cannot be used.
    """
    progress = context.progress
    preload()
    ct = read_ct(Path(arguments["ct"]), progress=progress.part(0.0, 0.1)).image
    previous = sitk.ReadImage(arguments["previous"], sitk.sitkUInt8) if arguments.get("previous") else None
    include, exclude = ([tuple(p) for p in arguments.get(f"{name}_ras", ())] for name in ("include", "exclude"))
    result = outline_click(ct, include, exclude, previous, progress.part(0.1, 0.95))
    out = Path(arguments["out"])
    sizes = []
    with staged_folder(out, token=context.token) as aside:
        for number, candidate in enumerate(result.candidates, start=1):
            name = f"size-{number}.nrrd"
            sitk.WriteImage(candidate.mask, str(aside / name), useCompression=True)
            path = str(out / name)
            sizes.append({"path": path, "volume_ml": candidate.volume_ml, "confidence": candidate.confidence})
    for note in result.notes:
        progress.warn(note)
    return {"sizes": sizes, "chosen": result.chosen, "notes": list(result.notes)}
