"""Dark sheets in soft tissue: the thin layers of fat that part a tumour from heart, aorta, muscle and liver.

Two soft tissues of the same HU have no edge between them, but most often a dip of some HU over a mm or two. The largest
eigenvalue of the Hessian finds it whichever way the layer runs (Frangi 1998, Sato 1998 for bright structures).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import SimpleITK as sitk

SHEET_MM = 2.0  # standard deviation of the Gaussian: half the width of the layers found
_LEAST_HU, _MOST_HU = -120.0, 120.0
_REACH = 3.0  # standard deviations at which the Gaussian is cut off
_SLAB = 4  # slices of the grid that are worked on at a time
# Rows of a band matrix, and columns beside it, that are taken at a time: most of the matrix is 0, and products as small
# as these are not shared out among threads, whose waiting for each other takes seconds on a busy machine.
_BLOCK, _COLUMNS = 16, 512


def dark_sheets(
    ct: sitk.Image, grid: sitk.Image, box: tuple[slice, ...] | None = None, finer: int = 2, threads: int = 2
) -> np.ndarray:
    """How much darker than both sides each place is, HU, largest within each voxel of ``grid``; (z, y, x).

    :param ct: in HU, fine enough to show the layers.
    :param grid: isotropic.
    :param box: part of the grid (z, y, x) that is wanted; the values there are those of the whole grid.
    :param finer: the sheets are looked for on a grid this many times finer.
    :param threads: of this process to work with.
    """
    step = grid.GetSpacing()[0] / finer
    inner = (slice(None),) * 3
    if box is not None:
        grid, inner = _with_margin(grid, box, int(np.ceil((_REACH * SHEET_MM / step + 0.5) / finer)))
    fine = _finer_grid(grid, finer)
    image = sitk.Resample(ct, fine, sitk.Transform(), sitk.sitkLinear, -1024.0, sitk.sitkFloat32)
    hu = np.clip(sitk.GetArrayFromImage(image), _LEAST_HU, _MOST_HU)
    bands = [_derivatives(n, SHEET_MM / step) for n in hu.shape]
    slabs = [slice(z, min(z + finer * _SLAB, len(hu))) for z in range(0, len(hu), finer * _SLAB)]
    with ThreadPoolExecutor(threads) as pool:
        curved = pool.map(lambda slab: _largest_in_blocks(_largest_curvature(hu, slab, bands), finer), slabs)
        return np.maximum(np.concatenate(list(curved)), 0.0)[inner]


def _with_margin(
    grid: sitk.Image, box: tuple[slice, ...], margin: int
) -> tuple[sitk.Image, tuple[slice, slice, slice]]:
    """The part of a grid that holds a box and what decides the values in it; and the box in that part."""
    first = [max(0, s.start - margin) for s in box]
    last = [min(n, s.stop + margin) for n, s in zip(grid.GetSize()[::-1], box, strict=True)]
    size = [b - a for a, b in zip(first, last, strict=True)]
    inner = tuple(slice(s.start - a, s.stop - a) for s, a in zip(box, first, strict=True))
    return sitk.RegionOfInterest(grid, size[::-1], first[::-1]), inner


def _finer_grid(grid: sitk.Image, finer: int) -> sitk.Image:
    fine = sitk.Image([n * finer for n in grid.GetSize()], sitk.sitkUInt8)
    fine.SetSpacing([s / finer for s in grid.GetSpacing()])
    fine.SetDirection(grid.GetDirection())
    corner = [-0.5 + 0.5 / finer] * 3
    fine.SetOrigin(grid.TransformContinuousIndexToPhysicalPoint(corner))
    return fine


def _derivatives(count: int, sigma: float) -> np.ndarray:
    """Smoothing along an axis, and its first and second derivative times sigma and sigma²: (3, count, count) matrices.

    On lines of some hundred voxels a product of matrices is quicker than a convolution.
    """
    from scipy import ndimage

    lines = np.eye(count, dtype=np.float32)
    orders = [ndimage.gaussian_filter1d(lines, sigma, axis=0, order=n, truncate=_REACH) for n in range(3)]
    return np.stack([order * np.float32(sigma**n) for n, order in enumerate(orders)])


def _largest_curvature(values: np.ndarray, slab: slice, bands: list[np.ndarray]) -> np.ndarray:
    """Largest eigenvalue of the Hessian times sigma squared on some slices, in the units of ``values``.

    A few slices at a time, so that all that is worked on stays in the processor's cache.

    :param bands: of each axis, from :func:`_derivatives`.
    """
    window = _touched(bands[0], slab)
    near = values[window].reshape(window.stop - window.start, -1)
    columns = [slice(c, c + _COLUMNS) for c in range(0, near.shape[1], _COLUMNS)]

    def along_z(order: int) -> np.ndarray:
        parts = [bands[0][order, slab, window] @ near[:, some] for some in columns]
        return np.concatenate(parts, axis=1).reshape(-1, *values.shape[1:])

    def along(array: np.ndarray, axis: int, order: int) -> np.ndarray:
        band, parts = bands[axis], []
        for start in range(0, values.shape[axis], _BLOCK):
            rows = slice(start, start + _BLOCK)
            of = _touched(band, rows)
            parts.append(
                band[order, rows, of] @ array[:, of] if axis == 1 else array[:, :, of] @ band[order, rows, of].T
            )
        return np.concatenate(parts, axis=axis)

    smooth, first, bent = (along_z(order) for order in range(3))
    level, slope = along(smooth, 1, 0), along(smooth, 1, 1)
    zz, yy, xx = along(along(bent, 1, 0), 2, 0), along(along(smooth, 1, 2), 2, 0), along(level, 2, 2)
    zy, zx, yx = along(along(first, 1, 1), 2, 0), along(along(first, 1, 0), 2, 1), along(slope, 2, 1)
    return _largest_eigenvalue(zz, yy, xx, zy, zx, yx)


def _touched(band: np.ndarray, rows: slice) -> slice:
    """The columns in which some rows of a band matrix are not 0."""
    columns = np.flatnonzero(band[:, rows].any(axis=(0, 1)))
    return slice(int(columns[0]), int(columns[-1]) + 1)


def _largest_eigenvalue(
    zz: np.ndarray, yy: np.ndarray, xx: np.ndarray, zy: np.ndarray, zx: np.ndarray, yx: np.ndarray
) -> np.ndarray:
    """Of symmetric 3 × 3 matrices, in closed form (Smith 1961)."""
    mean = (zz + yy + xx) / 3.0
    zz, yy, xx = zz - mean, yy - mean, xx - mean
    det = zz * (yy * xx - yx * yx) - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
    squares = zz * zz + yy * yy + xx * xx + 2.0 * (zy * zy + zx * zx + yx * yx)
    radius = np.sqrt(np.maximum(squares / 6.0, 1e-12))
    angle = np.arccos(np.clip(det / (2.0 * radius * radius * radius), -1.0, 1.0)) / 3.0
    return mean + 2.0 * radius * np.cos(angle)


def _largest_in_blocks(values: np.ndarray, size: int) -> np.ndarray:
    z, y, x = (n // size for n in values.shape)
    return values.reshape(z, size, y, size, x, size).max(axis=(1, 3, 5))
