"""Grows a tumour from clicks on a crop of the CT, several sizes, the likeliest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .progress import Progress

if TYPE_CHECKING:
    from .anatomy import Anatomy

Index = tuple[int, int, int]

_CROP_MM = 75.0  # to each side of the clicks
_WORK_MM = 2.0


def grow_candidates(
    anatomy: Anatomy, include: list[Index], exclude: list[Index], progress: Progress, count: int
) -> list[sitk.Image]:
    """Masks on the CT's grid, the likeliest first.

    A front runs out from the clicks, slowly across edges and through what differs from the clicked tissue; its arrival
    times give nested shapes, of which those with the strongest and most complete edge are kept.
    """
    crop = _crop(anatomy.ct, include)
    progress.report(0.1, "Growing from the click")
    arrival = _arrival(crop, anatomy, include, exclude)
    progress.report(0.6, "Choosing the size")
    shapes = _best_levels(arrival, crop, count)
    return [_to_ct(shape, crop, anatomy.ct) for shape in shapes]


def _crop(ct: sitk.Image, include: list[Index]) -> sitk.Image:
    points = np.array([ct.TransformIndexToPhysicalPoint(i) for i in include])
    low, high = points.min(0) - _CROP_MM, points.max(0) + _CROP_MM
    grid = sitk.Image([int(n) for n in np.ceil((high - low) / _WORK_MM)], sitk.sitkUInt8)
    grid.SetOrigin(low.tolist())
    grid.SetSpacing([_WORK_MM] * 3)
    return sitk.Resample(ct, grid, sitk.Transform(), sitk.sitkLinear, -1024.0, sitk.sitkFloat32)


def _arrival(crop: sitk.Image, anatomy: Anatomy, include: list[Index], exclude: list[Index]) -> sitk.Image:
    smooth = sitk.CurvatureFlow(sitk.Clamp(crop, sitk.sitkFloat32, -1000, 400), 0.0625, 3)
    hu = sitk.GetArrayFromImage(smooth)
    seeds = [crop.TransformPhysicalPointToIndex(anatomy.ct.TransformIndexToPhysicalPoint(i)) for i in include]
    level = float(np.median([np.median(hu[k - 1 : k + 2, j - 1 : j + 2, i - 1 : i + 2]) for i, j, k in seeds]))
    edge = sitk.GetArrayFromImage(sitk.GradientMagnitudeRecursiveGaussian(crop, 1.5))
    speed = np.exp(-(((hu - level) / 90.0) ** 2)) / (1.0 + (edge / 25.0) ** 2) + 1e-3
    for point in exclude:
        i, j, k = crop.TransformPhysicalPointToIndex(anatomy.ct.TransformIndexToPhysicalPoint(point))
        if all(0 <= v < n for v, n in zip((i, j, k), crop.GetSize(), strict=True)):
            speed[max(k - 2, 0) : k + 3, max(j - 2, 0) : j + 3, max(i - 2, 0) : i + 3] = 1e-4
    image = sitk.GetImageFromArray(speed.astype(np.float32))
    image.CopyInformation(crop)
    march = sitk.FastMarchingImageFilter()
    march.SetTrialPoints([list(s) for s in seeds])
    march.SetStoppingValue(1e4)
    return march.Execute(image)


def _best_levels(arrival: sitk.Image, crop: sitk.Image, count: int) -> list[np.ndarray]:
    from scipy import ndimage

    times = sitk.GetArrayViewFromImage(arrival)
    edge = sitk.GetArrayFromImage(sitk.GradientMagnitudeRecursiveGaussian(crop, 1.5))
    ball_ml = np.geomspace(0.5, 500, 22)
    ordered = np.sort(times[times < 9e3], axis=None)
    voxel_ml = _WORK_MM**3 / 1000
    scored = []
    for ml in ball_ml:
        n = int(ml / voxel_ml)
        if n >= len(ordered):
            break
        shape = times <= ordered[n]
        surface = shape & ~ndimage.binary_erosion(shape)
        strength = np.minimum(edge[surface], 60).mean()
        compact = (36 * np.pi * shape.sum() ** 2) ** (1 / 3) / surface.sum()
        scored.append((strength * compact, shape))
    scored.sort(key=lambda pair: -pair[0])
    opened = [ndimage.binary_fill_holes(ndimage.binary_opening(s, iterations=1)) for _, s in scored[:count]]
    return [a if a.any() else b for a, (_, b) in zip(opened, scored[:count], strict=True)]


def _to_ct(shape: np.ndarray, crop: sitk.Image, ct: sitk.Image) -> sitk.Image:
    soft = sitk.GetImageFromArray(shape.astype(np.float32))
    soft.CopyInformation(crop)
    return sitk.Resample(soft, ct, sitk.Transform(), sitk.sitkLinear, 0.0) >= 0.5
