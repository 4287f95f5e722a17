"""Which lesions of an outline the user keeps, what they are called, and which belong together."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .errors import MaskError, SettingsError
from .lesions import Lesion, label_lesions

WHOLE = "Tumour"
CHOICE_KEY = "NSCLCResponse_LesionChoice"  # of the record in a .seg.nrrd's header
_MOST_SEGMENTS = 255
_ITEM = re.compile(r"\s*(\d+(?:\s*\+\s*\d+)*)\s*(?:=\s*(.*\S)\s*)?")


@dataclass(frozen=True)
class LesionGroup:
    """One lesion, or several that are taken as one; ``labels`` as in :func:`.lesions.measure_lesions`."""

    labels: tuple[int, ...]
    name: str


@dataclass(frozen=True)
class LesionChoice:
    """What is kept, in the user's order; all else is dropped. Without groups everything is kept as one tumour."""

    groups: tuple[LesionGroup, ...] = ()

    @classmethod
    def parse(cls, text: str) -> LesionChoice:
        """``1=Primary,2+3=Hilar node,5``: keep lesion 1, take 2 and 3 as one, keep 5 unnamed; drop the others.

        :raises SettingsError: it is written otherwise, or names a lesion or name twice.
        """
        groups = []
        for item in filter(None, (part.strip() for part in text.split(","))):
            found = _ITEM.fullmatch(item)
            if found is None:
                raise SettingsError(
                    f"'{item}' is no choice of lesions.", "Write it like 1=Primary,2+3=Node (numbers by size)."
                )
            labels = tuple(int(n) for n in found.group(1).split("+"))
            groups.append(LesionGroup(labels, found.group(2) or f"Lesion {'+'.join(map(str, labels))}"))
        _refuse_twice([str(label) for group in groups for label in group.labels], "The lesion")
        _refuse_twice([group.name for group in groups], "The name")
        return cls(tuple(groups))

    @property
    def names(self) -> dict[int, str]:
        """Lesion's number → the name that it was given; empty without a choice."""
        return {label: group.name for group in self.groups for label in group.labels}

    @property
    def names_after(self) -> dict[int, str]:
        """As :attr:`names`, but numbered by size among what is kept."""
        return {number: name for number, (_, name) in enumerate(sorted(self.names.items()), start=1)}

    def to_json(self, lesions: Sequence[Lesion]) -> dict[str, Any]:
        """:meth:`record` of lesions that were measured."""
        return self.record({lesion.label: lesion.volume_ml for lesion in lesions})

    def record(self, volumes: Mapping[int, float]) -> dict[str, Any]:
        """The record of the choice: ``kept`` (name, lesions, mL) and ``dropped`` (number, mL).

        :param volumes: mL of every lesion, by its number.
        :raises MaskError: a lesion that was chosen does not exist.
        """
        _require_known(self, len(volumes))
        groups = self.groups or (LesionGroup(tuple(volumes), WHOLE),)
        kept = {label for group in groups for label in group.labels}
        return {
            "kept": [
                {
                    "name": group.name,
                    "lesions": list(group.labels),
                    "volume_ml": round(sum(volumes[label] for label in group.labels), 3),
                }
                for group in groups
            ],
            "dropped": [{"lesion": n, "volume_ml": round(v, 3)} for n, v in volumes.items() if n not in kept],
        }


def _refuse_twice(words: Sequence[str], what: str) -> None:
    twice = next((word for word in words if words.count(word) > 1), None)
    if twice is not None:
        raise SettingsError(f"{what} '{twice}' is there twice in the choice of lesions.", "Give each once.")


def _require_known(choice: LesionChoice, count: int) -> None:
    for label in choice.names:
        if not 1 <= label <= count:
            raise MaskError(
                f"There is no lesion {label}: the outline has {count}.", "Choose from those that are listed."
            )


def choice_words(record: Mapping[str, Any]) -> str:
    """A choice's record in words: ``kept: Primary (lesion 1; 33.1 mL), Node (lesions 2, 3; 4.0 mL); dropped: lesion 4
    (0.32 mL)``; numbers are those of before the choice.
    """
    kept = [f"{g['name']} ({_numbered(g['lesions'])}; {_ml(g['volume_ml'])})" for g in record["kept"]]
    dropped = [f"{_numbered([d['lesion']])} ({_ml(d['volume_ml'])})" for d in record["dropped"]]
    return "kept: " + ", ".join(kept) + ("; dropped: " + ", ".join(dropped) if dropped else "")


def _numbered(labels: Sequence[int]) -> str:
    return f"{'lesion' if len(labels) == 1 else 'lesions'} {', '.join(map(str, labels))}"


def _ml(volume: float) -> str:
    return f"{volume:.1f} mL" if volume >= 1 else f"{volume:.2f} mL"


def choose_lesions(mask: sitk.Image, choice: LesionChoice) -> tuple[sitk.Image, list[str]]:
    """The chosen lesions of a mask.

    :param mask: 3-D, any integer type; not 0 is inside.
    :returns: unsigned 8-bit, 1 for the first group, 2 for the second, …; and the groups' names in this order.
    :raises MaskError: a lesion that was chosen does not exist.
    """
    if not choice.groups:
        is_binary = mask.GetPixelID() == sitk.sitkUInt8 and sitk.GetArrayViewFromImage(mask).max() <= 1
        return mask if is_binary else sitk.Cast(sitk.NotEqual(mask, 0), sitk.sitkUInt8), [WHOLE]
    if len(choice.groups) > _MOST_SEGMENTS:
        raise MaskError(f"{len(choice.groups)} lesions are more than the {_MOST_SEGMENTS} that a file can hold.")
    labelled, statistics = label_lesions(mask)
    count = statistics.GetNumberOfLabels()
    _require_known(choice, count)
    table = np.zeros(count + 1, dtype=np.uint8)
    for number, group in enumerate(choice.groups, start=1):
        table[list(group.labels)] = number
    chosen = sitk.GetImageFromArray(table[sitk.GetArrayFromImage(labelled)])
    chosen.CopyInformation(mask)
    return chosen, [group.name for group in choice.groups]
