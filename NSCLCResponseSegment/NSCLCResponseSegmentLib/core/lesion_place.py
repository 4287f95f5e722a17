"""Where a lesion lies in the chest: which lung, and whether it touches the pleura or the mediastinum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .anatomy import Anatomy
from .anatomy_field import LEFT
from .lesions import label_lesions
from .terminology import LEFT as LEFT_CODE
from .terminology import RIGHT as RIGHT_CODE
from .terminology import Code

_TOUCH_MM = 3.0  # the lung's expected surface is known to about half a voxel of its 6 mm grid
_MIDDLE_MM = 45.0  # from the spine's middle: there the lung borders the mediastinum, further out the chest wall
_LEAST_CONTACT_MM2 = 50.0  # about 8 mm across; less is a point where nobody would call it contact


@dataclass(frozen=True)
class LesionPlace:
    """Where one lesion lies.

    :param side: "right", "left", or empty when no lung is in view. :param pleura: touches chest wall or diaphragm.
    :param mediastinum: touches what lies between the lungs, the hilum included.
    """

    label: int
    side: str
    pleura: bool
    mediastinum: bool

    @property
    def code(self) -> Code | None:
        """SNOMED CT laterality."""
        return {"right": RIGHT_CODE, "left": LEFT_CODE}.get(self.side)

    def to_json(self) -> dict[str, Any]:
        """As the lesions' records hold it."""
        contact = {"pleural_contact": self.pleura, "mediastinal_contact": self.mediastinum}
        return {"side": self.side or None, **contact}

    def words(self) -> str:
        """``left lung, touches the mediastinum``; empty when nothing is known."""
        touched = [name for name, is_so in (("pleura", self.pleura), ("mediastinum", self.mediastinum)) if is_so]
        parts = [f"{self.side} lung"] if self.side else []
        if touched:
            parts.append("touches the " + " and the ".join(touched))
        return ", ".join(parts)


def place_lesions(mask: sitk.Image, anatomy: Anatomy) -> list[LesionPlace]:
    """Where each lesion of a mask lies; order and labels as in :func:`.lesions.measure_lesions`.

    Pleura and mediastinum are where the lung's surface would be without the tumour (:mod:`.anatomy_field`), good to
    about 3 mm; so this says what to look at, not whether a wall is invaded.

    :param mask: on the CT that the anatomy is of.
    """
    labelled, statistics = label_lesions(mask)
    places = []
    for label in statistics.GetLabels():
        side = anatomy.field.side_of(statistics.GetCentroid(label)) if anatomy.is_chest else None
        if side is None:
            places.append(LesionPlace(int(label), "", pleura=False, mediastinum=False))
            continue
        box = statistics.GetBoundingBox(label)
        part = sitk.Equal(sitk.RegionOfInterest(labelled, box[3:], box[:3]), label)
        wall, middle = _contact_areas(part, anatomy, side)
        places.append(
            LesionPlace(
                int(label),
                "left" if side == LEFT else "right",
                pleura=wall >= _LEAST_CONTACT_MM2,
                mediastinum=middle >= _LEAST_CONTACT_MM2,
            )
        )
    return places


def _contact_areas(part: sitk.Image, anatomy: Anatomy, side: int) -> tuple[float, float]:
    """Areas (mm²) of a lesion's surface at or beyond the lung's expected one: beside the middle, and at it."""
    from scipy import ndimage

    inside = sitk.GetArrayFromImage(part).astype(bool)
    shell = inside & ~ndimage.binary_erosion(inside)
    field = anatomy.field
    # depth counts from the surface outwards; what lies just within is found by the neighbours' depth
    beyond = field.depth_on(side, part)
    reach = [2 * max(1, round(_TOUCH_MM / s)) + 1 for s in part.GetSpacing()[::-1]]
    touching = shell & (ndimage.maximum_filter(beyond, size=reach) > _TOUCH_MM / 2)
    z, y, x = np.nonzero(touching)
    if not len(z):
        return 0.0, 0.0
    axes = np.array(part.GetDirection()).reshape(3, 3) * np.array(part.GetSpacing())
    points = np.stack([x, y, z], axis=1) @ axes.T + np.array(part.GetOrigin())
    reference = field.reference
    rows = (points[:, 2] - reference.GetOrigin()[2]) / reference.GetSpacing()[2]
    spine = field.spine_x[np.clip(np.round(rows).astype(int), 0, len(field.spine_x) - 1)]
    middle = np.abs(points[:, 0] - spine) < _MIDDLE_MM
    face = float(np.prod(part.GetSpacing())) ** (2 / 3)
    return float((~middle).sum() * face), float(middle.sum() * face)


def sides_of_groups(places: Sequence[LesionPlace], groups: Sequence[Sequence[int]]) -> tuple[Code | None, ...]:
    """Laterality of each group of lesions, where all of a group agree."""
    codes = {place.label: place.code for place in places}
    sides = []
    for group in groups:
        found = {codes.get(label) for label in group}
        sides.append(found.pop() if len(found) == 1 else None)
    return tuple(sides)
