"""PyRadiomics' feature classes on one image, with the discretisation shared between them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from .engine import uses_bins
from .ibsi_grid import levels_from_range
from .sharing import Binned, sharing_class
from .textures import Neighbourhood, TextureMatrices

MANY_BINS, TOO_MANY_BINS = 256, 1024


@dataclass
class Outcome:
    """Features of one image: values, and reasons for those that have none. Names without prefix."""

    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def take(self, other: Outcome) -> None:
        """Add another image's features."""
        self.values.update(other.values)
        self.failed.update(other.failed)
        self.warnings += [w for w in other.warnings if w not in self.warnings]

    def fail(self, names: Sequence[str], reason: str) -> None:
        """Give all of these features the same reason."""
        self.failed.update(dict.fromkeys(names, reason))


def discretise(
    image: np.ndarray, around: Neighbourhood, setting: dict[str, Any], *, ibsi: bool = False
) -> Binned | str:
    """PyRadiomics' bins (``binWidth`` from multiples of the width, or ``binCount``), or why there are none.

    :param image: (z, y, x).
    :param ibsi: start bins of fixed width at the lower end of ``resegmentRange`` when there is one.
    """
    inside = around.insides[0]
    values = image[inside]
    levels = levels_of(values, setting, ibsi=ibsi)
    if isinstance(levels, str):
        return levels
    array = np.zeros(image.shape, int)
    array[inside] = levels
    textures = TextureMatrices(around, levels, setting.get("gldm_a", 0)) if has_our_matrices(setting) else None
    return Binned(array, np.flatnonzero(np.bincount(levels)), textures)


def has_our_matrices(setting: dict[str, Any]) -> bool:
    """Whether the settings ask for neighbours at distance 1 only; others PyRadiomics has to find."""
    return list(setting.get("distances") or [1]) == [1]


def levels_of(values: np.ndarray, setting: dict[str, Any], *, ibsi: bool = False) -> np.ndarray | str:
    """Bins of a region's grey values (n), from 1, or why there are none; as :func:`discretise`."""
    from radiomics import imageoperations

    ends = np.array([values.min(), values.max()], values.dtype)
    if (setting.get("binCount") or 0) > TOO_MANY_BINS:
        return f"binCount asks for {setting['binCount']} bins; more than {TOO_MANY_BINS} tell nothing"
    if setting.get("binCount") is None:
        width = setting.get("binWidth", 25)
        needed = float(ends[1]) / width - float(ends[0]) / width
        if needed > TOO_MANY_BINS:
            return f"its values would need {needed:.0f} bins of {width:g}; more than {TOO_MANY_BINS} tell nothing"
    levels = levels_from_range(values, setting) if ibsi else None
    if levels is None:  # the edges depend on the smallest and largest value only
        levels = np.digitize(values, imageoperations.getBinEdges(ends, **setting))
    return levels


def compute_classes(
    image: sitk.Image,
    mask: sitk.Image,
    around: Neighbourhood,
    what: tuple[str, dict[str, tuple[str, ...]]],
    setting: dict[str, Any],
    *,
    ibsi: bool = False,
) -> Outcome:
    """All grey-value features of one image.

    :param image: cropped to the region.
    :param mask: unsigned 8-bit, the same grid.
    :param around: of the same mask.
    :param what: name of the image type, put before the features' names; and feature class → features, without shape.
    """
    outcome = Outcome()
    name, classes = what
    array = sitk.GetArrayViewFromImage(image)
    bad = np.count_nonzero(~np.isfinite(array[around.insides[0]]))
    if bad:
        names = [f"{name}_{c}_{f}" for c, features in classes.items() for f in features]
        outcome.fail(names, "the image holds values that are not numbers (NaN or infinite) in or near the region")
        return outcome
    binned = discretise(array, around, setting, ibsi=ibsi and name == "original")
    if isinstance(binned, Binned) and len(binned.levels) and binned.levels[-1] > MANY_BINS:
        outcome.warnings.append(
            f"The {name} image needs {binned.levels[-1]} bins; its texture features may be mostly noise."
        )
    with np.errstate(all="ignore"):
        for class_name, features in classes.items():
            _compute_class(outcome, image, mask, binned, (name, class_name, features), setting)
    return outcome


def _compute_class(
    outcome: Outcome,
    image: sitk.Image,
    mask: sitk.Image,
    binned: Binned | str,
    what: tuple[str, str, tuple[str, ...]],
    setting: dict[str, Any],
) -> None:
    image_name, class_name, features = what
    prefix = f"{image_name}_{class_name}_"
    if isinstance(binned, str):
        outcome.fail([prefix + f for f in features if uses_bins(class_name, f)], binned)
        features = tuple(f for f in features if not uses_bins(class_name, f))
        nothing = np.zeros(sitk.GetArrayViewFromImage(image).shape, int)
        binned = Binned(nothing, np.array([1]))
        if not features:
            return
    shared = {**setting, "binned": binned}
    run_class(outcome, sharing_class(class_name)(image, mask, **shared), prefix, features)


def run_class(outcome: Outcome, calculator: Any, prefix: str, features: tuple[str, ...]) -> None:
    """Take the wanted features from one of PyRadiomics' feature classes; a failure costs one feature only."""
    run_class_of_several([outcome], calculator, prefix, features)


def run_class_of_several(outcomes: Sequence[Outcome], calculator: Any, prefix: str, features: tuple[str, ...]) -> None:
    """The same for a class that measures several regions at once, which gives an array of values for each feature."""

    def fail(names: Sequence[str], reason: str) -> None:
        for outcome in outcomes:
            outcome.fail([prefix + name for name in names], reason)

    try:
        calculator._initCalculation()
    except (ValueError, IndexError, RuntimeError, np.linalg.LinAlgError) as problem:
        fail(features, f"PyRadiomics could not prepare it: {problem}")
        return
    for feature in features:
        try:
            values = np.asarray(getattr(calculator, f"get{feature}FeatureValue")(), float).reshape(len(outcomes))
        except DeprecationWarning as problem:
            fail([feature], f"PyRadiomics no longer offers it: {problem}")
            continue
        except (ValueError, IndexError, TypeError, ArithmeticError, np.linalg.LinAlgError) as problem:
            fail([feature], f"PyRadiomics could not compute it: {problem}")
            continue
        for outcome, value in zip(outcomes, values.tolist(), strict=True):
            if math.isfinite(value):
                outcome.values[prefix + feature] = value
            else:
                outcome.failed[prefix + feature] = _why_not_finite(calculator)


def _why_not_finite(calculator: Any) -> str:
    levels = calculator.coefficients.get("grayLevels")
    if levels is not None and len(levels) == 1:
        return "not defined: all voxels of the region fall into one bin"
    return "not defined for this region: its value is not a finite number"
