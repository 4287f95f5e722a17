"""The tumour's outline as a file: from clicks, PET or a model, or from another format brought to the CT's grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.atomic import require_space, staged_file
from NSCLCResponseSegmentLib.core.errors import DependencyError, OutputError
from NSCLCResponseSegmentLib.core.lesion_choice import LesionChoice, choice_words, choose_lesions
from NSCLCResponseSegmentLib.core.lesion_record import FoundLesion, find_lesions
from NSCLCResponseSegmentLib.core.one_click import preload
from NSCLCResponseSegmentLib.core.reading import read_ct
from NSCLCResponseSegmentLib.core.seg_export import (
    LABEL_SUFFIXES,
    SURFACE_SUFFIX,
    Outline,
    format_of,
    require_exportable,
    write_outline,
)

from .outlining import check_method, outlined

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.anatomy import Anatomy
    from NSCLCResponseSegmentLib.core.case import LoadedImage, TumourMask
    from NSCLCResponseSegmentLib.core.progress import Progress

    from ..worker import TaskContext

_FREE_BYTES_NEEDED = 20_000_000


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Outline one tumour.

    :param arguments: see ``nsclc-response segment``; ``lesions`` as :meth:`LesionChoice.parse` reads it.
    :returns: ``summary`` (text), ``out`` (empty when nothing was written), ``lesions`` (as in result.json, with where
        they lie), ``choice`` (what was kept and dropped), ``origin`` and ``notes``.
    :raises NSCLCResponseError: the input cannot be used; nothing is written then.
    """
    out = Path(arguments["out"])
    suffix = format_of(out)
    check_method(arguments)
    _require_vtk(suffix)
    choice = LesionChoice.parse(arguments.get("lesions") or "")
    _refuse_existing(out, bool(arguments.get("overwrite")))
    require_space(out, _FREE_BYTES_NEEDED)
    if arguments.get("click_ras") or arguments.get("click_ijk"):
        preload()
    ct = read_ct(Path(arguments["ct"]), arguments.get("series", ""), context.progress.part(0.0, 0.3))
    require_exportable(out, ct)
    mask = outlined(ct, arguments, context.progress.part(0.3, 0.9))
    lesions = find_lesions(mask.image, _anatomy(mask, ct, context.progress.part(0.9, 0.95)), choice.names)
    record = choice.to_json([lesion.measures for lesion in lesions])
    context.progress.report(0.95, f"Writing {out.name}")
    labels, names = choose_lesions(mask.image, choice)
    chosen = record if choice.groups else mask.lesion_choice
    outline = Outline(labels, tuple(names), mask.origin, _sides(choice, lesions), choice=chosen)
    is_written = bool(lesions) or suffix in LABEL_SUFFIXES
    if is_written:
        with staged_file(out, overwrite=bool(arguments.get("overwrite")), token=context.token) as aside:
            _write(aside, outline, ct)
    notes = [*ct.notes, *mask.notes]
    for note in notes:
        context.progress.warn(note)
    context.progress.report(1.0, "Done")
    return {
        "summary": "\n".join([*_summary(lesions, mask), *_written(out, record if choice.groups else None, is_written)]),
        "out": str(out) if is_written else "",
        "origin": mask.origin,
        "lesions": [lesion.to_json() for lesion in lesions],
        "choice": record,
        "notes": notes,
    }


def _refuse_existing(out: Path, overwrite: bool) -> None:
    """Before any work, so that nobody waits for it; what is there may have been corrected by hand."""
    if out.exists() and not overwrite:
        raise OutputError(
            f"{out} exists already, perhaps with corrections by hand.",
            "Choose another name, or add --overwrite to replace it.",
        )


def _require_vtk(suffix: str) -> None:
    """Surfaces are made by VTK, which a plain installation of the command line lacks."""
    from importlib.util import find_spec

    if suffix == SURFACE_SUFFIX and find_spec("vtkmodules") is None:
        raise DependencyError(
            "Surfaces (.stl) need VTK, which is not installed.", "Install it: pip install 'nsclc-response[views]'"
        )


def _write(path: Path, outline: Outline, ct: LoadedImage) -> None:
    if format_of(path) != SURFACE_SUFFIX:
        write_outline(path, outline, ct)
        return
    from NSCLCResponseSegmentLib.mrml.surfaces import write_surface

    write_surface(outline.labels, path)


def _anatomy(mask: TumourMask, ct: LoadedImage, progress: Progress) -> Anatomy | None:
    """By which lesions are placed; ``None`` when there is nothing to place, or the CT shows no body."""
    from NSCLCResponseSegmentLib.core.errors import ImageError
    from NSCLCResponseSegmentLib.core.one_click import anatomy_of

    try:
        return anatomy_of(ct.image, progress) if sitk.GetArrayViewFromImage(mask.image).any() else None
    except ImageError:
        return None


def _sides(choice: LesionChoice, lesions: Sequence[FoundLesion]) -> tuple[Any, ...]:
    from NSCLCResponseSegmentLib.core.lesion_place import sides_of_groups

    groups = [group.labels for group in choice.groups] or [[lesion.measures.label for lesion in lesions]]
    return sides_of_groups([lesion.place for lesion in lesions if lesion.place is not None], groups)


def _summary(found: Sequence[FoundLesion], mask: TumourMask) -> list[str]:
    if not found:
        return [f"No tumour was found ({mask.origin}). That does not exclude one: look at the images."]
    lines = []
    for lesion, place in ((f.measures, f.place) for f in found):
        if lesion.is_tiny:
            continue
        centre = ", ".join(f"{v:.0f}" for v in lesion.centre_ras)
        words = f"; {place.words()}" if place is not None and place.words() else ""
        lines.append(
            f"Lesion {lesion.label}: {lesion.volume_ml:.1f} mL,"
            f" {lesion.longest_axial_diameter_mm:.0f} × {lesion.perpendicular_diameter_mm:.0f} mm in the axial plane,"
            f" at RAS {centre}{words}"
        )
    tiny = sum(lesion.measures.is_tiny for lesion in found)
    if tiny:
        lines.append(f"{tiny} {'speck' if tiny == 1 else 'specks'} of under 0.03 mL beside.")
    return lines


def _written(out: Path, record: dict[str, Any] | None, is_written: bool) -> list[str]:
    if not is_written:
        return [f"{out} was not written: this format cannot hold an empty outline."]
    chosen = [f"Lesions {choice_words(record)}"] if record is not None else []
    return [*chosen, f"Written: {out}"]
