"""Scissors that change only the box of what is cut; trame-slicer's write the label map of the whole CT five times.

The drawing and the prism through all slices are still theirs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import vtk
from trame_slicer.segmentation import ScissorsEffectFillMode, SegmentationEffectScissors
from vtk.util.numpy_support import vtk_to_numpy

from .whole_outline import Crop, change_segment, crop_of, on_box, union_box


class QuickScissors(SegmentationEffectScissors):
    """Cuts along a line through all slices; each cut is one step that can be undone."""

    def apply_points_display_coordinates(self, points_display: Any, view: Any) -> None:
        """Cut along the points that were drawn in a view, in its pixels."""
        modifier = self.modifier
        ct = modifier.volume_node
        before = crop_of(modifier.segmentation.segmentation_node, modifier.active_segment_id, ct)
        prism = self._stencil_polydata_from_display_coordinates(points_display, view)
        limits = None if self._fill_mode is ScissorsEffectFillMode.FILL_INSIDE else before
        after = self._cut(before, _voxels_within(prism, ct, limits))
        if after is not None:
            change_segment(modifier, before, after)

    def _cut(self, outline: Crop | None, drawn: Crop | None) -> Crop | None:
        """The outline after the cut; ``None`` where there is nothing to change."""
        if self._fill_mode is ScissorsEffectFillMode.FILL_INSIDE:
            if drawn is None or outline is None:
                return drawn
            start, shape = union_box(outline, drawn)
            return Crop(on_box(outline, start, shape) | on_box(drawn, start, shape), start)
        if outline is None:
            return None
        empty = np.zeros_like(outline.inside)
        inside = empty if drawn is None else on_box(drawn, outline.start, outline.inside.shape)
        is_kept = self._fill_mode is ScissorsEffectFillMode.ERASE_OUTSIDE
        return replace(outline, inside=outline.inside & (inside if is_kept else ~inside))


def _voxels_within(prism: Any, ct: Any, limits: Crop | None) -> Crop | None:
    """The voxels of a CT within a prism (RAS mm), looked for in the box of ``limits``; ``None`` when there are none."""
    surface = _in_voxels(prism, ct)
    bounds = np.reshape(surface.GetBounds(), (3, 2))
    start = limits.start if limits else (0, 0, 0)
    size = limits.inside.shape[::-1] if limits else ct.GetImageData().GetDimensions()
    low = np.maximum(np.floor(bounds[:, 0]).astype(int), start)
    high = np.minimum(np.ceil(bounds[:, 1]).astype(int), np.add(start, size) - 1)
    if (low > high).any():
        return None
    stencil = vtk.vtkPolyDataToImageStencil()
    stencil.SetInputData(surface)
    stencil.SetOutputWholeExtent(*np.column_stack([low, high]).ravel().tolist())
    image = vtk.vtkImageStencilToImage()
    image.SetInputConnection(stencil.GetOutputPort())
    image.SetInsideValue(1)
    image.SetOutputScalarType(vtk.VTK_UNSIGNED_CHAR)
    image.Update()
    values = vtk_to_numpy(image.GetOutput().GetPointData().GetScalars())
    return Crop(values.reshape((high - low + 1)[::-1]) > 0, tuple(low.tolist()))


def _in_voxels(prism: Any, ct: Any) -> Any:
    """A surface's triangles, RAS mm, in voxels (i, j, k) of a CT."""
    matrix, to_ijk = vtk.vtkMatrix4x4(), vtk.vtkTransform()
    ct.GetRASToIJKMatrix(matrix)
    to_ijk.SetMatrix(matrix)
    placed, triangles = vtk.vtkTransformPolyDataFilter(), vtk.vtkTriangleFilter()
    placed.SetTransform(to_ijk)
    placed.SetInputData(prism)
    triangles.SetInputConnection(placed.GetOutputPort())
    triangles.Update()
    return triangles.GetOutput()
