"""Grows a tumour from its middle to the cheapest surface, several sizes, the likeliest first."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .one_click_cut import minimal_cut
from .one_click_seed import (
    ASIDE,
    FREE_MM,
    SOFT_HU,
    PointLps,
    Surroundings,
    Voxel,
    find_sheets_ahead,
    look_around,
    lump,
)
from .progress import SILENT, Progress

if TYPE_CHECKING:
    from .anatomy import Anatomy


@dataclass(frozen=True)
class Growth:
    """Weights of the energy; costs are per mm, so that they mean the same on every grid.

    :param push: the gain per volume times the lump's radius: how strongly the region grows until it meets an edge or a
        neck.
    """

    push: tuple[float, ...] = (0.22, 0.35, 0.5, 0.7, 0.95, 1.3)
    edge_hu: float = 35.0  # gradient per voxel at which a unit of surface costs half
    sheet_noise: float = 1.5
    sheet_hu: float = 8.0  # and the depth of a dark sheet at which it does
    least_edge: float = 0.03
    beyond_mm: float = 12.0  # depth over which the cost beyond the expected lung field rises to its unit …
    beyond_cost: float = 0.2  # … per mm
    odd_cost: float = 0.1  # per mm and standard deviation of a HU that is odd for this lump
    not_soft_cost: float = 0.33
    far_cost: float = 0.1  # further from the middle than three radii
    iterations: int = 120


_COARSE_MM = 3.0
_REACH_MM = 105.0
_FINE_BELOW_MM = 12.0  # lumps of smaller radius are cut on a finer grid
_GROUND_GLASS_HU = 210.0  # denser than the median of the lung by this much: ground glass
_HALO_MM, _HALO_SHARE, _HALO_LEAST_ML = (2.0, 5.5), 0.5, 0.3
_SOLID_PART_MM = 14.0  # a larger solid part is the tumour; ground glass around it is lung that it blocks
_HALO_REACH_MM, _HALO_STEP_MM = 60.0, 2.0
_HARD_BEYOND_MM = 22.0
_SEED_SHARE = 0.7
_COARSE_ITERATIONS, _PERHAPS, _SPARE_VOXELS = 100, 0.1, 2
_NOT_IN_LARGER = 0.02  # the regions of smaller pushes lie within those of larger ones


@dataclass(frozen=True)
class Sweep:
    """Regions of growing size around the same clicks; arrays are (z, y, x) on the grid of ``around``.

    :param shapes: one mask for each push, smallest first.
    :param edge_weight: what a unit of surface costs; near 0 where an image edge is.
    """

    around: Surroundings
    lumps: tuple[tuple[Voxel, float], ...]
    pushes: tuple[float, ...]
    shapes: tuple[np.ndarray, ...]
    edge_weight: np.ndarray

    @property
    def radius(self) -> float:
        """Of the largest lump clicked on, mm."""
        return max(radius for _, radius in self.lumps)


def sheets_for_growth(ct: sitk.Image, coarse_ct: sitk.Image, click: PointLps) -> Future[np.ndarray]:
    """What :func:`grow` needs of a CT besides its anatomy, on its way on another thread."""
    return find_sheets_ahead(ct, coarse_ct, [click], _REACH_MM, _COARSE_MM)


def grow(
    anatomy: Anatomy,
    include: list[PointLps],
    exclude: list[PointLps],
    progress: Progress = SILENT,
    growth: Growth | None = None,
    sheets_ahead: Future[np.ndarray] | None = None,
) -> list[Sweep]:
    """Regions of several sizes around the clicks.

    :param sheets_ahead: from :func:`sheets_for_growth` for the one click.
    :returns: one sweep, or two where a click may belong to either of two lumps; and another that takes ground glass for
        tumour where the solid part lies in it; only that one where the click lies in ground glass itself.
    """
    growth = growth or Growth()
    coarse = look_around(anatomy, include, exclude, _REACH_MM, _COARSE_MM, sheets_ahead=sheets_ahead)
    glass_hu = _lung_hu(anatomy) + _GROUND_GLASS_HU

    def with_glass() -> Sweep:
        around = look_around(anatomy, include, exclude, _HALO_REACH_MM, _HALO_STEP_MM, glass_hu)
        return _sweep(around, [lump(around, click, ASIDE[0]) for click in around.clicks], growth, SILENT)

    if all(glass_hu < coarse.hu[click] < SOFT_HU and not coarse.soft[click] for click in coarse.clicks):
        return [with_glass()]  # a click beside all solid tissue
    readings = []
    for aside in ASIDE:
        lumps = [lump(coarse, click, aside) for click in coarse.clicks]
        if all(_differ(lumps, other) for other, _ in readings):
            readings.append((lumps, aside))

    boxes = [_box_around(coarse, lumps) for lumps, _ in readings if not _is_fine(lumps)]
    if boxes and sheets_ahead is None:
        coarse = coarse.knowing_sheets_in(_hull(boxes))

    def sweep(reading: tuple[list[tuple[Voxel, float]], float]) -> Sweep:
        lumps, aside = reading
        reports = progress if reading is readings[0] else SILENT
        if _is_fine(lumps):
            around = look_around(anatomy, include, exclude, _reach(lumps), max(1.5, _largest(lumps) / 5.0))
        else:
            around = coarse.cropped(_box_around(coarse, lumps))
        # anew: a larger lump may turn out to be the click's when those too far away are not in view
        return _sweep(around, [lump(around, click, aside) for click in around.clicks], growth, reports)

    with ThreadPoolExecutor(2) as pool:
        sweeps = list(pool.map(sweep, readings))
    if glass_hu < SOFT_HU and _has_halo(sweeps[0], glass_hu):
        sweeps.append(with_glass())
    return sweeps


Lumps = list[tuple[Voxel, float]]


def _largest(lumps: Lumps) -> float:
    return max(radius for _, radius in lumps)


def _is_fine(lumps: Lumps) -> bool:
    """Whether the lumps are so small that they are cut on a finer grid."""
    return _largest(lumps) < _FINE_BELOW_MM


def _reach(lumps: Lumps) -> float:
    """How far around lumps of that size what they can fill reaches, mm."""
    return 4.0 * _largest(lumps) + 20.0


def _box_around(coarse: Surroundings, lumps: Lumps) -> tuple[slice, ...]:
    """As much of the surroundings as the lumps can fill."""
    middles = np.array([middle for middle, _ in lumps] + list(coarse.clicks))
    reach = int(_reach(lumps) / coarse.step)
    low, high = np.maximum(middles.min(axis=0) - reach, 0), middles.max(axis=0) + reach + 1
    return tuple(slice(int(a), min(int(b), n)) for a, b, n in zip(low, high, coarse.hu.shape, strict=True))


def _hull(boxes: list[tuple[slice, ...]]) -> tuple[slice, ...]:
    """The smallest box that holds all boxes."""
    return tuple(slice(min(s.start for s in axis), max(s.stop for s in axis)) for axis in zip(*boxes, strict=True))


def _lung_hu(anatomy: Anatomy) -> float:
    """Median of the air-filled lung, HU."""
    hu, lungs = (sitk.GetArrayViewFromImage(image) for image in (anatomy.coarse_ct, anatomy.coarse_lungs))
    inside = hu[lungs > 0]
    return float(np.median(inside)) if inside.size else -800.0


def _has_halo(sweep: Sweep, ground_glass_hu: float) -> bool:
    """Whether most of the lung a few mm around the solid part is ground glass."""
    from scipy import ndimage

    around = sweep.around
    if sweep.radius > _SOLID_PART_MM:
        return False
    shape = sweep.shapes[len(sweep.shapes) // 2]
    away = ndimage.distance_transform_edt(~shape) * around.step
    shell = (away > _HALO_MM[0]) & (away <= _HALO_MM[1]) & (around.hu < SOFT_HU) & ~around.soft
    if shell.sum() * around.voxel_ml < _HALO_LEAST_ML:
        return False
    return bool((around.hu[shell] > ground_glass_hu).mean() > _HALO_SHARE)


def _differ(lumps: list[tuple[Voxel, float]], others: list[tuple[Voxel, float]]) -> bool:
    """Whether two readings of the same clicks found other lumps."""
    return any(a != b for (a, _), (b, _) in zip(lumps, others, strict=True))


def _sweep(around: Surroundings, lumps: list[tuple[Voxel, float]], growth: Growth, progress: Progress) -> Sweep:
    seeds = _seeds(around, lumps)
    outside = _outside(around, seeds, lumps)
    cost, weight = _costs(around, lumps, growth), _edge_weight(around, _core(around, lumps), growth)
    radius = max(r for _, r in lumps)
    shapes = []
    u = (~outside & (cost <= 0)).astype(np.float32)
    pushes = sorted(growth.push, reverse=True)  # the large one first: others lie within it
    outside |= ~_reachable(cost - pushes[0] * around.step / radius, weight, seeds, outside)
    for number, push in enumerate(pushes):
        progress.report(number / len(pushes), "Finding the tumour's surface")
        box = _box(~outside)
        u = minimal_cut(
            cost[box] - push * around.step / radius, weight[box], seeds[box], outside[box], u[box], growth.iterations
        )
        shape = np.zeros(around.hu.shape, bool)
        shape[box] = _with_seeds(u > 0.5, seeds[box])
        shapes.append(shape)
        whole = np.zeros(around.hu.shape, np.float32)
        whole[box] = u
        u = whole
        outside |= whole < _NOT_IN_LARGER
    return Sweep(around, tuple(lumps), tuple(pushes[::-1]), tuple(shapes[::-1]), weight)


def _reachable(cost: np.ndarray, weight: np.ndarray, seeds: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Where the region can lie: near that of the same cut on a grid twice as coarse, which takes little time."""
    from scipy import ndimage

    shape = [n + n % 2 for n in cost.shape]
    blocks = [n // 2 for n in shape]

    def halved(array: np.ndarray, how: Callable[..., np.ndarray]) -> np.ndarray:
        even = np.pad(array, [(0, n - m) for n, m in zip(shape, array.shape, strict=True)], mode="edge")
        return how(even.reshape(blocks[0], 2, blocks[1], 2, blocks[2], 2), axis=(1, 3, 5))

    # eight voxels in one, but a unit of surface is only four
    coarse_cost, coarse_weight = 2.0 * halved(cost, np.mean), halved(weight, np.mean)
    inside, never = halved(seeds, np.any), halved(outside & ~seeds, np.all)
    start = ~never & (coarse_cost <= 0)
    u = minimal_cut(coarse_cost, coarse_weight, inside, never, start, _COARSE_ITERATIONS)
    near = ndimage.binary_dilation(u > _PERHAPS, iterations=_SPARE_VOXELS)
    for axis in range(3):
        near = near.repeat(2, axis=axis)
    return near[tuple(slice(0, n) for n in cost.shape)]


def grow_within(around: Surroundings, domain: np.ndarray, centre: Voxel, radius: float, growth: Growth) -> np.ndarray:
    """The region of the first push around a ball, within a domain whose outer surface costs nothing.

    :param radius: of the ball, mm.
    """
    from scipy import ndimage

    lumps = [(centre, radius)]
    seeds = around.ball(centre, 0.9 * radius) & domain
    seeds[centre] = True
    weight = _edge_weight(around, _core(around, lumps), growth)
    weight[ndimage.binary_dilation(~domain)] = growth.least_edge
    cost = _costs(around, lumps, growth) - growth.push[0] * around.step / radius
    box = _box(domain)
    start = domain[box].astype(np.float32)
    u = minimal_cut(cost[box], weight[box], seeds[box], ~domain[box], start, growth.iterations)
    region = np.zeros(domain.shape, bool)
    region[box] = _with_seeds(u > 0.5, seeds[box])
    return region & domain


def _seeds(around: Surroundings, lumps: list[tuple[Voxel, float]]) -> np.ndarray:
    seeds = np.zeros(around.hu.shape, bool)
    for (centre, radius), click in zip(lumps, around.clicks, strict=True):
        seeds |= around.ball(centre, _SEED_SHARE * radius) & around.soft
        seeds[click] = True
    for voxel in around.excluded:
        seeds &= ~around.ball(voxel, 3.0)
    return seeds


def _outside(around: Surroundings, seeds: np.ndarray, lumps: list[tuple[Voxel, float]]) -> np.ndarray:
    limit = max(FREE_MM, around.click_depth) + _HARD_BEYOND_MM
    outside = around.bone | (around.depth > limit) | ((around.hu < -800) & ~around.soft)
    border = np.ones(outside.shape, bool)
    border[1:-1, 1:-1, 1:-1] = False
    outside |= border & _far(around, lumps)
    for voxel in around.excluded:
        outside |= around.ball(voxel, 4.0)
    return outside & ~seeds


def _far(around: Surroundings, lumps: list[tuple[Voxel, float]]) -> np.ndarray:
    near = np.zeros(around.hu.shape, bool)
    for centre, radius in lumps:
        near |= around.ball(centre, max(3.0 * radius, 30.0))
    return ~near


def _core(around: Surroundings, lumps: list[tuple[Voxel, float]]) -> np.ndarray:
    core = np.zeros(around.hu.shape, bool)
    for centre, radius in lumps:
        core |= around.ball(centre, 0.8 * radius) & (around.hu > SOFT_HU)
    return core


def _edge_weight(around: Surroundings, core: np.ndarray, growth: Growth) -> np.ndarray:
    from scipy import ndimage

    gradient = ndimage.gaussian_gradient_magnitude(np.clip(around.hu, -150, 200), 1.0)
    noise = float(np.median(around.sheets[core])) if core.any() else 0.0
    sheet = np.maximum(around.sheets - growth.sheet_noise * noise, 0.0)
    weight = 1.0 / (1.0 + (gradient / growth.edge_hu) ** 2 + (sheet / growth.sheet_hu) ** 2)
    weight[ndimage.binary_dilation(~around.soft | around.bone)] = 0.0  # a surface against air or bone is free
    return np.maximum(weight, growth.least_edge)


def _costs(around: Surroundings, lumps: list[tuple[Voxel, float]], growth: Growth) -> np.ndarray:
    """Cost per voxel of belonging to the tumour, without the push."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(np.clip(around.hu, -200, 250), 0.5)
    core = _core(around, lumps)
    values = smooth[core]
    usual = float(np.median(values)) if values.size else 40.0
    spread = max(30.0, 1.48 * float(np.median(np.abs(values - usual)))) if values.size else 40.0
    odd = np.clip(np.abs(smooth - usual) / spread - 2.0, 0.0, 3.0) * (around.hu > SOFT_HU)
    beyond = np.clip((around.depth - max(FREE_MM, around.click_depth)) / growth.beyond_mm, 0.0, 3.0)
    cost = growth.odd_cost * odd + growth.beyond_cost * beyond
    cost += growth.not_soft_cost * ~around.soft + growth.far_cost * _far(around, lumps)
    return cost * around.step


def _box(mask: np.ndarray) -> tuple[slice, ...]:
    """The smallest box around a mask, with one voxel to spare."""
    spans = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append(slice(max(0, int(hit[0]) - 1), int(hit[-1]) + 2) if hit.size else slice(0, mask.shape[axis]))
    return tuple(spans)


def _with_seeds(region: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """The pieces of a region that hold a seed."""
    from scipy import ndimage

    pieces, _ = ndimage.label(region | seeds)
    touched = np.unique(pieces[seeds])
    return np.isin(pieces, touched[touched > 0])
