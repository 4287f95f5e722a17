"""Surface, volume and diameters of a mask, with PyRadiomics' own mesh but without its quadratic search.

PyRadiomics walks marching cubes and then compares every pair of mesh vertices for the diameters, which takes seconds
for a large tumour. Here its C function is asked once for each of the 256 cubes what surface and (signed) volume it
adds; the mask's cubes are counted with array operations; and only points that can be the farthest apart are compared.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache

import numpy as np

_FEW, _MANY = 64, 1500  # points whose distances are simply all computed; for which a convex hull pays
_CORNERS = ((0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1))


def mesh_coefficients(mask: np.ndarray, spacing: np.ndarray) -> tuple[float, float, tuple[float, float, float, float]]:
    """The same as ``radiomics.cShape.calculate_coefficients``, up to rounding.

    :param mask: boolean, (z, y, x), with a margin of one empty voxel on every side.
    :param spacing: mm, order z, y, x.
    :returns: surface in mm², volume in mm³, and the largest diameters in mm: within a slice, a column, a row, in 3-D.
    """
    spacing = np.asarray(spacing, float)
    areas, volumes, fluxes = _cube_table(tuple(float(s) for s in spacing))
    cubes = np.zeros(tuple(n - 1 for n in mask.shape), np.uint8)
    for bit, (z, y, x) in enumerate(_CORNERS):
        part = mask[z : z + cubes.shape[0], y : y + cubes.shape[1], x : x + cubes.shape[2]]
        cubes |= part.view(np.uint8) << np.uint8(bit)
    where = np.nonzero((cubes != 0) & (cubes != 255))
    kinds = cubes[where]
    counts = np.bincount(kinds, minlength=256)
    area = float(counts @ areas)
    # a cube's volume is counted from the origin: what it adds grows with its position times its net surface vector
    volume = float(counts @ volumes)
    for axis in range(3):
        offsets = np.bincount(kinds, weights=where[axis] * spacing[axis], minlength=256)
        volume += float(offsets @ fluxes[axis])
    return area, volume, _diameters(mask, spacing)


@lru_cache(maxsize=8)
def _cube_table(spacing: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Surface (256), volume at the origin (256) and its growth per mm along z, y, x (3, 256) of each marching cube."""
    areas, volumes, fluxes = np.zeros(256), np.zeros(256), np.zeros((3, 256))
    cubes = [_cube(kind) for kind in range(256)]
    for kind, cube in enumerate(cubes):
        areas[kind], volumes[kind] = _ask_pyradiomics(cube, spacing)
    for axis in range(3):
        for kind, cube in enumerate(cubes):
            pair = np.concatenate([np.zeros_like(cube.take([0], axis)), cube], axis)
            before = pair.take([0, 1], axis)
            _, volume = _ask_pyradiomics(pair, spacing)
            shifted = volume - volumes[_kind(before)]
            fluxes[axis, kind] = (shifted - volumes[kind]) / spacing[axis]
    return areas, volumes, fluxes


def _cube(kind: int) -> np.ndarray:
    cube = np.zeros((2, 2, 2), bool)
    for bit, corner in enumerate(_CORNERS):
        cube[corner] = bool(kind >> bit & 1)
    return cube


def _kind(cube: np.ndarray) -> int:
    return sum(int(cube[corner]) << bit for bit, corner in enumerate(_CORNERS))


def _ask_pyradiomics(mask: np.ndarray, spacing: tuple[float, float, float]) -> tuple[float, float]:
    from radiomics import cShape

    area, volume, _ = cShape.calculate_coefficients(np.ascontiguousarray(mask), np.array(spacing))
    return area, volume


def _diameters(mask: np.ndarray, spacing: np.ndarray) -> tuple[float, float, float, float]:
    """Largest distances between mesh vertices: of equal z, of equal y, of equal x, of any."""
    vertices = _vertices(mask)
    planar = [_largest_in_planes(vertices, axis, spacing) for axis in range(3)]
    return planar[0], planar[1], planar[2], _largest(_outermost(vertices, 2) * spacing / 2)


def _vertices(mask: np.ndarray) -> np.ndarray:
    """Mesh vertices (n, 3): midway between neighbours of which one is inside; in half voxels, order z, y, x."""
    found = []
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        points = 2 * np.argwhere(mask[tuple(low)] != mask[tuple(high)])
        points[:, axis] += 1
        found.append(points)
    return np.concatenate(found)


def _outermost(points: np.ndarray, along: int) -> np.ndarray:
    """The first and last point of each line of points along one axis; the farthest pair is always among them."""
    others = [axis for axis in range(points.shape[1]) if axis != along]
    order = np.lexsort([points[:, along], *(points[:, axis] for axis in others)])
    points = points[order]
    new_line = np.any(points[1:, others] != points[:-1, others], axis=1)
    first = np.concatenate([[True], new_line])
    last = np.concatenate([new_line, [True]])
    return points[first | last]


def _largest_in_planes(vertices: np.ndarray, axis: int, spacing: np.ndarray) -> float:
    """Largest distance between vertices whose coordinate along ``axis`` is the same.

    No distance exceeds twice the largest from the middle of a plane's box; planes come in that order, until one cannot
    exceed what was found.
    """
    others = [a for a in range(3) if a != axis]
    order = np.argsort(vertices[:, axis], kind="stable")
    heights, points = vertices[order, axis], vertices[order][:, others]
    starts = np.flatnonzero(np.concatenate([[True], np.diff(heights) > 0]))
    scale = spacing[others] / 2
    middles = (np.maximum.reduceat(points, starts) + np.minimum.reduceat(points, starts)) / 2
    sizes = np.diff(starts, append=len(points))
    radii = np.linalg.norm((points - np.repeat(middles, sizes, axis=0)) * scale, axis=1)
    bounds = 2 * np.maximum.reduceat(radii, starts) + 1e-9
    planes = np.split(points, starts[1:])
    largest = 0.0
    for number in np.argsort(-bounds, kind="stable"):
        if bounds[number] <= largest:
            break
        largest = max(largest, _largest(_outermost(planes[number], 1) * scale))
    return largest


def _largest(points: np.ndarray) -> float:
    """Largest distance between any two points (n, d)."""
    if len(points) > _FEW:
        points = _far_out(points)
    if len(points) > _MANY:
        from scipy.spatial import ConvexHull, QhullError

        with contextlib.suppress(QhullError):  # all in one plane: leave them all in
            points = points[ConvexHull(points).vertices]
    return max(_farthest(points, point)[1] for point in points) if len(points) > _MANY else _largest_of_few(points)


def _largest_of_few(points: np.ndarray) -> float:
    squares = np.zeros((len(points), len(points)))
    for axis in range(points.shape[1]):
        squares += np.subtract.outer(points[:, axis], points[:, axis]) ** 2
    return float(np.sqrt(squares.max()))


def _far_out(points: np.ndarray) -> np.ndarray:
    """The points that can belong to the farthest pair: with a pair at distance d known, both ends of a farther one lie
    at least d - r from the middle when no point is farther from it than r."""
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    from_middle = np.linalg.norm(points - middle, axis=1)
    end = points[np.argmax(from_middle)]
    for _ in range(3):
        end, apart = _farthest(points, end)
    return points[from_middle >= apart - from_middle.max() - 1e-9]


def _farthest(points: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    distances = np.linalg.norm(points - start, axis=1)
    index = int(np.argmax(distances))
    return points[index], float(distances[index])
