"""How much the probability depends on the contour: what a signature says when the outline is redrawn at random.

All parts see the same redrawn contours (:mod:`radiomics.contours`): features are measured on images that are filtered
once, and the network takes all patches in one batch. Nothing but the contour varies; no noise is added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.masks import onto_grid
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .fusion import column
from .patch import cut_patch, without_pet
from .radiomics.contours import RedrawSettings, Surface

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.case import Case

    from .signature import FeaturePart, Signature

CONTOURS = RedrawSettings(noise=0.0)
_GRID_MM, _MARGIN_MM = 1.5, 10.0


@dataclass(frozen=True)
class RedrawnContours:
    """Outlines that other observers might have drawn.

    :param masks: unsigned 8-bit, 1 inside, on one isotropic grid around the tumour.
    :param dice: mean overlap with the given outline.
    """

    masks: tuple[sitk.Image, ...]
    dice: float


def redraw_contours(mask: sitk.Image, count: int, seed: int = 0, how: RedrawSettings = CONTOURS) -> RedrawnContours:
    """Redraw an outline ``count`` times; the same seed gives the same contours.

    :param mask: not 0 inside, not empty.
    """
    grid = _grid_around(mask)
    soft = sitk.Cast(sitk.NotEqual(mask, 0), sitk.sitkFloat32)
    inside = sitk.GetArrayFromImage(sitk.Resample(soft, grid, sitk.Transform(), sitk.sitkLinear, 0.0)) >= 0.5
    if not inside.any():  # smaller than the grid sees: the voxels themselves
        inside = sitk.GetArrayFromImage(sitk.Resample(soft, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)) > 0
    surface = Surface.of(inside.astype(np.int16), inside, (_GRID_MM,) * 3)
    masks, overlaps = [], []
    for number in range(count):
        _, drawn = surface.redraw(np.random.default_rng((seed, 2, number)), how)
        if not drawn.any():
            continue
        overlaps.append(2 * np.count_nonzero(drawn & inside) / (np.count_nonzero(drawn) + np.count_nonzero(inside)))
        redrawn = sitk.GetImageFromArray(drawn.astype(np.uint8))
        redrawn.CopyInformation(grid)
        masks.append(redrawn)
    return RedrawnContours(tuple(masks), float(np.mean(overlaps)) if overlaps else 0.0)


def _grid_around(mask: sitk.Image) -> sitk.Image:
    """An isotropic grid, axes along the patient, with room for contours that grow."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(sitk.Cast(sitk.NotEqual(mask, 0), sitk.sitkUInt8))
    start, size = np.array(statistics.GetBoundingBox(1)).reshape(2, 3).tolist()
    corners = np.array(
        [
            mask.TransformContinuousIndexToPhysicalPoint(
                [s - 0.5 + n * f for s, n, f in zip(start, size, f3, strict=True)]
            )
            for f3 in np.ndindex(2, 2, 2)
        ]
    )
    low, high = corners.min(axis=0) - _MARGIN_MM, corners.max(axis=0) + _MARGIN_MM
    grid = sitk.Image([int(np.ceil(extent / _GRID_MM)) for extent in high - low], sitk.sitkUInt8)
    grid.SetSpacing([_GRID_MM] * 3)
    grid.SetOrigin((low + _GRID_MM / 2).tolist())
    return grid


def redrawn_logits(
    case: Case, signature: Signature, columns: Sequence[str], contours: RedrawnContours, progress: Progress = SILENT
) -> dict[str, np.ndarray]:
    """Column (see :func:`fusion.column`) → (contours,) logits of the image parts among ``columns``.

    A contour on which a part cannot be measured has NaN.
    """
    found: dict[str, np.ndarray] = {}
    radiomics = [p for p in signature.feature_parts if p.kind == "radiomics" and p.image and p.name in columns]
    for number, part in enumerate(radiomics):
        step = progress.part(number / (len(radiomics) + 1), (number + 1) / (len(radiomics) + 1))
        found[part.name] = _radiomics_logits(case, signature, part, contours, step)
    network = signature.network_part
    wanted = [] if network is None else [pet for pet in (False, True) if column(network.name, pet=pet) in columns]
    if wanted:
        pet = case.pet.image if case.pet is not None else None
        patches = np.stack([cut_patch(case.ct.image, pet, mask, network.patch) for mask in contours.masks])
        for has_pet in wanted:
            batch = patches if has_pet else without_pet(patches, network.patch)
            found[column(network.name, pet=has_pet)] = network.logits(batch)
    progress.report(1.0, "Redrawing the contour")
    return found


def _radiomics_logits(
    case: Case, signature: Signature, part: FeaturePart, contours: RedrawnContours, progress: Progress
) -> np.ndarray:
    from .radiomics import load_settings
    from .radiomics.redrawn import measure_masks

    image = (case.ct if part.image == "ct" else case.pet).image
    settings = load_settings(signature.folder / part.settings)
    given, _ = onto_grid(case.mask.image, image)
    rows = measure_masks(image, given, contours.masks, settings, wanted=_needed(part), progress=progress)
    logits = np.full(len(rows), np.nan)
    for number, row in enumerate(rows):
        values = {f"{part.image}_{name}": value for name, value in row.items()}
        if values:
            logits[number] = part.logit(values)
    return logits


def _needed(part: FeaturePart) -> set[str]:
    """Names, without the image's prefix, of the features that the part's model reads."""
    from .feature_space import used_columns

    columns = used_columns(part.pipeline, len(part.features))
    return {part.features[c].removeprefix(f"{part.image}_") for c in columns}
