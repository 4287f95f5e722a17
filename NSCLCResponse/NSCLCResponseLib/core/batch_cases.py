"""The patients of a batch: from a table, or from a folder with one sub-folder per patient."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.errors import CohortError

from .case_files import case_in_folder

PATH_COLUMNS = ("ct", "pet", "mask")
TEXT_COLUMNS = ("series", "pet_series", "roi", "center")


@dataclass(frozen=True)
class BatchCase:
    """One patient: a name fit for a folder, and the arguments of the ``predict`` task without ``out``."""

    patient: str
    folder_name: str
    arguments: dict[str, Any]


def read_cases(source: Path, clinical_names: Iterable[str] = (), *, images: bool = True) -> list[BatchCase]:
    """The cases of a CSV table or of a folder of patients.

    A table has a column ``patient`` and ``ct``, and may have ``pet``, ``mask``, ``roi``, ``series``, ``pet_series``,
    ``click_ras`` ("R A S"), ``center`` and columns named like the signature's clinical values; paths are relative to
    the table.
    A folder has one sub-folder per patient with ``ct`` (DICOM) or ``ct.nii.gz``, and ``pet``, ``mask`` likewise.

    :param images: whether each patient needs a CT; not for a signature that looks at no image.
    :raises CohortError: there is nothing there, a column is missing, or two patients share a name.
    """
    if source.is_dir():
        cases = [_from_folder(folder) for folder in sorted(source.iterdir()) if folder.is_dir()]
        cases = [case for case in cases if case is not None]
    elif source.is_file():
        cases = _from_table(source, frozenset(clinical_names), {"patient", "ct"} if images else {"patient"})
    else:
        raise CohortError(f"{source} does not exist.", "Give a CSV table or a folder with one sub-folder per patient.")
    if not cases:
        raise CohortError(f"No patient was found in {source}.", "Each needs a CT: a column or file named ct.")
    _refuse_duplicates(cases, source)
    return cases


def _folder_name(patient: str) -> str:
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", patient).strip(". ") or "_"


def _refuse_duplicates(cases: list[BatchCase], source: Path) -> None:
    seen: dict[str, str] = {}
    for case in cases:
        key = case.folder_name.casefold()
        if key in seen:
            raise CohortError(
                f"{source} has the patient '{case.patient}' twice (as '{seen[key]}').",
                "Give each row a patient name of its own, e.g. with the date of the scan.",
            )
        seen[key] = case.patient


def _from_folder(folder: Path) -> BatchCase | None:
    found = case_in_folder(folder)
    if found is None:
        return None
    paths = {"ct": found.ct, "pet": found.pet, "mask": found.mask}
    arguments = {role: str(path.absolute()) for role, path in paths.items() if path is not None}
    return BatchCase(folder.name, _folder_name(folder.name), {**arguments, "patient_id": folder.name})


def _from_table(table: Path, clinical_names: frozenset[str], needed: set[str]) -> list[BatchCase]:
    with table.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        missing = needed - set(reader.fieldnames or ())
        if missing:
            raise CohortError(
                f"{table} has no column {' and no column '.join(sorted(missing))}.",
                f"Its columns are: {', '.join(reader.fieldnames or ()) or 'none'}.",
            )
        return [_from_row(row, line, table, clinical_names) for line, row in enumerate(reader, start=2)]


def _from_row(row: dict[str, str], line: int, table: Path, clinical_names: frozenset[str]) -> BatchCase:
    values = {name: (value or "").strip() for name, value in row.items() if name}
    patient = values["patient"]
    if not patient:
        raise CohortError(f"Line {line} of {table} names no patient.", "Fill the column 'patient'.")
    arguments: dict[str, Any] = {"patient_id": patient}
    for name in PATH_COLUMNS:
        if values.get(name):
            arguments[name] = str((table.parent / Path(values[name]).expanduser()).absolute())
    arguments.update({name: values[name] for name in TEXT_COLUMNS if values.get(name)})
    if values.get("click_ras"):
        arguments["click_ras"] = [_point(values["click_ras"], line, table)]
    clinical = {name: values[name] for name in values if name in clinical_names and values[name]}
    if clinical:
        arguments["clinical"] = clinical
    return BatchCase(patient, _folder_name(patient), arguments)


def _point(text: str, line: int, table: Path) -> list[float]:
    try:
        point = [float(part) for part in re.split(r"[\s,;]+", text.strip())]
    except ValueError:
        point = []
    if len(point) != 3:
        raise CohortError(
            f"'{text}' in line {line} of {table} is not a point.", "Write R A S in mm, like -81 201 -456."
        )
    return point
