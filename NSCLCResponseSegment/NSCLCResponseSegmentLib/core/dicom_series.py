"""Which DICOM files belong together, and which series is the one that was meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .dicom_files import DicomFile, image_type, is_damaged, is_localizer, read_header, text
from .errors import ImageError
from .progress import SILENT, Progress
from .volume_files import is_archive

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MODALITY_NAMES = {
    "CT": "CT",
    "PT": "PET",
    "MR": "MR",
    "RTSTRUCT": "RT structure set",
    "SEG": "segmentation",
    "US": "ultrasound",
    "NM": "nuclear medicine",
    "CR": "X-ray",
    "DX": "X-ray",
}
IMAGE_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2": "CT",
    "1.2.840.10008.5.1.4.1.1.128": "PT",
}
ENHANCED_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2.1": "CT",  # Enhanced CT
    "1.2.840.10008.5.1.4.1.1.2.2": "CT",  # Legacy Converted Enhanced CT
    "1.2.840.10008.5.1.4.1.1.130": "PT",  # Enhanced PET
    "1.2.840.10008.5.1.4.1.1.128.1": "PT",  # Legacy Converted Enhanced PET
}
_FEWEST_SLICES = 3
_LISTED = 12


@dataclass(frozen=True)
class Series:
    """All files with one SeriesInstanceUID."""

    files: tuple[DicomFile, ...]

    @property
    def header(self) -> Dataset:
        """Header of the first file, for what all files share."""
        return self.files[0].header

    @property
    def uid(self) -> str:
        return text(self.header, "SeriesInstanceUID")

    @property
    def modality(self) -> str:
        return text(self.header, "Modality")

    @property
    def description(self) -> str:
        return text(self.header, "SeriesDescription") or text(self.header, "ProtocolName")

    @property
    def number(self) -> str:
        return text(self.header, "SeriesNumber")

    @property
    def is_enhanced(self) -> bool:
        return text(self.header, "SOPClassUID") in ENHANCED_CLASSES

    @property
    def is_volume(self) -> bool:
        """Whether this can be a volume at all: an image class of CT or PET with enough slices besides localizers."""
        if self.is_enhanced:
            return True
        slices = sum(not is_localizer(f.header) for f in self.files)
        return text(self.header, "SOPClassUID") in IMAGE_CLASSES and slices >= _FEWEST_SLICES

    def listed(self) -> str:
        """The series in one line for the user: number, description, modality, slices, end of its UID."""
        what = self.description or "no description"
        name = MODALITY_NAMES.get(self.modality, self.modality or "unknown")
        number = f"{self.number}: " if self.number else ""
        return f"{number}'{what}' ({name}, {len(self.files)} files, UID …{self.uid[-8:]})"


def scan(path: Path, progress: Progress = SILENT) -> list[Series]:
    """All series in a folder and the folders below it, in the order of their series numbers.

    :param path: a folder, or one DICOM file, which stands for its own series in its folder.
    :raises ImageError: there is no DICOM in it, or some of it is damaged.
    """
    folder = path if path.is_dir() else path.parent
    candidates = _files_below(folder) if path.is_dir() else sorted(p for p in folder.iterdir() if p.is_file())
    groups: dict[str, list[DicomFile]] = {}
    damaged: list[str] = []
    for count, file in enumerate(candidates):
        if count % 25 == 0:
            progress.report(count / len(candidates), "Reading DICOM headers")
        found = read_header(file)
        if found is not None:
            groups.setdefault(str(found.header.SeriesInstanceUID), []).append(found)
        elif is_damaged(file):
            damaged.append(file.name)
    if damaged:  # one of them may be the first or last slice, whose absence nobody would notice
        raise ImageError(
            f"{len(damaged)} DICOM files in {folder} are cut or damaged, the first is {damaged[0]}.",
            "Export or copy the series again, or remove those files.",
        )
    if not groups:
        held = f"none of its {len(candidates)} files is DICOM" if candidates else "it is empty"
        packed = [p.name for p in candidates if is_archive(p)]
        more = f"Unpack {packed[0]} first." if packed else "Choose the folder that the DICOM files lie in."
        raise ImageError(f"The folder {folder} holds no DICOM images: {held}.", more)
    if not path.is_dir():
        groups = _only_series_of(path, groups)
    return sorted((Series(tuple(files)) for files in groups.values()), key=_by_number)


def _files_below(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "DICOMDIR" and not p.name.startswith("."))


def _only_series_of(path: Path, groups: dict[str, list[DicomFile]]) -> dict[str, list[DicomFile]]:
    chosen = {uid: files for uid, files in groups.items() if any(f.path == path for f in files)}
    if not chosen:
        raise ImageError(
            f"{path} is not a complete DICOM file.",
            "Export or copy it again, or choose the folder of the whole series.",
        )
    return chosen


def _by_number(series: Series) -> tuple[int, str]:
    number = series.number
    return (int(number) if number.lstrip("-").isdigit() else 10**9, series.uid)


def choose(series: list[Series], *, modality: str, wanted: str, source: Path) -> tuple[Series, list[str]]:
    """The one series that is meant.

    Rules, in this order: ``wanted``; the only one of that modality; no localizers, single images or secondary
    captures; no images derived from others (when an original is there); no reformats in other planes; for PET, with
    attenuation correction.

    :param modality: "CT" or "PT".
    :param wanted: the user's choice: part of SeriesInstanceUID or description, or the series number; may be empty.
    :param source: named in sentences.
    :returns: the series, and notes on what was left aside.
    :raises ImageError: none, or several, fit.
    """
    pool = _matching(series, wanted, source) if wanted else series
    right = [s for s in pool if s.modality == modality]
    if not right:
        raise ImageError(*_no_such_modality(pool, modality, source))
    volumes = [s for s in right if s.is_volume]
    if not volumes:
        raise ImageError(*_no_volume(right, modality, source))
    chosen = _narrowed(volumes)
    if len(chosen) > 1:
        raise ImageError(
            f"{source} holds {len(chosen)} {MODALITY_NAMES[modality]} series: {_listing(chosen)}.",
            "Choose one with --series (--pet-series for the PET): its number, part of its description or of its UID.",
        )
    notes = []
    if len(right) > 1:
        aside = [s for s in right if s is not chosen[0]]
        notes.append(f"Of {len(right)} series, {chosen[0].listed()} was read; left aside: {_listing(aside)}.")
    return chosen[0], notes


def _listing(series: Iterable[Series]) -> str:
    lines = [s.listed() for s in series]
    more = f"; and {len(lines) - _LISTED} more" if len(lines) > _LISTED else ""
    return "; ".join(lines[:_LISTED]) + more


def _matching(series: list[Series], wanted: str, source: Path) -> list[Series]:
    word = wanted.strip().lower()
    for matches in (
        [s for s in series if s.uid == word],
        [s for s in series if s.number == word],
        [s for s in series if word == s.description.lower()],
        [s for s in series if word in s.description.lower() or word in s.uid],
    ):
        if matches:
            return matches
    raise ImageError(
        f"No series in {source} matches '{wanted}'; there are: {_listing(series)}.",
        "Give a series number, or part of a description or of a UID, with --series.",
    )


def _narrowed(volumes: list[Series]) -> list[Series]:
    for keep in (
        lambda s: "DERIVED" not in image_type(s.header),
        _is_transverse,
        lambda s: s.modality != "PT" or "ATTN" in _values(s.header.get("CorrectedImage")),
    ):
        if len(volumes) == 1:
            break
        volumes = [s for s in volumes if keep(s)] or volumes
    return volumes


def _values(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(v) for v in value or ()]


def _is_transverse(series: Series) -> bool:
    cosines = series.header.get("ImageOrientationPatient")
    if cosines is None or len(cosines) != 6:
        return series.is_enhanced
    row, column = [float(v) for v in cosines[:3]], [float(v) for v in cosines[3:]]
    return abs(row[0] * column[1] - row[1] * column[0]) > 0.8  # z part of the slice normal


def _no_such_modality(pool: list[Series], modality: str, source: Path) -> tuple[str, str]:
    name = MODALITY_NAMES[modality]
    found = sorted({s.modality or "unknown" for s in pool})
    words = ", ".join(f"{MODALITY_NAMES[m]} ({m})" if m in MODALITY_NAMES else m for m in found)
    return f"{source} holds no {name} images, but {words}: {_listing(pool)}.", f"Give the folder of the {name}."


def _no_volume(right: list[Series], modality: str, source: Path) -> tuple[str, str]:
    name = MODALITY_NAMES[modality]
    remedy = f"Export the {name}'s transverse slices."
    if any(is_localizer(s.header) for s in right):
        return f"{source} holds only a localizer (scout), not a {name} volume: {_listing(right)}.", remedy
    if all(text(s.header, "SOPClassUID") not in IMAGE_CLASSES for s in right):
        return f"{source} holds no {name} slices but other objects of that modality: {_listing(right)}.", remedy
    return f"{source} holds too few slices for a {name} volume: {_listing(right)}.", remedy
