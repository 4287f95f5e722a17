"""Texture matrices of many images over one region, or over several at once, with their geometry worked out once.

PyRadiomics' C functions go through the neighbours voxel by voxel. Here co-occurrences (GLCM), dependences (GLDM) and
neighbourhood sums (NGTDM) are array operations on the levels and on the levels one step further along each of the 13
directions, in a box with an empty margin; for runs (GLRLM) the voxels are put in order along each direction once for
all images. The counts are exact integers, so the matrices equal PyRadiomics' to the last bit (NGTDM's sums to
rounding). Redrawn contours are small, and what they cost is mostly the number of array operations: those of several
contours are therefore made together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

_VOXELS_AT_ONCE = 400_000  # directions of a small region together, of a large one in turn: both stay in the cache
_OUTSIDE = np.int32(-(2**30))  # a level that is near no other


@dataclass(frozen=True)
class Lines:
    """Voxels in order along each direction, line after line.

    :param angles: a step along each direction (directions, 3), z, y, x; the first that is not 0 is positive.
    :param order: voxel numbers (directions, n).
    :param joined: whether the next voxel in ``order`` is the neighbour of this one (directions, n - 1).
    :param has_lines: whether any line passes two voxels; PyRadiomics drops directions where none does (directions).
    """

    angles: np.ndarray
    order: np.ndarray
    joined: np.ndarray
    has_lines: np.ndarray

    @property
    def complete(self) -> bool:
        """Whether there are neighbours in every direction, so that no matrix is empty."""
        return bool(self.joined.any(axis=1).all())


@dataclass(frozen=True, eq=False)
class Neighbourhood:
    """Geometry for texture, at distance 1, of one region or of several that are measured together.

    Voxels are numbered in the order of ``inside``'s True elements, region after region.

    :param insides: for each region boolean, (z, y, x).
    :param flat_axis: axis without neighbours (PyRadiomics' ``force2D``), or ``None``.
    :param members: the regions' own geometries, where they are known already.
    """

    insides: tuple[np.ndarray, ...]
    flat_axis: int | None = None
    members: tuple[Neighbourhood, ...] = ()

    @classmethod
    def joined(cls, members: Sequence[Neighbourhood]) -> Neighbourhood:
        """Several regions together; all have the same directions."""
        if len(members) == 1:
            return members[0]
        return cls(tuple(m.insides[0] for m in members), members[0].flat_axis, tuple(members))

    @cached_property
    def owners(self) -> np.ndarray:
        """The region of each voxel (n)."""
        return np.repeat(np.arange(len(self.insides)), [np.count_nonzero(i) for i in self.insides])

    @cached_property
    def lines(self) -> Lines:
        """The voxels along PyRadiomics' angles, in its order."""
        if not self.members:
            return _lines(self.insides[0], self.flat_axis)
        parts = [m.lines for m in self.members]
        starts = np.cumsum([0] + [p.order.shape[1] for p in parts[:-1]])
        order = np.concatenate([p.order + start for p, start in zip(parts, starts, strict=True)], axis=1)
        apart = np.zeros((len(order), 1), bool)
        joined = np.concatenate([j for p in parts for j in (p.joined, apart)], axis=1)[:, :-1]
        return Lines(parts[0].angles, order, joined, np.all([p.has_lines for p in parts], axis=0))

    @cached_property
    def box(self) -> np.ndarray:
        """All regions one above the other (z, y, x), boolean, with an empty margin around each."""
        size = np.max([i.shape for i in self.insides], axis=0)
        stacked = np.zeros((sum(i.shape[0] + 1 for i in self.insides) + 1, size[1] + 2, size[2] + 2), bool)
        start = 1
        for inside in self.insides:
            z, y, x = inside.shape
            stacked[start : start + z, 1 : y + 1, 1 : x + 1] = inside
            start += z + 1
        return stacked

    @cached_property
    def places(self) -> np.ndarray:
        """Where each voxel stands in the flat ``box`` (n)."""
        return np.flatnonzero(self.box)

    @cached_property
    def strides(self) -> list[int]:
        """A step along each direction in the flat ``box``."""
        _, rows, columns = self.box.shape
        return [int((z * rows + y) * columns + x) for z, y, x in self.lines.angles]

    @cached_property
    def neighbour_counts(self) -> np.ndarray:
        """Number of each voxel's neighbours in its region (n)."""
        if self.members:
            return np.concatenate([m.neighbour_counts for m in self.members])
        return self.neighbour_sums(np.ones(len(self.places), np.int32))

    def neighbour_sums(self, values: np.ndarray) -> np.ndarray:
        """Sum of the neighbours' values for each voxel (n)."""
        total = np.zeros(self.box.size, values.dtype)
        total[self.places] = values
        strides = (self.box.shape[1] * self.box.shape[2], self.box.shape[2], 1)
        for axis, stride in enumerate(strides):
            if axis == self.flat_axis:
                continue
            before = total
            total = before.copy()  # steps out of a row end in its margin, which nobody reads
            total[stride:] += before[:-stride]
            total[:-stride] += before[stride:]
        return total[self.places] - values


def _lines(inside: np.ndarray, flat_axis: int | None) -> Lines:
    from radiomics import cMatrices

    angles = cMatrices.generate_angles(
        np.array(inside.shape), np.array([1]), False, flat_axis is not None, flat_axis or 0
    )
    padded = np.pad(inside, 1)
    numbers = np.full(padded.size, -1)
    numbers[np.flatnonzero(padded)] = np.arange(np.count_nonzero(padded))
    found = [_along(tuple(int(v) for v in angle), padded, numbers) for angle in angles]
    if not found:  # a single voxel
        nothing = np.zeros((0, np.count_nonzero(inside)), int)
        return Lines(np.zeros((0, 3), int), nothing, nothing[:, 1:].astype(bool), np.zeros(0, bool))
    order, joined, has_lines = zip(*found, strict=True)
    return Lines(np.array(angles), np.stack(order), np.stack(joined), np.array(has_lines))


def _along(angle: tuple[int, int, int], padded: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, bool]:
    """Order the voxels along an angle whose first step other than 0 is positive, as PyRadiomics' are.

    In the flat array a step along the angle is a fixed stride, so the columns of the array folded at that stride are
    lines along the angle; the empty margin keeps lines that follow each other in a column apart.
    """
    stride = (angle[0] * padded.shape[1] + angle[1]) * padded.shape[2] + angle[2]
    rows = -(-padded.size // stride)
    folded = np.zeros(rows * stride, bool)
    folded[: padded.size] = padded.ravel()
    found = np.flatnonzero(folded.reshape(rows, stride).T)
    column, row = np.divmod(found, rows)
    order = numbers[row * stride + column]
    joined = np.diff(found) == 1
    has_lines = bool(joined.any()) or _some_line_has_two(np.argwhere(padded), angle)
    return order, joined, has_lines


def _some_line_has_two(points: np.ndarray, angle: tuple[int, int, int]) -> bool:
    moving = next(axis for axis, step in enumerate(angle) if step)
    lines = points - (points[:, moving] * angle[moving])[:, None] * np.array(angle)
    return len(np.unique(lines, axis=0)) < len(lines)


@dataclass
class TextureMatrices:
    """Matrices of one discretised image.

    All have the same levels, those that occur in any of the regions; a region's rows of other levels are 0.

    :param levels: of the regions' voxels, from 1 (n).
    """

    around: Neighbourhood
    levels: np.ndarray
    tolerance: int = 0  # PyRadiomics' gldm_a

    def __post_init__(self) -> None:
        is_there = np.bincount(self.levels) > 0
        self.regions = len(self.around.insides)
        self.occurring = np.flatnonzero(is_there)
        self._compact = (np.cumsum(is_there) - 1)[self.levels]
        own = self.around.owners * len(self.occurring) + self._compact if self.regions > 1 else self._compact
        self._own_level = own  # numbered through all regions
        count = self.regions * len(self.occurring)
        self.voxels = np.bincount(own, minlength=count).reshape(self.regions, -1)

    def tops(self) -> np.ndarray:
        """The highest level of each region (regions)."""
        return np.where(self.voxels > 0, self.occurring, 0).max(axis=1)

    def co_occurrences(self) -> np.ndarray:
        """Asymmetric counts (regions, angles, levels, levels)."""
        around, count = self.around, len(self.occurring)
        counts = np.zeros((self.regions, len(around.strides), count, count), np.int32)  # 54 MB at 1024 levels
        box = np.full(around.box.size, count, np.int32)  # what lies outside is a level more, left out below
        box[around.places] = self._compact
        row = self._own_level * (count + 1)
        for number, stride in enumerate(around.strides):
            pairs = np.bincount(row + box[around.places + stride], minlength=self.voxels.size * (count + 1))
            counts[:, number] = pairs.reshape(self.regions, count, count + 1)[:, :, :count]
        return counts

    def dependences(self) -> np.ndarray:
        """Counts (regions, levels, number of dependent neighbours)."""
        around = self.around
        box = np.full(around.box.size, _OUTSIDE, np.int32)
        box[around.places] = self.levels
        dependent = np.zeros(box.size, np.int8)
        for stride in around.strides:
            before, after = box[:-stride], box[stride:]
            same = before == after if not self.tolerance else np.abs(before - after) <= self.tolerance
            dependent[:-stride] += same
            dependent[stride:] += same
        most = 2 * len(around.strides) + 1
        code = self._own_level * most + dependent[around.places]
        return np.bincount(code, minlength=self.voxels.size * most).reshape(self.regions, -1, most).astype(float)

    def runs(self) -> np.ndarray:
        """Counts (regions, angles, levels, run length)."""
        lines, count = self.around.lines, len(self.occurring)
        at_once = max(1, _VOXELS_AT_ONCE // len(self.levels))
        parts = []
        for first in range(0, len(lines.order), at_once):
            order = lines.order[first : first + at_once]
            row = self.around.owners * (len(order) * count) + self._compact
            size = self.regions * len(order) * count
            found = _count_runs(row.astype(np.int32)[order], lines.joined[first : first + at_once], count, size)
            parts.append(found.reshape(self.regions, len(order), count, -1))
        if not parts:
            return np.zeros((self.regions, 0, count, 1))
        runs = _side_by_side(parts)
        runs[:, ~lines.has_lines] = 0
        return runs

    def neighbourhood_differences(self) -> np.ndarray:
        """For each level (regions, levels, 3): voxels, sum of differences from the neighbours' mean, and the level."""
        counts = self.around.neighbour_counts
        sums = self.around.neighbour_sums(self.levels.astype(np.int32))
        means = np.divide(sums, counts, out=self.levels.astype(float), where=counts > 0)
        differences = np.bincount(self._own_level, np.abs(self.levels - means), self.voxels.size)
        level = np.broadcast_to(self.occurring.astype(float), self.voxels.shape)
        return np.stack([self.voxels.astype(float), differences.reshape(self.voxels.shape), level], axis=2)

    def zones(self) -> tuple[np.ndarray, np.ndarray]:
        """Counts (regions, levels, sizes) of connected voxels of one level, and the sizes that occur.

        PyRadiomics' C function finds them, in all regions at once: each has levels of its own.
        """
        from radiomics import cMatrices

        box = np.zeros(self.around.box.shape, np.int32)
        box.ravel()[self.around.places] = self._own_level + 1
        flat = self.around.flat_axis
        found = cMatrices.calculate_glszm(
            box, self.around.box, self.voxels.size, len(self.levels), flat is not None, flat or 0
        )[0]
        sizes = np.flatnonzero(found.any(axis=0))
        return found[:, sizes].reshape(*self.voxels.shape, len(sizes)), sizes + 1.0


def _count_runs(row: np.ndarray, joined: np.ndarray, count: int, size: int) -> np.ndarray:
    """Counts (size, run length) of runs along several angles.

    :param row: region and level (angles, n), to which ``count`` is added for each angle.
    """
    begins = np.ones(row.shape, bool)
    np.logical_or(row[:, 1:] != row[:, :-1], ~joined, out=begins[:, 1:])
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=row.size)
    longest = int(lengths.max())
    angle = np.repeat(np.arange(len(row)) * count, begins.sum(axis=1))
    code = (row.ravel()[starts] + angle) * longest + lengths - 1
    return np.bincount(code, minlength=size * longest).reshape(size, longest)


def _side_by_side(parts: list[np.ndarray]) -> np.ndarray:
    """Counts of several angles at a time (regions, angles, levels, run length), laid to the longest run of all."""
    longest = max(p.shape[3] for p in parts)
    angles = sum(p.shape[1] for p in parts)
    together = np.zeros((parts[0].shape[0], angles, parts[0].shape[2], longest))
    start = 0
    for part in parts:
        together[:, start : start + part.shape[1], :, : part.shape[3]] = part
        start += part.shape[1]
    return together
