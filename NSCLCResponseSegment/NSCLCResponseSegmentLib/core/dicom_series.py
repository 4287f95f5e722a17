"""Which DICOM files belong together, and which series is the one that was meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import ImageError
from .progress import SILENT, Progress

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
_PREAMBLE = 132
_FEWEST_SLICES = 3
_LISTED = 12


@dataclass(frozen=True)
class DicomFile:
    """One file and its header, without the pixels.

    :param is_cut: the file is shorter than its uncompressed pixels need.
    """

    path: Path
    header: Dataset
    is_cut: bool = False


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
        return str(self.header.get("SeriesInstanceUID", ""))

    @property
    def modality(self) -> str:
        return str(self.header.get("Modality", ""))

    @property
    def description(self) -> str:
        return str(self.header.get("SeriesDescription", "") or self.header.get("ProtocolName", "") or "")

    @property
    def number(self) -> str:
        value = self.header.get("SeriesNumber")
        return "" if value is None else str(value)

    @property
    def is_enhanced(self) -> bool:
        return str(self.header.get("SOPClassUID", "")) in ENHANCED_CLASSES

    @property
    def is_volume(self) -> bool:
        """Whether this can be a volume at all: an image class of CT or PET with enough slices, and no localizer."""
        if self.is_enhanced:
            return True
        is_image = str(self.header.get("SOPClassUID", "")) in IMAGE_CLASSES
        return is_image and len(self.files) >= _FEWEST_SLICES and not is_localizer(self.files[-1].header)

    def listed(self) -> str:
        """The series in one line for the user: number, description, modality, slices, end of its UID."""
        what = self.description or "no description"
        name = MODALITY_NAMES.get(self.modality, self.modality or "unknown")
        number = f"{self.number}: " if self.number else ""
        return f"{number}'{what}' ({name}, {len(self.files)} files, UID …{self.uid[-8:]})"


def is_localizer(header: Dataset) -> bool:
    """Whether a CT image is a scout (topogram), by its Image Type."""
    return "LOCALIZER" in image_type(header)


def image_type(header: Dataset) -> tuple[str, ...]:
    """Values of Image Type (0008,0008) in capitals."""
    value = header.get("ImageType") or ()
    values = [value] if isinstance(value, str) else list(value)
    return tuple(str(v).upper() for v in values)


def is_dicom_file(path: Path) -> bool:
    """Whether a file carries DICOM's magic bytes."""
    try:
        with path.open("rb") as stream:
            return stream.read(_PREAMBLE)[128:] == b"DICM"
    except OSError:
        return False


def read_header(path: Path) -> DicomFile | None:
    """The header of one file, or ``None`` when it is not DICOM (or DICOM's own index)."""
    import pydicom
    from pydicom.errors import InvalidDicomError

    try:
        with path.open("rb") as stream:
            header = pydicom.dcmread(stream, stop_before_pixels=True)
            pixels_at = stream.tell()
    except (InvalidDicomError, OSError, EOFError, ValueError, KeyError):
        header = _header_without_preamble(path)
        pixels_at = 0
    if header is None or "SOPClassUID" not in header or "SeriesInstanceUID" not in header:
        return None
    return DicomFile(path, header, _is_cut(path, header, pixels_at))


def _header_without_preamble(path: Path) -> Dataset | None:
    """Old writers leave the preamble out; only believed when the file is named like DICOM."""
    import pydicom

    if path.suffix.lower() not in (".dcm", ".ima", ""):
        return None
    try:
        return pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except Exception:  # noqa: BLE001 anything may be raised when arbitrary bytes are read as DICOM
        return None


def _is_cut(path: Path, header: Dataset, pixels_at: int) -> bool:
    meta = getattr(header, "file_meta", None)
    syntax = meta.get("TransferSyntaxUID") if meta is not None else None
    if not pixels_at or syntax is None or syntax.is_compressed or "Rows" not in header:
        return False
    samples = int(header.get("SamplesPerPixel", 1)) * int(header.get("NumberOfFrames", 1) or 1)
    needed = int(header.Rows) * int(header.Columns) * int(header.get("BitsAllocated", 16)) // 8 * samples
    return path.stat().st_size - pixels_at < needed


def scan(path: Path, progress: Progress = SILENT) -> list[Series]:
    """All series in a folder and the folders below it, in the order of their series numbers.

    :param path: a folder, or one DICOM file, which stands for its own series in its folder.
    :raises ImageError: there is no DICOM in it.
    """
    folder = path if path.is_dir() else path.parent
    candidates = _files_below(folder) if path.is_dir() else sorted(p for p in folder.iterdir() if p.is_file())
    groups: dict[str, list[DicomFile]] = {}
    for count, file in enumerate(candidates):
        if count % 25 == 0:
            progress.report(count / len(candidates), f"Reading DICOM headers ({count} of {len(candidates)})")
        found = read_header(file)
        if found is not None:
            groups.setdefault(str(found.header.SeriesInstanceUID), []).append(found)
    if not groups:
        held = f"none of its {len(candidates)} files is DICOM" if candidates else "it is empty"
        raise ImageError(
            f"The folder {folder} holds no DICOM images: {held}.", "Choose the folder that the DICOM files lie in."
        )
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
    if all(str(s.header.get("SOPClassUID", "")) not in IMAGE_CLASSES for s in right):
        return f"{source} holds no {name} slices but other objects of that modality: {_listing(right)}.", remedy
    return f"{source} holds too few slices for a {name} volume: {_listing(right)}.", remedy
