"""Label maps (NIfTI, NRRD, MetaImage) and Slicer segmentations (.seg.nrrd) as tumour masks."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from .case import LoadedImage, TumourMask
from .errors import MaskError
from .lesion_choice import CHOICE_KEY
from .masks import choose_region, placed_on
from .volume_files import as_three_dimensional, read_any

_MOST_LABELS = 1000  # an image of grey values is not a label map


@dataclass(frozen=True)
class _Segment:
    """Where a named segment lies in the file: layer (component) and value there."""

    name: str
    layer: int
    value: int


def read_label_file(path: Path, ct: LoadedImage, roi: str = "") -> TumourMask:
    """A label map or Slicer segmentation as a mask on the CT's grid.

    :raises MaskError: it is no label map, has no such label, is empty, or leaves the CT.
    """
    image = read_any(path, MaskError)
    segments = _segments(image)
    if segments:
        segment = segments[choose_region([s.name for s in segments], roi, path)]
        mask = _layer(image, segment.layer, path) == segment.value
        name = segment.name
    else:
        mask, name = _label(_layer(image, 0, path), roi, path)
    what = f"The segment '{name}' in {path}" if name else f"The outline {path}"
    placed, notes = placed_on(mask, ct, what)
    return TumourMask(placed, "imported", path, name, tuple(notes), _lesion_choice(image))


def _lesion_choice(image: sitk.Image) -> dict[str, Any] | None:
    """What ``segment --lesions`` noted in a .seg.nrrd; programs that save it anew leave it out."""
    if not image.HasMetaDataKey(CHOICE_KEY):
        return None
    try:
        return json.loads(image.GetMetaData(CHOICE_KEY))
    except ValueError:
        return None


def _segments(image: sitk.Image) -> list[_Segment]:
    """Slicer's description of segments in the header (SegmentN_Name, _Layer, _LabelValue)."""
    keys = {k: image.GetMetaData(k) for k in image.GetMetaDataKeys()}
    numbers = sorted(int(m.group(1)) for k in keys if (m := re.fullmatch(r"Segment(\d+)_(?:Name|ID)", k)))
    segments = []
    for n in dict.fromkeys(numbers):
        name = keys.get(f"Segment{n}_Name") or keys.get(f"Segment{n}_ID") or str(n)
        # before Slicer 4.11 every segment had a layer of its own, with the value 1
        layer = int(keys.get(f"Segment{n}_Layer", n))
        segments.append(_Segment(name, layer, int(keys.get(f"Segment{n}_LabelValue", 1))))
    return segments


def _layer(image: sitk.Image, layer: int, path: Path) -> sitk.Image:
    count = image.GetNumberOfComponentsPerPixel()
    if layer >= count:
        raise MaskError(f"{path} is damaged: it names a layer that it does not hold.", "Save the segmentation again.")
    if count > 1:
        image = sitk.VectorIndexSelectionCast(image, layer)
    image = as_three_dimensional(image, path, MaskError)
    array = sitk.GetArrayViewFromImage(image)
    if np.issubdtype(array.dtype, np.floating):
        if not np.isfinite(array).all() or np.any(np.mod(array, 1)):
            raise MaskError(
                f"{path} holds values that are not whole numbers, so it is no label map.", "Give a label map."
            )
        image = sitk.Cast(image, sitk.sitkInt32)
    return image


def _label(image: sitk.Image, roi: str, path: Path) -> tuple[sitk.Image, str]:
    labels = [int(v) for v in np.unique(sitk.GetArrayViewFromImage(image)) if v]
    if not labels:
        raise MaskError(f"The outline {path} is empty.", "Outline the tumour first.")
    if len(labels) > _MOST_LABELS or labels[0] < 0:
        raise MaskError(f"{path} is an image, not a label map.", "Give a label map (0 outside, 1 in the tumour).")
    listed = ", ".join(map(str, labels[:20]))
    if not roi:
        if len(labels) > 1:
            raise MaskError(f"{path} holds several labels: {listed}.", "Choose one with --roi, e.g. --roi 1.")
        return image != 0, ""
    digits = re.fullmatch(r"\s*(?:label)?\s*(\d+)\s*", roi, re.IGNORECASE)
    if digits is None or int(digits.group(1)) not in labels:
        raise MaskError(f"{path} has no label '{roi}'; there are: {listed}.", "Choose one with --roi.")
    return image == int(digits.group(1)), digits.group(1)
