"""Features of one image within several regions at once: PyRadiomics' formulas on all their matrices together.

PyRadiomics' formulas work on matrices with a leading axis, which its voxel maps use for the voxels. Redrawn contours of
one target are small and alike, so that most of their cost is the number of calls, not of voxels; here they lie along
that axis. A region's rows of levels that only another has are 0, which adds nothing to any sum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .classes import MANY_BINS, Outcome, has_our_matrices, levels_of, run_class_of_several
from .sharing import Binned, sharing_class
from .textures import Neighbourhood, TextureMatrices

_ELEMENTS_TOGETHER = 200_000  # of the matrices of one batch: 1.6 MB, so that they stay in the cache
_VOXELS_TOGETHER = 60_000
_LEVELS_TOGETHER = 64  # matrices of more levels are large enough to be worth their calls


@dataclass(frozen=True)
class _Region:
    """What the features of one region on one image are made of."""

    number: int
    around: Neighbourhood
    values: np.ndarray
    levels: np.ndarray
    top: int


def measure_together(
    arounds: Sequence[Neighbourhood],
    values: Sequence[np.ndarray],
    what: tuple[str, dict[str, tuple[str, ...]]],
    setting: dict[str, Any],
    spacing: tuple[float, ...],
    *,
    ibsi: bool = False,
    joined: dict[tuple[int, ...], Neighbourhood] | None = None,
) -> dict[int, Outcome]:
    """Grey-value features of those regions that can be measured together; the same as ``compute_classes`` gives.

    Left out, for the caller to measure one by one, are regions that are special (flat, without neighbours in some
    direction, not finite, with very many levels), and all of them with settings that change PyRadiomics' matrices.

    :param arounds: each region's geometry.
    :param values: each region's grey values, in the order of its geometry's voxels.
    :param what: as for ``compute_classes``.
    :param spacing: of the image in mm, x, y, z.
    :param joined: keeps the geometry of regions that were measured together, for the next image.
    :returns: number of the region → its features.
    """
    name, classes = what
    if not _is_plain(setting):
        return {}
    regions = []
    for number, (around, own) in enumerate(zip(arounds, values, strict=True)):
        if not around.lines.complete or not np.isfinite(own).all():
            continue
        levels = levels_of(own, setting, ibsi=ibsi and name == "original")
        if isinstance(levels, np.ndarray) and levels.min() < (top := int(levels.max())) <= MANY_BINS:
            regions.append(_Region(number, around, own, levels, top))
    found: dict[int, Outcome] = {}
    for batch in _batches(regions):
        numbers = tuple(region.number for region in batch)
        joined = {} if joined is None else joined
        if numbers not in joined:
            joined[numbers] = Neighbourhood.joined([region.around for region in batch])
        outcomes = _measure(batch, joined[numbers], (name, classes), setting, spacing)
        found |= {region.number: outcome for region, outcome in zip(batch, outcomes, strict=True)}
    return found


def _is_plain(setting: dict[str, Any]) -> bool:
    """Whether the settings leave all matrices to us, one for each direction."""
    symmetric = bool(setting.get("symmetricalGLCM", True))
    return has_our_matrices(setting) and setting.get("weightingNorm") is None and symmetric


def _batches(regions: Sequence[_Region]) -> Iterator[list[_Region]]:
    """Neighbours in the list, as long as all of a batch is small."""
    batch: list[_Region] = []
    for region in regions:
        trial = [*batch, region]
        top = max(r.top for r in trial)
        angles = len(region.around.lines.order)
        fits = (
            top <= _LEVELS_TOGETHER
            and len(trial) * angles * top**2 <= _ELEMENTS_TOGETHER
            and sum(len(r.values) for r in trial) <= _VOXELS_TOGETHER
            and angles == len(trial[0].around.lines.order)
        )
        if batch and not fits:
            yield batch
            batch = []
        batch.append(region)
    if batch:
        yield batch


def _measure(
    batch: Sequence[_Region],
    around: Neighbourhood,
    what: tuple[str, dict[str, tuple[str, ...]]],
    setting: dict[str, Any],
    spacing: tuple[float, ...],
) -> list[Outcome]:
    name, classes = what
    textures = TextureMatrices(around, np.concatenate([r.levels for r in batch]), setting.get("gldm_a", 0))
    nothing = sitk.Image(1, 1, 1, sitk.sitkUInt8)  # the classes ask an image for its spacing only
    nothing.SetSpacing(spacing)
    binned = Binned(np.ones((1, 1, 1), int), textures.occurring, textures, values=tuple(r.values for r in batch))
    outcomes = [Outcome() for _ in batch]
    with np.errstate(all="ignore"):
        for class_name, features in classes.items():
            calculator = sharing_class(class_name)(nothing, nothing, **{**setting, "binned": binned})
            run_class_of_several(outcomes, calculator, f"{name}_{class_name}_", features)
    return outcomes
