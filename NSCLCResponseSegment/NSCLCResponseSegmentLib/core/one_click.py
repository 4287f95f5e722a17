"""From one point to an outline on CT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import SimpleITK as sitk

from .anatomy import Anatomy, segment_anatomy
from .errors import SegmentationError
from .one_click_grow import grow_candidates
from .progress import SILENT, Progress

Point = tuple[float, float, float]

_BONE_HU = 300.0
_AIR_HU = -650.0


@dataclass(frozen=True)
class OneClickResult:
    """An outline and its rivals.

    :param mask: unsigned 8-bit on the CT's grid; the same as ``candidates[0]``.
    :param candidates: up to ``n_candidates`` masks of different size, the likeliest first.
    :param notes: sentences for the user about the result.
    """

    mask: sitk.Image
    candidates: tuple[sitk.Image, ...]
    notes: tuple[str, ...] = ()


def outline(
    ct: sitk.Image,
    include_ras: Sequence[Point],
    exclude_ras: Sequence[Point] = (),
    progress: Progress = SILENT,
    n_candidates: int = 3,
) -> OneClickResult:
    """Outline the tumour around one or more points.

    :param ct: 3-D, in HU.
    :param include_ras: points in the tumour, RAS mm; at least one.
    :param exclude_ras: points that do not belong to it.
    :param n_candidates: how many sizes to offer.
    :raises SegmentationError: a point lies outside the image, in air, in healthy lung or on bone.
    """
    if not include_ras:
        raise SegmentationError("No point in the tumour is given.", "Click once into the tumour.")
    include = [_index(ct, p) for p in include_ras]
    for point in exclude_ras:
        _index(ct, point)
    anatomy = segment_anatomy(ct, progress.part(0.0, 0.3))
    for point, index in zip(include_ras, include, strict=True):
        _require_tissue(anatomy, point, index)
    inside, outside = ([_lps(p) for p in points] for points in (include_ras, exclude_ras))
    masks = grow_candidates(anatomy, inside, outside, progress.part(0.3, 0.9), n_candidates)
    progress.report(1.0, "Outlined")
    return OneClickResult(masks[0], tuple(masks))


def _words(point: Point) -> str:
    return f"({point[0]:.1f}, {point[1]:.1f}, {point[2]:.1f}) mm RAS"


def _lps(point: Point) -> Point:
    return (-float(point[0]), -float(point[1]), float(point[2]))


def _index(ct: sitk.Image, point: Point) -> tuple[int, int, int]:
    index = ct.TransformPhysicalPointToIndex(_lps(point))
    if any(not 0 <= i < n for i, n in zip(index, ct.GetSize(), strict=True)):
        raise SegmentationError(
            f"The point {_words(point)} lies outside the CT.", "Click inside the image, and check that it is RAS."
        )
    return index


def _require_tissue(anatomy: Anatomy, point: Point, index: tuple[int, int, int]) -> None:
    coarse_index = anatomy.coarse_body.TransformPhysicalPointToIndex(anatomy.ct.TransformIndexToPhysicalPoint(index))
    size = anatomy.coarse_body.GetSize()
    coarse_index = tuple(min(max(i, 0), n - 1) for i, n in zip(coarse_index, size, strict=True))
    remedy = "Click on the solid part of the tumour."
    if not anatomy.coarse_body[coarse_index]:
        raise SegmentationError(f"The point {_words(point)} lies in air outside the body.", remedy)
    around = sitk.GetArrayFromImage(_around(anatomy.ct, index))
    median = float(sorted(around.ravel().tolist())[around.size // 2])
    if anatomy.coarse_airways[coarse_index] and median < _AIR_HU:
        raise SegmentationError(f"The point {_words(point)} lies in the air of the windpipe or a bronchus.", remedy)
    if median < _AIR_HU:
        raise SegmentationError(f"The point {_words(point)} lies in air-filled lung ({median:.0f} HU).", remedy)
    if median > _BONE_HU:
        raise SegmentationError(f"The point {_words(point)} lies on bone ({median:.0f} HU).", remedy)


def _around(ct: sitk.Image, index: tuple[int, int, int]) -> sitk.Image:
    """The voxels within about 1.5 mm."""
    reach = [max(1, round(1.5 / s)) if s < 2.5 else 0 for s in ct.GetSpacing()]
    first = [max(0, i - r) for i, r in zip(index, reach, strict=True)]
    last = [min(n - 1, i + r) for i, r, n in zip(index, reach, ct.GetSize(), strict=True)]
    return sitk.RegionOfInterest(ct, [b - a + 1 for a, b in zip(first, last, strict=True)], first)
