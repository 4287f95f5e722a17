"""Cohort tables: patients with outcome, images, clinical values and features that were extracted elsewhere."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import ClinicalError, CohortError

from .clinical import variable
from .roles import Roles

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Lesion:
    """One row of the table: a tumour with its images and the features that came with the table."""

    name: str
    ct: Path | None = None
    pet: Path | None = None
    mask: Path | None = None
    roi: str = ""
    features: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Patient:
    """One patient; several lesions never part.

    :param outcome: 1 responder, 0 non-responder, ``None`` unknown (e.g. censored too early).
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


@dataclass(frozen=True)
class Cohort:
    """Patients in the table's order."""

    name: str
    roles: Roles
    patients: tuple[Patient, ...]
    feature_columns: tuple[str, ...] = ()

    def of_group(self, group: str) -> Cohort:
        """Only the patients of one side of the split."""
        kept = tuple(p for p in self.patients if p.group == group)
        return Cohort(self.name, self.roles, kept, self.feature_columns)

    def with_outcome(self) -> Cohort:
        """Only the patients whose outcome is known."""
        kept = tuple(p for p in self.patients if p.outcome is not None)
        return Cohort(self.name, self.roles, kept, self.feature_columns)


def read_table(path: Path) -> pd.DataFrame:
    """The table as text, so that identifiers such as 007 stay what they are.

    :raises CohortError: it is neither CSV nor XLSX, or cannot be read.
    """
    import pandas as pd

    path = Path(path)
    if not path.is_file():
        raise CohortError(f"There is no cohort table {path}.", "Give a CSV or XLSX file.")
    try:
        if path.suffix.lower() == ".xlsx":
            table = pd.read_excel(path, dtype=str)
        else:
            with path.open(encoding="utf-8-sig") as stream:
                header = stream.readline()
            separator = max(",;\t", key=header.count)
            table = pd.read_csv(path, dtype=str, sep=separator, encoding="utf-8-sig")
    except ImportError as error:
        remedy = "Save the table as CSV, or install openpyxl."
        raise CohortError(f"Reading {path.name} needs openpyxl.", remedy) from error
    except (ValueError, OSError) as error:
        remedy = "Save it as CSV (UTF-8, one header line)."
        raise CohortError(f"{path} cannot be read as a table: {error}.", remedy) from error
    return table


def read_cohort(table_path: Path, roles: Roles) -> Cohort:
    """The patients of a cohort table.

    Paths in the table are relative to the table's folder. Empty cells are missing values.

    :raises CohortError: a column is missing, a value is no number, or a patient comes twice without lesion names.
    """
    table = read_table(table_path)
    columns = _feature_columns(table, roles)
    _require_columns(table, roles, columns)
    reader = _RowReader(Path(table_path), roles, columns)
    groups: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    for number, row in enumerate(table.to_dict("records"), start=2):
        groups.setdefault(reader.text(row, roles.patient), []).append((number, row))
    if "" in groups:
        raise CohortError(f"{table_path}, row {groups[''][0][0]}: the patient's name is empty.", "Fill it in.")
    patients = tuple(reader.patient(name, rows) for name, rows in groups.items())
    table_path = Path(table_path)
    name = table_path.absolute().parent.name if table_path.stem == "cohort" else table_path.stem
    return Cohort(name, roles, tuple(p for p in patients if p.group), columns)


def _feature_columns(table: pd.DataFrame, roles: Roles) -> tuple[str, ...]:
    found = [c for c in table.columns if roles.radiomics_prefixes and str(c).startswith(roles.radiomics_prefixes)]
    return (*roles.radiomics, *found)


def _require_columns(table: pd.DataFrame, roles: Roles, features: tuple[str, ...]) -> None:
    endpoint = roles.endpoint
    split = [roles.split.column] if roles.split else []
    single = [roles.patient, roles.lesion, roles.ct, roles.pet, roles.mask, roles.center, roles.date]
    wanted = [*single, endpoint.column, endpoint.time, endpoint.event, *split, *roles.clinical, *features]
    missing = [name for name in dict.fromkeys(wanted) if name and name not in table.columns]
    if missing:
        raise CohortError(
            f"The cohort table has no column {', '.join(missing)} (named in {roles.path}).",
            f"Its columns are {', '.join(map(str, table.columns[:30]))}.",
        )


