"""Whether a point can be in a tumour at all, and a sentence for the user when it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import SimpleITK as sitk

from .errors import SegmentationError
from .one_click_seed import CAVITY_ML, SOFT_HU

if TYPE_CHECKING:
    from .anatomy import Anatomy

Point = tuple[float, float, float]

_BONE_HU = 300.0
_AIR_HU = -650.0
_CUT_SHARE = 0.1  # of one side of the image
_REMEDY = "Click on the solid part of the tumour."


def lps(point: Point) -> Point:
    """RAS to LPS, mm."""
    return (-float(point[0]), -float(point[1]), float(point[2]))


def index_of(ct: sitk.Image, point: Point) -> tuple[int, int, int]:
    """Voxel (i, j, k) of a point in RAS mm.

    :raises SegmentationError: it lies outside the image.
    """
    index = ct.TransformPhysicalPointToIndex(lps(point))
    if any(not 0 <= i < n for i, n in zip(index, ct.GetSize(), strict=True)):
        raise SegmentationError(
            f"The point {_words(point)} lies outside the CT.", "Click inside the image, and check that it is RAS."
        )
    return index


def require_tissue(anatomy: Anatomy, point: Point, correcting: bool = False) -> None:
    """Refuse a point (RAS mm) that lies outside the body, in a bronchus, in aerated lung or on bone.

    :param correcting: the point extends an outline: cavities and bronchi inside a tumour are allowed then.
    :raises SegmentationError: with the reason.
    """
    index = index_of(anatomy.ct, point)
    coarse_index = anatomy.coarse_body.TransformPhysicalPointToIndex(anatomy.ct.TransformIndexToPhysicalPoint(index))
    size = anatomy.coarse_body.GetSize()
    coarse_index = tuple(min(max(i, 0), n - 1) for i, n in zip(coarse_index, size, strict=True))
    median = _median_around(anatomy.ct, index)
    if not anatomy.coarse_body[coarse_index] and (median < SOFT_HU or not _is_cut(anatomy)):
        raise SegmentationError(f"The point {_words(point)} lies outside the body.", _REMEDY)
    if anatomy.coarse_airways[coarse_index] and median < _AIR_HU:
        raise SegmentationError(f"The point {_words(point)} lies in the air of the windpipe or a bronchus.", _REMEDY)
    if median < _AIR_HU and not correcting and not _in_cavity(anatomy, coarse_index):
        raise SegmentationError(f"The point {_words(point)} lies in air-filled lung ({median:.0f} HU).", _REMEDY)
    if median > _BONE_HU:
        raise SegmentationError(f"The point {_words(point)} lies on bone ({median:.0f} HU).", _REMEDY)


def _is_cut(anatomy: Anatomy) -> bool:
    """Whether the field of view cuts through the body, so that what lies outside of it is not certain."""
    body = sitk.GetArrayFromImage(anatomy.coarse_body) > 0
    sides = [body[:, 0], body[:, -1], body[:, :, 0], body[:, :, -1]]
    return max(side.mean() for side in sides) > _CUT_SHARE


def _in_cavity(anatomy: Anatomy, index: tuple[int, int, int]) -> bool:
    """Whether the air at a voxel of the coarse CT is a pocket that soft tissue encloses."""
    if anatomy.coarse_ct[index] >= SOFT_HU:
        return True  # too small for the coarse voxels
    pieces = sitk.ConnectedComponent(anatomy.coarse_ct < SOFT_HU)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.Execute(pieces)
    label = pieces[index]
    return shape.GetPhysicalSize(label) <= 1000.0 * CAVITY_ML and shape.GetNumberOfPixelsOnBorder(label) == 0


def _words(point: Point) -> str:
    return f"({point[0]:.1f}, {point[1]:.1f}, {point[2]:.1f}) mm RAS"


def _median_around(ct: sitk.Image, index: tuple[int, int, int]) -> float:
    """Median HU of the voxels within about 1.5 mm."""
    reach = [max(1, round(1.5 / s)) if s < 2.5 else 0 for s in ct.GetSpacing()]
    first = [max(0, i - r) for i, r in zip(index, reach, strict=True)]
    last = [min(n - 1, i + r) for i, r, n in zip(index, reach, ct.GetSize(), strict=True)]
    part = sitk.RegionOfInterest(ct, [b - a + 1 for a, b in zip(first, last, strict=True)], first)
    values = sorted(sitk.GetArrayFromImage(part).ravel().tolist())
    return float(values[len(values) // 2])
