"""Tools that change the whole outline, on the part of the grid that holds it: milliseconds instead of seconds.

trame-slicer's own islands and smoothing effects work on the label map of the whole CT, which takes two to five seconds
for 512×512×134 voxels; nothing of the outline lies outside its own box.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
import vtk
from slicer import vtkOrientedImageData, vtkSlicerSegmentationsModuleLogic
from trame_slicer.segmentation.segmentation_undo_command import SegmentationLabelMapUndoCommand
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

_MARGIN = 3  # voxels around, so that nothing that grows by a kernel is cut


@dataclass(frozen=True)
class Crop:
    """The box of a segment on its CT's grid.

    :param inside: (z, y, x), bool.
    :param start: voxel index (i, j, k) of the box's corner in the CT.
    """

    inside: np.ndarray
    start: tuple[int, int, int]


def crop_of(node: Any, segment_id: str, ct: Any) -> Crop | None:
    """The voxels of a segment whose grid is the CT's; ``None`` when it is empty."""
    data = vtkOrientedImageData()
    node.GetBinaryLabelmapRepresentation(segment_id, data)
    return crop_of_labels(data, ct, node.GetSegmentation().GetSegment(segment_id).GetLabelValue())


def crop_of_labels(data: vtkOrientedImageData, ct: Any, label: int) -> Crop | None:
    """The voxels of one label of a label map on the CT's grid; ``None`` when there is none."""
    if 0 in data.GetDimensions() or data.GetPointData().GetScalars() is None:
        return None
    inside = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1]) == label
    found = _filled_planes(inside)
    if found is None:
        return None
    first = _index_in(ct, data)
    size = ct.GetImageData().GetDimensions()
    low = [max(first[i] + int(found[2 - i][0]) - _MARGIN, 0) for i in range(3)]
    high = [min(first[i] + int(found[2 - i][-1]) + _MARGIN + 1, size[i]) for i in range(3)]
    box = np.zeros([high[i] - low[i] for i in (2, 1, 0)], bool)
    tight = inside[tuple(slice(int(f[0]), int(f[-1]) + 1) for f in found)]
    at = [first[i] + int(found[2 - i][0]) - low[i] for i in (2, 1, 0)]
    box[tuple(slice(a, a + n) for a, n in zip(at, tight.shape, strict=True))] = tight
    return Crop(box, (low[0], low[1], low[2]))


