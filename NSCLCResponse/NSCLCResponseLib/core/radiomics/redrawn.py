"""Features of one tumour under several outlines, on images that are filtered once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .contour_features import Contour, SharedImage, measure_contours
from .contours import RedrawSettings
from .engine import Plan, make_plan
from .prepare import Prepared, RegionUnusableError, prepare
from .processes import side_by_side
from .robustness import filter_once, share_out, without_resegmentation
from .settings import RadiomicsSettings
from .shape import prepare_shape

_NO_NOISE = RedrawSettings(noise=0.0)


def measure_masks(
    image: sitk.Image,
    given: sitk.Image,
    masks: Sequence[sitk.Image],
    settings: RadiomicsSettings,
    *,
    wanted: set[str] | None = None,
    progress: Progress = SILENT,
    processes: int | None = None,
) -> list[dict[str, float]]:
    """Features under each mask: name without the image's prefix → value; empty where nothing could be measured.

    :param image: in HU or SUVbw.
    :param given: the outline that was redrawn, unsigned 8-bit on the image's grid.
    :param masks: unsigned 8-bit, 1 inside, on any grid.
    :param wanted: names to compute (others of the same classes may come along); all without it.
    """
    plan = _only(make_plan(settings.parameters), wanted)
    try:
        whole = without_resegmentation(plan)
        prepared = prepare(image, _union(given, masks), whole)
    except RegionUnusableError:
        return [{} for _ in masks]
    filtered = filter_once(prepared, plan, _NO_NOISE, 0, (progress.part(0.0, 0.3), processes))
    prepare_shape(prepared, plan)
    voxels = np.count_nonzero(sitk.GetArrayViewFromImage(prepared.mask))
    shares = share_out(len(masks), voxels, processes)
    tasks = [partial(_measure, [masks[number] for number in share], prepared, filtered, plan) for share in shares]
    found: list[dict[str, float]] = [{} for _ in masks]
    done = 0
    for index, measured in side_by_side(tasks, processes):
        for number, values in zip(shares[index], measured, strict=True):
            found[number] = values
        done += len(measured)
        progress.report(0.3 + 0.7 * done / len(masks), "Redrawing the contour")
    return found


def _only(plan: Plan, wanted: set[str] | None) -> Plan:
    """The plan without the image types and features that nobody asks for."""
    if wanted is None:
        return plan
    split = [name.rsplit("_", 2) for name in wanted]
    classes = {
        kind: tuple(f for f in features if any(s[1] == kind and s[2] == f for s in split))
        for kind, features in plan.classes.items()
    }
    images = {
        kind: own for kind, own in plan.image_types.items() if {s[0] for s in split} & set(plan.image_names(kind))
    }
    return replace(plan, classes={k: f for k, f in classes.items() if f}, image_types=images)


def _union(given: sitk.Image, masks: Sequence[sitk.Image]) -> sitk.Image:
    """All voxels of the image that any of the outlines holds, so that all fit into what is prepared."""
    union = sitk.Cast(sitk.NotEqual(given, 0), sitk.sitkUInt8)
    together = masks[0]
    for mask in masks[1:]:
        together = sitk.Or(together, mask)
    return sitk.Or(union, sitk.Resample(together, given, sitk.Transform(), sitk.sitkNearestNeighbor, 0))


def _measure(
    masks: Sequence[sitk.Image], prepared: Prepared, filtered: Sequence[SharedImage], plan: Plan
) -> list[dict[str, float]]:
    contours = []
    for mask in masks:
        moved = sitk.Resample(mask, prepared.image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
        contours.append(Contour.of(sitk.GetArrayViewFromImage(moved) == 1))
    outcomes = measure_contours(contours, prepared, filtered, plan)
    return [{name: float(value) for name, value in outcome.values.items()} for outcome in outcomes]
