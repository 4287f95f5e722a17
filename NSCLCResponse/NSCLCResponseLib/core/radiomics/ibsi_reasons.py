"""Why a value is not IBSI's: each difference by its name, and where possible tested on the value itself."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .ibsi import Configuration

_DIGITAL_PHANTOM_VOXELS = 74
_NOT_OFFERED = (
    (r"dzm_", "not offered: PyRadiomics has no distance zone matrix"),
    (r"ivh_", "not offered: PyRadiomics has no intensity-volume histogram"),
    (r"ih_(max|min)_grad", "not offered: PyRadiomics has no histogram gradients"),
    (r"ih_mode", "not offered: PyRadiomics has no histogram mode"),
    (r"(stat|ih)_medad", "not offered: PyRadiomics has the mean absolute deviation only, not the median's"),
    (r"(stat|ih)_(cov|qcod)", "not offered: PyRadiomics has no coefficients of variation or quartile dispersion"),
    (r"morph_asphericity", "not offered: it follows from sphericity, which is"),
    (r"morph_com$", "not offered: PyRadiomics has no centre of mass shift"),
    (r"morph_integ_int", "not offered: it follows from mean and mesh volume, which are"),
    (r"morph_(vol|area)_dens_", "not offered: PyRadiomics has no bounding box, ellipsoid or hull densities"),
    (r"morph_(moran|geary)", "not offered: PyRadiomics has no spatial autocorrelation"),
    (r"ngl_glnu_norm", "not offered: in PyRadiomics' GLDM it equals first-order uniformity, which is"),
    (r"ngl_dc_perc", "not offered: in PyRadiomics' GLDM it is always 1"),
    (r"ngl_dc_energy", "not offered: PyRadiomics has no dependence count energy"),
)


def reason_not_offered(tag: str) -> str:
    """Why there is no value; empty when that is not known."""
    return next((reason for pattern, reason in _NOT_OFFERED if re.match(pattern, tag)), "")


def reason_for_formula(tag: str, agrees: Callable[[float], bool], value: float) -> str:
    """A difference of definition that, when undone, brings the value within tolerance; empty when there is none."""
    if tag in ("stat_kurt", "ih_kurt") and agrees(value - 3.0):
        return "kurtosis offset: PyRadiomics does not subtract 3"
    count = _DIGITAL_PHANTOM_VOXELS
    if tag.startswith("morph_pca") and agrees(value * math.sqrt(count / (count - 1))):
        return "covariance: PyRadiomics divides by the number of voxels, IBSI by one less (visible on 74 voxels only)"
    return ""


def reason_for_processing(tag: str, configuration: Configuration) -> str:
    """Why PyRadiomics' own processing differs where IBSI's processing of the same features agrees."""
    reasons = []
    if "resampledPixelSpacing" in configuration.setting:
        reasons.append(
            "grid: PyRadiomics aligns the grids' corners, takes the mask's nearest voxel and cuts decimals off"
        )
    if configuration.outlier_sigmas:
        reasons.append("outliers: PyRadiomics resegments once, by range or by sigma")
    if configuration.setting.get("binWidth") and not tag.startswith(("stat_", "morph_", "int_", "img_", "loc_")):
        reasons.append("bin edges: PyRadiomics starts them at multiples of the width, not at the range")
    return "; ".join(reasons)
