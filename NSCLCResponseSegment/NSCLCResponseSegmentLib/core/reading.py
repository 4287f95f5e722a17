"""From files to a :class:`Case`: CT in HU, PET in SUVbw, mask on the CT's grid, and what is known about them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .case import Case, LoadedImage, TumourMask
from .dicom_files import is_dicom_file
from .dicom_pixels import read_series
from .dicom_series import Series, choose, scan
from .errors import ImageError, NSCLCResponseError, PetError
from .masks import read_mask, voxel_centres
from .progress import SILENT, Progress
from .volume_files import (
    SUVBW,
    UNIT_KEY,
    VOLUME_SUFFIXES,
    compact,
    exists_or_raise,
    gaps_filled,
    is_volume_file,
    read_volume,
    refuse_unknown_file,
    require_finite,
    require_hounsfield,
    require_suv,
)

_PLAIN_NAME = r"(ct|ct[_-]?image|image|img|volume|scan|dicom|dcm)"


def read_ct(path: Path, series: str = "", progress: Progress = SILENT, *, gaps: bool = False) -> LoadedImage:
    """A CT in Hounsfield units.

    :param path: DICOM folder (or one file in it), NIfTI, NRRD or MetaImage.
    :param series: which one when the folder holds several: series number, part of its description or UID.
    :param gaps: take an image with voxels that are not numbers, with a note; the caller deals with them.
    :returns: modality "CT", unit "HU"; 16-bit integers when all values are whole numbers, else 32-bit float.
    :raises ImageError: it cannot be read, is not a regular grid, or is not a CT in HU.
    """
    path = Path(path)
    chosen = _dicom_series(path, "CT", series, progress)
    if chosen is not None:
        loaded = read_series(*chosen, path, progress.part(0.4, 1.0))
    else:
        progress.report(0.1, f"Reading {path.name}")
        image = read_volume(path)
        loaded = LoadedImage(image, "CT", "HU", path, facts=_grid_facts(image))
    notes = _finite(loaded.image, path, ImageError, gaps=gaps)
    require_hounsfield(gaps_filled(loaded.image, 0.0)[0] if notes else loaded.image, str(path))
    return replace(loaded, image=compact(loaded.image), notes=(*loaded.notes, *notes))


def read_pet(path: Path, series: str = "", progress: Progress = SILENT, *, gaps: bool = False) -> LoadedImage:
    """A PET in body-weight SUV (g/mL).

    DICOM is converted as :mod:`.suv` says; other formats are taken as SUVbw already.

    :param path: DICOM folder (or one file in it), NIfTI, NRRD or MetaImage.
    :param series: which one when the folder holds several.
    :param gaps: as for :func:`read_ct`.
    :returns: modality "PT", unit "SUVbw", 32-bit float; ``facts["suv_branch"]`` says how SUV was computed.
    :raises ImageError: it cannot be read or is not a regular grid.
    :raises PetError: SUVbw cannot be computed, or values cannot be SUVbw.
    """
    path = Path(path)
    chosen = _dicom_series(path, "PT", series, progress)
    if chosen is not None:
        loaded = read_series(*chosen, path, progress.part(0.4, 1.0))
    else:
        progress.report(0.1, f"Reading {path.name}")
        read = read_volume(path)
        unit = read.GetMetaData(UNIT_KEY) if read.HasMetaDataKey(UNIT_KEY) else ""
        if unit and unit != SUVBW:
            raise PetError(f"{path.stem} is in {unit}, not in SUVbw.", "Convert it, or give its DICOM folder.")
        image = sitk.Cast(read, sitk.sitkFloat32)
        require_suv(gaps_filled(image, 0.0)[0] if gaps else image, str(path))
        facts = {**_grid_facts(image), "suv_branch": "taken as SUVbw", "suv_max": _maximum(image)}
        note = f"The values of {path.name} were taken as SUVbw, since this format does not say their unit."
        loaded = LoadedImage(image, "PT", SUVBW, path, facts=facts, notes=() if unit else (note,))
    notes = _finite(loaded.image, path, PetError, gaps=gaps)
    return replace(loaded, notes=(*loaded.notes, *notes)) if notes else loaded


def _finite(image: sitk.Image, path: Path, error: type[NSCLCResponseError], *, gaps: bool) -> tuple[str, ...]:
    """Refuse voxels that are not numbers, or say that there are some."""
    if not gaps:
        require_finite(image, str(path), error)
        return ()
    count = gaps_filled(image, 0.0)[1] if "float" in image.GetPixelIDTypeAsString() else 0
    voxels = "a voxel that is not a number" if count == 1 else f"{count} voxels that are not numbers"
    return (f"{path} has {voxels}; features near it have no value.",) if count else ()


def read_case(  # noqa: PLR0913 one argument for each thing that a patient may have
    *,
    ct: Path,
    series: str = "",
    pet: Path | None = None,
    pet_series: str = "",
    mask: Path | None = None,
    roi: str = "",
    clinical: Mapping[str, float] | None = None,
    patient_id: str = "",
    gaps: bool = False,
    progress: Progress = SILENT,
) -> Case:
    """Everything about one patient, read and checked against each other.

    :param patient_id: replaces the one in the DICOM files; without either, the CT's file or folder name is taken.
    :param gaps: as for :func:`read_ct`.
    :raises NSCLCResponseError: a part cannot be used; the sentence says which and why.
    """
    loaded_ct = read_ct(ct, series, progress.part(0.0, 0.6 if pet else 0.9), gaps=gaps)
    loaded_pet, loaded_mask = None, None
    if pet is not None:
        loaded_pet = read_pet(pet, pet_series, progress.part(0.6, 0.9), gaps=gaps)
        notes = check_pet_matches_ct(loaded_ct, loaded_pet)
        loaded_pet = replace(loaded_pet, notes=(*loaded_pet.notes, *notes))
    if mask is not None:
        progress.report(0.9, "Reading the outline")
        loaded_mask = read_mask(mask, loaded_ct, roi)
        if loaded_pet is not None:
            check_pet_covers(loaded_pet, loaded_mask)
    name = patient_id or loaded_ct.patient_id or _name_from(Path(ct))
    progress.report(1.0, "Images read")
    return Case(loaded_ct, loaded_pet, loaded_mask, dict(clinical or {}), name)


def _name_from(path: Path) -> str:
    """A patient's name from a path: that of the file, or of its folder when the file is named for what it holds."""
    path = path.absolute()
    name = path.name
    if path.is_file():
        suffix = next((s for s in VOLUME_SUFFIXES[::-1] if name.lower().endswith(s)), path.suffix)
        name = name.removesuffix(name[len(name) - len(suffix) :])
    return path.parent.name if re.fullmatch(_PLAIN_NAME, name, re.IGNORECASE) and path.parent.name else name


