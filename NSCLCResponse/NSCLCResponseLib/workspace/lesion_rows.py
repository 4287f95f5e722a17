"""Which lesions are kept, how they are called, and which are one: the rows that the user fills in on the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from NSCLCResponseSegmentLib.core.errors import SettingsError
from NSCLCResponseSegmentLib.core.lesion_choice import LesionChoice, LesionGroup

Row = dict[str, Any]


def fresh_rows(count: int, names: Mapping[int, str] | None = None) -> list[Row]:
    """All lesions kept, each under its name or else its number.

    :param names: lesion's number to its name, where it has one.
    """
    return [{"keep": True, "name": (names or {}).get(n, f"Lesion {n}")} for n in range(1, count + 1)]


def choice_of(rows: Sequence[Mapping[str, Any]]) -> LesionChoice:
    """The choice that the rows stand for; lesions of one name are one.

    :raises SettingsError: nothing is kept, or a name is empty.
    """
    groups: dict[str, list[int]] = {}
    for number, row in enumerate(rows, start=1):
        name = str(row["name"]).strip()
        if not row["keep"]:
            continue
        if not name or set(name) & set(",="):
            raise SettingsError(f"Lesion {number} needs a name without commas and equals signs.", "Type one.")
        groups.setdefault(name, []).append(number)
    if not groups:
        raise SettingsError("No lesion would be left.", "Keep at least one.")
    return LesionChoice(tuple(LesionGroup(tuple(labels), name) for name, labels in groups.items()))
