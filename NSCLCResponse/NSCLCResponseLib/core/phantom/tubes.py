"""Tubes through points: vessels, airways, ribs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from .frame import FAR, Frame, Grid


def smooth_path(points: np.ndarray, step: float = 4.0) -> np.ndarray:
    """A curve through points, shape (n, k) with columns x, y, z and others (radius), sampled every ``step`` mm."""
    from scipy.interpolate import PchipInterpolator

    points = np.asarray(points, dtype=float)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1))])
    at = np.linspace(0, length[-1], max(2, int(np.ceil(length[-1] / step)) + 1))
    return PchipInterpolator(length, points)(at)


def tube(frame: Frame, points: Sequence[Sequence[float]], step: float = 6.0) -> np.ndarray:
    """Atlas points (x, y, z, radius) as a smooth patient-space path of the same columns."""
    path = smooth_path(np.asarray(points, dtype=float), step)
    return np.column_stack([frame.to_patient(path[:, :3]), path[:, 3] * frame.size])


def segment_distance(
    grid: Grid, box: tuple[slice, slice, slice], start: np.ndarray, end: np.ndarray, flat: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the axis of one piece of tube, and how far along it (0 to 1), in a box of voxels.

    :param flat: below 1, heights above the axis count less: a tube that is taller than wide.
    """
    z, y, x = (axis[s] for axis, s in zip((grid.axis(0), grid.axis(1), grid.axis(2)), box, strict=True))
    x0, y0, z0 = start.tolist()  # Python's floats: numpy's would make the arrays 64 bits wide
    dx, dy, dz = (end - start).tolist()
    x, y, z = (x - x0)[None, None, :], (y - y0)[None, :, None], (z - z0)[:, None, None]
    along = (x * dx + y * dy + z * dz) / max(dx * dx + dy * dy + dz * dz, 1e-6)
    along = np.minimum(np.maximum(along, 0), 1)
    distance = np.sqrt((x - along * dx) ** 2 + (y - along * dy) ** 2 + (flat * (z - along * dz)) ** 2)
    return distance, along


def add_tube(distance: np.ndarray, grid: Grid, path: np.ndarray, reach: float = 6.0, flat: float = 1.0) -> None:
    """Lower ``distance`` (the grid's shape, mm) to that from the surface of a tube, within ``reach`` of it.

    :param path: shape (n, 4): x, y, z, radius in patient mm.
    """
    for first, second in itertools.pairwise(path):
        margin = max(first[3], second[3]) / flat + reach
        low, high = np.minimum(first[:3], second[:3]) - margin, np.maximum(first[:3], second[:3]) + margin
        box = grid.box(low, high)
        if any(s.start >= s.stop for s in box):
            continue
        away, along = segment_distance(grid, box, first[:3], second[:3], flat)
        away -= float(first[3]) + along * float(second[3] - first[3])
        np.minimum(distance[box], away, out=distance[box])


def tubes_distance(grid: Grid, paths: Sequence[np.ndarray], reach: float = 6.0, flat: float = 1.0) -> np.ndarray:
    """Distance to the nearest of several tubes; a large number beyond ``reach``."""
    distance = np.full(grid.shape, FAR, dtype=np.float32)
    for path in paths:
        add_tube(distance, grid, path, reach, flat)
    return distance


def thin_tubes_share(grid: Grid, paths: Sequence[np.ndarray], width: float) -> np.ndarray:
    """Share of each voxel filled by tubes that may be thinner than a voxel.

    A thin tube spreads over ``width`` mm and is fainter by the share of that cross-section that it really fills, so
    that it looks as partial volume makes it look.
    """
    share = np.zeros(grid.shape, dtype=np.float32)
    for path in paths:
        for first, second in itertools.pairwise(path):
            radius = float(first[3] + second[3]) / 2
            shown = max(radius, width / 2)
            margin = shown + width
            low, high = np.minimum(first[:3], second[:3]) - margin, np.maximum(first[:3], second[:3]) + margin
            box = grid.box(low, high)
            if any(s.start >= s.stop for s in box):
                continue
            away, _ = segment_distance(grid, box, first[:3], second[:3])
            filled = np.clip(0.5 - (away - shown) / width, 0, 1) * np.float32(min(1.0, (radius / shown) ** 2))
            np.maximum(share[box], filled, out=share[box])
    return share
