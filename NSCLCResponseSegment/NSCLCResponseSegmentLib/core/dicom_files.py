"""Headers of single DICOM files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_PREAMBLE = 132
_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"  # DICOMDIR under another name


@dataclass(frozen=True)
class DicomFile:
    """One file and its header, without the pixels.

    :param is_cut: the file is shorter than its uncompressed pixels need.
    """

    path: Path
    header: Dataset
    is_cut: bool = False


def text(header: Dataset, key: str) -> str:
    """A header value as text; empty when it is missing, empty or not valid DICOM."""
    try:
        value = header.get(key)
    except (ValueError, TypeError, KeyError):  # pydicom converts on access
        return ""
    return "" if value is None else str(value).strip()


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


def is_damaged(path: Path) -> bool:
    """Whether a file that :func:`read_header` could not use was meant to be a DICOM object."""
    import pydicom

    if not is_dicom_file(path):
        return path.suffix.lower() == ".dcm"
    try:
        return pydicom.filereader.read_file_meta_info(path).MediaStorageSOPClassUID != _DIRECTORY_CLASS
    except Exception:  # noqa: BLE001 anything may be raised when a cut file is read
        return True


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
