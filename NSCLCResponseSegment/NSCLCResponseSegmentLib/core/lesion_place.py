"""Where a lesion lies in the chest: which lung, and whether it touches the pleura or the mediastinum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .anatomy import Anatomy
from .anatomy_field import LEFT
from .lesions import Labelled, label_part
from .terminology import Code, side_code

_TOUCH_MM = 3.0  # a voxel of the coarse anatomy
_WALL_MM = 6.0
_MIDDLE_MM = 35.0  # from the spine's middle: there the lung borders the mediastinum in any case
_HEART_MM = 90.0  # as far as the heart reaches
_WELL_WITHIN = 0.9  # of the lungs' convex outline, outside of which the chest wall begins
_LEAST_CONTACT_MM2 = 50.0  # about 8 mm across; less is a point where nobody would call it contact


@dataclass(frozen=True)
class LesionPlace:
    """Where one lesion lies.

    :param side: "right", "left", or empty when no lung is in view and so nothing is known.
    :param pleura: touches chest wall or diaphragm.
    :param mediastinum: touches what lies between the lungs, the hilum included.
    """

    label: int
    side: str
    pleura: bool
    mediastinum: bool

    @property
    def code(self) -> Code | None:
        """SNOMED CT laterality."""
        return side_code(self.side)

    def to_json(self) -> dict[str, Any]:
        """As the lesions' records hold it; ``None`` for what is not known."""
        known = bool(self.side)
        contact = {"pleural_contact": self.pleura, "mediastinal_contact": self.mediastinum}
        return {"side": self.side or None, **{name: is_so if known else None for name, is_so in contact.items()}}

    def words(self) -> str:
        """``left lung, touches the mediastinum``; empty when nothing is known."""
        touched = [name for name, is_so in (("pleura", self.pleura), ("mediastinum", self.mediastinum)) if is_so]
        parts = [f"{self.side} lung"] if self.side else []
        if touched:
            parts.append("touches the " + " and the ".join(touched))
        return ", ".join(parts)


def place_lesions(mask: sitk.Image, anatomy: Anatomy, labelled: Labelled | None = None) -> list[LesionPlace]:
    """Where each lesion of a mask lies; order and labels as in :func:`.lesions.measure_lesions`.

    Contact is found on the coarse anatomy, good to about 3 mm; collapsed lung and effusion count as wall. So this says
    what to look at, not whether a wall is invaded.

    :param mask: on the CT that the anatomy is of.
    :param labelled: of :func:`.lesions.label_part` on this mask, where it is known already.
    """
    labelled = labelled or label_part(mask)
    statistics = labelled.statistics
    places = []
    for label in statistics.GetLabels():
        side = anatomy.field.side_of(statistics.GetCentroid(label)) if anatomy.is_chest else None
        if side is None:
            places.append(LesionPlace(int(label), "", pleura=False, mediastinum=False))
            continue
        box = statistics.GetBoundingBox(label)
        part = sitk.Equal(sitk.RegionOfInterest(labelled.part, box[3:], box[:3]), label)
        wall, middle = _contact_areas(part, anatomy)
        places.append(
            LesionPlace(
                int(label),
                "left" if side == LEFT else "right",
                pleura=wall >= _LEAST_CONTACT_MM2,
                mediastinum=middle >= _LEAST_CONTACT_MM2,
            )
        )
    return places


