"""From image and mask to what the filters work on: resampled, cropped around the region, checked.

The steps and their order are PyRadiomics', whose functions do them; the image is cropped beforehand, with a margin
that leaves the result as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .engine import Plan
from .ibsi_grid import resample_as_ibsi, without_outliers

# A cubic B-spline's coefficients depend on all samples, with a weight that falls by 0.268 per sample (Unser 1993):
# after 32 samples it is 5e-19, below the rounding of the numbers themselves.
_SPLINE_REACH = 32
_LAST_BIT = 2e-9  # HU; rounding in the interpolation of CT values stays below
_CROPPED_INTERPOLATORS = ("sitkBSpline", "sitkLinear", "sitkNearestNeighbor")


class RegionUnusableError(Exception):
    """The region cannot be measured; the text is the reason that each feature gets."""


@dataclass(frozen=True)
class Prepared:
    """One region, ready for filters and feature classes.

    :param image: working grid, with PyRadiomics' margin (``padDistance``) around the region when resampled.
    :param mask: unsigned 8-bit, 1 inside: where grey values count (within ``resegmentRange`` when that is set).
    :param shape_mask: the same, for shape.
    :param box: first and last index of the region: x, x, y, y, z, z.
    """

    image: sitk.Image
    mask: sitk.Image
    shape_mask: sitk.Image
    box: np.ndarray

    def crop(self, image: sitk.Image) -> sitk.Image:
        """The region's box out of an image on the working grid."""
        box = [int(v) for v in self.box]
        return sitk.RegionOfInterest(image, [b - a + 1 for a, b in zip(box[::2], box[1::2], strict=True)], box[::2])


def prepare(image: sitk.Image, mask: sitk.Image, plan: Plan) -> Prepared:
    """Resample, crop and check.

    :param mask: unsigned 8-bit, 1 inside, on the image's grid.
    :raises RegionUnusableError: it is empty, too small, or PyRadiomics refuses it.
    """
    setting = plan.setting
    if not np.any(sitk.GetArrayViewFromImage(mask)):
        raise RegionUnusableError("the region has no voxel on this image's grid")
    from radiomics import imageoperations

    try:
        if setting.get("normalize"):
            image = imageoperations.normalizeImage(image, **setting)
        if setting.get("interpolator") is not None and setting.get("resampledPixelSpacing") is not None:
            if plan.ibsi:
                image, mask = resample_as_ibsi(image, mask, setting)
            else:
                image, mask = _resampled(image, mask, setting)
        elif setting.get("preCrop"):
            box, _ = imageoperations.checkMask(image, mask, **setting)
            image, mask = imageoperations.cropToTumorMask(image, mask, box, **setting)
        if not np.any(sitk.GetArrayViewFromImage(mask)):
            raise RegionUnusableError(_vanished(setting))
        box, _ = imageoperations.checkMask(image, mask, **setting)
        grey_mask = mask
        if setting.get("resegmentRange") is not None:
            grey_mask = sitk.Cast(imageoperations.resegmentMask(image, mask, **setting), sitk.sitkUInt8)
            if plan.outlier_sigmas:
                grey_mask = without_outliers(image, grey_mask, plan.outlier_sigmas)
            box, _ = imageoperations.checkMask(image, grey_mask, **setting)
    except (ValueError, RuntimeError) as problem:  # SimpleITK's are RuntimeErrors
        raise RegionUnusableError(_in_words(problem, setting)) from problem
    shape_mask = grey_mask if setting.get("resegmentShape") else mask
    return Prepared(image, grey_mask, shape_mask, box)


def _resampled(image: sitk.Image, mask: sitk.Image, setting: dict[str, Any]) -> tuple[sitk.Image, sitk.Image]:
    """What PyRadiomics' resampling gives, from as little of the image as possible.

    It cuts the decimals of whole-number images off, so where an interpolated value is a whole number but for rounding
    the last bit decides. Cropping changes last bits; where that could matter, the image is left whole.
    """
    from radiomics import imageoperations

    if not _can_crop(setting["interpolator"]):
        return imageoperations.resampleImage(image, mask, **setting)
    part = _part(image, mask, setting)
    if "float" in image.GetPixelIDTypeAsString():
        return imageoperations.resampleImage(part, mask, **setting)
    exact, new_mask = imageoperations.resampleImage(sitk.Cast(part, sitk.sitkFloat64), mask, **setting)
    values = sitk.GetArrayViewFromImage(exact)
    limits = np.iinfo(sitk.GetArrayViewFromImage(part).dtype)
    if np.any(np.abs(values - np.rint(values)) < _LAST_BIT) or values.min() < limits.min or values.max() > limits.max:
        return imageoperations.resampleImage(image, mask, **setting)
    cut = sitk.GetImageFromArray(np.trunc(values).astype(limits.dtype))
    cut.CopyInformation(exact)
    return cut, new_mask


def _can_crop(interpolator: Any) -> bool:
    return interpolator in _CROPPED_INTERPOLATORS or interpolator in [getattr(sitk, n) for n in _CROPPED_INTERPOLATORS]


def _part(image: sitk.Image, mask: sitk.Image, setting: dict[str, Any]) -> sitk.Image:
    """The part of the image that the resampled, padded region depends on."""
    inside = bounding_box(mask)
    new_spacing = [new or old for new, old in zip(setting["resampledPixelSpacing"], mask.GetSpacing(), strict=True)]
    start, size = [], []
    for axis, (old, new) in enumerate(zip(mask.GetSpacing(), new_spacing, strict=True)):
        margin = math.ceil((setting.get("padDistance", 5) + 2) * new / old) + _SPLINE_REACH
        first = max(0, inside[2 * axis] - margin)
        last = min(image.GetSize()[axis] - 1, inside[2 * axis + 1] + margin)
        start.append(first)
        size.append(last - first + 1)
    return sitk.RegionOfInterest(image, size, start)


def bounding_box(mask: sitk.Image) -> tuple[int, ...]:
    """First and last index of what is not 0: x, x, y, y, z, z; the mask must not be empty."""
    array = sitk.GetArrayViewFromImage(mask)
    found: list[int] = []
    for axes in ((0, 1), (0, 2), (1, 2)):
        hit = np.flatnonzero(array.any(axis=axes))
        found += [int(hit[0]), int(hit[-1])]
    return tuple(found)


def _vanished(setting: dict[str, Any]) -> str:
    spacing = "×".join(f"{v:g}" for v in setting["resampledPixelSpacing"])
    return f"the region holds no voxel of the working grid ({spacing} mm)"


def _in_words(problem: Exception, setting: dict[str, Any]) -> str:
    text = str(problem)
    if "ITK ERROR" in text:
        return f"SimpleITK could not prepare it: {text.rsplit('): ', 1)[-1]}"
    if "1 segmented voxel" in text:
        return "the region is a single voxel"
    if "too few dimensions" in text:
        return f"the region extends in fewer than {setting.get('minimumROIDimensions', 2)} dimensions"
    if "too small" in text:
        return f"the region has no more than {setting.get('minimumROISize')} voxels (minimumROISize)"
    if "Resegmentation excluded" in text:
        return f"at most one voxel of the region lies within resegmentRange {setting.get('resegmentRange')}"
    return text.splitlines()[0]
