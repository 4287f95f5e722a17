"""Tumour outlines from files onto the CT's grid: RTSTRUCT, DICOM SEG, label maps and Slicer segmentations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .case import LoadedImage, TumourMask
from .errors import MaskError
from .volume_files import exists_or_raise, is_volume_file, refuse_unknown_file

_SAME_VOXEL = 1e-4  # grids whose corners differ by less than this fraction of a voxel are the same but for rounding
_PADDING_HU = -1500  # darker than air: scanners pad what they did not reconstruct with -2000 or less
_TUMOUR_NAME = re.compile(r"gtv|tumou?r|neoplasm|lesion|nodule|carcinoma|cancer|(^|\W)mass(\W|$)", re.IGNORECASE)
_GTV_NAME = re.compile(r"gtv|gross.?tumou?r", re.IGNORECASE)


def read_mask(path: Path, ct: LoadedImage, roi: str = "") -> TumourMask:
    """The outline of the tumour from a file, on the CT's grid.

    :param path: RTSTRUCT or DICOM SEG (a file, or a folder with one of them), NIfTI/NRRD/MetaImage label map, or Slicer
        segmentation (.seg.nrrd).
    :param roi: name of the structure or segment, or number of the label; may be empty when only one can be meant.
    :raises MaskError: it cannot be read, has no such region, belongs to another patient, is empty, or leaves the CT.
    """
    path = Path(path)
    exists_or_raise(path, MaskError)
    if path.is_file() and is_volume_file(path):
        from .label_files import read_label_file

        mask = read_label_file(path, ct, roi)
    else:
        mask = _read_dicom(path, ct, roi)
    return replace(mask, notes=(*mask.notes, *check_mask(mask, ct)))


def _read_dicom(path: Path, ct: LoadedImage, roi: str) -> TumourMask:
    from .dicom_files import is_dicom_file, read_header
    from .dicom_seg import read_dicom_seg
    from .rtstruct import read_rtstruct

    readers = {"RTSTRUCT": read_rtstruct, "SEG": read_dicom_seg}
    if path.is_file() and not is_dicom_file(path) and path.suffix.lower() != ".dcm":
        raise refuse_unknown_file(path, MaskError)
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    found = {p: str(f.header.get("Modality", "")) for p in files if (f := read_header(p)) is not None}
    usable = [p for p, modality in found.items() if modality in readers]
    if not usable:
        held = f"; it holds {', '.join(sorted(set(found.values())))}" if found else ""
        raise MaskError(
            f"{path} holds no outline (RTSTRUCT or DICOM SEG){held}.", "Give the file that holds the tumour's outline."
        )
    if len(usable) > 1:
        names = ", ".join(p.name for p in usable[:8])
        raise MaskError(f"{path} holds {len(usable)} files with outlines: {names}.", "Give one of them.")
    return readers[found[usable[0]]](usable[0], ct, roi)


def choose_region(names: Sequence[str], roi: str, path: Path) -> int:
    """Index of the region that is meant.

    :param names: of all regions in the file.
    :param roi: the user's choice; when empty, the only region, or the only one named like a tumour.
    :raises MaskError: none or several fit; the sentence lists the names.
    """
    listed = ", ".join(f"'{n}'" for n in names)
    if not names:
        raise MaskError(f"{path} holds no regions.", "Give a file with the tumour's outline.")
    if roi:
        for same in (lambda n: n == roi, lambda n: n.strip().lower() == roi.strip().lower()):
            matches = [i for i, n in enumerate(names) if same(n)]
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise MaskError(f"{path} has {len(matches)} regions named '{roi}'.", "Rename them apart.")
        raise MaskError(f"{path} has no region named '{roi}'; there are: {listed}.", "Choose one with --roi.")
    for pattern in (_GTV_NAME, _TUMOUR_NAME):
        likely = [i for i, n in enumerate(names) if pattern.search(n)]
        if len(likely) == 1:
            return likely[0]
        if likely:
            break
    raise MaskError(
        f"Which region of {path} is the tumour is not plain; there are: {listed}.",
        "Choose one with --roi.",
    )


# ---------------------------------------------------------------- grids


def same_grid(first: sitk.Image, second: sitk.Image) -> bool:
    """Whether two images have the same voxels in space, up to rounding in their files."""
    if first.GetSize() != second.GetSize():
        return False
    for corner in _corners(first):
        point = first.TransformIndexToPhysicalPoint(corner)
        index = second.TransformPhysicalPointToContinuousIndex(point)
        if max(abs(a - b) for a, b in zip(index, corner, strict=True)) > _SAME_VOXEL:
            return False
    return True


def onto_grid(mask: sitk.Image, reference: sitk.Image, whose: str = "CT") -> tuple[sitk.Image, list[str]]:
    """A mask on another image's grid, by position in space, nearest neighbour.

    :param mask: any integer image; not 0 is inside.
    :param whose: what the reference is called in the note.
    :returns: unsigned 8-bit 0/1 with exactly the reference's grid, and a note when it had to be resampled.
    """
    binary = sitk.Cast(mask != 0, sitk.sitkUInt8)
    if _orientation(binary) != _orientation(reference):  # other order of axes in the file: exact, nothing to resample
        binary = sitk.DICOMOrient(binary, _orientation(reference))
    if same_grid(binary, reference):
        binary.CopyInformation(reference)
        return binary, []
    moved = sitk.Resample(binary, reference, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    if _is_part_of(binary, reference):
        return moved, []
    before, after = volume_ml(binary), volume_ml(moved)
    spacing = "×".join(f"{v:.2f}" for v in mask.GetSpacing())
    grid = "×".join(f"{v:.2f}" for v in reference.GetSpacing())
    note = (
        f"The outline was resampled from its own grid ({spacing} mm) to the {whose}'s ({grid} mm), nearest neighbour;"
        f" its volume went from {before:.1f} to {after:.1f} mL."
    )
    return moved, [note]


def _orientation(image: sitk.Image) -> str:
    return sitk.DICOMOrientImageFilter.GetOrientationFromDirectionCosines(image.GetDirection())


def _is_part_of(first: sitk.Image, second: sitk.Image) -> bool:
    """Whether the first grid's voxels are some of the second's (a segmentation saved without its empty margin)."""
    for corner in _corners(first):
        index = second.TransformPhysicalPointToContinuousIndex(first.TransformIndexToPhysicalPoint(corner))
        if max(abs(v - round(v)) for v in index) > _SAME_VOXEL * 10:
            return False
    return np.allclose(first.GetSpacing(), second.GetSpacing(), rtol=_SAME_VOXEL)


def _corners(image: sitk.Image) -> list[tuple[int, int, int]]:
    ends = [(0, n - 1) for n in image.GetSize()]
    return [(x, y, z) for x in ends[0] for y in ends[1] for z in ends[2]]


def volume_ml(mask: sitk.Image) -> float:
    """Volume of all voxels that are not 0, in mL."""
    count = int(np.count_nonzero(sitk.GetArrayViewFromImage(mask)))
    return count * float(np.prod(mask.GetSpacing())) / 1000.0


def voxel_centres(mask: sitk.Image, other: sitk.Image) -> np.ndarray:
    """Centres of a mask's voxels in another image's continuous indices; (n, 3), order x, y, z."""
    index = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1].astype(float)
    points = index * np.array(mask.GetSpacing()) @ _axes(mask).T + np.array(mask.GetOrigin())
    return (points - np.array(other.GetOrigin())) @ np.linalg.inv(_axes(other)).T / np.array(other.GetSpacing())


def _axes(image: sitk.Image) -> np.ndarray:
    return np.array(image.GetDirection()).reshape(3, 3)


def require_inside(centres: np.ndarray, reference: sitk.Image, name: str, *, tolerance: float = 0.5) -> None:
    """:raises MaskError: some positions (continuous indices x, y, z) lie outside the image."""
    high = np.array(reference.GetSize()) - 1
    inside = np.all((centres >= -tolerance - _SAME_VOXEL) & (centres <= high + tolerance + _SAME_VOXEL), axis=1)
    if inside.all():
        return
    remedy = "Give the outline that was drawn on this CT."
    if not inside.any():
        raise MaskError(f"{name} lies outside the CT.", remedy)
    raise MaskError(f"{name} lies partly outside the CT ({1 - inside.mean():.0%} of it).", remedy)


def placed_on(mask: sitk.Image, ct: LoadedImage, name: str) -> tuple[sitk.Image, list[str]]:
    """A mask from a file on the CT's grid, refused when empty or when a part would be lost.

    :raises MaskError: it is empty, lies (partly) outside the CT, or is too small for the CT's voxels.
    """
    centres = voxel_centres(mask, ct.image)
    if not len(centres):
        raise MaskError(f"{name} is empty.", "Outline the tumour, or choose another region with --roi.")
    require_inside(centres, ct.image, name)
    placed, notes = onto_grid(mask, ct.image)
    if not sitk.GetArrayViewFromImage(placed).any():
        raise MaskError(f"{name} is too small: no voxel of the CT has its centre in it.", "Outline it on the CT.")
    return placed, notes


def check_mask(mask: TumourMask, ct: LoadedImage) -> list[str]:
    """Whether a mask on the CT's grid can be a tumour that was scanned whole.

    :returns: sentences about where it may have been cut by the field of view.
    :raises MaskError: it is empty, or on another grid.
    """
    name = f"The outline {mask.source}" if mask.source else "The outline"
    if not same_grid(mask.image, ct.image):
        raise MaskError(f"{name} is not on the CT's grid.", "Place it on the CT's grid first.")
    array = sitk.GetArrayViewFromImage(mask.image)
    inside = np.argwhere(array)
    if not len(inside):
        raise MaskError(f"{name} is empty.", "Outline the tumour, or choose another region with --roi.")
    notes = []
    low, high = inside.min(axis=0), inside.max(axis=0)
    if (low == 0).any() or (high == np.array(array.shape) - 1).any():
        notes.append("The outline touches the edge of the CT; a part of the tumour may not have been scanned.")
    padded = int(np.count_nonzero(sitk.GetArrayViewFromImage(ct.image)[tuple(inside.T)] < _PADDING_HU))
    if padded:
        notes.append(f"{padded} voxels of the outline lie outside the scanner's field of view.")
    return notes
