"""Keeping one connected part of the outline, looked for in the outline's own box: trame-slicer labels the whole CT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import vtk
from trame_slicer.segmentation import SegmentationEffectIslands

from .whole_outline import change_segment, crop_of, part_at


class QuickIslands(SegmentationEffectIslands):
    """A click keeps the part that it meets; the others go, as one step that can be undone."""

    def keep_island_at_position(self, world_pos: tuple[float, float, float]) -> None:
        """Keep the part at a point (RAS mm); nothing is changed where there is none."""
        modifier: Any = self.modifier
        crop = crop_of(modifier.segmentation.segmentation_node, modifier.active_segment_id, modifier.volume_node)
        if crop is None:
            return
        to_ijk = vtk.vtkMatrix4x4()
        modifier.volume_node.GetRASToIJKMatrix(to_ijk)
        voxel = np.round(to_ijk.MultiplyPoint((*world_pos, 1.0))[:3]).astype(int) - crop.start
        part = part_at(crop.inside, tuple(voxel[::-1].tolist()))
        if part is not None:
            change_segment(modifier, crop, replace(crop, inside=part))