def _filled_planes(inside: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Indices of the planes along z, y and x that have a voxel; ``None`` where none has."""
    over_x = inside.any(axis=2)  # the one pass over all voxels
    z, y = np.flatnonzero(over_x.any(axis=1)), np.flatnonzero(over_x.any(axis=0))
    if not len(z):
        return None
    x = np.flatnonzero(inside[z[0] : z[-1] + 1, y[0] : y[-1] + 1].any(axis=(0, 1)))
    return z, y, x


def union_box(one: Crop, other: Crop) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Start (i, j, k) and shape (z, y, x) of the box around two crops."""
    ends = [np.add(crop.start, crop.inside.shape[::-1]) for crop in (one, other)]
    start = np.minimum(one.start, other.start)
    shape = (np.maximum(*ends) - start)[::-1]
    return tuple(start.tolist()), tuple(shape.tolist())


def on_box(crop: Crop, start: tuple[int, int, int], shape: tuple[int, ...]) -> np.ndarray:
    """A crop's voxels on another box: (z, y, x), bool, nothing where the crop says nothing.

    :param start: (i, j, k) of the box in the CT.
    """
    box = np.zeros(shape, bool)
    shift = np.subtract(crop.start, start)[::-1]
    low = np.maximum(shift, 0)
    high = np.minimum(shift + crop.inside.shape, shape)
    if (low < high).all():
        source = tuple(slice(a, b) for a, b in zip(low - shift, high - shift, strict=True))
        box[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = crop.inside[source]
    return box


def _index_in(ct: Any, data: vtkOrientedImageData) -> list[int]:
    """Index (i, j, k) in the CT of the first voxel of a label map on the same grid."""
    to_world, to_ijk = vtk.vtkMatrix4x4(), vtk.vtkMatrix4x4()
    data.GetImageToWorldMatrix(to_world)
    ct.GetRASToIJKMatrix(to_ijk)
    corner = to_world.MultiplyPoint((*data.GetExtent()[::2], 1.0))
    return [round(value) for value in to_ijk.MultiplyPoint(corner)[:3]]


def empty_labels(ct: Any, start: tuple[int, ...], shape: tuple[int, ...]) -> vtkOrientedImageData:
    """A label map without anything inside on a box of the CT's grid, unsigned 8-bit.

    :param start: (i, j, k) of the box in the CT.
    :param shape: (z, y, x).
    """
    return _labels(ct, Crop(np.zeros(shape, bool), tuple(start)))


def _labels(ct: Any, crop: Crop) -> vtkOrientedImageData:
    (x, y, z), (k, j, i) = crop.start, crop.inside.shape
    labels = vtkOrientedImageData()
    labels.SetExtent(x, x + i - 1, y, y + j - 1, z, z + k - 1)
    scalars = numpy_to_vtk(crop.inside.astype(np.uint8).ravel(), deep=True, array_type=vtk.VTK_UNSIGNED_CHAR)
    labels.GetPointData().SetScalars(scalars)
    to_world = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(to_world)
    labels.SetGeometryFromImageToWorldMatrix(to_world)
    return labels


def change_segment(modifier: Any, before: Crop | None, after: Crop) -> None:
    """Make the active segment what ``after`` says, as one step that can be undone; nothing where it is that already.

    What is new in it is taken from the other segments, as Slicer's Segment Editor does.

    :param modifier: trame-slicer's of the active segment.
    :param before: what the segment is now; ``None`` when it is empty.
    """
    if before is not None and np.array_equal(after.inside, on_box(before, after.start, after.inside.shape)):
        return
    segmentation, active, ct = modifier.segmentation, modifier.active_segment_id, modifier.volume_node
    node = segmentation.segmentation_node
    with SegmentationLabelMapUndoCommand.push_state_change(segmentation):
        for segment_id in set(segmentation.get_segment_ids()) - {active}:
            other = crop_of(node, segment_id, ct)
            taken = None if other is None else on_box(after, other.start, other.inside.shape) & other.inside
            if taken is not None and taken.any():
                replace_segment(node, segment_id, ct, replace(other, inside=other.inside & ~taken))
        replace_segment(node, active, ct, after)
    segmentation.trigger_modified()


def replace_segment(node: Any, segment_id: str, ct: Any, crop: Crop) -> None:
    """Make a segment what ``crop`` says."""
    labels = _labels(ct, crop)
    logic = vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(labels, node, segment_id, logic.MODE_REPLACE, labels.GetExtent())


def smoothed(inside: np.ndarray, spacing_mm: tuple[float, float, float], kernel_mm: float) -> np.ndarray:
    """A median over a box of ``kernel_mm``, at least three voxels along the finest axis; takes off spikes.

    :param inside: (z, y, x), bool.
    :param spacing_mm: of the axes x, y, z.
    """
    width = max(kernel_mm, 3 * min(spacing_mm))
    radius = [max(0, round((width / step - 1) / 2)) for step in spacing_mm]
    median = sitk.Median(sitk.GetImageFromArray(inside.astype(np.uint8)), radius)
    return sitk.GetArrayFromImage(median) > 0


def largest(inside: np.ndarray) -> np.ndarray:
    """Only the largest connected part."""
    return _by_size(inside, 0) == 1


def without_small(inside: np.ndarray, voxels: int) -> np.ndarray:
    """Without connected parts of fewer than ``voxels``."""
    return _by_size(inside, voxels) > 0


def part_at(inside: np.ndarray, voxel: tuple[int, ...]) -> np.ndarray | None:
    """The connected part that holds a voxel (z, y, x); ``None`` where nothing is inside."""
    if any(not 0 <= v < n for v, n in zip(voxel, inside.shape, strict=True)) or not inside[voxel]:
        return None
    parts = _by_size(inside, 0)
    return parts == parts[voxel]


def _by_size(inside: np.ndarray, at_least: int) -> np.ndarray:
    parts = sitk.ConnectedComponent(sitk.GetImageFromArray(inside.astype(np.uint8)))
    return sitk.GetArrayFromImage(sitk.RelabelComponent(parts, at_least))


def within(crop: Crop, ct: Any, low_hu: float, high_hu: float) -> np.ndarray:
    """Only voxels whose HU lie in a range."""
    data = ct.GetImageData()
    hu = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])
    (x, y, z), (k, j, i) = crop.start, crop.inside.shape
    values = hu[z : z + k, y : y + j, x : x + i]
    return crop.inside & (values >= low_hu) & (values <= high_hu)
