"""Resampling and bins as IBSI-1 prescribes them, where PyRadiomics does otherwise.

PyRadiomics aligns the new grid with the old one's corner, takes the mask's nearest voxel and, for whole-number images,
cuts decimals off; its bins start at multiples of the width. IBSI aligns the grids' centres, resamples the mask
linearly with a threshold of one half, rounds CT to whole HU, and starts bins at the resegmentation range.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk

_HALF = 0.5 - 1e-9  # a mask's edge that falls on one half belongs to the region


def resample_as_ibsi(image: sitk.Image, mask: sitk.Image, setting: dict[str, Any]) -> tuple[sitk.Image, sitk.Image]:
    """Image and mask on IBSI's grid, cropped to the region with ``padDistance`` voxels around it.

    :param image: whole-number types are rounded after interpolation.
    :param mask: unsigned 8-bit, 1 inside, on the image's grid; not empty.
    """
    from .prepare import bounding_box

    old = np.array(image.GetSpacing())
    wanted = np.array(setting["resampledPixelSpacing"], float)
    new = np.where(wanted > 0, wanted, old)
    scale = new / old
    count = np.ceil(np.array(image.GetSize()) / scale - 1e-6).astype(int)
    shift = ((np.array(image.GetSize()) - 1) - (count - 1) * scale) / 2  # the first new voxel in old indices
    box = np.array(bounding_box(mask)).reshape(3, 2)
    pad = setting.get("padDistance", 5)
    first = np.maximum(np.floor((box[:, 0] - 1 - shift) / scale) - pad, 0).astype(int)
    last = np.minimum(np.ceil((box[:, 1] + 1 - shift) / scale) + pad, count - 1).astype(int)
    origin = image.TransformContinuousIndexToPhysicalPoint((shift + first * scale).tolist())
    interpolator = setting["interpolator"]
    if isinstance(interpolator, str):
        interpolator = getattr(sitk, interpolator)

    def moved(source: sitk.Image, how: int) -> np.ndarray:
        margin = [2, 2, 2]  # new voxels may lie up to one old voxel beyond the image's centres
        padded = sitk.Cast(sitk.ZeroFluxNeumannPad(source, margin, margin), sitk.sitkFloat64)
        size = (last - first + 1).tolist()
        return sitk.GetArrayFromImage(
            sitk.Resample(padded, size, sitk.Transform(), how, origin, new.tolist(), image.GetDirection())
        )

    grey = moved(image, interpolator)
    if "float" not in image.GetPixelIDTypeAsString():
        grey = np.rint(grey)
    inside = moved(sitk.Cast(mask, sitk.sitkFloat64), sitk.sitkLinear) >= _HALF
    results = []
    for array in (grey, inside.astype(np.uint8)):
        result = sitk.GetImageFromArray(array)
        result.SetSpacing(new.tolist())
        result.SetOrigin(origin)
        result.SetDirection(image.GetDirection())
        results.append(result)
    return results[0], results[1]


def levels_from_range(values: np.ndarray, setting: dict[str, Any]) -> np.ndarray | None:
    """Levels (from 1) of fixed bin width that start at the resegmentation range; ``None`` when there is no range."""
    limits = setting.get("resegmentRange")
    if setting.get("binCount") is not None or limits is None or setting.get("resegmentMode", "absolute") != "absolute":
        return None
    return (np.floor((values - min(limits)) / setting.get("binWidth", 25)) + 1).astype(int)


def without_outliers(image: sitk.Image, mask: sitk.Image, sigmas: float) -> sitk.Image:
    """The mask without voxels farther than ``sigmas`` standard deviations from its mean."""
    array = sitk.GetArrayViewFromImage(image)
    inside = sitk.GetArrayFromImage(mask) == 1
    values = array[inside]
    inside[inside] = np.abs(values - values.mean(dtype=float)) <= sigmas * values.std(dtype=float)
    kept = sitk.GetImageFromArray(inside.astype(np.uint8))
    kept.CopyInformation(mask)
    return kept
