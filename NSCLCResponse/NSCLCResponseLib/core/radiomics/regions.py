"""Regions of a lesion: the tumour, its core and rim, rings of the tissue around it; and the burden of all lesions.

All distances are physical: from a voxel's centre to the nearest voxel centre on the other side of the outline.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.errors import SettingsError
from NSCLCResponseSegmentLib.core.volume_files import gaps_filled

RIM_MM = 3.0
_REGION = re.compile(r"(?P<kind>tumour|core|rim|ring|burden)(?P<mm>\d+(?:\.\d+)?)?(?P<lung>lung)?")
_AIR_HU, _BONE_HU, _CORTEX_HU = -1000.0, 180.0, 400.0
_LARGEST_RING_MM = 50.0


@dataclass(frozen=True)
class Region:
    """What to measure.

    :param name: as the user wrote it (``tumour``, ``core``, ``rim``, ``ring5``, ``ring10lung``, ``burden``).
    :param kind: ``tumour``, ``core``, ``rim``, ``ring``, or ``burden``, which is a row and no place.
    :param mm: outer distance of a ring, depth of a rim.
    """

    name: str
    kind: str
    mm: float = 0.0
    in_lung: bool = False

    @property
    def prefix(self) -> str:
        """Put before the features' names; the tumour's have none."""
        return "" if self.kind == "tumour" else f"{self.name.replace('.', 'p')}_"


def parse_regions(text: str) -> list[Region]:
    """``tumour,ring5,ring10lung`` as regions.

    :raises SettingsError: a name is unknown.
    """
    names = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not names:
        raise SettingsError("No region is given.", "Give e.g. --regions tumour,ring5.")
    return [_parse(name) for name in names]


def _parse(name: str) -> Region:
    match = _REGION.fullmatch(name.replace("tumor", "tumour"))
    wrong = SettingsError(
        f"There is no region '{name}'.",
        "Known are tumour, burden, core, rim (3 mm; or e.g. rim5), ring3, ring5, ring10 (any mm), ring5lung (in lung).",
    )
    if match is None:
        raise wrong
    kind, mm, lung = match["kind"], match["mm"], bool(match["lung"])
    is_whole = kind in ("tumour", "burden")
    if (is_whole and (mm or lung)) or (kind == "ring" and not mm) or (lung and kind != "ring"):
        raise wrong
    distance = float(mm) if mm else (0.0 if is_whole else RIM_MM)
    if not is_whole and not 0 < distance <= _LARGEST_RING_MM:
        raise SettingsError(f"The region '{name}' is too wide or has no width.", "Give 1 to 50 mm.")
    return Region(name.replace("tumor", "tumour"), kind, distance, lung)


class RegionMaker:
    """Cuts regions out of one CT; finds body, lung and bone once, and only when a ring asks for them."""

    def __init__(self, ct: sitk.Image, all_lesions: sitk.Image) -> None:
        self._ct = ct
        self._all_lesions = all_lesions
        self._anatomy = None

    def make(self, lesion: sitk.Image, region: Region) -> sitk.Image:
        """The region's mask on the CT's grid; may be empty.

        ``core`` lies deeper than ``mm`` within the outline and ``rim`` is the rest of the tumour; ``ring`` lies outside
        by at most ``mm``, inside the body, without bone and without any lesion, and on request within lung only.

        :param lesion: unsigned 8-bit, 1 inside, on the CT's grid.
        """
        if region.kind == "tumour":
            return lesion
        box = _window(lesion, region.mm)
        part = sitk.RegionOfInterest(lesion, box[1], box[0])
        inside = sitk.GetArrayViewFromImage(part) == 1
        if region.kind in ("core", "rim"):
            depth = distance_from(~inside, part.GetSpacing()[::-1])
            core = inside & (depth > region.mm)
            found = core if region.kind == "core" else inside & ~core
        else:
            near = distance_from(inside, part.GetSpacing()[::-1]) <= region.mm
            found = near & self._allowed(box, in_lung=region.in_lung)
        return _paste(found, box[0], lesion)

    def _allowed(self, box: tuple[list[int], list[int]], *, in_lung: bool) -> np.ndarray:
        """Where a ring may lie, within a window of the CT."""
        if self._anatomy is None:
            from NSCLCResponseSegmentLib.core.anatomy import segment_anatomy

            self._anatomy = segment_anatomy(gaps_filled(self._ct, _AIR_HU)[0])
        part = sitk.RegionOfInterest(self._ct, box[1], box[0])
        tissue = self._anatomy.coarse_lungs if in_lung else self._anatomy.coarse_body
        soft = sitk.Resample(sitk.Cast(tissue, sitk.sitkFloat32), part, sitk.Transform(), sitk.sitkLinear, 0.0)
        lesions = sitk.GetArrayFromImage(sitk.RegionOfInterest(self._all_lesions, box[1], box[0])) != 0
        return (sitk.GetArrayViewFromImage(soft) >= 0.5) & ~lesions & ~bone_mask(part)


def distance_from(region: np.ndarray, spacing: Sequence[float]) -> np.ndarray:
    """Distance of each voxel's centre from the nearest one in ``region``, mm; beyond the array there is none."""
    from scipy import ndimage

    if not region.any():
        return np.full(region.shape, np.inf)
    return ndimage.distance_transform_edt(~region, sampling=spacing)


def bone_mask(ct: sitk.Image) -> np.ndarray:
    """Bone with its marrow, (z, y, x): connected tissue above 180 HU with cortex (400 HU) in it, holes closed.

    Vessels full of contrast medium rarely pass 400 HU, which tells them from bone.
    """
    from scipy import ndimage

    hu = sitk.GetArrayViewFromImage(ct)
    pieces, count = ndimage.label(hu > _BONE_HU, np.ones((3, 3, 3)))
    if not count:
        return np.zeros(hu.shape, bool)
    cortex = np.bincount(pieces[hu > _CORTEX_HU], minlength=count + 1)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    is_bone = cortex > 0.05 * sizes
    is_bone[0] = False
    bone = is_bone[pieces]
    row, column = (max(1, round(3.0 / s)) for s in ct.GetSpacing()[1::-1])
    disc = np.ones((1, 2 * row + 1, 2 * column + 1), bool)
    closed = ndimage.binary_closing(np.pad(bone, ((0, 0), (row, row), (column, column))), disc)
    closed = closed[:, row : row + hu.shape[1], column : column + hu.shape[2]]
    return np.stack([ndimage.binary_fill_holes(plane) for plane in closed | bone]) & (hu > -200)


def _window(mask: sitk.Image, mm: float) -> tuple[list[int], list[int]]:
    """First index and size (x, y, z) of the mask's box with a margin of ``mm`` and a voxel, within the image."""
    from .prepare import bounding_box

    box = bounding_box(mask)
    start, size = [], []
    for axis, spacing in enumerate(mask.GetSpacing()):
        margin = int(mm / spacing) + 2
        first = max(0, box[2 * axis] - margin)
        last = min(mask.GetSize()[axis] - 1, box[2 * axis + 1] + margin)
        start.append(first)
        size.append(last - first + 1)
    return start, size


def _paste(found: np.ndarray, start: list[int], like: sitk.Image) -> sitk.Image:
    whole = np.zeros(like.GetSize()[::-1], np.uint8)
    where = tuple(slice(s, s + n) for s, n in zip(start[::-1], found.shape, strict=True))
    whole[where] = found
    image = sitk.GetImageFromArray(whole)
    image.CopyInformation(like)
    return image