def _dicom_series(path: Path, modality: str, wanted: str, progress: Progress) -> tuple[Series, list[str]] | None:
    """The chosen DICOM series, or ``None`` when ``path`` is a research image file."""
    exists_or_raise(path)
    if path.is_file() and is_volume_file(path):
        return None
    if path.is_file() and not is_dicom_file(path):
        raise refuse_unknown_file(path)
    found = scan(path, progress.part(0.0, 0.4))
    error: type[NSCLCResponseError] = ImageError
    try:
        return choose(found, modality=modality, wanted=wanted, source=path)
    except ImageError as problem:
        error = PetError if modality == "PT" else ImageError
        raise error(problem.message, problem.remedy) from problem


def _grid_facts(image: sitk.Image) -> dict[str, Any]:
    return {
        "size": list(image.GetSize()),
        "spacing_mm": [round(v, 6) for v in image.GetSpacing()],
    }


def _maximum(image: sitk.Image) -> float:
    return float(np.nanmax(sitk.GetArrayViewFromImage(image)))


# ---------------------------------------------------------------- PET and CT


def physical_bounds(image: sitk.Image) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest LPS coordinates (mm) of an image's voxel edges."""
    edges = [(-0.5, n - 0.5) for n in image.GetSize()]
    corners = np.array(
        [image.TransformContinuousIndexToPhysicalPoint((x, y, z)) for x in edges[0] for y in edges[1] for z in edges[2]]
    )
    return corners.min(axis=0), corners.max(axis=0)


def check_pet_matches_ct(ct: LoadedImage, pet: LoadedImage) -> list[str]:
    """Whether PET and CT are of the same patient and lie in the same place.

    :returns: sentences about what could not be taken for granted.
    :raises PetError: other patient, other coordinates (another study's frame of reference), or no overlap.
    """
    if ct.patient_id and pet.patient_id and ct.patient_id != pet.patient_id:
        raise PetError(
            f"PET and CT are of different patients: {pet.source} is of '{pet.patient_id}', {ct.source} of"
            f" '{ct.patient_id}'.",
            "Give PET and CT of one patient.",
        )
    notes = _compare_frames(ct, pet)
    ct_low, ct_high = physical_bounds(ct.image)
    pet_low, pet_high = physical_bounds(pet.image)
    shared = np.minimum(ct_high, pet_high) - np.maximum(ct_low, pet_low)
    if shared.min() <= 0:
        raise PetError(
            f"PET and CT do not overlap: the CT {ct.source} lies at {_range(ct_low, ct_high)}, the PET {pet.source}"
            f" at {_range(pet_low, pet_high)}.",
            "Give the PET of the same examination, or register it to the CT first.",
        )
    share = shared[2] / (ct_high[2] - ct_low[2])
    if share < 0.9:
        notes.append(f"The PET covers {share:.0%} of the CT's height.")
    return notes


def _compare_frames(ct: LoadedImage, pet: LoadedImage) -> list[str]:
    ours, theirs = ct.frame_of_reference_uid, pet.frame_of_reference_uid
    if not ours or not theirs or ours == theirs:
        return []
    if ct.study_uid and pet.study_uid and ct.study_uid != pet.study_uid:
        raise PetError(
            f"PET {pet.source} and CT {ct.source} come from different studies with different frames of reference,"
            " so their coordinates do not belong together.",
            "Give the CT of the PET's own examination, or register the PET to the CT and save it as NIfTI or NRRD.",
        )
    return ["PET and CT have different frames of reference in one study; that they are aligned was taken for granted."]


def _range(low: np.ndarray, high: np.ndarray) -> str:
    axes = (("R", "L", 0), ("A", "P", 1), ("I", "S", 2))
    parts = []
    for negative, positive, axis in axes:
        ends = [f"{positive if v >= 0 else negative} {abs(v):.0f}" for v in (low[axis], high[axis])]
        parts.append(" to ".join(ends))
    return ", ".join(parts) + " mm"


def check_pet_covers(pet: LoadedImage, mask: TumourMask) -> None:
    """:raises PetError: a part of the tumour lies outside the PET."""
    centres = voxel_centres(mask.image, pet.image)
    high = np.array(pet.image.GetSize()) - 0.5
    inside = np.all((centres >= -0.5) & (centres <= high), axis=1)
    if not inside.all():
        share = 1 - inside.mean()
        raise PetError(
            f"The PET {pet.source} does not cover the tumour: {share:.0%} of it lies outside.",
            "Give a PET that covers the tumour, or leave the PET out.",
        )
