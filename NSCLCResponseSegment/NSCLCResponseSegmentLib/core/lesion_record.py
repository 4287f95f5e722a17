"""Everything that is told of the lesions of an outline: measures, place and name; one table for all outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from .lesion_choice import LesionChoice, choose_lesions
from .lesions import Lesion, label_part, measure_lesions

if TYPE_CHECKING:
    from .anatomy import Anatomy
    from .case import TumourMask
    from .lesion_place import LesionPlace


@dataclass(frozen=True)
class FoundLesion:
    """One lesion: its measures, where it lies (``None`` when the CT shows no body), and the user's name for it."""

    measures: Lesion
    place: LesionPlace | None
    name: str = ""

    def to_json(self) -> dict[str, Any]:
        """One item of ``lesions`` in result.json."""
        place = self.place.to_json() if self.place is not None else UNKNOWN_PLACE
        return {**self.measures.to_json(), **place, "name": self.name}


UNKNOWN_PLACE = {"side": None, "pleural_contact": None, "mediastinal_contact": None}


def find_lesions(
    mask: sitk.Image, anatomy: Anatomy | None, names: Mapping[int, str] | None = None
) -> list[FoundLesion]:
    """The lesions of a mask, largest first; empty when the mask is.

    :param mask: 3-D, any integer type, on the CT that the anatomy is of; not 0 is inside.
    :param anatomy: ``None`` when the CT shows no body: then nothing is said of the lesions' place.
    :param names: lesion's number (1 is the largest) → name, where it has one.
    :raises MaskError: the image is not three-dimensional.
    """
    labelled = label_part(mask)
    lesions = measure_lesions(mask, labelled)
    places: list[LesionPlace | None] = [None] * len(lesions)
    if anatomy is not None and lesions:
        from .lesion_place import place_lesions

        places = list(place_lesions(mask, anatomy, labelled))
    named = names or {}
    return [
        FoundLesion(lesion, place, named.get(lesion.label, "")) for lesion, place in zip(lesions, places, strict=True)
    ]


def keep_lesions(mask: TumourMask, choice: LesionChoice) -> TumourMask:
    """The outline with the chosen lesions only, and the record of the choice; as it is without a choice.

    :raises MaskError: a lesion that was chosen does not exist.
    """
    if not choice.groups:
        return mask
    statistics = label_part(mask.image).statistics
    volumes = {int(n): statistics.GetPhysicalSize(n) / 1000 for n in statistics.GetLabels()}
    chosen, _ = choose_lesions(mask.image, choice)
    kept = sitk.Cast(sitk.NotEqual(chosen, 0), sitk.sitkUInt8)
    return replace(mask, image=kept, lesion_choice=choice.record(volumes))


def place_words(lesion: Mapping[str, Any]) -> str:
    """Where a lesion lies, from its record: ``left lung, touches the mediastinum``; empty when nothing is known."""
    from .lesion_place import LesionPlace

    if not lesion.get("side"):
        return ""
    pleura, mediastinum = (bool(lesion.get(f"{what}_contact")) for what in ("pleural", "mediastinal"))
    return LesionPlace(int(lesion["label"]), lesion["side"], pleura, mediastinum).words()
