"""DICOM RT structure sets: planar contours to a mask on the CT's grid.

A voxel is inside when its centre is (matplotlib's point in polygon); several contours in one plane exclude each other
where they overlap (even-odd), which gives holes and keyholes their meaning.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .case import LoadedImage, TumourMask
from .dicom_files import text
from .errors import MaskError
from .masks import choose_region, require_inside

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_ON_SLICE = 0.05  # of the slice distance: contours this near to a slice were drawn on it, but for rounding
_FLAT = 0.05
_CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR", "CLOSED_PLANAR_XOR")


def read_rtstruct(path: Path, ct: LoadedImage, roi: str = "") -> TumourMask:
    """One structure of an RTSTRUCT as a mask.

    :raises MaskError: unknown name, no closed contours, another frame of reference, outside the CT.
    """
    import pydicom

    try:
        dataset = pydicom.dcmread(path)
        regions = list(dataset.StructureSetROISequence)
        contours = {int(item.ReferencedROINumber): item for item in dataset.get("ROIContourSequence") or ()}
    except Exception as problem:  # many kinds are raised for one damaged file
        raise MaskError(f"{path} is not a complete RT structure set.", "Export it again.") from problem
    notes = _check_belongs(dataset, regions, ct, f"The structure set {path}")
    region = regions[choose_region([str(r.get("ROIName", "")) for r in regions], roi, path)]
    name = f"The structure '{region.ROIName}' in {path}"
    _check_belongs(dataset, [region], ct, name)
    planes = _planes(contours.get(int(region.ROINumber)), ct.image, name)
    require_inside(np.concatenate([p for polygons in planes.values() for p in polygons]), ct.image, name)
    array, more = _fill(planes, ct.image, name)
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(ct.image)
    return TumourMask(image, "imported", path, str(region.ROIName), (*notes, *more))


def _check_belongs(dataset: Dataset, regions: list[Dataset], ct: LoadedImage, name: str) -> list[str]:
    """That some of the regions were drawn in the CT's coordinates; notes on what could not be checked."""
    frames = {text(r, "ReferencedFrameOfReferenceUID") for r in regions} - {""}
    if not frames:
        frames = {text(i, "FrameOfReferenceUID") for i in dataset.get("ReferencedFrameOfReferenceSequence") or ()} - {
            ""
        }
    if not ct.frame_of_reference_uid or not frames:
        whose = "structure set" if ct.frame_of_reference_uid else "CT"
        return [
            f"That the structure set belongs to this CT could not be checked: the {whose} names no frame of reference."
        ]
    if ct.frame_of_reference_uid not in frames:
        raise MaskError(
            f"{name} has another frame of reference than the CT {ct.source}: it was drawn on images of"
            f" '{text(dataset, 'PatientID')}', the CT is of '{ct.patient_id}'.",
            "Give the structure set that was drawn on this CT.",
        )
    notes = []
    drawn_on = _referenced_series(dataset)
    if drawn_on and ct.series_uid and ct.series_uid not in drawn_on:
        notes.append("The structure set was drawn on another series of the same examination; positions were kept.")
    if dataset.get("PatientID") and ct.patient_id and dataset.PatientID != ct.patient_id:
        notes.append(f"The structure set names the patient '{dataset.PatientID}', the CT '{ct.patient_id}'.")
    return notes


def _referenced_series(dataset: Dataset) -> set[str]:
    return {
        str(series.SeriesInstanceUID)
        for frame in dataset.get("ReferencedFrameOfReferenceSequence") or ()
        for study in frame.get("RTReferencedStudySequence") or ()
        for series in study.get("RTReferencedSeriesSequence") or ()
        if "SeriesInstanceUID" in series
    }


def _planes(item: Dataset | None, ct: sitk.Image, name: str) -> dict[float, list[np.ndarray]]:
    """Closed contours by slice position, as (n, 3) continuous indices x, y, z of the CT."""
    axes = np.array(ct.GetDirection()).reshape(3, 3)
    planes: dict[float, list[np.ndarray]] = {}
    for contour in (item.get("ContourSequence") if item is not None else None) or ():
        kind = str(contour.get("ContourGeometricType", "")).upper()
        data = np.array(contour.get("ContourData") or (), dtype=float)
        if kind not in _CLOSED or len(data) < 9 or len(data) % 3:
            continue
        index = (data.reshape(-1, 3) - np.array(ct.GetOrigin())) @ axes / np.array(ct.GetSpacing())
        if np.ptp(index[:, 2]) > _FLAT:
            raise MaskError(
                f"{name} has contours that do not lie in the planes of the CT's slices.",
                "Export the outline as a segmentation (DICOM SEG, NRRD or NIfTI) instead.",
            )
        polygons = planes.setdefault(round(float(index[:, 2].mean()), 2), [])
        if not any(p.shape == index.shape and np.allclose(p, index) for p in polygons):  # a copy would undo the first
            polygons.append(index)
    if not planes:
        raise MaskError(f"{name} is empty: it has no closed contours.", "Choose another structure with --roi.")
    return dict(sorted(planes.items()))


