"""Puts DICOM slices in order and refuses stacks that are not a regular grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .dicom_files import DicomFile, is_localizer, text
from .errors import ImageError

if TYPE_CHECKING:
    import SimpleITK as sitk
    from pydicom.dataset import Dataset

_NEEDED = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2, "Rows": 1, "Columns": 1}
_SAME_ORIENTATION = 1e-3  # largest difference of a direction cosine within one series
_SAME_POSITION_MM = 1e-3
_UNEVEN_MM = 0.1  # from where a slice should lie; some scanners round positions to 0.1 mm
_UNEVEN_FRACTION = 0.03  # of the slice distance, when that is more
_TRANSVERSE = 0.8  # cosine between the slice normal and the body axis; the most oblique chest CTs have about 0.95
_MISSING_FACTOR = 1.5
_STRAIGHT_PIXELS = 0.5  # slices may be shifted within their plane by this much before we call the stack sheared
_TILT_DEGREES = 0.5


@dataclass(frozen=True)
class Stack:
    """Slices in order along their normal, with the grid that they form (LPS, millimetres).

    ``direction`` has the axes of columns, rows and slices in its columns; ``spacing`` is (x, y, z).
    """

    files: tuple[DicomFile, ...]
    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    direction: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(file.path for file in self.files)

    def apply_to(self, image: sitk.Image) -> None:
        """Give an image read from :attr:`paths` this geometry."""
        image.SetOrigin(self.origin)
        image.SetSpacing(self.spacing)
        image.SetDirection(tuple(self.direction.flatten()))


def stack(files: tuple[DicomFile, ...], name: str) -> Stack:
    """Order slices by position along the normal and check that they form a regular grid.

    :param name: the series in sentences.
    :raises ImageError: positions are missing, slices are missing, double, unevenly spaced, of different sizes or
        orientations, or shifted against each other by a tilted gantry.
    """
    files, notes = _one_of_each(files)
    _require_headers(files, name)
    normal, columns_to_normal = _orientation(files, name)
    positions = np.array([f.header.ImagePositionPatient for f in files], dtype=float)
    order = np.argsort(positions @ normal, kind="stable")
    files, positions = tuple(files[i] for i in order), positions[order]
    _require_regular(positions @ normal, files, name)
    along = positions @ normal
    rows_mm, columns_mm = (float(v) for v in files[0].header.PixelSpacing)
    _require_straight(positions, columns_to_normal, min(rows_mm, columns_mm), files, name)
    distance = float((along[-1] - along[0]) / (len(along) - 1))
    return Stack(files, tuple(positions[0]), (columns_mm, rows_mm, distance), columns_to_normal, tuple(notes))


def _one_of_each(files: tuple[DicomFile, ...]) -> tuple[tuple[DicomFile, ...], list[str]]:
    """Leave out scouts within the series, and files that are there twice."""
    notes = []
    slices = tuple(f for f in files if not is_localizer(f.header))
    if len(slices) < len(files):
        notes.append(f"{len(files) - len(slices)} localizer images within the series were left out.")
    unique = {str(f.header.get("SOPInstanceUID", f.path)): f for f in slices}
    if len(unique) < len(slices):
        notes.append(f"{len(slices) - len(unique)} files are copies of others in the series and were left out.")
    return tuple(unique.values()), notes


def _has(header: Dataset, key: str, count: int) -> bool:
    return bool(text(header, key)) and (count == 1 or len(header[key].value) == count)


def _require_headers(files: tuple[DicomFile, ...], name: str) -> None:
    for file in files:
        missing = [key for key, count in _NEEDED.items() if not _has(file.header, key, count)]
        if missing or file.is_cut:
            what = f"{' and '.join(missing)} missing" if missing else "its pixels end early"
            raise ImageError(
                f"{file.path.name} in {name} is cut or incomplete: {what}.", "Export or copy the series again."
            )
    sizes = {(int(f.header.Rows), int(f.header.Columns), tuple(map(float, f.header.PixelSpacing))) for f in files}
    if len(sizes) > 1:
        words = ", ".join(f"{c}×{r} pixels of {s[1]:.3f}×{s[0]:.3f} mm" for r, c, s in sorted(sizes))
        raise ImageError(f"{name} mixes slices of different size: {words}.", "Export one reconstruction only.")


def _orientation(files: tuple[DicomFile, ...], name: str) -> tuple[np.ndarray, np.ndarray]:
    cosines = np.array([f.header.ImageOrientationPatient for f in files], dtype=float)
    if np.abs(cosines - cosines[0]).max() > _SAME_ORIENTATION:
        raise ImageError(
            f"{name} mixes slices of different orientation.", "Export the transverse slices as a series of their own."
        )
    row, column = cosines[0, :3], cosines[0, 3:]
    normal = np.cross(row, column)
    lengths = [np.linalg.norm(v) for v in (row, column, normal)]
    if max(abs(length - 1) for length in lengths) > _SAME_ORIENTATION * 10:
        raise ImageError(f"The slice orientation in {name} is invalid.", "Export the series again.")
    row, normal = row / lengths[0], normal / lengths[2]
    if abs(normal[2]) < _TRANSVERSE:
        raise ImageError(
            f"{name} does not have transverse slices (it is a sagittal, coronal or oblique reformat).",
            "Give the transverse series.",
        )
    return normal, np.stack([row, np.cross(normal, row), normal], axis=1)


def _require_regular(along: np.ndarray, files: tuple[DicomFile, ...], name: str) -> None:
    gaps = np.diff(along)
    if len(gaps) < 2:
        raise ImageError(f"{name} has only {len(along)} slices.", "Give the whole series.")
    _require_single(gaps, along, files, name)
    usual = float(np.median(gaps))
    worst = int(np.argmax(np.abs(gaps - usual)))
    gap = float(gaps[worst])
    where = f"between {along[worst]:.1f} and {along[worst + 1]:.1f} mm ({files[worst].path.name} and the next)"
    if gap > _MISSING_FACTOR * usual:
        count = round(gap / usual) - 1
        total = int(sum(round(g / usual) - 1 for g in gaps if g > _MISSING_FACTOR * usual))
        more = f"; {total} in all" if total > count else ""
        raise ImageError(
            f"{name} has missing slices: {where} there is a gap of {gap:.2f} mm where slices are {usual:.2f} mm apart,"
            f" so about {count} {'is' if count == 1 else 'are'} missing{more}.",
            "Export or copy the series again, complete.",
        )
    even = np.linspace(along[0], along[-1], len(along))
    if np.abs(along - even).max() > max(_UNEVEN_MM, _UNEVEN_FRACTION * usual):
        raise ImageError(
            f"{name} has uneven spacing: slices are {usual:.2f} mm apart, but {gap:.2f} mm {where}.",
            "Give a series with even slice distance, or resample it first.",
        )


def _require_single(gaps: np.ndarray, along: np.ndarray, files: tuple[DicomFile, ...], name: str) -> None:
    double = np.flatnonzero(gaps < _SAME_POSITION_MM)
    if not len(double):
        return
    first = int(double[0])
    raise ImageError(
        f"{name} has {len(double)} positions with more than one slice, the first at {along[first]:.1f} mm"
        f" ({files[first].path.name} and {files[first + 1].path.name}).",
        "It mixes several phases or reconstructions; export one of them only.",
    )


def _require_straight(
    positions: np.ndarray, axes: np.ndarray, pixel_mm: float, files: tuple[DicomFile, ...], name: str
) -> None:
    inside_plane = (positions - positions[0]) @ axes[:, :2]
    shift = float(np.abs(inside_plane).max())
    length = float((positions[-1] - positions[0]) @ axes[:, 2])
    angle = float(np.degrees(np.arctan2(np.linalg.norm(inside_plane[-1]), length)))
    stated = abs(float(text(files[0].header, "GantryDetectorTilt") or 0.0))
    remedy = "Use a series without gantry tilt, or correct the tilt first and save the volume as NIfTI or NRRD."
    if shift > _STRAIGHT_PIXELS * pixel_mm:
        raise ImageError(
            f"{name} was taken with a tilted gantry ({angle:.1f}°): its slices are shifted against each other"
            f" by up to {shift:.1f} mm.",
            remedy,
        )
    if stated > _TILT_DEGREES:
        raise ImageError(
            f"{name} says that the gantry was tilted by {stated:.1f}° (0018,1120), but its slices stand straight above"
            " each other, so where the anatomy lies is uncertain.",
            remedy,
        )
