"""Cohort tables: patients with outcome, images, clinical values and features that were extracted elsewhere."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import CohortError

from .cohort_rows import Lesion, Patient, RowReader, cohort_variable
from .roles import Roles

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cohort", "Lesion", "Patient", "cohort_variable", "missing_columns", "read_cohort", "read_table"]


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
        """Only the patients whose outcome is known; for ``survival`` a known time is enough."""
        timed = self.roles.endpoint.kind == "survival"
        kept = tuple(p for p in self.patients if (math.isfinite(p.time) if timed else p.outcome is not None))
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
            table = _sheet(path)
        else:
            with path.open(encoding="utf-8-sig") as stream:
                header = stream.readline()
            separator = max(",;\t", key=header.count)
            table = pd.read_csv(path, dtype=str, sep=separator, encoding="utf-8-sig")
    except (ValueError, OSError) as error:
        remedy = "Save it as CSV (UTF-8, one header line)."
        raise CohortError(f"{path} cannot be read as a table: {error}.", remedy) from error
    return table


def _sheet(path: Path) -> pd.DataFrame:
    """The first sheet of an XLSX file as text; its first row holds the columns' names.

    :raises ValueError: it is no XLSX file, or empty.
    """
    import zipfile

    import numpy as np
    import pandas as pd

    try:
        table = pd.read_excel(path, dtype=object, engine="openpyxl")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"it is no intact XLSX file ({error})") from error
    if table.columns.empty:
        raise ValueError("its first sheet is empty")
    return table.dropna(how="all").map(_cell_text, na_action="ignore").astype(object).where(table.notna(), np.nan)


def _cell_text(value: Any) -> str:
    """What Excel shows: 7 for 7.0, the day alone for a date, and text as it is."""
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ") if value.time() != datetime.time() else value.date().isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_cohort(table_path: Path, roles: Roles, problems: list[CohortError] | None = None) -> Cohort:
    """The patients of a cohort table.

    Paths in the table are relative to the table's folder. Empty cells are missing values.

    :param problems: collects what is wrong with rows and cells instead of raising the first of it.
    :raises CohortError: a column is missing, a value is no number, or a patient comes twice without lesion names.
    """
    table_path = Path(table_path)
    table = read_table(table_path)
    columns = feature_columns(table, roles)
    missing = missing_columns(table, roles)
    if missing:
        raise CohortError(
            f"The cohort table has no column {', '.join(missing)} (named in {roles.path}).",
            f"Its columns are {', '.join(map(str, table.columns[:30]))}.",
        )
    patients = RowReader(table_path, roles, columns, problems).patients(table.to_dict("records"))
    name = table_path.absolute().parent.name if table_path.stem == "cohort" else table_path.stem
    return Cohort(name, roles, tuple(p for p in patients if p.group), columns)


def feature_columns(table: pd.DataFrame, roles: Roles) -> tuple[str, ...]:
    """Columns with features that were extracted elsewhere: those named and those with one of the prefixes."""
    found = [c for c in table.columns if roles.radiomics_prefixes and str(c).startswith(roles.radiomics_prefixes)]
    return tuple(dict.fromkeys((*roles.radiomics, *found)))


def missing_columns(table: pd.DataFrame, roles: Roles) -> list[str]:
    """Columns that the roles file names and the table lacks."""
    endpoint = roles.endpoint
    split = [roles.split.column] if roles.split else []
    single = [roles.patient, roles.lesion, roles.ct, roles.pet, roles.mask, roles.roi, roles.center, roles.date]
    clinical = [roles.column(name) for name in roles.clinical]
    wanted = [*single, roles.volume, endpoint.column, endpoint.time, endpoint.event, *split, *clinical]
    return [n for n in dict.fromkeys((*wanted, *roles.radiomics)) if n and n not in table.columns]
