"""Redrawn contours: what other observers, or the same on another day, might have drawn.

After Zwanenburg et al., Sci Rep 2019;9:614 (translation, rotation, noise, growth, contour randomisation).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SEARCH_MM = 8.0  # a redrawn contour strays no farther outwards


@dataclass(frozen=True)
class RedrawSettings:
    """Standard deviations of what is varied at random; all independent, normally distributed.

    :param surface_mm: smooth displacement of the surface, along its normal.
    :param smooth_mm: distance over which the displacement changes.
    :param shift_mm: translation, for each axis.
    :param turn_degrees: rotation about the region's centre, for each axis.
    :param growth_mm: growth (shrinking when negative) all around.
    :param noise: noise added to the image, in multiples of the noise that is in it.
    """

    surface_mm: float = 1.0
    smooth_mm: float = 10.0
    shift_mm: float = 0.5
    turn_degrees: float = 2.0
    growth_mm: float = 0.5
    noise: float = 1.0


@dataclass(frozen=True)
class Surface:
    """Targets as they were drawn, in a form that can be redrawn.

    :param labels: (z, y, x), 1… the targets, 0 what is inside but no target; outside, that of the nearest voxel inside.
    :param depth: distance to the outer surface in mm, negative inside.
    :param spacing: mm, z, y, x.
    """

    labels: np.ndarray
    depth: np.ndarray
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, labels: np.ndarray, inside: np.ndarray, spacing: tuple[float, float, float]) -> Surface:
        """:param inside: boolean; at least one voxel inside."""
        from scipy import ndimage

        outside, nearest = ndimage.distance_transform_edt(~inside, sampling=spacing, return_indices=True)
        within = ndimage.distance_transform_edt(inside, sampling=spacing)
        half = min(spacing) / 2  # the surface runs between voxel centres
        depth = np.where(inside, half - within, outside - half).astype(np.float32)
        return cls(labels[tuple(nearest)], depth, spacing)

    def redraw(self, random: np.random.Generator, how: RedrawSettings) -> tuple[np.ndarray, np.ndarray]:
        """The same targets with another contour: labels and what is inside, both (z, y, x)."""
        from scipy import ndimage

        shape = self.depth.shape
        near = np.flatnonzero(self.depth < SEARCH_MM)
        grid = np.stack(np.unravel_index(near, shape)).astype(np.float32)
        spacing = np.array(self.spacing, np.float32)[:, None]
        centre = np.argwhere(self.depth < 0).mean(axis=0)[:, None] * spacing
        turn = _rotation(np.radians(random.normal(0, how.turn_degrees, 3))).astype(np.float32)
        shift = random.normal(0, how.shift_mm, 3).astype(np.float32)[:, None]
        waves = smooth_field(random, shape, self.spacing, how.smooth_mm).reshape(3, -1)[:, near]
        # each displaced point looks up where it came from
        source = (turn @ (grid * spacing - centre) + centre + shift + how.surface_mm * waves) / spacing
        depth = ndimage.map_coordinates(self.depth, source, order=1, mode="nearest")
        drawn = depth < random.normal(0, how.growth_mm)
        last = np.array(shape)[:, None] - 1
        found = self.labels[tuple(np.clip(np.rint(source[:, drawn]).astype(int), 0, last))]
        inside = np.zeros(shape, bool)
        inside.ravel()[near[drawn]] = True
        label = np.zeros(shape, self.labels.dtype)
        label.ravel()[near[drawn]] = found
        return label, inside


def smooth_field(
    random: np.random.Generator, shape: tuple[int, ...], spacing: tuple[float, ...], smooth_mm: float
) -> np.ndarray:
    """Three smooth random fields (3, z, y, x) of standard deviation 1 that change over about ``smooth_mm``."""
    from scipy import ndimage

    step = smooth_mm / 2  # nodes of a cubic spline; half the distance over which it should change
    nodes = [int(np.ceil(n * s / step)) + 4 for n, s in zip(shape, spacing, strict=True)]
    coarse = random.normal(size=(3, *nodes))
    coarse = ndimage.gaussian_filter(coarse, (0, 1, 1, 1), mode="wrap")
    coarse /= coarse.std()
    axes = [
        ((np.arange(n) * s / step + 1.5)[:, None] - np.arange(count)[None]).astype(np.float32)
        for n, s, count in zip(shape, spacing, nodes, strict=True)
    ]
    weights = [_cubic(a) for a in axes]
    field = np.einsum("cijk,zi->czjk", coarse.astype(np.float32), weights[0], optimize=True)
    field = np.einsum("czjk,yj->czyk", field, weights[1], optimize=True)
    field = np.einsum("czyk,xk->czyx", field, weights[2], optimize=True)
    return field / field.std()


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Weights of a cubic B-spline."""
    far = np.abs(distance)
    near = 2 / 3 - far**2 + far**3 / 2
    tail = np.clip(2 - far, 0, None) ** 3 / 6
    return np.where(far < 1, near, tail).astype(np.float32)


def _rotation(angles: np.ndarray) -> np.ndarray:
    """Rotation matrix of a rotation vector in radians (Rodrigues' formula)."""
    angle = float(np.linalg.norm(angles))
    z, y, x = angles / angle if angle else angles
    across = np.array([[0.0, -x, y], [x, 0.0, -z], [-y, z, 0.0]])
    return np.eye(3) + np.sin(angle) * across + (1 - np.cos(angle)) * (across @ across)


def cut_into_parts(labels: np.ndarray, wanted: int, smallest: int, largest: int) -> np.ndarray:
    """Cut lesions into parts by planes across their longest axis, one third to two thirds.

    The largest part is cut until there are ``wanted`` and none has more than ``largest`` voxels; of more than
    ``wanted`` parts those are kept that lie evenly between the smallest and the largest.

    :param labels: (z, y, x), 0 outside, 1… the lesions.
    :param smallest: voxels that a part must keep; what cannot be cut stays whole.
    :returns: labels of the parts, from 1; 0 also where a part was not kept.
    """
    parts = [np.argwhere(labels == number) for number in np.unique(labels) if number]
    while True:
        parts.sort(key=len)
        points = parts[-1]
        if len(points) < 3 * smallest or (len(parts) >= wanted and len(points) <= largest):
            break
        centred = points - points.mean(axis=0)
        axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
        along = centred @ axis
        first = along < np.quantile(along, 1 / 3)
        parts[-1:] = [points[first], points[~first]]
    kept = np.unique(np.linspace(0, len(parts) - 1, wanted).round().astype(int))
    cut = np.zeros(labels.shape, np.int16)
    for number, index in enumerate(kept, start=1):
        cut[tuple(parts[index].T)] = number
    return cut
