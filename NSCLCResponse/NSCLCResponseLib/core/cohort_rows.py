"""From the rows of a cohort table to patients: words to numbers, units to ours, lesions to their patient."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.errors import ClinicalError, CohortError

from .clinical import ClinicalVariable, variable
from .roles import Roles

Row = Mapping[str, Any]
NumberedRows = Sequence[tuple[int, Row]]

EMPTY_WORDS = frozenset({"", "na", "n/a", "nan", "none", "unknown", "null", "."})
_RESPONSE_WORDS = {
    "cr": 1, "pr": 1, "responder": 1, "yes": 1, "true": 1,
    "sd": 0, "pd": 0, "non-responder": 0, "nonresponder": 0, "no": 0, "false": 0,
}  # fmt: skip
_NOT_EVALUABLE = {"ne", "not evaluable"}
_SYNONYMS = {"male": "m", "female": "f", "true": "yes", "false": "no"}
_VOLUME_FEATURE = re.compile(r"(^|_)shape_(Mesh|Voxel)Volume$")


@dataclass(frozen=True)
class Lesion:
    """One row of the table: a tumour with its images and the features that came with the table.

    :param volume: in whatever unit the table has, NaN when it has none.
    """

    name: str
    ct: Path | None = None
    pet: Path | None = None
    mask: Path | None = None
    roi: str = ""
    features: dict[str, float] = field(default_factory=dict)
    volume: float = math.nan


@dataclass(frozen=True)
class Patient:
    """One patient; several lesions never part.

    :param outcome: 1 responder (or event-free at the endpoint's months), 0 not, ``None`` unknown (e.g. censored
        earlier).
    :param time: months to the event or to the last visit, NaN when the endpoint has no time.
    :param event: whether ``time`` ended in the event.
    """

    name: str
    lesions: tuple[Lesion, ...]
    clinical: dict[str, float]
    outcome: int | None
    time: float = math.nan
    event: bool = False
    center: str = ""
    group: str = "train"  # "train" or "test" by the split of the roles file


def cohort_variable(roles: Roles, name: str) -> ClinicalVariable:
    """A clinical variable with the coding that the roles file gives it."""
    known = variable(name)
    return replace(known, coding=dict(roles.coding[name])) if name in roles.coding else known


class RowReader:
    """Reads rows; a problem is raised, or collected when there is a list for it.

    :param features: columns with features that were extracted elsewhere.
    """

    def __init__(
        self, table: Path, roles: Roles, features: tuple[str, ...], problems: list[CohortError] | None = None
    ) -> None:
        self._table = table
        self._roles = roles
        self._features = features
        self._problems = problems
        self._variables = {name: cohort_variable(roles, name) for name in roles.clinical}
        self._volume = roles.volume or next((name for name in features if _VOLUME_FEATURE.search(name)), "")

    def patients(self, rows: Sequence[Row]) -> tuple[Patient, ...]:
        """All patients in the order of their first row; the header is row 1."""
        groups: dict[str, list[tuple[int, Row]]] = {}
        for number, row in enumerate(rows, start=2):
            name = self.text(row, self._roles.patient)
            if not name:
                self._fail(f"row {number}: the patient's name is empty", "Fill it in.")
            else:
                groups.setdefault(name, []).append((number, row))
        return tuple(self._patient(name, own) for name, own in groups.items())

    def _fail(self, problem: str, remedy: str) -> None:
        error = CohortError(f"{self._table}, {problem}.", remedy)
        if self._problems is None:
            raise error
        self._problems.append(error)

    @staticmethod
    def text(row: Row, column: str) -> str:
        """A cell's text without blanks around it; empty for an empty cell."""
        value = row.get(column) if column else None
        return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()

    def number(self, row: Row, column: str, line: int) -> float:
        """The value of a cell in our unit; NaN when it is empty."""
        word = self.text(row, column)
        if word.lower() in EMPTY_WORDS:
            return math.nan
        try:
            value = float(word) * self._roles.factor(column)
        except ValueError:
            self._fail(
                f"row {line}: {column} is '{word}', which is not a number",
                "Correct the cell, or leave it empty when the value is unknown.",
            )
            return math.nan
        if not math.isfinite(value):
            self._fail(f"row {line}: {column} is infinite", "Leave the cell empty when the value is unknown.")
            return math.nan
        return value

    def _clinical(self, rows: NumberedRows) -> dict[str, float]:
        """Each variable from the first of the patient's rows that has it."""
        values = {}
        for name, known in self._variables.items():
            column = self._roles.column(name)
            for line, row in rows:
                word = self.text(row, column).lower()
                if word not in EMPTY_WORDS:
                    value = self._clinical_value(known, word, column, line)
                    if value is not None:
                        values[name] = value
                    break
        return values

    def _clinical_value(self, known: ClinicalVariable, word: str, column: str, line: int) -> float | None:
        factor = self._roles.factor(known.name, column)
        try:
            scaled = float(word) * factor if factor != 1.0 else word
        except ValueError:
            scaled = word
        try:
            return known.parse(scaled if scaled in known.coding else _SYNONYMS.get(str(scaled), scaled))
        except ClinicalError as error:
            remedy = error.remedy
            if not known.coding and not _is_number(word):
                remedy += f" Words need numbers: 'coding: {{{known.name}: {{{word}: 1, …}}}}' in the roles file."
            self._fail(f"row {line}: {error.message.rstrip('.')}", remedy)
            return None

    def _path(self, row: Row, column: str) -> Path | None:
        word = self.text(row, column)
        return (self._table.parent / word).absolute() if word else None

    def _lesion(self, row: Row, line: int) -> Lesion:
        roles = self._roles
        features = {c: self.number(row, c, line) for c in self._features}
        volume = features[self._volume] if self._volume in features else self.number(row, self._volume, line)
        return Lesion(
            name=self.text(row, roles.lesion) or "1",
            ct=self._path(row, roles.ct),
            pet=self._path(row, roles.pet),
            mask=self._path(row, roles.mask),
            roi=self.text(row, roles.roi),
            features={name: value for name, value in features.items() if not math.isnan(value)},
            volume=volume,
        )

    def _patient(self, name: str, rows: NumberedRows) -> Patient:
        _, first = rows[0]
        lines = " and ".join(str(number) for number, _ in rows)
        if len(rows) > 1 and not self._roles.lesion:
            self._fail(
                f"patient {name} comes more than once (rows {lines})",
                "Remove the doubles, or name the column that tells the lesions apart with 'lesion:' in the roles file.",
            )
        facts = [(self._outcome(row, number), self._group(row)) for number, row in rows]
        if any(repr(fact) != repr(facts[0]) for fact in facts[1:]):
            self._fail(
                f"rows {lines}: patient {name} has more than one outcome or split",
                "Write the same outcome and split in all rows of one patient.",
            )
        lesions = tuple(self._lesion(row, number) for number, row in rows)
        if len({lesion.name for lesion in lesions}) < len(lesions) and self._roles.lesion:
            self._fail(f"rows {lines}: patient {name} has two lesions of one name", "Name each lesion differently.")
        (outcome, time, event), group = facts[0]
        center = self.text(first, self._roles.center)
        return Patient(name, lesions, self._clinical(rows), outcome, time, event, center, group)

    def _group(self, row: Row) -> str:
        split = self._roles.split
        if split is None:
            return "train"
        value = self.text(row, split.column)
        return "train" if value in split.train else "test" if value in split.test else ""

    def _outcome(self, row: Row, line: int) -> tuple[int | None, float, bool]:
        endpoint = self._roles.endpoint
        if endpoint.kind == "response":
            return self._response(row, endpoint.column, line), math.nan, False
        time, event = self.number(row, endpoint.time, line), self._event(row, endpoint.event, line)
        if time < 0:
            self._fail(f"row {line}: {endpoint.time} is below zero", "Count from the start of treatment.")
            time = math.nan
        if math.isnan(time) or event is None:
            return None, math.nan, False
        known = time >= endpoint.months or event  # censored earlier: unknown, not a failure
        return (int(time >= endpoint.months) if known else None), time, event

    def _response(self, row: Row, column: str, line: int) -> int | None:
        word = self.text(row, column).lower()
        if word in _RESPONSE_WORDS:
            return _RESPONSE_WORDS[word]
        value = math.nan if word in _NOT_EVALUABLE else self.number(row, column, line)
        if not math.isnan(value) and value not in (0, 1):
            self._fail(f"row {line}: {column} is {value:g}", "Write 1 (CR or PR) or 0 (SD or PD).")
            return None
        return None if math.isnan(value) else int(value)

    def _event(self, row: Row, column: str, line: int) -> bool | None:
        word = self.text(row, column).lower()
        if word in ("yes", "true", "no", "false"):
            return word in ("yes", "true")
        value = self.number(row, column, line)
        if not math.isnan(value) and value not in (0, 1):
            self._fail(
                f"row {line}: {column} is {value:g}", "Write 1 (event) or 0 (still without event when last seen)."
            )
            return None
        return None if math.isnan(value) else value == 1


def _is_number(word: str) -> bool:
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False
