"""Reading the first sheet of an XLSX file as text (ECMA-376, part 1, chapter 18), with the standard library alone.

A cohort table needs cells and nothing else of Excel; formulas count as the value that was saved with them.
"""

from __future__ import annotations

import datetime
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_LARGEST = 500_000_000  # bytes of one part; a table of patients is far smaller, a forged archive need not be
_DATE_FORMATS = frozenset({*range(14, 18), 22})  # numbers of Excel's own formats with a day in them
_DATE_CODE = re.compile(r"[yd]", re.IGNORECASE)
_TEXT_IN_CODE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
_FIRST_DAY = datetime.datetime(1899, 12, 30)


def read_rows(path: Path) -> list[list[str]]:
    """All rows of the first sheet, each as long as the longest; empty text for an empty cell.

    Numbers are written as short as they can be (4.1, 7), days as 2024-05-31, text as it is.

    :raises ValueError: the file is no XLSX file, or one of its parts is damaged or far too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            sheet = ET.fromstring(_part(archive, _first_sheet(archive)))  # noqa: S314 - sizes are checked, no entities
            strings = _strings(archive)
            dates = _date_styles(archive)
    except (zipfile.BadZipFile, KeyError, ET.ParseError, OSError) as error:
        raise ValueError(f"it is no intact XLSX file ({error})") from error
    rows: list[list[str]] = []
    for row in sheet.iter(f"{_MAIN}row"):
        cells: dict[int, str] = {}
        for cell in row.iter(f"{_MAIN}c"):
            column = _column(cell.get("r", ""), len(cells))
            cells[column] = _text(cell, strings, dates)
        rows.append([cells.get(index, "") for index in range(max(cells, default=-1) + 1)])
    width = max(map(len, rows), default=0)
    return [row + [""] * (width - len(row)) for row in rows if any(row)]


def _part(archive: zipfile.ZipFile, name: str) -> bytes:
    if archive.getinfo(name).file_size > _LARGEST:
        raise ValueError(f"its part {name} is larger than any table of patients")
    data = archive.read(name)
    if b"<!DOCTYPE" in data[:2000]:
        raise ValueError(f"its part {name} declares entities, which no spreadsheet does")
    return data


def _first_sheet(archive: zipfile.ZipFile) -> str:
    workbook = ET.fromstring(_part(archive, "xl/workbook.xml"))  # noqa: S314
    relations = ET.fromstring(_part(archive, "xl/_rels/workbook.xml.rels"))  # noqa: S314
    sheet = workbook.find(f"{_MAIN}sheets/{_MAIN}sheet")
    wanted = "" if sheet is None else sheet.get(_RELATION)
    target = next((r.get("Target", "") for r in relations if r.get("Id") == wanted), "")
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _strings(archive: zipfile.ZipFile) -> list[str]:
    """Texts that cells share; what tells the pronunciation of a text is no part of it."""
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    root = ET.fromstring(_part(archive, "xl/sharedStrings.xml"))  # noqa: S314
    return [_plain(item) for item in root.iter(f"{_MAIN}si")]


def _plain(item: ET.Element) -> str:
    pieces = [*item.findall(f"{_MAIN}t"), *item.findall(f"{_MAIN}r/{_MAIN}t")]
    return "".join(piece.text or "" for piece in pieces)


def _date_styles(archive: zipfile.ZipFile) -> set[str]:
    """Numbers of the cell styles that show a day."""
    if "xl/styles.xml" not in archive.namelist():
        return set()
    root = ET.fromstring(_part(archive, "xl/styles.xml"))  # noqa: S314
    own = {
        item.get("numFmtId")
        for item in root.iter(f"{_MAIN}numFmt")
        if _DATE_CODE.search(_TEXT_IN_CODE.sub("", item.get("formatCode", "")))
    }
    formats = [item.get("numFmtId") for item in root.findall(f"{_MAIN}cellXfs/{_MAIN}xf")]
    return {str(i) for i, f in enumerate(formats) if f in own or ((f or "").isdigit() and int(f) in _DATE_FORMATS)}


def _column(reference: str, following: int) -> int:
    """0 for A, 26 for AA; the next one where a cell does not say where it is."""
    letters = re.match(r"[A-Z]{1,3}", reference)
    number = 0
    for letter in letters.group() if letters else "":
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1 if letters else following


def _text(cell: ET.Element, strings: list[str], dates: set[str]) -> str:
    kind, value = cell.get("t", "n"), cell.findtext(f"{_MAIN}v", "")
    if kind == "inlineStr":
        inline = cell.find(f"{_MAIN}is")
        return "" if inline is None else _plain(inline)
    if kind == "s":
        return strings[int(value)] if value.isdigit() and int(value) < len(strings) else ""
    if kind == "b":
        return {"1": "true", "0": "false"}.get(value, "")
    if kind in ("str", "d"):
        return value
    return _number(value, is_date=cell.get("s", "0") in dates) if kind == "n" else ""  # an error, e.g. #N/A, is empty


def _number(value: str, *, is_date: bool) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    if is_date and 0 < number < 2_958_466:  # the last day that Excel knows
        day = _FIRST_DAY + datetime.timedelta(days=number)
        return day.date().isoformat() if number == int(number) else day.isoformat(sep=" ", timespec="seconds")
    return str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number)
