"""The tumour's outline as a file: from clicks on CT, or from another format brought to the CT's grid."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.atomic import require_space, staged_file
from NSCLCResponseSegmentLib.core.errors import OutputError, SegmentationError
from NSCLCResponseSegmentLib.core.lesions import Lesion, measure_lesions
from NSCLCResponseSegmentLib.core.reading import read_ct

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.case import LoadedImage, TumourMask
    from NSCLCResponseSegmentLib.core.progress import Progress

    from ..worker import TaskContext

_FREE_BYTES_NEEDED = 20_000_000
_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Outline one tumour.

    :param arguments: see ``nsclc-response segment``.
    :returns: ``summary`` (text), ``out``, ``lesions`` (as in result.json), ``origin`` and ``notes``.
    :raises NSCLCResponseError: the input cannot be used; nothing is written then.
    """
    out = Path(arguments["out"])
    _check(arguments, out)
    require_space(out, _FREE_BYTES_NEEDED)
    with staged_file(out, overwrite=bool(arguments.get("overwrite")), token=context.token) as aside:
        ct = read_ct(Path(arguments["ct"]), arguments.get("series", ""), context.progress.part(0.0, 0.4))
        mask = _outlined(ct, arguments, context.progress.part(0.4, 0.9))
        context.progress.report(0.9, f"Writing {out.name}")
        sitk.WriteImage(mask.image, str(aside), useCompression=True)
    lesions = measure_lesions(mask.image)
    notes = [*ct.notes, *mask.notes]
    for note in notes:
        context.progress.warn(note)
    context.progress.report(1.0, "Done")
    return {
        "summary": f"{_summary(lesions)}\nWritten: {out}",
        "out": str(out),
        "origin": mask.origin,
        "lesions": [lesion.to_json() for lesion in lesions],
        "notes": notes,
    }


def _check(arguments: dict[str, Any], out: Path) -> None:
    clicks = [*arguments.get("click_ras", ()), *arguments.get("click_ijk", ())]
    if not out.name.lower().endswith(_SUFFIXES):
        raise OutputError(f"{out} does not end in {', '.join(_SUFFIXES)}.", "Give a name like mask.nii.gz.")
    if arguments.get("mask") and (clicks or arguments.get("exclude_ras")):
        raise SegmentationError("Both a mask and a click are given.", "Give either --mask or --click-ras.")
    if not arguments.get("mask") and not clicks:
        raise SegmentationError(
            "Nothing says where the tumour is.", "Give --click-ras with a point in it, or --mask with an outline."
        )


def _outlined(ct: LoadedImage, arguments: dict[str, Any], progress: Progress) -> TumourMask:
    from NSCLCResponseSegmentLib.core.case import TumourMask

    if arguments.get("mask"):
        from NSCLCResponseSegmentLib.core.masks import read_mask

        return read_mask(Path(arguments["mask"]), ct, arguments.get("roi", ""))
    from NSCLCResponseSegmentLib.core.one_click import outline_click

    points = [tuple(p) for p in arguments.get("click_ras", ())]
    for index in arguments.get("click_ijk", ()):
        x, y, z = ct.image.TransformContinuousIndexToPhysicalPoint([float(v) for v in index])
        points.append((-x, -y, z))
    exclude = [tuple(p) for p in arguments.get("exclude_ras", ())]
    chosen = int(arguments.get("candidate") or 1) - 1
    result = outline_click(ct.image, points, exclude, progress=progress, chosen=chosen)
    return TumourMask(result.mask, origin="one click", notes=tuple(result.notes))


def _summary(lesions: list[Lesion]) -> str:
    if not lesions:
        return "The outline is empty."
    lines = [
        f"Lesion {lesion.label}: {lesion.volume_ml:.1f} mL,"
        f" {lesion.longest_axial_diameter_mm:.0f} × {lesion.perpendicular_diameter_mm:.0f} mm in the axial plane"
        for lesion in lesions
        if not lesion.is_tiny
    ]
    tiny = sum(lesion.is_tiny for lesion in lesions)
    if tiny:
        lines.append(f"{tiny} {'speck' if tiny == 1 else 'specks'} of under 0.03 mL beside.")
    return "\n".join(lines)
