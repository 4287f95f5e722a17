"""Lesions: the connected parts of a tumour mask, with the measures that a radiologist would take."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import MaskError

TINY_ML = 0.03  # a ball of 4 mm: below what a CT of 1 to 3 mm slices shows as a lesion

Point = tuple[float, float, float]
Voxel = tuple[int, int, int]  # i, j, k


@dataclass(frozen=True)
class Labelled:
    """The lesions of a mask by number, 1 is the largest.

    :param part: label image of the smallest box around them; nearly all of a large CT is empty.
    :param statistics: of ``part``; its boxes are given in the part's voxels.
    :param first: index (i, j, k) of the part's first voxel in the mask.
    """

    part: sitk.Image
    statistics: sitk.LabelShapeStatisticsImageFilter
    first: Voxel


@dataclass(frozen=True)
class Lesion:
    """One connected part of a mask (26 neighbours). Lengths in mm, points in RAS mm.

    The longest axial diameter and the one at right angles to it lie on one axial slice and run between the outlines'
    points half a voxel beyond the outermost voxel centres (where PyRadiomics' Maximum2DDiameterSlice puts them too), so
    a lesion of one voxel measures one voxel.
    """

    label: int  # 1 is the largest
    volume_ml: float
    voxels: int
    longest_axial_diameter_mm: float
    perpendicular_diameter_mm: float
    diameter_slice_index: int  # along the image axis that runs closest to the body's long axis, usually k
    longest_diameter_ras: tuple[Point, Point]
    perpendicular_diameter_ras: tuple[Point, Point]
    centre_ras: Point  # centre of mass
    bounding_box_ijk: tuple[int, int, int, int, int, int]  # first i, j, k and last i, j, k, both inside
    is_tiny: bool = False  # under TINY_ML: more often noise of the outline than a lesion

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, rounded to what the voxels support."""
        return _rounded(asdict(self))


def measure_lesions(mask: sitk.Image, labelled: Labelled | None = None) -> list[Lesion]:
    """Find and measure the lesions of a mask.

    Diameters follow RECIST 1.1 (Eisenhauer 2009): longest in the axial plane, and the longest at right angles to it on
    the same slice. A part that is in several pieces on a slice is measured piece by piece.

    :param mask: 3-D, any integer type; every voxel that is not 0 belongs to a lesion.
    :param labelled: of :func:`label_part` on this mask, where it is known already.
    :returns: largest first; empty when the mask is empty. Tiny parts are kept and marked ``is_tiny``.
    :raises MaskError: the image is not three-dimensional.
    """
    labelled = labelled or label_part(mask)
    return [_measure(labelled, label) for label in labelled.statistics.GetLabels()]


def label_lesions(mask: sitk.Image) -> tuple[sitk.Image, sitk.LabelShapeStatisticsImageFilter]:
    """Label image of the lesions on the mask's grid, and their shape statistics as in :func:`label_part`.

    :raises MaskError: the image is not three-dimensional.
    """
    labelled = label_part(mask)
    whole = sitk.Image(mask.GetSize(), labelled.part.GetPixelID())
    whole.CopyInformation(mask)
    whole = sitk.Paste(whole, labelled.part, labelled.part.GetSize(), [0, 0, 0], labelled.first)
    return whole, labelled.statistics


def label_part(mask: sitk.Image) -> Labelled:
    """The connected parts of a mask (26 neighbours), numbered by size.

    :raises MaskError: the image is not three-dimensional.
    """
    if mask.GetDimension() != 3:
        raise MaskError(f"The mask has {mask.GetDimension()} dimensions instead of 3.", "Give a volume.")
    first, size = _box(mask)  # looking for components elsewhere takes seconds on a large CT
    part = sitk.NotEqual(sitk.RegionOfInterest(mask, size, first), 0)
    part = sitk.RelabelComponent(sitk.ConnectedComponent(part, True), sortByObjectSize=True)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputePerimeterOff()
    statistics.Execute(part)
    return Labelled(part, statistics, first)


def _box(mask: sitk.Image) -> tuple[Voxel, Voxel]:
    """First index and size (i, j, k) of the smallest box around what is not 0; one voxel when nothing is."""
    array = sitk.GetArrayViewFromImage(mask)
    spans = []
    for _ in range(3):  # k first: slices without a voxel need not be looked at again
        hit = np.flatnonzero(array.any(axis=(1, 2)))
        first, last = (int(hit[0]), int(hit[-1])) if hit.size else (0, 0)
        spans.append((first, last - first + 1))
        array = np.moveaxis(array[first : last + 1], 0, -1)
    return tuple(first for first, _ in spans[::-1]), tuple(size for _, size in spans[::-1])


def _measure(labelled: Labelled, label: int) -> Lesion:
    statistics, first = labelled.statistics, labelled.first
    box = statistics.GetBoundingBox(label)  # first index, then size
    part = sitk.Equal(sitk.RegionOfInterest(labelled.part, box[3:], box[:3]), label)
    box = (*(f + b for f, b in zip(first, box, strict=False)), *box[3:])
    volume = statistics.GetPhysicalSize(label) / 1000.0
    long_ends, short_ends = _axial_diameters(part)
    middle = labelled.part.TransformPhysicalPointToContinuousIndex(np.mean(long_ends, axis=0).tolist())
    axis = _axial_axis(part)
    return Lesion(
        label=int(label),
        volume_ml=volume,
        voxels=int(statistics.GetNumberOfPixels(label)),
        longest_axial_diameter_mm=_length(long_ends),
        perpendicular_diameter_mm=_length(short_ends),
        diameter_slice_index=round(first[axis] + middle[axis]),
        longest_diameter_ras=(_ras(long_ends[0]), _ras(long_ends[1])),
        perpendicular_diameter_ras=(_ras(short_ends[0]), _ras(short_ends[1])),
        centre_ras=_ras(statistics.GetCentroid(label)),
        bounding_box_ijk=(*box[:3], *(box[a] + box[a + 3] - 1 for a in range(3))),
        is_tiny=volume < TINY_ML,
    )


def _axial_axis(image: sitk.Image) -> int:
    """The image axis (0 is i) that runs closest to the body's long axis."""
    return int(np.argmax(np.abs(np.reshape(image.GetDirection(), (3, 3))[2])))


def _axial_diameters(part: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """End points (2, 3) in LPS of the longest axial diameter and of the longest at right angles to it."""
    axis = _axial_axis(part)
    array = np.moveaxis(sitk.GetArrayViewFromImage(part), 2 - axis, 0)  # the two in-plane axes keep their order
    in_plane = [a for a in (2, 1, 0) if a != axis]  # image axes of the array's rows and columns
    spacing = np.array([part.GetSpacing()[a] for a in in_plane])
    best, best_slice, ends = -1.0, 0, None
    for index, plane in enumerate(array):
        for hull in _hulls(plane, spacing):
            apart = np.linalg.norm(hull[:, None] - hull[None], axis=2)
            pair = np.unravel_index(np.argmax(apart), apart.shape)
            if apart[pair] > best + 1e-9:
                best, best_slice, ends = float(apart[pair]), index, (hull, hull[list(pair)])
    hull, long_ends = ends
    planar = np.concatenate([long_ends, _perpendicular(hull, long_ends)]) / spacing
    index = np.zeros((4, 3))
    index[:, axis] = best_slice
    index[:, in_plane] = planar
    points = np.array([part.TransformContinuousIndexToPhysicalPoint(p) for p in index.tolist()])
    return points[:2], points[2:]


def _hulls(plane: np.ndarray, spacing: np.ndarray) -> list[np.ndarray]:
    """Convex outlines in mm, (corners, 2) as (row, column), one for each connected piece of a slice."""
    from scipy import ndimage
    from scipy.spatial import ConvexHull

    if not plane.any():
        return []
    pieces, count = ndimage.label(plane, structure=np.ones((3, 3)))
    hulls = []
    for number in range(1, count + 1):
        inside = np.argwhere(pieces == number).astype(float)
        steps = np.array([[0.5, 0.0], [-0.5, 0.0], [0.0, 0.5], [0.0, -0.5]])
        points = (inside[:, None] + steps).reshape(-1, 2) * spacing
        hulls.append(points[ConvexHull(points).vertices])
    return hulls


def _perpendicular(hull: np.ndarray, long_ends: np.ndarray) -> np.ndarray:
    """End points (2, 2) of the hull's longest chord at right angles to a line; a chord is longest at a corner."""
    along = long_ends[1] - long_ends[0]
    along = along / np.linalg.norm(along)
    across = np.array([-along[1], along[0]])
    position, height = hull @ along, hull @ across
    best, chord = -1.0, None
    following = np.roll(np.arange(len(hull)), -1)
    for at in position:
        crossings = []
        for a, b in zip(range(len(hull)), following, strict=True):
            low, high = sorted((position[a], position[b]))
            if not low <= at <= high:
                continue
            share = 0.0 if high == low else (at - position[a]) / (position[b] - position[a])
            crossings.append(height[a] + share * (height[b] - height[a]))
            if high == low:
                crossings.append(height[b])
        if max(crossings) - min(crossings) > best:
            best = max(crossings) - min(crossings)
            chord = np.stack([along * at + across * min(crossings), along * at + across * max(crossings)])
    return chord


def _length(ends: np.ndarray) -> float:
    return float(np.linalg.norm(ends[1] - ends[0]))


def _ras(lps: Any) -> Point:
    return (-float(lps[0]), -float(lps[1]), float(lps[2]))


def _rounded(value: Any) -> Any:
    """Tuples as lists, floats to three decimals."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    return round(value, 3) if isinstance(value, float) else value
