"""Pixels and facts of one DICOM series as a :class:`LoadedImage`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .case import LoadedImage
from .dicom_files import DicomFile, text
from .dicom_geometry import Stack, stack
from .dicom_series import MODALITY_NAMES, Series
from .errors import ImageError, PetError
from .progress import Progress
from .volume_files import quiet

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_FACTS = {
    "slice_thickness_mm": ("SliceThickness", float),
    "kernel": ("ConvolutionKernel", str),
    "reconstruction_method": ("ReconstructionMethod", str),
    "manufacturer": ("Manufacturer", str),
    "model": ("ManufacturerModelName", str),
    "station": ("StationName", str),
    "kvp": ("KVP", float),
    "contrast_agent": ("ContrastBolusAgent", str),
    "protocol": ("ProtocolName", str),
    "body_part": ("BodyPartExamined", str),
    "study_date": ("StudyDate", str),
    "series_date": ("SeriesDate", str),
    "acquisition_date": ("AcquisitionDate", str),
    "series_number": ("SeriesNumber", int),
    "patient_sex": ("PatientSex", str),
    "patient_age": ("PatientAge", str),
}


def read_series(series: Series, notes: list[str], source: Path, progress: Progress) -> LoadedImage:
    """Read the pixels of a CT or PET series and put them into HU or SUVbw.

    :param notes: sentences from choosing the series.
    :raises ImageError: geometry, units or pixels cannot be used.
    :raises PetError: SUVbw cannot be computed.
    """
    name = f"Series {series.listed()} in {source}"
    if series.is_enhanced:
        return _read_enhanced(series, notes, source, name, progress)
    if series.modality == "CT":
        _require_hounsfield_header(series, name)
    grid = stack(series.files, name)
    if series.modality == "PT":
        return _read_pet(series, grid, [*notes, *grid.notes], source, name, progress)
    image = _read_pixels(grid, name, progress, is_float=not _has_whole_rescale(grid))
    facts = {**_facts(series.header), **_grid(image)}
    return _loaded(series, image, source, "HU", facts, [*notes, *grid.notes], grid.files)


def _read_pet(
    series: Series, grid: Stack, notes: list[str], source: Path, name: str, progress: Progress
) -> LoadedImage:
    from .suv import suv_factor

    result = suv_factor([file.header for file in grid.files], name)
    image = _read_pixels(grid, name, progress, is_float=True)
    array = sitk.GetArrayFromImage(image) * np.asarray(result.factors, dtype=np.float32)[:, None, None]
    suv = sitk.GetImageFromArray(array.astype(np.float32))
    suv.CopyInformation(image)
    facts = {
        **_facts(series.header),
        **_grid(suv),
        "suv_branch": result.branch,
        "suv": result.details,
        "suv_max": float(array.max()),
    }
    return _loaded(series, suv, source, "SUVbw", facts, [*notes, *result.notes], grid.files)


def _read_pixels(grid: Stack, name: str, progress: Progress, *, is_float: bool) -> sitk.Image:
    """Stored values times slope plus intercept, slice by slice (slopes may differ), on the stack's own grid."""
    reader = sitk.ImageSeriesReader()
    reader.SetImageIO("GDCMImageIO")
    reader.SetFileNames([str(path) for path in grid.paths])
    # otherwise the first slice's slope decides the type for all, and cuts the decimals of the others
    reader.SetOutputPixelType(sitk.sitkFloat32 if is_float else sitk.sitkInt32)
    text = f"Reading {len(grid.paths)} slices"
    progress.report(0.0, text)
    reader.AddCommand(sitk.sitkProgressEvent, lambda: progress.report(reader.GetProgress(), text))
    try:
        with quiet():
            image = reader.Execute()
    except RuntimeError as problem:
        raise ImageError(
            f"The pixels of {_first_unreadable(grid)} in {name} cannot be read: the file is cut or damaged.",
            "Export or copy the series again.",
        ) from problem
    grid.apply_to(image)
    return image


