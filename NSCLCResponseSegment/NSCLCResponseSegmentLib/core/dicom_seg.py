"""DICOM Segmentation objects as tumour masks, read by highdicom."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .case import LoadedImage, TumourMask
from .dicom_pixels import image_from_volume
from .errors import MaskError
from .masks import choose_region, placed_on


def read_dicom_seg(path: Path, ct: LoadedImage, roi: str = "") -> TumourMask:
    """One segment of a DICOM SEG on the CT's grid.

    :param roi: segment label, or segment number.
    :raises MaskError: unknown segment, another frame of reference, empty, outside the CT, or not one regular grid.
    """
    import highdicom

    try:
        seg = highdicom.seg.segread(path)
    except Exception as problem:  # many kinds are raised for one damaged file
        raise MaskError(f"{path} is not a complete DICOM segmentation.", "Export it again.") from problem
    notes = _check_belongs(seg, ct, f"The segmentation {path}")
    numbers = list(seg.segment_numbers)
    labels = [str(seg.get_segment_description(n).segment_label) for n in numbers]
    if roi.strip().isdigit() and roi.strip() not in labels and int(roi) in numbers:
        chosen = numbers.index(int(roi))
    else:
        chosen = choose_region(labels, roi, path)
    name = f"The segment '{labels[chosen]}' in {path}"
    try:
        volume = seg.get_volume(segment_numbers=[numbers[chosen]])
    except Exception as problem:  # as above
        raise MaskError(
            f"{name} does not lie on one regular grid of slices.", "Save it as NRRD or NIfTI in the CT's grid instead."
        ) from problem
    inside = volume.array[..., 0]  # the last axis is that of segments; fractions count from one half
    mask = image_from_volume((inside >= 0.5).astype(np.uint8), volume.affine)
    placed, more = placed_on(mask, ct, name)
    if np.issubdtype(inside.dtype, np.floating):
        notes.append("The segmentation is fractional; voxels of one half and more were taken as inside.")
    return TumourMask(placed, "imported", path, labels[chosen], (*notes, *more))


def _check_belongs(seg: object, ct: LoadedImage, name: str) -> list[str]:
    frame = str(getattr(seg, "FrameOfReferenceUID", "") or "")
    if not ct.frame_of_reference_uid or not frame:
        whose = "segmentation" if ct.frame_of_reference_uid else "CT"
        return [
            f"That the segmentation belongs to this CT could not be checked: the {whose} names no frame of reference."
        ]
    if frame != ct.frame_of_reference_uid:
        raise MaskError(
            f"{name} has another frame of reference than the CT {ct.source}: it was drawn on images of"
            f" '{getattr(seg, 'PatientID', '')}', the CT is of '{ct.patient_id}'.",
            "Give the segmentation that was drawn on this CT.",
        )
    return []
