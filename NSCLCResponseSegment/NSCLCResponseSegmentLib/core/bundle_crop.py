"""The part of a CT that a segmentation model looks at: the lungs and what surrounds them, not the air around."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .anatomy import Anatomy, segment_anatomy
from .progress import SILENT, Progress

MARGIN_MM = 30.0  # a tumour may lie in the chest wall or mediastinum beside the lung that is left


def chest_box(ct: sitk.Image, progress: Progress = SILENT) -> tuple[sitk.Image, Anatomy]:
    """The CT cut to the box around both lungs and 30 mm more, within the body.

    :param ct: 3-D, HU.
    :returns: the cut image, which keeps its place in space, and the anatomy that it was found by. Without lung to speak
        of the box is that of the whole body.
    :raises ImageError: there is no body at all.
    """
    anatomy = segment_anatomy(ct, progress)
    inner = anatomy.coarse_lungs if anatomy.is_chest else anatomy.coarse_body
    low, high = _bounds(inner, MARGIN_MM if anatomy.is_chest else 0.0)
    body_low, body_high = _bounds(anatomy.coarse_body, 0.0)
    low, high = np.maximum(low, body_low), np.minimum(high, body_high)
    corners = [
        ct.TransformPhysicalPointToContinuousIndex(tuple(float(v) for v in point))
        for point in np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    ]
    size = np.array(ct.GetSize())
    first = np.clip(np.floor(np.min(corners, axis=0)).astype(int), 0, size - 1)
    last = np.clip(np.ceil(np.max(corners, axis=0)).astype(int), first, size - 1)
    box = sitk.RegionOfInterest(ct, [int(v) for v in last - first + 1], [int(v) for v in first])
    return box, anatomy


def _bounds(mask: sitk.Image, margin_mm: float) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest LPS coordinates of a mask on a grid along LPS, with a margin."""
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputePerimeterOff()
    statistics.Execute(sitk.Cast(mask, sitk.sitkUInt8))
    x, y, z, nx, ny, nz = statistics.GetBoundingBox(1)
    ends = [mask.TransformIndexToPhysicalPoint(i) for i in ((x, y, z), (x + nx - 1, y + ny - 1, z + nz - 1))]
    return np.min(ends, axis=0) - margin_mm, np.max(ends, axis=0) + margin_mm
