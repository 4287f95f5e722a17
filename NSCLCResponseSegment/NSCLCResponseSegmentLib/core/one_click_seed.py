"""Reads the surroundings of a click: tissue that may be tumour, and the middle and size of the lump clicked on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .one_click_sheets import dark_sheets

if TYPE_CHECKING:
    from .anatomy import Anatomy

PointLps = tuple[float, float, float]
Voxel = tuple[int, int, int]  # z, y, x

SOFT_HU = -350.0  # between lung and soft tissue, a little to the tissue's side for partial volume
_BONE_HU = 220.0
_BONE_LEAST_ML = 0.5  # a smaller dense spot is a calcification or a clip
CAVITY_ML = 40.0  # air enclosed by soft tissue up to this size is a bronchus or a cavity in the tumour
_BLUR_MM = 3.0
FREE_MM = 4.0  # how far beyond the expected lung field is still taken for lung: what the prediction gets wrong
_SADDLE = 0.75  # a neighbouring lump belongs to the one clicked on when the neck between has this share of its radius
ASIDE = (1.5, 2.5)  # radii: a click this far from a lump's middle may not be, and hardly is, in the same tumour
_ROUNDS = 8


@dataclass(frozen=True)
class Surroundings:
    """The crop around the clicks; arrays are (z, y, x) on an isotropic grid of ``step`` mm.

    :param soft_hu: what is denser counts as tissue of a tumour: soft tissue, or ground glass too.
    :param soft: that tissue with the air pockets in it.
    :param depth: mm beyond the expected lung field (see :mod:`.anatomy_field`).
    :param click_depth: the largest depth of a click: a tumour clicked on in the mediastinum may reach that far.
    :param sheets_from: where the dark sheets come from, when they need not be looked for.
    """

    ct: sitk.Image
    grid: sitk.Image
    step: float
    soft_hu: float
    hu: np.ndarray
    soft: np.ndarray
    bone: np.ndarray
    depth: np.ndarray
    clicks: tuple[Voxel, ...]
    excluded: tuple[Voxel, ...]
    click_depth: float
    sheets_from: Callable[[], np.ndarray] | None = None

    @cached_property
    def sheets(self) -> np.ndarray:
        """Thin dark layers, HU (see :mod:`.one_click_sheets`)."""
        return self.sheets_from() if self.sheets_from else dark_sheets(self.ct, self.grid)

    def knowing_sheets_in(self, box: tuple[slice, ...]) -> Surroundings:
        """The same with the dark sheets of one box only, which crops of it share."""
        sheets = np.zeros(self.hu.shape, np.float32)
        sheets[box] = dark_sheets(self.ct, self.grid, box)
        return replace(self, sheets_from=lambda: sheets)

    @cached_property
    def room(self) -> np.ndarray:
        """Distance to anything that cannot be tumour, mm."""
        from scipy import ndimage

        blurred = ndimage.gaussian_filter(np.clip(self.hu, -1000, 200), min(_BLUR_MM / self.step, 1.0))
        solid = (blurred > self.soft_hu) | (self.soft & (self.hu <= self.soft_hu))  # with cavities and bronchi
        free = solid & ~self.bone & (self.depth <= max(FREE_MM, self.click_depth + 3.0))
        for voxel in self.excluded:
            free &= ~self.ball(voxel, 3.0)
        return ndimage.distance_transform_edt(np.pad(free, 1))[1:-1, 1:-1, 1:-1] * self.step

    @property
    def voxel_ml(self) -> float:
        return self.step**3 / 1000.0

    def ball(self, centre: Voxel, radius_mm: float) -> np.ndarray:
        """Mask of a ball."""
        z, y, x = np.ogrid[tuple(slice(0, n) for n in self.hu.shape)]
        squared = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2
        return squared <= (radius_mm / self.step) ** 2

    def cropped(self, box: tuple[slice, ...]) -> Surroundings:
        """The voxels of a box (z, y, x) only."""
        first, size = [s.start for s in box], [s.stop - s.start for s in box]
        if tuple(size) == self.hu.shape:
            return self

        def moved(voxels: tuple[Voxel, ...]) -> tuple[Voxel, ...]:
            return tuple(tuple(v - a for v, a in zip(voxel, first, strict=True)) for voxel in voxels)

        return replace(
            self,
            grid=sitk.RegionOfInterest(self.grid, size[::-1], first[::-1]),
            **{name: getattr(self, name)[box] for name in ("hu", "soft", "bone", "depth")},
            clicks=moved(self.clicks),
            excluded=tuple(v for v in moved(self.excluded) if _is_within(v, tuple(size))),
            sheets_from=lambda: self.sheets[box],
        )


def look_around(
    anatomy: Anatomy,
    clicks: list[PointLps],
    excluded: list[PointLps],
    reach_mm: float,
    step: float,
    soft_hu: float = SOFT_HU,
    sheets_ahead: Future[np.ndarray] | None = None,
) -> Surroundings:
    """Crop to ``reach_mm`` around the clicks and sort the tissue in it.

    :param sheets_ahead: from :func:`find_sheets_ahead` for the same clicks, reach and step.
    """
    from scipy import ndimage

    grid = _crop_grid(anatomy.coarse_ct, clicks, reach_mm, step)
    source = anatomy.coarse_ct if step >= 2.5 else anatomy.ct
    image = sitk.Resample(source, grid, sitk.Transform(), sitk.sitkLinear, -1024.0, sitk.sitkFloat32)
    hu = sitk.GetArrayFromImage(image)
    side = anatomy.field.side_of(clicks[0])
    depth = anatomy.field.depth_on(side, grid) if side else np.zeros_like(hu)
    bone = _pieces(ndimage.binary_closing(hu > _BONE_HU), lambda ml: ml > _BONE_LEAST_ML, step)
    inside = [_voxel(grid, p) for p in clicks]
    seen = [p for p in excluded if _is_within(grid.TransformPhysicalPointToIndex(p), grid.GetSize())]
    return Surroundings(
        ct=anatomy.ct,
        grid=grid,
        step=step,
        hu=hu,
        soft_hu=soft_hu,
        soft=(hu > soft_hu) | (_pockets(hu <= soft_hu, step) & ~_airways(anatomy, grid)),
        bone=bone,
        depth=depth,
        clicks=tuple(inside),
        excluded=tuple(_voxel(grid, p) for p in seen),
        click_depth=max(float(depth[v]) for v in inside),
        sheets_from=sheets_ahead.result if sheets_ahead else None,
    )


def find_sheets_ahead(
    ct: sitk.Image, coarse_ct: sitk.Image, clicks: list[PointLps], reach_mm: float, step: float
) -> Future[np.ndarray]:
    """The dark sheets that :func:`look_around` will want, on a thread beside the search for body and lungs."""
    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(dark_sheets, ct, _crop_grid(coarse_ct, clicks, reach_mm, step), threads=1)
    finally:
        pool.shutdown(wait=False)


def _crop_grid(ct: sitk.Image, clicks: list[PointLps], reach_mm: float, step: float) -> sitk.Image:
    """An isotropic grid around the clicks, in the CT's axes, no larger than the CT."""
    index = np.array([ct.TransformPhysicalPointToContinuousIndex(p) for p in clicks])
    spacing, size = np.array(ct.GetSpacing()), np.array(ct.GetSize())
    low = np.maximum(index.min(axis=0) - reach_mm / spacing, 0)
    high = np.minimum(index.max(axis=0) + reach_mm / spacing, size - 1)
    grid = sitk.Image([max(2, int(n)) for n in np.floor((high - low) * spacing / step) + 1], sitk.sitkUInt8)
    grid.SetOrigin(ct.TransformContinuousIndexToPhysicalPoint(low.tolist()))
    grid.SetDirection(ct.GetDirection())
    grid.SetSpacing([step] * 3)
    return grid