class _RowReader:
    def __init__(self, table: Path, roles: Roles, features: tuple[str, ...]) -> None:
        self._table = table
        self._roles = roles
        self._features = features

    @staticmethod
    def text(row: dict[str, Any], column: str) -> str:
        value = row.get(column) if column else None
        return "" if value is None or (isinstance(value, float) and math.isnan(value)) else str(value).strip()

    def number(self, row: dict[str, Any], column: str, line: int) -> float:
        """The value of a cell; NaN when it is empty."""
        word = self.text(row, column)
        if not word or word.lower() in ("na", "nan", "none", "unknown"):
            return math.nan
        try:
            return float(word)
        except ValueError:
            message = f"{self._table}, row {line}: {column} is '{word}', which is not a number."
            raise CohortError(message, "Correct the cell, or leave it empty when the value is unknown.") from None

    def clinical(self, row: dict[str, Any], line: int) -> dict[str, float]:
        values = {}
        for column in self._roles.clinical:
            word = self.text(row, column)
            if word and word.lower() not in ("na", "nan", "none", "unknown"):
                try:
                    values[column] = variable(column).parse(word)
                except ClinicalError as error:
                    raise CohortError(f"{self._table}, row {line}: {error.message}", error.remedy) from error
        return values

    def path(self, row: dict[str, Any], column: str) -> Path | None:
        word = self.text(row, column)
        return (self._table.parent / word).absolute() if word else None

    def lesion(self, row: dict[str, Any], line: int) -> Lesion:
        features = {c: self.number(row, c, line) for c in self._features}
        return Lesion(
            name=self.text(row, self._roles.lesion) or "1",
            ct=self.path(row, self._roles.ct),
            pet=self.path(row, self._roles.pet),
            mask=self.path(row, self._roles.mask),
            roi=self.text(row, self._roles.roi) if self._roles.roi else "",
            features={name: value for name, value in features.items() if not math.isnan(value)},
        )

    def patient(self, name: str, rows: list[tuple[int, dict[str, Any]]]) -> Patient:
        line, first = rows[0]
        if len(rows) > 1 and not self._roles.lesion:
            lines = " and ".join(str(number) for number, _ in rows)
            raise CohortError(
                f"{self._table}: patient {name} comes more than once (rows {lines}).",
                "Remove the doubles, or name the column that tells the lesions apart with 'lesion:' in the roles file.",
            )
        outcome, time, event = self._outcome(first, line)
        return Patient(
            name=name,
            lesions=tuple(self.lesion(row, number) for number, row in rows),
            clinical=self.clinical(first, line),
            outcome=outcome,
            time=time,
            event=event,
            center=self.text(first, self._roles.center),
            group=self._group(first),
        )

    def _group(self, row: dict[str, Any]) -> str:
        split = self._roles.split
        if split is None:
            return "train"
        value = self.text(row, split.column)
        return "train" if value in split.train else "test" if value in split.test else ""

    def _outcome(self, row: dict[str, Any], line: int) -> tuple[int | None, float, bool]:
        endpoint = self._roles.endpoint
        if endpoint.kind == "response":
            value = self.number(row, endpoint.column, line)
            if not math.isnan(value) and value not in (0, 1):
                raise CohortError(
                    f"{self._table}, row {line}: {endpoint.column} is {value:g}.", "Write 1 (CR or PR) or 0 (SD or PD)."
                )
            return (None if math.isnan(value) else int(value)), math.nan, False
        time, event = self.number(row, endpoint.time, line), self.number(row, endpoint.event, line)
        if math.isnan(time) or math.isnan(event):
            return None, math.nan, False
        if endpoint.kind == "survival":
            return int(event == 1), time, event == 1
        known = time >= endpoint.months or event == 1  # censored earlier: unknown, not a failure
        return (int(time >= endpoint.months) if known else None), time, event == 1
