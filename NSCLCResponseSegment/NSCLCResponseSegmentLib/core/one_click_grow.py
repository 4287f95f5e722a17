"""Grows a tumour from its middle to the cheapest surface, several sizes, the likeliest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .one_click_cut import minimal_cut
from .one_click_finish import finish
from .one_click_seed import FREE_MM, SOFT_HU, PointLps, Surroundings, Voxel, look_around, lump
from .progress import Progress

if TYPE_CHECKING:
    from .anatomy import Anatomy


@dataclass(frozen=True)
class Growth:
    """Weights of the energy; costs are per mm, so that they mean the same on every grid.

    :param push: the gain per volume times the lump's radius: how strongly the region grows until it meets an edge or a
        neck; the middle one is the likeliest.
    """

    push: tuple[float, ...] = (0.55, 0.8, 1.2)
    order: tuple[int, ...] = (1, 0, 2)
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
_HARD_BEYOND_MM = 22.0
_SEED_SHARE = 0.7


def grow_candidates(
    anatomy: Anatomy,
    include: list[PointLps],
    exclude: list[PointLps],
    progress: Progress,
    count: int,
    growth: Growth | None = None,
) -> list[sitk.Image]:
    """Masks on the CT's grid, the likeliest first; at most ``count``."""
    growth = growth or Growth()
    around = look_around(anatomy, include, exclude, _REACH_MM, _COARSE_MM)
    lumps = [lump(around, click) for click in around.clicks]
    largest = max(radius for _, radius in lumps)
    if largest < _FINE_BELOW_MM:
        step = max(1.5, largest / 5.0)
        around = look_around(anatomy, include, exclude, 4.0 * largest + 20.0, step)
        lumps = [lump(around, click) for click in around.clicks]
    progress.report(0.2, "Growing from the click")
    shapes = _cuts(around, lumps, growth, progress.part(0.2, 0.8))
    order = [i for i in growth.order if i < len(shapes)][:count]
    return [finish(anatomy.ct, around, shapes[i]) for i in order]


def _cuts(
    around: Surroundings, lumps: list[tuple[Voxel, float]], growth: Growth, progress: Progress
) -> list[np.ndarray]:
    """One region for each push, smallest first."""
    seeds = _seeds(around, lumps)
    outside = _outside(around, seeds, lumps)
    box = _box(~outside)
    cost, weight = _costs(around, lumps, growth), _edge_weight(around, _core(around, lumps), growth)
    radius = max(r for _, r in lumps)
    seeds, outside, cost, weight = (a[box] for a in (seeds, outside, cost, weight))
    shapes = []
    u = (~outside & (cost <= 0)).astype(np.float32)
    for number, push in enumerate(sorted(growth.push, reverse=True)):  # the large one first: others lie within it
        progress.report(number / len(growth.push), "Finding the tumour's surface")
        u = minimal_cut(cost - push * around.step / radius, weight, seeds, outside, u, growth.iterations)
        shape = np.zeros(around.hu.shape, bool)
        shape[box] = _with_seeds(u > 0.5, seeds)
        shapes.append(shape)
    return shapes[::-1]


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
