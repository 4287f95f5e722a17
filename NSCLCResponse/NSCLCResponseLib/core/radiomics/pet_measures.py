"""Uptake measures of PET that do not come from PyRadiomics: SUVmax, SUVmean, SUVpeak, MTV and TLG."""

from __future__ import annotations

import math

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.masks import onto_grid
from NSCLCResponseSegmentLib.core.volume_files import require_suv

from .prepare import bounding_box

PEAK_RADIUS_MM = (3.0 * 1000.0 / (4.0 * math.pi)) ** (1.0 / 3.0)  # of a ball of 1 mL: 6.2 mm
FIXED_SUV = (2.5, 4.0)
SHARE_OF_MAX = 0.41
NAMES = (
    "SUVmax",
    "SUVmean",
    "SUVpeak",
    "MTV41pct",
    "TLG41pct",
    *(f"{measure}{level:g}".replace(".", "p") for level in FIXED_SUV for measure in ("MTV", "TLG")),
)


def measure_uptake(pet: sitk.Image, mask: sitk.Image, name: str = "The PET") -> tuple[dict[str, float], dict[str, str]]:
    """Uptake of one lesion on the PET's own voxels.

    MTV is the volume (mL) of the mask's voxels at or above the threshold, TLG that volume times its mean SUV; the
    thresholds are 41 % of the lesion's SUVmax (Boellaard 2015) and SUV 2.5 and 4.0. A threshold that no voxel reaches
    gives 0 mL. SUVpeak is the largest mean in a ball of 1 mL around any voxel of the mask (Wahl 2009, PERCIST); the
    ball holds the voxels whose centres lie within 6.2 mm, also those outside the mask, but inside the PET.

    :param pet: 3-D, SUVbw.
    :param mask: any integer type, not 0 inside; on any grid.
    :returns: values and reasons for what has none, by :data:`NAMES`.
    :raises PetError: the values cannot be SUVbw (Bq/mL, counts, HU).
    """
    require_suv(pet, name)
    return uptake_within(pet, onto_grid(mask, pet)[0])


def uptake_within(pet: sitk.Image, mask: sitk.Image) -> tuple[dict[str, float], dict[str, str]]:
    """As :func:`measure_uptake`, for a mask (1 inside) on the grid of a PET that is known to be in SUVbw."""
    inside = sitk.GetArrayViewFromImage(mask) == 1
    if not inside.any():
        return {}, dict.fromkeys(NAMES, "the region has no voxel on the PET's grid")
    voxels = sitk.GetArrayViewFromImage(pet)[inside].astype(float)
    if not np.isfinite(voxels).all():
        return {}, dict.fromkeys(NAMES, "the region holds voxels without a finite value")
    voxel_ml = float(np.prod(pet.GetSpacing())) / 1000.0
    peak = float(local_means(pet, mask).max())
    values = {"SUVmax": voxels.max(), "SUVmean": voxels.mean(), "SUVpeak": peak}
    values["MTV41pct"], values["TLG41pct"] = _above(voxels, SHARE_OF_MAX * voxels.max(), voxel_ml)
    for level in FIXED_SUV:
        text = f"{level:g}".replace(".", "p")
        values[f"MTV{text}"], values[f"TLG{text}"] = _above(voxels, level, voxel_ml)
    failed = {}
    if not np.isfinite(peak):
        del values["SUVpeak"]
        failed["SUVpeak"] = "voxels near the region have no finite value"
    return {name: float(value) for name, value in values.items()}, failed


def _above(voxels: np.ndarray, threshold: float, voxel_ml: float) -> tuple[float, float]:
    hot = voxels[voxels >= threshold]
    return hot.size * voxel_ml, float(hot.sum()) * voxel_ml


def local_means(image: sitk.Image, mask: sitk.Image, radius_mm: float = PEAK_RADIUS_MM) -> np.ndarray:
    """Mean within a ball around each voxel of the mask.

    :param mask: 1 inside, on the image's grid.
    :returns: (n,), in the order of the mask's voxels.
    """
    from scipy import ndimage

    reach = [math.floor(radius_mm / s) for s in image.GetSpacing()[::-1]]
    axes = np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij")
    spacing = image.GetSpacing()[::-1]
    ball = sum((a * s) ** 2 for a, s in zip(axes, spacing, strict=True)) <= radius_mm**2 + 1e-9
    box = bounding_box(mask)
    window = []
    for axis in range(3):
        low, high = box[2 * (2 - axis)], box[2 * (2 - axis) + 1]
        window.append(slice(max(0, low - reach[axis]), high + reach[axis] + 1))
    values = sitk.GetArrayViewFromImage(image)[tuple(window)].astype(float)
    inside = sitk.GetArrayViewFromImage(mask)[tuple(window)] == 1
    weights = ball.astype(float)
    sums = ndimage.correlate(values, weights, mode="constant")
    counts = ndimage.correlate(np.ones_like(values), weights, mode="constant")
    return sums[inside] / counts[inside]
