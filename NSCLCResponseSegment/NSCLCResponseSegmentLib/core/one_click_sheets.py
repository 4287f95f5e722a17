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


def dark_sheets(ct: sitk.Image, grid: sitk.Image, finer: int = 2) -> np.ndarray:
    """How much darker than both sides each place is, HU, largest within each voxel of ``grid``; (z, y, x).

    :param ct: in HU, fine enough to show the layers.
    :param grid: isotropic.
    :param finer: the sheets are looked for on a grid this many times finer.
    """
    step = grid.GetSpacing()[0] / finer
    fine = _finer_grid(grid, finer)
    image = sitk.Resample(ct, fine, sitk.Transform(), sitk.sitkLinear, -1024.0, sitk.sitkFloat32)
    hu = np.clip(sitk.GetArrayFromImage(image), _LEAST_HU, _MOST_HU)
    sheet = np.maximum(_largest_curvature(hu, SHEET_MM / step), 0.0)
    return _largest_in_blocks(sheet, finer)


def _finer_grid(grid: sitk.Image, finer: int) -> sitk.Image:
    fine = sitk.Image([n * finer for n in grid.GetSize()], sitk.sitkUInt8)
    fine.SetSpacing([s / finer for s in grid.GetSpacing()])
    fine.SetDirection(grid.GetDirection())
    corner = [-0.5 + 0.5 / finer] * 3
    fine.SetOrigin(grid.TransformContinuousIndexToPhysicalPoint(corner))
    return fine


def _largest_curvature(values: np.ndarray, sigma: float) -> np.ndarray:
    """Largest eigenvalue of the Hessian times sigma squared, in the units of ``values``."""
    from scipy import ndimage

    def second(order: tuple[int, int, int]) -> np.ndarray:
        return ndimage.gaussian_filter(values, sigma, order=order, truncate=3.0) * sigma**2

    with ThreadPoolExecutor(2) as pool:
        zz, yy, xx, zy, zx, yx = pool.map(second, [(2, 0, 0), (0, 2, 0), (0, 0, 2), (1, 1, 0), (1, 0, 1), (0, 1, 1)])
    # Smith (1961): eigenvalues of a symmetric 3 × 3 matrix in closed form
    mean = (zz + yy + xx) / 3.0
    zz, yy, xx = zz - mean, yy - mean, xx - mean
    off = zy**2 + zx**2 + yx**2
    radius = np.sqrt(np.maximum((zz**2 + yy**2 + xx**2 + 2 * off) / 6.0, 1e-12))
    det = zz * (yy * xx - yx**2) - zy * (zy * xx - yx * zx) + zx * (zy * yx - yy * zx)
    angle = np.arccos(np.clip(det / (2.0 * radius**3), -1.0, 1.0)) / 3.0
    return mean + 2.0 * radius * np.cos(angle)


def _largest_in_blocks(values: np.ndarray, size: int) -> np.ndarray:
    z, y, x = (n // size for n in values.shape)
    return values.reshape(z, size, y, size, x, size).max(axis=(1, 3, 5))
