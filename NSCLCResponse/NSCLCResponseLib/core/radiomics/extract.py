"""Features of one region of one image: PyRadiomics' values, faster and with reasons for what has none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.masks import onto_grid
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .classes import Outcome, compute_classes
from .diagnostics import describe
from .engine import Plan, make_plan
from .filters import FilteredImage, filtered_images
from .prepare import Prepared, RegionUnusableError, prepare
from .processes import side_by_side
from .settings import RadiomicsSettings
from .shape import compute_shape
from .textures import Neighbourhood


@dataclass(frozen=True)
class FeatureResult:
    """What came out for one region.

    :param values: feature name with its prefix (``ct_original_glcm_Contrast``) → value.
    :param failed: feature name → why it has no value, in words.
    :param diagnostics: PyRadiomics' own record of images, masks and versions.
    """

    values: dict[str, float]
    failed: dict[str, str]
    settings_sha256: str
    diagnostics: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def extract_features(
    image: sitk.Image,
    mask: sitk.Image,
    settings: RadiomicsSettings,
    *,
    prefix: str = "ct",
    progress: Progress = SILENT,
    processes: int | None = None,
    ibsi: bool = False,
) -> FeatureResult:
    """All features that ``settings`` ask for, with the values that PyRadiomics itself would give.

    Every feature is either in ``values`` or in ``failed``; a region that is too small, flat or empty is no error.

    :param image: 3-D, in HU or SUVbw.
    :param mask: any integer type, not 0 inside; brought onto the image's grid by physical space if it lies on another.
    :param prefix: put before PyRadiomics' names, e.g. ``ct``.
    :param processes: how many to use side by side; by default one for each core.
    :param ibsi: resample and discretise as IBSI-1 prescribes; values then differ from PyRadiomics' own.
    :raises MaskError: the mask lies outside the image.
    """
    plan = make_plan(settings.parameters, ibsi=ibsi)
    moved, notes = onto_grid(mask, image, prefix.upper())
    if not np.any(sitk.GetArrayViewFromImage(moved)) and np.any(sitk.GetArrayViewFromImage(mask)):
        _require_overlap(image, mask)
    what = f"Radiomics of the {prefix.upper()}"
    progress.report(0.0, what)
    outcome = Outcome()
    prepared = None
    try:
        prepared = prepare(image, moved, plan)
    except RegionUnusableError as problem:
        outcome.fail(plan.expected_names(), str(problem))
    else:
        # the longest first, so that all processes end together
        tasks = [lambda: describe(image, moved, prepared, plan), *_tasks(prepared, plan)]
        diagnostics: dict[str, Any] = {}
        for done, (index, part) in enumerate(side_by_side(tasks, processes), start=1):
            if index == 0:
                diagnostics = part
            else:
                outcome.take(part)
            progress.report(done / len(tasks), what)
    if prepared is None:
        diagnostics = describe(image, moved, None, plan)
    return _in_order(outcome, plan, prefix, (settings, diagnostics, notes))


def _in_order(
    outcome: Outcome, plan: Plan, prefix: str, rest: tuple[RadiomicsSettings, dict[str, Any], list[str]]
) -> FeatureResult:
    settings, diagnostics, notes = rest
    names = plan.expected_names()
    return FeatureResult(
        values={f"{prefix}_{n}": outcome.values[n] for n in names if n in outcome.values},
        failed={f"{prefix}_{n}": outcome.failed[n] for n in names if n in outcome.failed},
        settings_sha256=settings.sha256,
        diagnostics=diagnostics,
        warnings=(*notes, *outcome.warnings),
    )


def _tasks(prepared: Prepared, plan: Plan) -> list[Callable[[], Any]]:
    """What can be done side by side, the longest first."""
    around = neighbourhood(prepared, plan)
    images = sorted(filtered_images(prepared, plan), key=lambda i: not i.name.startswith("log"))
    tasks: list[Callable[[], Any]] = [lambda i=i: measure(i, prepared, around, plan) for i in images]
    return [lambda: compute_shape(prepared, plan), *tasks]


def neighbourhood(prepared: Prepared, plan: Plan) -> Neighbourhood:
    """The region's geometry for texture, which all image types share."""
    inside = sitk.GetArrayFromImage(prepared.crop(prepared.mask)) == 1
    around = Neighbourhood((inside,), plan.setting.get("force2Ddimension", 0) if plan.setting.get("force2D") else None)
    if {"glcm", "glrlm", "glszm", "gldm", "ngtdm"} & set(plan.classes):
        _ = around.lines, around.neighbour_counts  # now, before the processes part
    return around


def measure(filtered: FilteredImage, prepared: Prepared, around: Neighbourhood, plan: Plan) -> Outcome:
    """All grey-value features of one image type."""
    classes = {name: features for name, features in plan.classes.items() if not name.startswith("shape")}
    image = filtered.make()
    if image is None:
        outcome = Outcome()
        names = [f"{filtered.name}_{c}_{f}" for c, features in classes.items() for f in features]
        size = "×".join(str(n) for n in prepared.image.GetSize())
        outcome.fail(names, f"the filter cannot be applied to the region with its margin ({size} voxels)")
        return outcome
    mask = prepared.crop(prepared.mask)
    what = (filtered.name, classes)
    return compute_classes(prepared.crop(image), mask, around, what, filtered.setting, ibsi=plan.ibsi)


def _require_overlap(image: sitk.Image, mask: sitk.Image) -> None:
    from NSCLCResponseSegmentLib.core.masks import voxel_centres

    centres = voxel_centres(mask, image)
    if not np.any(np.all((centres > -0.5) & (centres < np.array(image.GetSize()) - 0.5), axis=1)):
        raise MaskError("The region lies outside the image.", "Give the outline that was drawn on this patient's CT.")