def _voxel(grid: sitk.Image, point: PointLps) -> Voxel:
    index = grid.TransformPhysicalPointToIndex(point)
    i, j, k = (min(max(v, 0), n - 1) for v, n in zip(index, grid.GetSize(), strict=True))  # half a voxel is cut off
    return (k, j, i)


def _is_within(voxel: Voxel, shape: tuple[int, ...]) -> bool:
    return all(0 <= v < n for v, n in zip(voxel, shape, strict=True))


def _pieces(mask: np.ndarray, keep: object, step: float) -> np.ndarray:
    """The connected pieces whose volume in mL ``keep`` accepts."""
    from scipy import ndimage

    pieces, _ = ndimage.label(mask)
    chosen = keep(np.bincount(pieces.ravel()) * step**3 / 1000.0)
    chosen[0] = False
    return chosen[pieces]


def _pockets(air: np.ndarray, step: float) -> np.ndarray:
    """Pieces of air up to the size of a cavity; what the crop cuts is not enclosed."""
    pieces = _pieces(np.pad(air, 1, constant_values=True), lambda ml: ml <= CAVITY_ML, step)
    return pieces[1:-1, 1:-1, 1:-1]


def _airways(anatomy: Anatomy, grid: sitk.Image) -> np.ndarray:
    return (
        sitk.GetArrayFromImage(
            sitk.Resample(anatomy.coarse_airways, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)
        )
        > 0
    )


def lump(around: Surroundings, click: Voxel, aside: float = ASIDE[-1]) -> tuple[Voxel, float]:
    """Middle and radius in mm of the largest ball in the lump of soft tissue that a click lies in.

    Walks up the distance to anything that cannot be tumour, and on to a higher peak when the neck between is wide; so
    the answer hardly depends on where in the tumour the click fell.

    :param aside: how many radii the middle may be away from the click.
    """
    from scipy import ndimage

    distance = around.room
    peak = _walk_up(distance, click)
    for _ in range(_ROUNDS):
        if distance[peak] <= 0:
            break
        pieces, _ = ndimage.label(distance >= _SADDLE * distance[peak])
        within = np.where(pieces == pieces[peak], distance, 0.0)
        higher = np.unravel_index(int(within.argmax()), within.shape)
        if distance[higher] <= distance[peak] or _apart(higher, click) * around.step > aside * distance[higher]:
            break
        peak = higher
    return tuple(int(v) for v in peak), max(float(distance[peak]), around.step)


def _apart(a: Voxel, b: Voxel) -> float:
    return float(np.linalg.norm(np.subtract(a, b)))


def _walk_up(height: np.ndarray, start: Voxel) -> Voxel:
    here = start
    while True:
        window = tuple(slice(max(0, v - 1), v + 2) for v in here)
        best = np.unravel_index(int(height[window].argmax()), height[window].shape)
        there = tuple(s.start + int(b) for s, b in zip(window, best, strict=True))
        if height[there] <= height[here]:
            return here
        here = there
