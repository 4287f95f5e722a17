"""Puts an outline right around one point and leaves all else as it is, voxel by voxel.

The point says where the outline is wrong and, by its place, how far: people point at the middle of what is missing or
too much. So its distance to the nearest place that cannot be changed (outline, lung or bone for what is missing; the
rim of the outline for what is too much) is half the thickness of the error there. The region changed is grown like a
tumour's (see :mod:`.one_click_grow`), from a ball of that radius, and ends within two of those radii.

Where a whole lump is wrong (an outline that ran into the heart), another of the sizes grown from the first click often
has just that lump more or less; when the point lies in the middle of such a lump, the lump is changed as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .one_click_finish import TISSUE_HU
from .one_click_grow import Growth, grow_within
from .one_click_seed import PointLps, Surroundings, look_around

if TYPE_CHECKING:
    from .anatomy import Anatomy
    from .one_click_rank import Candidate

_SEARCH_MM, _SEARCH_STEP_MM = 45.0, 2.0  # half the window in which the radius is found, and its voxels
_REACH = 1.85  # radii around the point beyond which nothing changes
_LEAST_REACH_MM = 3.5
_LEAST_RADIUS_MM = 1.5
_MOST_AIR_MM = 15.0
_KEEP_MM = 3.0  # around points that said the opposite
_CRUMB = 0.1  # share of the largest piece: smaller pieces that a cut leaves near the point go too
_CENTRAL = 0.8  # of the largest depth of the lump: a point deeper than that lies in its middle
_MOST_TAKEN = 0.75  # of the outline; at most as much is added as there is
_LEAST_LUMP = 1.5  # voxels of depth
_LUMP_REACH = 4.0  # depths of the point in the lump
_ADD = Growth(push=(0.2,), far_cost=0.0)
_TAKE = Growth(push=(0.2,), far_cost=0.0, beyond_cost=0.0, odd_cost=0.0, not_soft_cost=0.0)


def correct(
    anatomy: Anatomy,
    mask: sitk.Image,
    point: PointLps,
    add: bool,
    fixed: list[PointLps],
    sizes: Sequence[Candidate] = (),
) -> sitk.Image:
    """Add the tissue around a point to an outline, or take it away.

    :param mask: unsigned 8-bit on the CT's grid; not changed.
    :param point: LPS mm; outside the mask if ``add``, else inside.
    :param fixed: points (LPS mm) whose surroundings stay as they are.
    :param sizes: of the same tumour, the likeliest first.
    :returns: the corrected mask, unsigned 8-bit.
    """
    around = look_around(anatomy, [point], fixed, _SEARCH_MM, _SEARCH_STEP_MM)
    radius = _radius(around, _domain(around, mask, add))
    reach = max(_REACH * radius, _LEAST_REACH_MM)
    step = float(np.clip(radius / 4.0, 1.0, 3.0))
    around = look_around(anatomy, [point], fixed, reach + 3.0 * step, step)
    near = around.ball(around.clicks[0], reach)
    domain = _domain(around, mask, add) & near
    if add and not around.soft[around.clicks[0]]:  # air has no surface of its own: what is left of a cavity
        region = around.ball(around.clicks[0], min(radius, _MOST_AIR_MM)) & domain
    else:
        region = grow_within(around, domain, around.clicks[0], radius, _ADD if add else _TAKE)
    change = _on_ct(region, around.grid, mask) | _lump_on_ct(mask, point, add, fixed, sizes)
    before = sitk.GetArrayViewFromImage(mask) > 0
    if add:
        after = before | (_tissue(anatomy.ct, change) if around.soft[around.clicks[0]] else change)
    else:
        after = before & ~change
        after = _without_crumbs(after, before, _on_ct(near, around.grid, mask) | change)
    after[mask.TransformPhysicalPointToIndex(point)[::-1]] = add
    image = sitk.GetImageFromArray(after.astype(np.uint8))
    image.CopyInformation(mask)
    return image


def _lump_on_ct(
    mask: sitk.Image, point: PointLps, add: bool, fixed: list[PointLps], sizes: Sequence[Candidate]
) -> np.ndarray:
    """The lump around the point that the likeliest fitting size has more (or less) than the outline; may be empty."""
    from scipy import ndimage

    for candidate in sizes:
        around = candidate.sweep.around
        index = around.grid.TransformPhysicalPointToIndex(point)[::-1]
        if any(not 0 <= v < n for v, n in zip(index, around.hu.shape, strict=True)):
            continue
        inside = _inside(mask, around.grid)
        differs = candidate.shape & ~inside if add else inside & ~candidate.shape
        if not differs[index]:
            continue
        pieces, _ = ndimage.label(differs)
        lump = pieces == pieces[index]
        depth = ndimage.distance_transform_edt(np.pad(lump, 1))[1:-1, 1:-1, 1:-1] * around.step
        if depth[index] < max(_CENTRAL * depth.max(), _LEAST_LUMP * around.step):
            continue
        if lump.sum() > (1.0 if add else _MOST_TAKEN) * inside.sum():
            continue
        lump &= around.ball(index, _LUMP_REACH * float(depth[index]))
        for other in fixed:
            voxel = around.grid.TransformPhysicalPointToIndex(other)[::-1]
            lump &= ~around.ball(voxel, _KEEP_MM)
        return _on_ct(lump, around.grid, mask)
    return np.zeros(mask.GetSize()[::-1], bool)


def _inside(mask: sitk.Image, grid: sitk.Image) -> np.ndarray:
    """The outline on a working grid."""
    resampled = sitk.Resample(mask, grid, sitk.Transform(), sitk.sitkLinear, 0.0, sitk.sitkFloat32)
    return sitk.GetArrayFromImage(resampled) >= 0.5


def _domain(around: Surroundings, mask: sitk.Image, add: bool) -> np.ndarray:
    """What may change: tissue outside of the outline, or all inside of it."""
    inside = _inside(mask, around.grid)
    domain = ~inside & ~around.bone if add else inside
    if add and around.soft[around.clicks[0]]:
        domain &= around.soft
    for voxel in around.excluded:
        domain &= ~around.ball(voxel, _KEEP_MM)
    domain[around.clicks[0]] = True
    return domain


def _radius(around: Surroundings, domain: np.ndarray) -> float:
    """Of the largest ball about the point that fits into what may change, mm."""
    from scipy import ndimage

    z, y, x = around.clicks[0]
    depth = ndimage.distance_transform_edt(np.pad(domain, 1))[z + 1, y + 1, x + 1] * around.step
    return max(float(depth) - 0.5 * around.step, _LEAST_RADIUS_MM)


def _on_ct(region: np.ndarray, grid: sitk.Image, ct_like: sitk.Image) -> np.ndarray:
    """A region of the working grid on the CT's, (z, y, x), with a smooth surface."""
    out = np.zeros(ct_like.GetSize()[::-1], bool)
    points = np.argwhere(region)
    if not len(points):
        return out
    soft = sitk.GetImageFromArray(region.astype(np.float32))
    soft.CopyInformation(grid)
    low, high = points.min(axis=0)[::-1] - 1, points.max(axis=0)[::-1] + 1
    corners = np.array(np.meshgrid(*zip(low.tolist(), high.tolist(), strict=True))).reshape(3, -1).T.tolist()
    places = [grid.TransformContinuousIndexToPhysicalPoint([float(v) for v in corner]) for corner in corners]
    index = np.array([ct_like.TransformPhysicalPointToContinuousIndex(place) for place in places])
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, np.array(ct_like.GetSize()) - 1)
    last = np.clip(np.ceil(index.max(axis=0)).astype(int), 0, np.array(ct_like.GetSize()) - 1)
    part = sitk.RegionOfInterest(ct_like, [int(n) for n in last - first + 1], [int(n) for n in first])
    values = sitk.GetArrayFromImage(sitk.Resample(soft, part, sitk.Transform(), sitk.sitkLinear, 0.0))
    out[tuple(slice(f, t + 1) for f, t in zip(first[::-1], last[::-1], strict=True))] = values >= 0.5
    return out


def _tissue(ct: sitk.Image, region: np.ndarray) -> np.ndarray:
    """A region without the lung at its rim, but with the air that it encloses."""
    from scipy import ndimage

    out = np.zeros_like(region)
    where = ndimage.find_objects(region.astype(np.uint8))
    if where:
        out[where[0]] = ndimage.binary_fill_holes(
            region[where[0]] & (sitk.GetArrayViewFromImage(ct)[where[0]] > TISSUE_HU)
        )
    return out


def _without_crumbs(after: np.ndarray, before: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Drop the small pieces that the cut broke off within its reach."""
    from scipy import ndimage

    where = ndimage.find_objects(before.astype(np.uint8))[0]
    pieces, count = ndimage.label(after[where], np.ones((3, 3, 3)))
    if count < 2:
        return after
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    reaches_out = np.bincount(pieces[~near[where]], minlength=count + 1) > 0
    keep = reaches_out | (sizes >= _CRUMB * sizes.max())
    keep[0] = False
    out = after.copy()
    out[where] &= keep[pieces]
    return out
