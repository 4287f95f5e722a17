"""Grid, anatomical frame and brushes of the simulated patient.

Shapes are described in an atlas frame in mm: x to the patient's left, y to the back, z to the head, origin at the
carina's level (y: middle of the chest). A patient is the atlas stretched and gently bent, so that no two are alike.
Arrays are (z, y, x); distances are signed, in mm, negative inside.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FAR = np.float32(1e3)
Box = tuple[slice, slice, slice]
_BENDS = 3


def stream(seed: int, index: int, name: str) -> np.random.Generator:
    """Random numbers for one purpose in one patient; independent of every other patient, purpose and thread."""
    return np.random.default_rng(np.random.SeedSequence([seed, index, *name.encode()]))


@dataclass(frozen=True)
class Grid:
    """Where voxels lie, in patient mm (LPS axes, before the scanner's table offset).

    :param shape: (z, y, x) in voxels.
    :param spacing: (z, y, x) in mm.
    :param origin: (z, y, x) of the first voxel's centre.
    """

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]

    @staticmethod
    def around_body(shape: tuple[int, int, int], spacing: tuple[float, float, float], bottom: float) -> Grid:
        """A grid with the body in its middle and its lowest slice at ``bottom``."""
        _, ny, nx = shape
        return Grid(shape, spacing, (bottom, -(ny - 1) / 2 * spacing[1] + 10.0, -(nx - 1) / 2 * spacing[2]))

    def crop(self, box: Box) -> Grid:
        """The part of this grid in a box."""
        shape = tuple(s.stop - s.start for s in box)
        start = tuple(o + s.start * k for o, s, k in zip(self.origin, box, self.spacing, strict=True))
        return Grid((shape[0], shape[1], shape[2]), self.spacing, (start[0], start[1], start[2]))

    def axis(self, axis: int) -> np.ndarray:
        """Coordinates along one axis, shape (n,); read-only."""
        return _axis(self.origin[axis], self.spacing[axis], self.shape[axis])

    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """z, y and x coordinates, each of a shape that broadcasts to the grid."""
        return self.axis(0)[:, None, None], self.axis(1)[None, :, None], self.axis(2)[None, None, :]

    def box(self, low: np.ndarray, high: np.ndarray) -> Box:
        """Slices (z, y, x) of the voxels between two points given as (x, y, z)."""
        slices = []
        for axis in range(3):
            first = int(np.floor((low[2 - axis] - self.origin[axis]) / self.spacing[axis]))
            last = int(np.ceil((high[2 - axis] - self.origin[axis]) / self.spacing[axis])) + 1
            slices.append(slice(min(max(first, 0), self.shape[axis]), min(max(last, 0), self.shape[axis])))
        return slices[0], slices[1], slices[2]

    def index(self, point: Sequence[float]) -> tuple[int, int, int]:
        """Nearest voxel (z, y, x) of a point (x, y, z), kept inside the grid."""
        found = [
            int(np.clip(round((point[2 - axis] - self.origin[axis]) / self.spacing[axis]), 0, self.shape[axis] - 1))
            for axis in range(3)
        ]
        return found[0], found[1], found[2]


@functools.lru_cache(maxsize=64)
def _axis(origin: float, spacing: float, number: int) -> np.ndarray:
    values = (origin + spacing * np.arange(number)).astype(np.float32)
    values.flags.writeable = False
    return values


class Frame:
    """The patient's own version of the atlas frame.

    :param grid: the voxels.
    :param scale: stretch of the atlas along (x, y, z).
    :param rng: draws the bends.
    """

    def __init__(self, grid: Grid, scale: tuple[float, float, float], rng: np.random.Generator) -> None:
        self.grid = grid
        self.scale = scale
        self._bends = [
            [
                (rng.normal(0, 1.2), rng.uniform(60, 200), rng.uniform(60, 200), *rng.uniform(0, 2 * np.pi, 2))
                for _ in range(_BENDS)
            ]
            for _ in range(2)
        ]
        z, y, x = grid.axes()
        self.u = (x / scale[0] + self._bend(0, y, z)).astype(np.float32)
        self.v = (y / scale[1] + self._bend(1, x, z)).astype(np.float32)
        self.w = z / np.float32(scale[2])

    def _bend(self, axis: int, across: np.ndarray, z: np.ndarray) -> np.ndarray:
        total = 0.0
        for amplitude, wave, wave_z, phase, phase_z in self._bends[axis]:
            along = np.cos(2 * np.pi * z / wave_z + phase_z)
            total = total + amplitude * np.cos(2 * np.pi * across / wave + phase) * along
        return total

    def crop(self, box: Box) -> Frame:
        """The same frame on a part of the grid."""
        part = copy.copy(self)
        part.grid = self.grid.crop(box)
        part.u, part.v, part.w = self.u[box], self.v[box], self.w[box[0]]
        return part

    @property
    def size(self) -> float:
        """Mean stretch: what radii are multiplied with."""
        return float(np.prod(self.scale) ** (1 / 3))

    def to_patient(self, points: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
        """Atlas points, shape (n, 3) as (x, y, z), in patient mm."""
        atlas = np.asarray(points, dtype=float)
        z = atlas[:, 2] * self.scale[2]
        x, y = atlas[:, 0] * self.scale[0], atlas[:, 1] * self.scale[1]
        for _ in range(4):  # the bends are small: this converges to micrometres
            x, y = (
                self.scale[0] * (atlas[:, 0] - self._bend(0, y, z)),
                self.scale[1] * (atlas[:, 1] - self._bend(1, x, z)),
            )
        return np.stack([x, y, z], axis=1)

    def profile(self, table: dict[float, float]) -> np.ndarray:
        """A quantity given at some atlas heights, smoothly at every slice: shape (nz, 1, 1)."""
        from scipy.interpolate import PchipInterpolator

        heights = sorted(table)
        curve = PchipInterpolator(heights, [table[h] for h in heights])
        return curve(np.clip(self.w, heights[0], heights[-1])).astype(np.float32)


def profile_at(table: dict[float, float], height: np.ndarray) -> np.ndarray:
    """As :meth:`Frame.profile`, at given atlas heights."""
    from scipy.interpolate import PchipInterpolator

    heights = sorted(table)
    return PchipInterpolator(heights, [table[h] for h in heights])(np.clip(height, heights[0], heights[-1]))


def superellipse(x: np.ndarray, y: np.ndarray, a: np.ndarray, b: np.ndarray, power: float) -> np.ndarray:
    """Distance along the ray from the centre to the curve |x/a|^p + |y/b|^p = 1, negative inside."""
    radius = np.sqrt(x * x + y * y) + np.float32(1e-3)
    norm = (np.abs(x / a) ** power + np.abs(y / b) ** power) ** (1 / power) + np.float32(1e-4)
    return radius - radius / norm


def ellipsoid(x: np.ndarray, y: np.ndarray, z: np.ndarray, semi_axes: Sequence[float]) -> np.ndarray:
    """Approximate distance to an ellipsoid about the origin: exact on the surface, right in scale near it."""
    a, b, c = (np.float32(s) for s in semi_axes)
    # the small terms keep the ratio finite at the centre
    k0 = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2) + np.float32(1e-3)
    k1 = np.sqrt((x / a**2) ** 2 + (y / b**2) ** 2 + (z / c**2) ** 2) + np.float32(1e-3) / min(a, b, c)
    return k0 * (k0 - 1) / k1


def smooth_min(first: np.ndarray, second: np.ndarray, blend: float) -> np.ndarray:
    """Union of two shapes with a fillet of about ``blend`` mm."""
    rounded = _fillet(first, second, blend)
    return np.subtract(np.minimum(first, second), rounded, out=rounded)


def smooth_max(first: np.ndarray, second: np.ndarray, blend: float) -> np.ndarray:
    """Intersection of two shapes with a rounded edge."""
    rounded = _fillet(first, second, blend)
    rounded += np.maximum(first, second)
    return rounded


def _fillet(first: np.ndarray, second: np.ndarray, blend: float) -> np.ndarray:
    """(blend − |first − second|)² / (4 blend) where positive; in place, since whole volumes pass here often."""
    gap = np.subtract(first, second, dtype=np.float32)
    np.abs(gap, out=gap)
    np.subtract(np.float32(blend), gap, out=gap)
    np.maximum(gap, 0, out=gap)
    np.multiply(gap, gap, out=gap)
    gap *= np.float32(1 / (4 * blend))
    return gap


def coverage(distance: np.ndarray, width: float) -> np.ndarray:
    """Share of a voxel that a shape fills, from its distance: a ramp as wide as the voxel."""
    return np.clip(np.float32(0.5) - distance / np.float32(width), 0, 1)


def smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below ``low``, 1 above ``high``, smooth between."""
    t = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def paint(image: np.ndarray, share: np.ndarray, value: np.ndarray | float) -> None:
    """Replace ``share`` of each voxel's content by ``value``, in place."""
    image += share * (value - image)


def noise(
    grid: Grid, rng: np.random.Generator, scale_mm: float, shape: tuple[int, int, int] | None = None
) -> np.ndarray:
    """Smooth Gaussian noise of unit variance with a correlation length of ``scale_mm``; drawn coarse, then enlarged.

    :returns: float32 of ``shape`` (default: the grid's).
    """
    from scipy import ndimage

    shape = shape or grid.shape
    step = [max(1.0, scale_mm / 2 / s) for s in grid.spacing]
    small = [int(np.ceil(n / s)) + 5 for n, s in zip(shape, step, strict=True)]
    field = rng.standard_normal(small, dtype=np.float32)
    sigma = [scale_mm / s / k for s, k in zip(grid.spacing, step, strict=True)]
    field = ndimage.gaussian_filter(field, [s * 0.7 for s in sigma], mode="wrap", truncate=3)
    field /= field.std() + 1e-6
    return enlarge(field, shape, step)


def enlarge(field: np.ndarray, shape: Sequence[int], step: Sequence[float]) -> np.ndarray:
    """Linear interpolation along each axis: output voxel i lies at i/step + 1 of the small field."""
    for axis in range(3):
        if step[axis] == 1.0:
            field = np.take(field, np.arange(1, shape[axis] + 1), axis=axis)
            continue
        at = np.arange(shape[axis]) / step[axis] + 1
        low = at.astype(int)
        rest = (at - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        field = np.take(field, low, axis=axis) * (1 - rest) + np.take(field, low + 1, axis=axis) * rest
    return np.ascontiguousarray(field, dtype=np.float32)
