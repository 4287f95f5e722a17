"""Shape features: PyRadiomics' class on our faster mesh."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import SimpleITK as sitk

from .classes import Outcome, run_class
from .engine import Plan
from .prepare import Prepared
from .surface import mesh_coefficients


def compute_shape(prepared: Prepared, plan: Plan) -> Outcome:
    """Shape features of the region (``original_shape_…``), once for all image types."""
    outcome = Outcome()
    for name, features in plan.classes.items():
        if not name.startswith("shape"):
            continue
        names = [f"original_{name}_{f}" for f in features]
        if name == "shape2D" and not plan.setting.get("force2D"):
            outcome.fail(names, "shape2D needs force2D: true in the settings")
            continue
        image, mask = (prepared.crop(i) for i in (prepared.image, prepared.shape_mask))
        try:
            calculator = _shape_class(name)(image, mask, **plan.setting)
        except (AssertionError, ValueError, np.linalg.LinAlgError) as problem:
            outcome.fail(names, f"PyRadiomics could not prepare it: {problem}")
            continue
        with np.errstate(all="ignore"):
            run_class(outcome, calculator, f"original_{name}_", features)
    return outcome


def prepare_shape(prepared: Prepared, plan: Plan) -> None:
    """Work out what regions on one working grid share, before processes part."""
    if "shape" in plan.classes:
        one_voxel = np.zeros((3, 3, 3), bool)
        one_voxel[1, 1, 1] = True
        mesh_coefficients(one_voxel, np.array(prepared.image.GetSpacing()[::-1]))


@lru_cache(maxsize=2)
def _shape_class(name: str) -> type:
    from radiomics import getFeatureClasses

    stock = getFeatureClasses()[name]
    if name != "shape":
        return stock

    class FastShape(stock):  # type: ignore[misc, valid-type]
        __module__ = stock.__module__

        def _initSegmentBasedCalculation(self) -> None:
            self.pixelSpacing = np.array(self.inputImage.GetSpacing()[::-1])
            mask = np.pad(sitk.GetArrayViewFromImage(self.inputMask) == self.label, 1)
            self.maskArray = mask
            self.labelledVoxelCoordinates = np.nonzero(mask)
            self.SurfaceArea, self.Volume, self.diameters = mesh_coefficients(mask, self.pixelSpacing)
            self.eigenValues = principal_variances(np.stack(self.labelledVoxelCoordinates, 1) * self.pixelSpacing)

    return FastShape


def principal_variances(points: np.ndarray) -> Any:
    """Variances along the principal axes, smallest first.

    :param points: (n, 3), mm.
    """
    centred = points - points.mean(axis=0)
    variances = np.linalg.eigvalsh(centred.T @ centred / len(points))
    return np.where(variances > 1e-14 * variances[-1], variances, 0.0)  # below is rounding, of a flat region