def _first_unreadable(grid: Stack) -> str:
    for path in grid.paths:
        try:
            with quiet():
                sitk.ReadImage(str(path), imageIO="GDCMImageIO")
        except RuntimeError:
            return path.name
    return grid.paths[0].name


def _has_whole_rescale(grid: Stack) -> bool:
    keys = ("RescaleSlope", "RescaleIntercept")
    return all(float(text(f.header, k) or 0).is_integer() for f in grid.files for k in keys)


def _require_hounsfield_header(series: Series, name: str) -> None:
    """Values are checked later; here only what the header says plainly (Rescale Type, PS3.3 C.11.1)."""
    types = {(text(f.header, "RescaleType") or "HU").upper() for f in series.files}
    wrong = types - {"HU", "US", "HU_MOD"}  # US is 'unspecified', which some scanners write on plain CT
    if wrong:
        raise ImageError(
            f"{name} is not in Hounsfield units: its rescale type is {', '.join(sorted(wrong))}.",
            "Give a CT reconstruction in HU.",
        )


def _grid(image: sitk.Image) -> dict[str, Any]:
    return {"size": list(image.GetSize()), "spacing_mm": [round(v, 6) for v in image.GetSpacing()]}


def _facts(header: Dataset) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    for name, (key, kind) in _FACTS.items():
        value = text(header, key)
        if not value:
            continue
        try:
            facts[name] = kind(value)
        except ValueError:
            facts[name] = value
    return facts


def _loaded(
    series: Series,
    image: sitk.Image,
    source: Path,
    unit: str,
    facts: dict[str, Any],
    notes: list[str],
    files: tuple[DicomFile, ...],
) -> LoadedImage:
    header = series.header
    dates = (text(header, key) for key in ("AcquisitionDate", "SeriesDate", "StudyDate"))
    return LoadedImage(
        image=image,
        modality=series.modality,
        unit=unit,
        source=source,
        patient_id=text(header, "PatientID"),
        study_uid=text(header, "StudyInstanceUID"),
        series_uid=series.uid,
        series_description=series.description,
        frame_of_reference_uid=text(header, "FrameOfReferenceUID"),
        acquisition_date=next((d for d in dates if d), ""),
        dicom_files=tuple(file.path for file in files),
        instance_uids=tuple(text(file.header, "SOPInstanceUID") for file in files),
        facts=facts,
        notes=tuple(notes),
    )


def _read_enhanced(series: Series, notes: list[str], source: Path, name: str, progress: Progress) -> LoadedImage:
    """One multi-frame file (Enhanced CT); highdicom orders the frames and applies each one's rescale."""
    if series.modality != "CT":
        raise PetError(
            f"{name} is an enhanced (multi-frame) {MODALITY_NAMES[series.modality]}, which is not read here.",
            "Export it as single slices.",
        )
    if len(series.files) != 1:
        raise ImageError(f"{name} is split over several multi-frame files.", "Export it as single slices.")
    import highdicom

    progress.report(0.0, "Reading a multi-frame CT")
    path = series.files[0].path
    try:
        volume = highdicom.imread(path).get_volume(dtype=np.float32, apply_real_world_transform=False)
    except Exception as problem:  # many kinds are raised for one damaged file
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise ImageError(
            f"{name} is a multi-frame CT that does not form one regular volume ({reason}).",
            "Export it as single slices.",
        ) from problem
    image = image_from_volume(volume.array, volume.affine)
    return _loaded(series, image, source, "HU", {**_facts(series.header), **_grid(image)}, notes, series.files)


def image_from_volume(array: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """A SimpleITK image from an array (slices, rows, columns) and its 4×4 matrix from these indices to LPS mm."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    axes = affine[:3, 2::-1]  # columns: along x (columns), y (rows), z (slices)
    spacing = np.linalg.norm(axes, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    image.SetDirection((axes / spacing).flatten().tolist())
    return image
