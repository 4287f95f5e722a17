"""The ways to an outline that a job can ask for: a file, clicks, PET uptake, or a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import SegmentationError

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.case import LoadedImage, TumourMask
    from NSCLCResponseSegmentLib.core.progress import Progress

Point = tuple[float, float, float]


def check_method(arguments: dict[str, Any]) -> None:
    """Whether the arguments say how to outline, in one way only.

    :raises SegmentationError: they do not.
    """
    clicks = [*arguments.get("click_ras", ()), *arguments.get("click_ijk", ())]
    by_pet, model = arguments.get("pet_outline"), arguments.get("model")
    box = arguments.get("box_ras")
    if arguments.get("mask") and (clicks or arguments.get("exclude_ras") or by_pet or model):
        raise SegmentationError(
            "Both a mask and another way to outline are given.", "Give either --mask, or a click, a box or a model."
        )
    if model and (clicks or by_pet or box):
        raise SegmentationError("Both a model and a click or PET are given.", "A model needs no click: give one.")
    if by_pet and not arguments.get("pet"):
        raise SegmentationError("There is no PET to outline on.", "Give it by --pet.")
    if box and not by_pet:
        raise SegmentationError("A box is for outlining on PET.", "Add --pet and --pet-outline, or click instead.")
    if not (arguments.get("mask") or clicks or model or (by_pet and box)):
        raise SegmentationError(
            "Nothing says where the tumour is.",
            "Give --click-ras with a point in it, --model to have it found, or --mask with an outline.",
        )


def outlined(ct: LoadedImage, arguments: dict[str, Any], progress: Progress) -> TumourMask:
    """The outline on the CT's grid; empty when a model finds nothing.

    :raises NSCLCResponseError: it cannot be made.
    """
    if arguments.get("mask"):
        from NSCLCResponseSegmentLib.core.masks import read_mask

        return read_mask(Path(arguments["mask"]), ct, arguments.get("roi", ""))
    if arguments.get("model"):
        return _by_model(ct, arguments, progress)
    points = _points(ct, arguments)
    exclude = [tuple(p) for p in arguments.get("exclude_ras", ())]
    if arguments.get("pet_outline"):
        return _by_pet(ct, arguments, points, exclude, progress)
    return _by_click(ct, arguments, points, exclude, progress)


def _points(ct: LoadedImage, arguments: dict[str, Any]) -> list[Point]:
    points = [tuple(p) for p in arguments.get("click_ras", ())]
    for index in arguments.get("click_ijk", ()):
        x, y, z = ct.image.TransformContinuousIndexToPhysicalPoint([float(v) for v in index])
        points.append((-x, -y, z))
    return points


def _by_click(
    ct: LoadedImage, arguments: dict[str, Any], points: list[Point], exclude: list[Point], progress: Progress
) -> TumourMask:
    from NSCLCResponseSegmentLib.core.case import TumourMask
    from NSCLCResponseSegmentLib.core.one_click import outline_click

    chosen = int(arguments.get("candidate") or 1) - 1
    result = outline_click(ct.image, points, exclude, progress=progress, chosen=chosen)
    return TumourMask(result.mask, origin="one click", notes=tuple(result.notes))


def _by_pet(
    ct: LoadedImage, arguments: dict[str, Any], points: list[Point], exclude: list[Point], progress: Progress
) -> TumourMask:
    from NSCLCResponseSegmentLib.core.case import TumourMask
    from NSCLCResponseSegmentLib.core.outline_settings import PetMethod
    from NSCLCResponseSegmentLib.core.pet_outline import outline_pet, pet_outline_on_ct
    from NSCLCResponseSegmentLib.core.reading import check_pet_matches_ct, read_pet

    pet = read_pet(Path(arguments["pet"]), arguments.get("pet_series", ""), progress.part(0.0, 0.5))
    notes = [*pet.notes, *check_pet_matches_ct(ct, pet)]
    progress.report(0.5, "Outlining the uptake")
    method = PetMethod(arguments["pet_outline"])
    box = arguments.get("box_ras")
    corners = (tuple(box[:3]), tuple(box[3:])) if box else None
    found = outline_pet(pet.image, points, exclude, corners, method)
    mask, more = pet_outline_on_ct(pet.image, found, ct.image, use_ct=bool(arguments.get("use_ct", True)))
    notes.append(f"Uptake of SUVmax {found.suv_max:.1f}, outlined at SUV {found.threshold:.1f} ({method.value}).")
    return TumourMask(mask, origin=f"PET {method.value}", notes=(*notes, *found.notes, *more))


def _by_model(ct: LoadedImage, arguments: dict[str, Any], progress: Progress) -> TumourMask:
    from NSCLCResponseSegmentLib.core.bundle_files import open_bundle
    from NSCLCResponseSegmentLib.core.bundle_run import run_bundle
    from NSCLCResponseSegmentLib.core.case import TumourMask
    from NSCLCResponseSegmentLib.core.model_catalog import find_model

    bundle = open_bundle(find_model(arguments["model"]))
    roi = arguments.get("roi", "")
    choices = {name: bool(arguments.get(key)) for name, key in (("mirror", "mirror"), ("trusted", "trust"))}
    mask, notes = run_bundle(bundle, ct.image, roi, **choices, progress=progress)
    return TumourMask(mask, origin=f"model {bundle.name}", roi_name=roi, notes=tuple(notes))
