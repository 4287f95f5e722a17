"""PyRadiomics' feature classes on one image, with the discretisation shared between them."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk

from .engine import uses_bins

MANY_BINS, TOO_MANY_BINS = 256, 1024
_RITZ_VECTORS = 8


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

    def fail(self, names: list[str], reason: str) -> None:
        """Give all of these features the same reason."""
        self.failed.update(dict.fromkeys(names, reason))


@dataclass(frozen=True)
class Binned:
    """The discretised image: levels from 1 inside the region, 0 outside; and the levels that occur."""

    array: np.ndarray
    levels: np.ndarray


def discretise(image: np.ndarray, inside: np.ndarray, setting: dict[str, Any]) -> Binned | str:
    """PyRadiomics' bins (``binWidth`` from multiples of the width, or ``binCount``), or why there are none.

    :param image: (z, y, x).
    :param inside: boolean, the same shape.
    """
    from radiomics import imageoperations

    values = image[inside]
    ends = np.array([values.min(), values.max()], values.dtype)
    if setting.get("binCount") is None:
        width = setting.get("binWidth", 25)
        needed = float(ends[1]) / width - float(ends[0]) / width
        if needed > TOO_MANY_BINS:
            return f"its values would need {needed:.0f} bins of {width:g}; more than {TOO_MANY_BINS} tell nothing"
    edges = imageoperations.getBinEdges(ends, **setting)  # they depend on the smallest and largest value only
    array = np.zeros(image.shape, int)
    array[inside] = np.digitize(values, edges)
    return Binned(array, np.flatnonzero(np.bincount(array[inside], minlength=2)))


def compute_classes(
    image: sitk.Image, mask: sitk.Image, name: str, classes: dict[str, tuple[str, ...]], setting: dict[str, Any]
) -> Outcome:
    """All grey-value features of one image.

    :param image: cropped to the region.
    :param mask: unsigned 8-bit, the same grid.
    :param name: of the image type, put before the features' names.
    :param classes: feature class → features, without shape.
    """
    outcome = Outcome()
    array = sitk.GetArrayViewFromImage(image)
    inside = sitk.GetArrayViewFromImage(mask) == 1
    bad = np.count_nonzero(~np.isfinite(array[inside]))
    if bad:
        names = [f"{name}_{c}_{f}" for c, features in classes.items() for f in features]
        outcome.fail(names, f"{bad} voxels of the region have no finite value in this image")
        return outcome
    binned = discretise(array, inside, setting)
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
    try:
        calculator._initCalculation()
    except (ValueError, IndexError, RuntimeError, np.linalg.LinAlgError) as problem:
        outcome.fail([prefix + f for f in features], f"PyRadiomics could not prepare it: {problem}")
        return
    for feature in features:
        try:
            value = float(np.squeeze(getattr(calculator, f"get{feature}FeatureValue")()))
        except DeprecationWarning as problem:
            outcome.failed[prefix + feature] = f"PyRadiomics no longer offers it: {problem}"
            continue
        except (ValueError, IndexError, TypeError, ArithmeticError, np.linalg.LinAlgError) as problem:
            outcome.failed[prefix + feature] = f"PyRadiomics could not compute it: {problem}"
            continue
        if np.isfinite(value):
            outcome.values[prefix + feature] = value
        else:
            outcome.failed[prefix + feature] = _why_not_finite(calculator)


def _why_not_finite(calculator: Any) -> str:
    levels = calculator.coefficients.get("grayLevels")
    if levels is not None and len(levels) == 1:
        return "not defined: all voxels of the region fall into one bin"
    return "not defined for this region: its value is not a finite number"


@lru_cache(maxsize=16)
def sharing_class(name: str) -> type:
    """PyRadiomics' feature class ``name``, taking the bins from its settings instead of making them anew."""
    from radiomics import getFeatureClasses

    stock = getFeatureClasses()[name]

    class Sharing(stock):  # type: ignore[misc, valid-type]
        __module__ = stock.__module__  # names its logger

        def _applyBinning(self, matrix: np.ndarray) -> np.ndarray:
            del matrix
            binned = self.settings["binned"]
            self.coefficients["grayLevels"] = binned.levels
            self.coefficients["Ng"] = int(binned.levels[-1])
            return binned.array

        if name == "glcm":

            def getMCCFeatureValue(self) -> float:
                if not self.symmetricalGLCM or not np.isfinite(self.P_glcm).all():
                    return super().getMCCFeatureValue()
                return maximal_correlation(self.P_glcm[0], self.coefficients["eps"])

    logging.getLogger(stock.__module__).setLevel(logging.CRITICAL)
    return Sharing


def maximal_correlation(glcm: np.ndarray, eps: float) -> float:
    """Maximal correlation coefficient, mean over angles: the same as PyRadiomics', by a symmetric eigenproblem.

    PyRadiomics takes the second largest eigenvalue of Q = (P / (px px' + eps)) P from a general solver. Without eps, Q
    is similar to B² with the symmetric B = P / sqrt(px px'). Q is projected on B's leading eigenvectors, so eps counts
    as well; what the projection leaves out is of second order in eps.

    :param glcm: (levels, levels, angles), symmetric and normalised for each angle.
    """
    if glcm.shape[0] < 2:
        return 1.0  # flat region, as PyRadiomics defines it
    matrices = np.moveaxis(glcm, -1, 0)
    marginal = matrices.sum(axis=2)
    root = np.sqrt(marginal)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    symmetric = matrices * inverse[:, :, None] * inverse[:, None, :]
    product = marginal[:, :, None] * marginal[:, None, :]
    damped = symmetric * (product / (product + eps))
    values, vectors = np.linalg.eigh(symmetric)
    order = np.argsort(-np.abs(values), axis=1)[:, :_RITZ_VECTORS]
    leading = np.take_along_axis(values, order, axis=1)
    basis = np.take_along_axis(vectors, order[:, None, :], axis=2)
    projected = basis.transpose(0, 2, 1) @ damped @ basis * leading[:, None, :]
    eigenvalues = np.sort(np.linalg.eigvals(projected).real, axis=1)
    return float(np.mean(np.sqrt(np.maximum(eigenvalues[:, -2], 0.0))))
