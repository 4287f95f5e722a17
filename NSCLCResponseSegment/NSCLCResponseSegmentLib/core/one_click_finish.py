"""From a region on the working grid to a mask on the CT's grid that ends where the tissue ends."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .one_click_seed import CAVITY_ML, SOFT_HU, Surroundings

TISSUE_HU = -450.0  # half-way between tumour and lung
_REACH_MM = 2.5  # how far the tissue's edge may lie from the region's
_CLOSE_MM = 2.5  # observers draw over notches and thin strands of this width


def finish(ct: sitk.Image, around: Surroundings, region: np.ndarray) -> sitk.Image:
    """Carry a region over to the CT's grid.

    Against lung the outline follows the CT's own voxels within a few mm of the region; elsewhere it is the region's
    smooth surface. Notches are closed; cavities and bronchi inside belong to the tumour, as in observers' contours.
    """
    from scipy import ndimage

    distance = _signed_distance(region, around)
    box = _box_on(ct, distance)
    part = sitk.RegionOfInterest(ct, [int(n) for n in box[1]], [int(n) for n in box[0]])
    from_edge = sitk.GetArrayFromImage(
        sitk.Resample(distance, part, sitk.Transform(), sitk.sitkLinear, 100.0, sitk.sitkFloat32)
    )
    spacing = part.GetSpacing()[::-1]
    tissue = sitk.GetArrayViewFromImage(part) > around.soft_hu + TISSUE_HU - SOFT_HU
    against_air = ndimage.binary_dilation(~tissue, iterations=2)
    mask = (from_edge <= 0) | ((from_edge <= _REACH_MM) & tissue & against_air)
    mask &= tissue | (from_edge <= -_REACH_MM)
    mask = _closed(mask, spacing)
    mask = _filled(mask, spacing)
    mask = _main_piece(mask)
    whole = np.zeros(ct.GetSize()[::-1], np.uint8)
    whole[tuple(slice(a, a + n) for a, n in zip(box[0][::-1], box[1][::-1], strict=True))] = mask
    image = sitk.GetImageFromArray(whole)
    image.CopyInformation(ct)
    return image


def _signed_distance(region: np.ndarray, around: Surroundings) -> sitk.Image:
    """mm from the region's surface, negative inside, slightly smoothed."""
    from scipy import ndimage

    hits = [np.flatnonzero(region.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    first = [int(h[0]) for h in hits]
    padded = np.pad(region[tuple(slice(h[0], h[-1] + 1) for h in hits)], 3)
    out = ndimage.distance_transform_edt(~padded) - ndimage.distance_transform_edt(padded)
    out = ndimage.gaussian_filter((out + np.where(out > 0, -0.5, 0.5)) * around.step, 0.7).astype(np.float32)
    image = sitk.GetImageFromArray(out)
    image.SetSpacing(around.grid.GetSpacing())
    image.SetDirection(around.grid.GetDirection())
    image.SetOrigin(around.grid.TransformIndexToPhysicalPoint([v - 3 for v in first[::-1]]))
    return image


def _box_on(ct: sitk.Image, distance: sitk.Image) -> tuple[list[int], list[int]]:
    """First index and size of the CT's box around the region."""
    near = np.argwhere(sitk.GetArrayViewFromImage(distance) < 5.0)
    low, high = near.min(axis=0)[::-1], near.max(axis=0)[::-1]
    corners = np.array(np.meshgrid(*zip(low.tolist(), high.tolist(), strict=True))).reshape(3, -1).T
    index = np.array(
        [
            ct.TransformPhysicalPointToContinuousIndex(distance.TransformIndexToPhysicalPoint(c))
            for c in corners.tolist()
        ]
    )
    first = np.clip(np.floor(index.min(axis=0)).astype(int) - 1, 0, np.array(ct.GetSize()) - 1)
    last = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, 0, np.array(ct.GetSize()) - 1)
    return first.tolist(), (last - first + 1).tolist()


def _closed(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Closed by a ball; on the few voxels that it spans, shifting the mask is quicker than a distance transform."""
    steps = [int(_CLOSE_MM / s) for s in spacing]
    pad = [(2 * n + 1,) * 2 for n in steps]
    wide = _grown_by_ball(np.pad(mask, pad), steps, spacing)
    closed = ~_grown_by_ball(~wide, steps, spacing)
    return mask | closed[tuple(slice(a, -b) for a, b in pad)]


def _grown_by_ball(mask: np.ndarray, steps: list[int], spacing: tuple[float, ...]) -> np.ndarray:
    """All voxels whose centres lie within the ball of one in the mask; what lies beyond the array does not count."""
    offsets = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in steps), indexing="ij"), axis=-1).reshape(-1, 3)
    out = np.zeros_like(mask)
    for offset in offsets[((offsets * spacing) ** 2).sum(axis=1) <= _CLOSE_MM**2].tolist():
        to = tuple(slice(max(0, n), min(0, n) or None) for n in offset)
        of = tuple(slice(max(0, -n), min(0, -n) or None) for n in offset)
        out[to] |= mask[of]
    return out


def _filled(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Fill what is enclosed on an axial slice or in 3-D, up to the size of a cavity."""
    from scipy import ndimage

    filled = ndimage.binary_fill_holes(mask)
    for plane in filled:
        ndimage.binary_fill_holes(plane, output=plane)
    holes, count = ndimage.label(filled & ~mask)
    if not count:
        return mask
    volumes = np.bincount(holes.ravel()) * np.prod(spacing) / 1000.0
    return mask | (volumes < CAVITY_ML)[holes] & filled


def _main_piece(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count < 2:
        return mask
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return (sizes >= 0.1 * sizes.max())[pieces] & mask