def _contact_areas(part: sitk.Image, anatomy: Anatomy) -> tuple[float, float]:
    """Areas (mm²) over which one lesion borders solid tissue of the body: away from the middle, and at it.

    Vessels, fissures and other thin strands in the lung are no wall: what an opening by 6 mm removes does not count.
    """
    from scipy import ndimage

    first, size = _surroundings(part, anatomy.coarse_body)
    grid = sitk.RegionOfInterest(anatomy.coarse_body, size, first)
    lesion = sitk.Resample(part, grid, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    near = sitk.GetArrayFromImage(lesion).astype(bool)
    slices = slice(first[2], first[2] + size[2])
    masks = (anatomy.coarse_lungs, anatomy.coarse_airways)
    air = np.logical_or(*(sitk.GetArrayViewFromImage(mask)[slices] for mask in masks))
    if not near.any():
        return 0.0, 0.0
    spacing = np.array(grid.GetSpacing()[::-1])
    rows, columns = (slice(f, f + n) for f, n in zip(first[1::-1], size[1::-1], strict=True))
    solid = sitk.GetArrayViewFromImage(grid).astype(bool) & ~air[:, rows, columns]
    wall = ndimage.binary_opening(solid & ~near, _ball(_WALL_MM, spacing)) & ~near
    contact = np.argwhere(wall & ndimage.binary_dilation(near, _ball(_TOUCH_MM, spacing)))
    spine = _spine_at(anatomy, grid.GetOrigin()[2] + contact[:, 0] * spacing[0])
    aside = np.abs(grid.GetOrigin()[0] + contact[:, 2] * spacing[2] - spine)
    on_slice = contact + np.array([0, first[1], first[0]])
    middle = (aside < _MIDDLE_MM) | ((aside < _HEART_MM) & _between_lungs(on_slice, air))
    face = float(np.prod(spacing)) ** (2 / 3)
    return float((~middle).sum() * face), float(middle.sum() * face)


def _surroundings(part: sitk.Image, grid: sitk.Image) -> tuple[list[int], list[int]]:
    """First index and size (i, j, k) of the part of a grid that decides what an image's mask touches."""
    ends = [(0, n - 1) for n in part.GetSize()]
    corners = [part.TransformIndexToPhysicalPoint((x, y, z)) for x in ends[0] for y in ends[1] for z in ends[2]]
    index = np.array([grid.TransformPhysicalPointToContinuousIndex(corner) for corner in corners])
    reach = np.ceil((_WALL_MM * 2 + _TOUCH_MM) / np.array(grid.GetSpacing())) + 3
    last = np.array(grid.GetSize()) - 1
    first = np.clip(np.floor(index.min(axis=0) - reach), 0, last).astype(int)
    size = np.clip(np.ceil(index.max(axis=0) + reach), 0, last).astype(int) - first + 1
    return first.tolist(), size.tolist()


def _between_lungs(points: np.ndarray, air: np.ndarray) -> np.ndarray:
    """Which points (n, 3; z, y, x) lie well within the convex outline of both lungs on their slice."""
    from scipy.spatial import ConvexHull, QhullError

    within = np.zeros(len(points), dtype=bool)
    for z in np.unique(points[:, 0]):
        here = points[:, 0] == z
        lungs = np.argwhere(air[z]).astype(float)
        if len(lungs) < 3:
            continue
        centre = (lungs.min(axis=0) + lungs.max(axis=0)) / 2
        try:
            sides = ConvexHull(lungs).equations  # outward normal and offset of each: below 0 is inside
        except QhullError:  # all on one line
            continue
        spread = centre + (points[here, 1:] - centre) / _WELL_WITHIN  # rather than the outline shrunk
        beyond = spread[:, :1] * sides[:, 0] + spread[:, 1:] * sides[:, 1] + sides[:, 2]
        within[here] = (beyond <= 0).all(axis=1)
    return within


def _ball(radius_mm: float, spacing: np.ndarray) -> np.ndarray:
    steps = np.maximum(1, np.round(radius_mm / spacing)).astype(int)
    grids = np.ogrid[tuple(slice(-int(n), int(n) + 1) for n in steps)]
    return sum((g / n) ** 2 for g, n in zip(grids, steps, strict=True)) <= 1.0


def _spine_at(anatomy: Anatomy, heights: np.ndarray) -> np.ndarray:
    """LPS x of the spine's middle at LPS z."""
    reference, spine = anatomy.field.reference, anatomy.field.spine_x
    rows = (heights - reference.GetOrigin()[2]) / reference.GetSpacing()[2]
    return spine[np.clip(np.round(rows).astype(int), 0, len(spine) - 1)]


def sides_of_groups(places: Sequence[LesionPlace], groups: Sequence[Sequence[int]]) -> tuple[Code | None, ...]:
    """Laterality of each group of lesions, where all of a group agree."""
    codes = {place.label: place.code for place in places}
    sides = []
    for group in groups:
        found = {codes.get(label) for label in group}
        sides.append(found.pop() if len(found) == 1 else None)
    return tuple(sides)