def _fill(planes: dict[float, list[np.ndarray]], ct: sitk.Image, name: str) -> tuple[np.ndarray, list[str]]:
    """All slices that the planes reach, (z, y, x) unsigned 8-bit."""
    columns, rows, slices = ct.GetSize()
    array = np.zeros((slices, rows, columns), dtype=np.uint8)
    heights = np.array(list(planes))
    filled = [rasterise([p[:, :2] for p in polygons], rows, columns) for polygons in planes.values()]
    if np.abs(heights - np.round(heights)).max() <= _ON_SLICE and _step(heights) < 1.5:
        for height, plane in zip(heights, filled, strict=True):
            array[round(height)] ^= plane
        bare = int(np.ptp(heights) + 1.5) - len(heights)
        notes = [f"{bare} slices within the structure have no contour and were left empty."] if bare > 0 else []
    else:
        notes = _fill_between(array, heights, filled, ct.GetSpacing()[2])
    if not array.any():
        raise MaskError(f"{name} is too small: no voxel of the CT has its centre in it.", "Outline it on the CT.")
    return array, notes


def _step(heights: np.ndarray) -> float:
    return float(np.median(np.diff(heights))) if len(heights) > 1 else 1.0


def _fill_between(array: np.ndarray, heights: np.ndarray, filled: list[np.ndarray], slice_mm: float) -> list[str]:
    """Contours on another slice distance: interpolate between planes, and go half a step beyond the outer ones."""
    step = _step(heights)
    for k in range(array.shape[0]):
        above = int(np.searchsorted(heights, k - _ON_SLICE))
        below = above - 1
        if above < len(heights) and abs(heights[above] - k) <= _ON_SLICE:
            array[k] = filled[above]
        elif below >= 0 and above < len(heights) and heights[above] - heights[below] <= 1.5 * step:
            share = (k - heights[below]) / (heights[above] - heights[below])
            array[k] = _between(filled[below], filled[above], share)
        else:
            near = [i for i in (below, above) if 0 <= i < len(heights) and abs(heights[i] - k) < step / 2]
            if near:
                array[k] = filled[near[0]]
    return [
        f"The contours lie {step * slice_mm:.2f} mm apart and not on the CT's slices ({slice_mm:.2f} mm);"
        " the outline was interpolated between them."
    ]


def _between(first: np.ndarray, second: np.ndarray, share: float) -> np.ndarray:
    """Shape-based interpolation: the zero level of the weighted signed distances (Raya and Udupa 1990).

    Distances are to the outermost pixels inside; the edge lies half a pixel further out.
    """
    first_distance, second_distance = (_signed_distance(v) for v in (first, second))
    return ((1 - share) * first_distance + share * second_distance < 0.5).astype(np.uint8)


def _signed_distance(plane: np.ndarray) -> np.ndarray:
    image = sitk.GetImageFromArray(plane)
    distance = sitk.SignedMaurerDistanceMap(image, insideIsPositive=False, squaredDistance=False)
    return sitk.GetArrayFromImage(distance)


def rasterise(polygons: list[np.ndarray], rows: int, columns: int) -> np.ndarray:
    """Pixels whose centre lies inside an odd number of polygons.

    :param polygons: each (n, 2), columns and rows as continuous indices (a pixel's centre is a whole number).
    :returns: (rows, columns), unsigned 8-bit 0/1.
    """
    from matplotlib.path import Path as Polygon

    plane = np.zeros((rows, columns), dtype=np.uint8)
    for polygon in polygons:
        low = np.clip(np.floor(polygon.min(axis=0)).astype(int), 0, (columns - 1, rows - 1))
        high = np.clip(np.ceil(polygon.max(axis=0)).astype(int), 0, (columns - 1, rows - 1))
        x, y = np.meshgrid(np.arange(low[0], high[0] + 1), np.arange(low[1], high[1] + 1))
        inside = Polygon(polygon).contains_points(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(x.shape)
        plane[low[1] : high[1] + 1, low[0] : high[0] + 1] ^= inside.astype(np.uint8)
    return plane
