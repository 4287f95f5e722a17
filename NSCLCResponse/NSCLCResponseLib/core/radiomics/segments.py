"""Segments of one file as lesions of their own."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.case import LoadedImage
from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.masks import read_mask
from NSCLCResponseSegmentLib.core.volume_files import is_volume_file

_MOST_LABELS = 200


def read_segments(
    path: Path, ct: LoadedImage, names: tuple[str, ...] = ()
) -> tuple[dict[str, sitk.Image], dict[str, str]]:
    """Masks on the CT's grid by segment, and why others have none; segments may touch or overlap.

    :param names: which ones; all segments of a Slicer segmentation or all labels of a label map when empty.
    :raises MaskError: no segment can be used, or they have to be named (RTSTRUCT and DICOM SEG hold organs too).
    """
    masks: dict[str, sitk.Image] = {}
    problems: dict[str, str] = {}
    for name in names or segment_names(path):
        try:
            masks[name] = read_mask(path, ct, name).image
        except MaskError as problem:
            if len(names) == 1:
                raise
            problems[name] = problem.message
    if not masks:
        raise MaskError(" ".join(problems.values()), "Give an outline of the tumour.")
    return masks, problems


def segment_names(path: Path) -> tuple[str, ...]:
    """Names of a Slicer segmentation's segments, or the labels of a label map.

    :raises MaskError: it is neither, or cannot be read.
    """
    if not path.is_file() or not is_volume_file(path):
        raise MaskError(
            f"Which regions of {path} are lesions is not plain.", "Name them with --roi, with commas between."
        )
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as problem:
        raise MaskError(f"{path} cannot be read as an outline.", "Export it again.") from problem
    keys = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    numbers = sorted({int(m.group(1)) for key in keys if (m := re.fullmatch(r"Segment(\d+)_(?:Name|ID)", key))})
    if numbers:
        return tuple(keys.get(f"Segment{n}_Name") or keys.get(f"Segment{n}_ID") or str(n) for n in numbers)
    labels = [int(v) for v in np.unique(sitk.GetArrayViewFromImage(image)) if v]
    if not labels or len(labels) > _MOST_LABELS:
        raise MaskError(f"{path} is empty or no label map.", "Give a label map or a Slicer segmentation.")
    return tuple(map(str, labels))
