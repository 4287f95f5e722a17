"""Outlines from FDG uptake: 41 % of SUVmax, a fixed SUV, or the steepest edge, around a click or in a box.

Other uptake (heart, bowel, a neighbouring lymph node) is kept out by the watershed of the uptake itself: a hill of its
own, divided from the clicked one by a valley deeper than :data:`VALLEY` of the tumour's SUVmax, does not belong to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from .errors import SegmentationError
from .outline_settings import PetMethod

VALLEY = 0.3
_REACH_MM = 90.0  # from the click; larger tumours need a box or several clicks
_CLIMB_MM = 7.0
_LEAST_SUV = 1.0  # below, nothing is there to be outlined
_LEVELS = (0.15, 0.65)  # of SUVmax, between which the edge method looks for the steepest slope
_AIR_HU = -600.0
_MOST_AIR = 0.4

Point = tuple[float, float, float]


@dataclass(frozen=True)
class PetOutline:
    """The uptake's outline.

    :param mask: unsigned 8-bit on the PET's grid. :param suv_max: of the uptake, on the PET's own voxels.
    :param threshold: SUV at its edge.
    """

    mask: sitk.Image
    suv_max: float
    threshold: float
    notes: tuple[str, ...] = ()


def outline_pet(
    pet: sitk.Image,
    include_ras: Sequence[Point] = (),
    exclude_ras: Sequence[Point] = (),
    box_ras: tuple[Point, Point] | None = None,
    method: PetMethod = PetMethod.PERCENT_41,
) -> PetOutline:
    """Outline uptake around clicks, or all uptake in a box.

    :param pet: 3-D, SUVbw.
    :param include_ras: points in or beside the tumour, RAS mm; each climbs to the uptake's peak.
    :param exclude_ras: points in uptake that does not belong to it.
    :param box_ras: two opposite corners, RAS mm; without clicks, the hottest point in the box is taken.
    :raises SegmentationError: no point and no box, one lies outside the PET, or there is no uptake.
    """
    part, first = _region(pet, include_ras, box_ras)
    suv = sitk.GetArrayFromImage(part).astype(np.float32)
    peaks = [_climb(part, suv, _index(part, p, "point")) for p in include_ras]
    allowed = _within(part, include_ras, box_ras)
    if not peaks:
        peaks = [tuple(int(i) for i in np.unravel_index(np.argmax(np.where(allowed, suv, -1)), suv.shape))]
    others = [_climb(part, suv, _index(part, p, "point")) for p in exclude_ras if _holds(part, p)]
    suv_max = max(float(suv[peak]) for peak in peaks)
    threshold = _threshold(method, suv_max)
    allowed &= _hills(part, suv, peaks, others, suv_max, box_ras is not None)
    if method is PetMethod.GRADIENT:
        threshold = _edge_level(part, suv, allowed, peaks)
    inside = _connected(allowed & (suv >= threshold), None if box_ras is not None else peaks)
    notes = []
    if box_ras is None and (inside & ~_within(part, include_ras, None, margin_mm=-5.0)).any():
        notes.append(
            f"The uptake reaches {_REACH_MM:.0f} mm from the click and was cut there; give a box or more clicks."
        )
    mask = sitk.Image(pet.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(pet)
    found = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask = sitk.Paste(mask, found, found.GetSize(), destinationIndex=first)
    return PetOutline(mask, suv_max, threshold, tuple(notes))


def pet_outline_on_ct(
    pet: sitk.Image, outline: PetOutline, ct: sitk.Image, *, use_ct: bool = True
) -> tuple[sitk.Image, list[str]]:
    """The uptake's outline on the CT's grid.

    The edge is found anew on the interpolated PET, so it does not show the PET's coarser voxels. With ``use_ct``
    air-filled lung (under -600 HU) is left out, since PET blurs a tumour into it; when that would take more than 40 %,
    breathing has moved the tumour between the scans, and the CT is not used. Pieces smaller than 2×2×2 PET voxels go.

    :returns: unsigned 8-bit mask, and sentences for the user.
    """
    from scipy import ndimage

    grown = sitk.BinaryDilate(outline.mask, [1, 1, 1])
    near = sitk.Resample(grown, ct, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    fine = sitk.Resample(sitk.Cast(pet, sitk.sitkFloat32), ct, sitk.Transform(), sitk.sitkLinear, 0.0)
    inside = sitk.GetArrayFromImage(near).astype(bool) & (sitk.GetArrayViewFromImage(fine) >= outline.threshold)
    notes: list[str] = []
    if use_ct and inside.any():
        air = inside & (sitk.GetArrayViewFromImage(ct) < _AIR_HU)
        share = air.sum() / inside.sum()
        if share > _MOST_AIR:
            notes.append(
                f"{share:.0%} of the uptake lies in air-filled lung on the CT, so breathing moved the tumour between"
                " the scans; the outline follows the PET alone."
            )
        else:
            inside &= ~air
    inside = _without_specks(ndimage.binary_fill_holes(inside), ct, pet)
    mask = sitk.GetImageFromArray(inside.astype(np.uint8))
    mask.CopyInformation(ct)
    return mask, notes


def _without_specks(inside: np.ndarray, ct: sitk.Image, pet: sitk.Image) -> np.ndarray:
    """Without pieces under 2×2×2 PET voxels: they come from the finer grid, the camera cannot tell them apart."""
    from scipy import ndimage

    pieces, count = ndimage.label(inside, np.ones((3, 3, 3)))
    if count < 2:
        return inside
    sizes = np.bincount(pieces.ravel())[1:] * np.prod(ct.GetSpacing())
    kept = np.flatnonzero((sizes >= 8 * np.prod(pet.GetSpacing())) | (sizes == sizes.max())) + 1
    return np.isin(pieces, kept)


def _threshold(method: PetMethod, suv_max: float) -> float:
    if suv_max < _LEAST_SUV:
        raise SegmentationError(
            f"There is no uptake here: the highest SUV is {suv_max:.1f}.", "Click on the tumour's uptake in the PET."
        )
    if method is PetMethod.PERCENT_41:
        return 0.41 * suv_max
    if method is PetMethod.GRADIENT:
        return 0.0
    fixed = 4.0 if method is PetMethod.FIXED_4 else 2.5
    if suv_max < fixed:
        raise SegmentationError(
            f"The highest SUV here is {suv_max:.1f}, below the threshold of {fixed:.1f}.",
            "Take 41 % of SUVmax or the gradient instead.",
        )
    return fixed


# ---------------------------------------------------------------- where


def _lps(point: Point) -> Point:
    return (-float(point[0]), -float(point[1]), float(point[2]))


def _holds(image: sitk.Image, point: Point) -> bool:
    index = image.TransformPhysicalPointToIndex(_lps(point))
    return all(0 <= i < n for i, n in zip(index, image.GetSize(), strict=True))


def _index(image: sitk.Image, point: Point, what: str) -> tuple[int, int, int]:
    """Array index (z, y, x) of a point."""
    if not _holds(image, point):
        words = ", ".join(f"{v:.1f}" for v in point)
        raise SegmentationError(f"The {what} ({words}) mm RAS lies outside the PET.", "Click inside the image.")
    return image.TransformPhysicalPointToIndex(_lps(point))[::-1]


def _region(
    pet: sitk.Image, points: Sequence[Point], box: tuple[Point, Point] | None
) -> tuple[sitk.Image, tuple[int, int, int]]:
    """The part of the PET to work on, and its first index."""
    if not points and box is None:
        raise SegmentationError("Nothing says where the tumour is.", "Click in it, or give a box around it.")
    for point in points:
        _index(pet, point, "point")
    reach = np.array([-_REACH_MM, _REACH_MM])
    corners = [(p[0] + a, p[1] + b, p[2] + c) for p in points for a in reach for b in reach for c in reach]
    if box is not None:
        corners = [(x[0], y[1], z[2]) for x in box for y in box for z in box]
    index = np.array([pet.TransformPhysicalPointToContinuousIndex(_lps(c)) for c in corners])
    size = np.array(pet.GetSize())
    first = np.clip(np.floor(index.min(axis=0)).astype(int), 0, size - 1)
    last = np.clip(np.ceil(index.max(axis=0)).astype(int), 0, size - 1)
    if box is not None and ((index.max(axis=0) < -0.5) | (index.min(axis=0) > size - 0.5)).any():
        raise SegmentationError("The box lies outside the PET.", "Give two corners inside the image, RAS mm.")
    start = [int(v) for v in first]
    return sitk.RegionOfInterest(pet, [int(v) for v in last - first + 1], start), tuple(start)


def _within(
    part: sitk.Image, points: Sequence[Point], box: tuple[Point, Point] | None, margin_mm: float = 0.0
) -> np.ndarray:
    """Voxels within reach of a click or in the box, (z, y, x)."""
    if box is not None:
        index = np.array([part.TransformPhysicalPointToContinuousIndex(_lps(p)) for p in box])[:, ::-1]
        low, high = index.min(axis=0) - 0.5, index.max(axis=0) + 0.5
        grids = np.ogrid[tuple(slice(0, n) for n in part.GetSize()[::-1])]
        z, y, x = ((g >= a) & (g <= b) for g, a, b in zip(grids, low, high, strict=True))
        return z & y & x
    near = np.zeros(part.GetSize()[::-1], dtype=bool)
    spacing = part.GetSpacing()[::-1]
    for point in points:
        centre = _index(part, point, "point")
        grids = np.ogrid[tuple(slice(0, n) for n in near.shape)]
        squares = [((g - c) * s) ** 2 for g, c, s in zip(grids, centre, spacing, strict=True)]
        near |= squares[0] + squares[1] + squares[2] <= (_REACH_MM + margin_mm) ** 2
    return near


# ---------------------------------------------------------------- what


def _climb(part: sitk.Image, suv: np.ndarray, start: tuple[int, int, int]) -> tuple[int, int, int]:
    """The top of the hill that a point lies on: again and again the hottest voxel within 7 mm."""
    steps = [max(1, round(_CLIMB_MM / s)) for s in part.GetSpacing()[::-1]]
    here = start
    while True:
        low = [max(0, c - s) for c, s in zip(here, steps, strict=True)]
        around = suv[tuple(slice(a, c + s + 1) for a, c, s in zip(low, here, steps, strict=True))]
        best = np.unravel_index(np.argmax(around), around.shape)
        there = tuple(int(a + b) for a, b in zip(low, best, strict=True))
        if suv[there] <= suv[here]:
            return here
        here = there


def _hills(
    part: sitk.Image,
    suv: np.ndarray,
    peaks: Sequence[tuple[int, int, int]],
    others: Sequence[tuple[int, int, int]],
    suv_max: float,
    whole_box: bool,
) -> np.ndarray:
    """Voxels of the hills that were clicked; in a box, of all hills but the excluded ones."""
    smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(part, sitk.sitkFloat32), max(part.GetSpacing()) / 2)
    depth = -smooth
    hills = sitk.GetArrayFromImage(sitk.MorphologicalWatershed(depth, VALLEY * suv_max, False, True))
    wanted, unwanted = {int(hills[p]) for p in peaks}, {int(hills[p]) for p in others}
    if wanted & unwanted:  # no valley between them: divide the hill where the slopes from both sides meet
        markers = np.zeros(suv.shape, dtype=np.uint8)
        for value, places in ((1, peaks), (2, others)):
            for place in places:
                markers[place] = value
        image = sitk.GetImageFromArray(markers)
        image.CopyInformation(part)
        halves = sitk.GetArrayFromImage(sitk.MorphologicalWatershedFromMarkers(depth, image, False, True))
        return np.isin(hills, list(wanted)) & (halves == 1)
    if whole_box:
        return ~np.isin(hills, list(unwanted))
    return np.isin(hills, list(wanted))


def _edge_level(part: sitk.Image, suv: np.ndarray, allowed: np.ndarray, peaks: Sequence[tuple[int, int, int]]) -> float:
    """The SUV whose surface around the peaks lies on the steepest slope, on average.

    The slope is that of the square root of SUV: noise of counts is then the same everywhere, and a hot spot within the
    tumour does not outdo the tumour's own edge.
    """
    from scipy import ndimage

    root = sitk.Sqrt(sitk.Maximum(sitk.Cast(part, sitk.sitkFloat32), 0.0))
    slope = sitk.GetArrayFromImage(sitk.GradientMagnitudeRecursiveGaussian(root, max(part.GetSpacing()) / 2))
    top = max(float(suv[peak]) for peak in peaks)
    best, best_level = -1.0, _LEVELS[0] * top
    for level in np.linspace(*_LEVELS, 26) * top:
        inside = _connected(allowed & (suv >= level), peaks)
        shell = inside & ~ndimage.binary_erosion(inside)
        steepness = float(slope[shell].mean())
        if steepness > best:
            best, best_level = steepness, float(level)
    return best_level


def _connected(inside: np.ndarray, peaks: Sequence[tuple[int, int, int]] | None) -> np.ndarray:
    """The parts that hold a peak; all parts when none is asked for."""
    from scipy import ndimage

    if peaks is None:
        return inside
    labels, _ = ndimage.label(inside, structure=np.ones((3, 3, 3)))
    wanted = {int(labels[p]) for p in peaks} - {0}
    return np.isin(labels, list(wanted))
