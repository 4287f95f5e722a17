"""The cube around the tumour that the 3D-CNN sees.

A fixed physical field of view, so that the size of a tumour and the grain of its texture keep their meaning: by default
96 mm in 32 voxels of 3 mm. The centre is the mask's centre of mass; of a tumour larger than the field the middle
is seen, and the prediction says so. Axes follow the patient (z cranial, y posterior, x left), whatever the scan's
direction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

if TYPE_CHECKING:
    import numpy as np

_MARGIN_MM = 12.0  # around the field, so that smoothing sees beyond its border


@dataclass(frozen=True)
class PatchSpec:
    """What a patch is.

    :param size: voxels along each edge.
    :param spacing_mm: edge of a voxel.
    :param ct_windows: one channel per window; HU from low to high become -1 to 1.
    :param pet_suv_max: SUVbw from 0 to this becomes 0 to 1 (square root in between, so that faint uptake shows);
        the channel is 0 without a PET.
    """

    size: int = 32
    spacing_mm: float = 3.0
    ct_windows: tuple[tuple[float, float], ...] = ((-1000.0, 400.0), (-100.0, 150.0))
    pet_suv_max: float = 20.0

    @property
    def channels(self) -> int:
        """CT windows, PET, mask."""
        return len(self.ct_windows) + 2

    @property
    def pet_channel(self) -> int:
        """Index of the PET channel; the mask is the next and last."""
        return len(self.ct_windows)

    @property
    def field_mm(self) -> float:
        """Edge of the whole cube."""
        return self.size * self.spacing_mm

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``signature.json`` holds it."""
        return {**asdict(self), "ct_windows": [list(w) for w in self.ct_windows]}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> PatchSpec:
        """The inverse of :meth:`to_json`."""
        return cls(**{**data, "ct_windows": tuple(tuple(w) for w in data["ct_windows"])})


def tumour_centre(mask: sitk.Image) -> tuple[float, float, float]:
    """Centre of mass of the mask in LPS mm; the mask must not be empty."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask > 0)
    return statistics.GetCentroid(1)


def patch_grid(centre: tuple[float, float, float], spec: PatchSpec) -> sitk.Image:
    """An empty 8-bit image on the patch's grid, centred on ``centre`` (LPS mm), axes along the patient."""
    grid = sitk.Image([spec.size] * 3, sitk.sitkUInt8)
    grid.SetSpacing([spec.spacing_mm] * 3)
    grid.SetOrigin([c - (spec.size - 1) / 2 * spec.spacing_mm for c in centre])
    return grid


def cut_patch(ct: sitk.Image, pet: sitk.Image | None, mask: sitk.Image, spec: PatchSpec) -> np.ndarray:
    """The channels CT (one per window), PET, mask on the patch's grid.

    :param ct: HU. :param pet: SUVbw on any grid, or ``None``. :param mask: 0/1 on any grid, not empty.
    :returns: float32 (channels, z, y, x).
    """
    import numpy as np

    grid = patch_grid(tumour_centre(mask), spec)
    hu = sitk.GetArrayFromImage(_onto(ct, grid, outside=-1000.0))
    channels = [np.clip((hu - low) / (high - low), 0, 1) * 2 - 1 for low, high in spec.ct_windows]
    if pet is None:
        channels.append(np.zeros_like(hu))
    else:
        suv = sitk.GetArrayFromImage(_onto(pet, grid, outside=0.0))
        channels.append(np.sqrt(np.clip(suv / spec.pet_suv_max, 0, 1)))
    inside = sitk.GetArrayFromImage(_onto(mask > 0, grid, outside=0.0))
    channels.append(np.clip(inside, 0, 1))
    return np.stack(channels).astype(np.float32)


def without_pet(patch: np.ndarray, spec: PatchSpec) -> np.ndarray:
    """A copy of the patch as it would be without a PET; (…, channels, z, y, x)."""
    copy = patch.copy()
    copy[..., spec.pet_channel, :, :, :] = 0
    return copy


def fraction_outside(mask: sitk.Image, spec: PatchSpec) -> float:
    """The share of the tumour that the patch does not see, 0 to 1."""
    statistics = sitk.StatisticsImageFilter()
    statistics.Execute(sitk.Cast(mask > 0, sitk.sitkUInt8))
    whole = statistics.GetSum()
    grid = patch_grid(tumour_centre(mask), spec)
    region = _region_around(mask, grid, margin_mm=0.0)
    statistics.Execute(sitk.Cast(region > 0, sitk.sitkUInt8))
    return max(0.0, 1.0 - statistics.GetSum() / whole)


def _onto(image: sitk.Image, grid: sitk.Image, *, outside: float) -> sitk.Image:
    """Linear interpolation onto the grid, smoothed before along axes that are sampled finer than it (no aliasing)."""
    region = sitk.Cast(_region_around(image, grid, _MARGIN_MM), sitk.sitkFloat32)
    target = grid.GetSpacing()[0]
    for axis, spacing in enumerate(region.GetSpacing()):
        if spacing < 0.75 * target and region.GetSize()[axis] >= 4:
            sigma = 0.5 * (target**2 - spacing**2) ** 0.5
            smooth = sitk.RecursiveGaussianImageFilter()
            smooth.SetDirection(axis)
            smooth.SetSigma(sigma)
            region = smooth.Execute(region)
    return sitk.Resample(region, grid, sitk.Transform(), sitk.sitkLinear, outside, sitk.sitkFloat32)


def _region_around(image: sitk.Image, grid: sitk.Image, margin_mm: float) -> sitk.Image:
    """The part of the image that the grid covers, with a margin; a corner voxel of the image when they do not meet."""
    size, spacing = grid.GetSize(), grid.GetSpacing()
    low = [-0.5 - margin_mm / s for s in spacing]
    high = [n - 0.5 + margin_mm / s for n, s in zip(size, spacing, strict=True)]
    corners = [
        image.TransformPhysicalPointToContinuousIndex(grid.TransformContinuousIndexToPhysicalPoint([x, y, z]))
        for x in (low[0], high[0])
        for y in (low[1], high[1])
        for z in (low[2], high[2])
    ]
    start, stop = [], []
    for axis, n in enumerate(image.GetSize()):
        values = [corner[axis] for corner in corners]
        first = min(max(round(min(values)), 0), n - 1)
        start.append(first)
        stop.append(max(min(round(max(values)) + 1, n), first + 1))
    return sitk.RegionOfInterest(image, [b - a for a, b in zip(start, stop, strict=True)], start)
