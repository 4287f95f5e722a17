"""Which files of a folder are the case: CT, PET and an outline, found by name; for the browser and for batches."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from NSCLCResponseSegmentLib.core.errors import ImageError

_IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".mhd")
_CTS, _PETS = ("ct", "ct_image", "image"), ("pet", "pet_image")
_OUTLINES = ("mask", "tumour", "tumor", "gtv", "segmentation", "rtstruct", "seg")


@dataclass(frozen=True)
class CaseFiles:
    """What is opened; ``None`` where there is nothing."""

    ct: Path
    pet: Path | None = None
    mask: Path | None = None
    roi: str = ""
    series: str = ""
    patient_id: str = ""

    def overridden(self, pet: str | None, mask: str | None) -> CaseFiles:
        """With what the user named on the command line in place of what was found."""
        return replace(self, pet=Path(pet) if pet else self.pet, mask=Path(mask) if mask else self.mask)


def find_case(path: Path, roi: str = "", series: str = "") -> CaseFiles:
    """The case at ``path``.

    :param path: a folder with ``ct`` (DICOM folder or image file) and maybe ``pet`` and an outline (``mask``,
        ``tumour``, ``gtv`` or ``rtstruct``); a DICOM folder; one DICOM, NIfTI or NRRD file.
    :raises ImageError: there is nothing.
    """
    if not path.exists():
        raise ImageError(f"{path} does not exist.", "Give a case's folder, a DICOM folder, or a NIfTI or NRRD file.")
    if path.is_file():
        return CaseFiles(path, roi=roi, series=series)
    found = case_in_folder(path)
    if found is None:
        return CaseFiles(path, mask=_named(path, _OUTLINES), roi=roi, series=series)
    return replace(found, roi=roi, series=series)


def case_in_folder(folder: Path) -> CaseFiles | None:
    """The case of a folder that has a CT under a name we know; ``None`` for other folders."""
    ct = _named(folder, _CTS)
    return CaseFiles(ct, _named(folder, _PETS), _named(folder, _OUTLINES), patient_id=folder.name) if ct else None


def _named(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first folder or image of one of these names, with any suffix we read."""
    entries = {entry.name.lower(): entry for entry in sorted(folder.iterdir(), reverse=True)}
    suffixes = (*_IMAGE_SUFFIXES, ".seg.nrrd", ".dcm")
    for name in names:
        if name in entries and entries[name].is_dir():
            return entries[name]
        for suffix in suffixes:
            if name + suffix in entries:
                return entries[name + suffix]
    return None
