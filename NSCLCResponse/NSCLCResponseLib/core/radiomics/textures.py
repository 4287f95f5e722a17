"""Texture matrices of many images over one region, with the region's geometry worked out once.

PyRadiomics' C functions find every voxel's neighbours anew for each matrix of each image. Here the region's voxels are
put in order along each of the 13 directions once; co-occurrences (GLCM), runs (GLRLM), dependences (GLDM) and
neighbourhood sums (NGTDM) of an image are then array operations on its levels in that order. The counts are exact
integers, so the matrices equal PyRadiomics' to the last bit (NGTDM's sums to rounding).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Direction:
    """The region's voxels in order along one direction.

    :param order: voxel numbers (in the order of ``inside``'s True elements), line after line.
    :param back: where each voxel stands in ``order``.
    :param joined: whether the next voxel in ``order`` is the neighbour of this one (n - 1).
    :param has_lines: whether any line along it passes two voxels; PyRadiomics drops directions where none does.
    """

    angle: tuple[int, int, int]
    order: np.ndarray
    back: np.ndarray
    joined: np.ndarray
    has_lines: bool


@dataclass(frozen=True)
class Neighbourhood:
    """A region's geometry for texture, at distance 1.

    :param inside: boolean, (z, y, x).
    :param flat_axis: axis without neighbours (PyRadiomics' ``force2D``), or ``None``.
    """

    inside: np.ndarray
    flat_axis: int | None = None

    @cached_property
    def directions(self) -> list[Direction]:
        """One for each of PyRadiomics' angles, in its order."""
        from radiomics import cMatrices

        size = np.array(self.inside.shape)
        angles = cMatrices.generate_angles(size, np.array([1]), False, self.flat_axis is not None, self.flat_axis or 0)
        padded = np.pad(self.inside, 1)
        numbers = np.full(padded.size, -1)
        numbers[np.flatnonzero(padded)] = np.arange(np.count_nonzero(padded))
        return [_along(tuple(int(v) for v in angle), padded, numbers) for angle in angles]

    @cached_property
    def neighbour_counts(self) -> np.ndarray:
        """Number of each voxel's neighbours in the region (n)."""
        return self.neighbour_sums(np.ones(np.count_nonzero(self.inside), int))

    def neighbour_sums(self, values: np.ndarray) -> np.ndarray:
        """Sum of the neighbours' values for each voxel (n)."""
        box = np.zeros(tuple(n + 2 for n in self.inside.shape), values.dtype)
        centre = box[1:-1, 1:-1, 1:-1]
        centre[self.inside] = values
        total = box
        for axis in range(3):
            if axis == self.flat_axis:
                total = np.take(total, range(1, total.shape[axis] - 1), axis)
                continue
            parts = [np.moveaxis(total, axis, 0)[s] for s in (slice(None, -2), slice(1, -1), slice(2, None))]
            total = np.moveaxis(parts[0] + parts[1] + parts[2], 0, axis)
        return total[self.inside] - values


def _along(angle: tuple[int, int, int], padded: np.ndarray, numbers: np.ndarray) -> Direction:
    """Order the voxels along an angle whose first step other than 0 is positive, as PyRadiomics' are.

    In the flat array a step along the angle is a fixed stride, so the columns of the array folded at that stride are
    lines along the angle; the empty margin keeps lines that follow each other in a column apart.
    """
    stride = (angle[0] * padded.shape[1] + angle[1]) * padded.shape[2] + angle[2]
    rows = -(-padded.size // stride)
    folded = np.zeros(rows * stride, bool)
    folded[: padded.size] = padded.ravel()
    found = np.flatnonzero(folded.reshape(rows, stride).T)
    order = numbers[found % rows * stride + found // rows]
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    joined = np.diff(found) == 1
    has_lines = bool(joined.any()) or _some_line_has_two(np.argwhere(padded), angle)
    return Direction(angle, order, back, joined, has_lines)


def _some_line_has_two(points: np.ndarray, angle: tuple[int, int, int]) -> bool:
    moving = next(axis for axis, step in enumerate(angle) if step)
    lines = points - (points[:, moving] * angle[moving])[:, None] * np.array(angle)
    return len(np.unique(lines, axis=0)) < len(lines)


@dataclass
class TextureMatrices:
    """Matrices of one discretised image; all are made together when the first is asked for.

    :param levels: of the region's voxels, from 1 (n).
    """

    around: Neighbourhood
    levels: np.ndarray
    tolerance: int = 0  # PyRadiomics' gldm_a
    _dependence: np.ndarray | None = field(default=None, init=False)
    _pairs: np.ndarray | None = field(default=None, init=False)
    _runs: np.ndarray | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        is_there = np.bincount(self.levels) > 0
        self.occurring = np.flatnonzero(is_there)
        self._compact = (np.cumsum(is_there) - 1).astype(np.int32)[self.levels]

    def co_occurrences(self) -> np.ndarray:
        """Asymmetric counts (levels, levels, angles) of the levels that occur."""
        self._make()
        return self._pairs

    def runs(self) -> np.ndarray:
        """Counts (levels, run length, angles)."""
        self._make()
        return self._runs

    def dependences(self) -> np.ndarray:
        """Counts (levels, number of dependent neighbours)."""
        self._make()
        count = len(self.occurring)
        most = 2 * len(self.around.directions) + 1
        code = self._compact * most + self._dependence
        return np.bincount(code, minlength=count * most).reshape(count, most).astype(float)

    def neighbourhood_differences(self) -> np.ndarray:
        """For each level (levels, 3): voxels, sum of differences from the neighbours' mean, and the level."""
        counts = self.around.neighbour_counts
        sums = self.around.neighbour_sums(self.levels)
        means = np.divide(sums, counts, out=self.levels.astype(float), where=counts > 0)
        differences = np.abs(self.levels - means)
        voxels = np.bincount(self._compact)
        return np.stack([voxels, np.bincount(self._compact, weights=differences), self.occurring], axis=1).astype(float)

    def _make(self) -> None:
        if self._pairs is not None:
            return
        directions = self.around.directions
        count, longest = len(self.occurring), max(self.around.inside.shape)
        self._pairs = np.zeros((count, count, len(directions)), np.int32)  # 54 MB at 1024 levels
        self._runs = np.zeros((count, longest, len(directions)))
        self._dependence = np.zeros(len(self.levels), int)
        for number, along in enumerate(directions):
            compact = self._compact[along.order]
            before, after = compact[:-1], compact[1:]
            pairs = (before * count + after)[along.joined]
            self._pairs[:, :, number] = np.bincount(pairs, minlength=count * count).reshape(count, count)
            same = along.joined & (before == after)
            if along.has_lines:
                self._runs[:, :, number] = self._count_runs(compact, same, longest)
            self._add_dependence(along, same)

    def _count_runs(self, compact: np.ndarray, same: np.ndarray, longest: int) -> np.ndarray:
        starts = np.flatnonzero(np.concatenate([[True], ~same]))
        lengths = np.diff(starts, append=len(compact))
        code = compact[starts] * longest + lengths - 1
        count = len(self.occurring)
        return np.bincount(code, minlength=count * longest).reshape(count, longest)

    def _add_dependence(self, along: Direction, same: np.ndarray) -> None:
        if self.tolerance:
            levels = self.levels[along.order]
            same = along.joined & (np.abs(np.diff(levels)) <= self.tolerance)
        dependent = np.zeros(len(self.levels), int)
        dependent[:-1] += same
        dependent[1:] += same
        self._dependence += dependent[along.back]
