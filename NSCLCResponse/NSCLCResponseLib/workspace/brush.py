"""A brush that changes only the box of its stroke: trame-slicer's writes the label map of the whole CT twice for each.

How its ball is filled with voxels is still trame-slicer's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from trame_slicer.segmentation import SegmentationEffectErase, SegmentationEffectPaint
from vtk.util.numpy_support import vtk_to_numpy

from .whole_outline import Crop, change_segment, crop_of, crop_of_labels, empty_labels, on_box, union_box

_MARGIN = 2  # voxels around the ball, whose surface is rounded outwards


class QuickPaint(SegmentationEffectPaint):
    """Adds what the brush goes over; each stroke is one step that can be undone."""

    def paint_glyph_at_world_coordinates(self, polydata: Any, paint_coordinates_world: Any) -> None:
        """Add the brush's surface around the world's origin, ``polydata``, at each of the points (RAS mm)."""
        before, stroke = _before_and_stroke(self.modifier, polydata, paint_coordinates_world)
        if stroke is None:
            return
        after = stroke
        if before is not None:
            start, shape = union_box(before, stroke)
            after = Crop(on_box(before, start, shape) | on_box(stroke, start, shape), start)
        change_segment(self.modifier, before, after)


class QuickErase(SegmentationEffectErase):
    """Takes away what the brush goes over; each stroke is one step that can be undone."""

    def paint_glyph_at_world_coordinates(self, polydata: Any, paint_coordinates_world: Any) -> None:
        """Take the brush's surface around the world's origin, ``polydata``, away at each of the points (RAS mm)."""
        before, stroke = _before_and_stroke(self.modifier, polydata, paint_coordinates_world)
        if before is None or stroke is None:
            return
        erased = on_box(stroke, before.start, before.inside.shape)
        change_segment(self.modifier, before, replace(before, inside=before.inside & ~erased))


def _before_and_stroke(modifier: Any, polydata: Any, points: Any) -> tuple[Crop | None, Crop | None]:
    """The segment, and what the brush went over on the CT's grid; each ``None`` where it has no voxel."""
    if not points.GetNumberOfPoints():
        return None, None
    ct = modifier.volume_node
    box = _box_of_stroke(ct, polydata, modifier._world_points_to_ijk(points))
    if box is None:
        return None, None
    labels = empty_labels(ct, *box)
    modifier.paint_glyph_in_labelmap(polydata, points, labels)
    before = crop_of(modifier.segmentation.segmentation_node, modifier.active_segment_id, ct)
    return before, crop_of_labels(labels, ct, 1)


def _box_of_stroke(ct: Any, polydata: Any, ijk: Any) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Start (i, j, k) and shape (z, y, x) of what a brush reaches; ``None`` when that lies beside the CT.

    :param ijk: the stroke's points in voxels of the CT.
    """
    reach = np.abs(polydata.GetBounds()).max() / np.array(ct.GetSpacing()) + _MARGIN
    at = vtk_to_numpy(ijk.GetData())
    low = np.maximum(np.floor(at.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(at.max(axis=0) + reach) + 1, ct.GetImageData().GetDimensions()).astype(int)
    if (low >= high).any():
        return None
    return tuple(low.tolist()), tuple((high - low)[::-1].tolist())
