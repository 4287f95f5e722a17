"""Watches a segmentation: the moment its mask changes, the review record says so and a prediction becomes stale."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from slicer import (
    vtkMRMLScene,
    vtkMRMLSegmentationNode,
    vtkOrientedImageData,
    vtkSegmentation,
    vtkSegmentationConverter,
)
from vtk import vtkCommand, vtkMatrix4x4

from NSCLCResponseSegmentLib.mrml.lesion_segments import is_choosing, lesion_choice_of
from NSCLCResponseSegmentLib.mrml.segmentations import ensure_label_map, has_voxels, segment_ids, voxel_values

from ..core.review import EDITED, ReviewRecord
from .result_nodes import store_review

_LABELMAP = vtkSegmentationConverter.GetBinaryLabelmapRepresentationName()
_EVENTS = (
    vtkSegmentation.SourceRepresentationModified,
    vtkSegmentation.SegmentModified,  # all that the Segment Editor's undo and redo say
    vtkSegmentation.SegmentAdded,
    vtkSegmentation.SegmentRemoved,
)


def mask_state(node: vtkMRMLSegmentationNode) -> tuple[int, float]:
    """A checksum of all segments' voxels and where they lie, and their volume in mL.

    Independent of the segments' order, and of how far the label map's extent reaches beyond the segments and where it
    counts from, which saving and loading change.
    """
    ensure_label_map(node)
    segmentation = node.GetSegmentation()
    boxes: dict[str, list[Any]] = {}  # of the values in each label map, which segments may share
    checksums, volume_ml = [], 0.0
    for segment_id in segment_ids(node):
        segment = segmentation.GetSegment(segment_id)
        data = segment.GetRepresentation(_LABELMAP)
        if data is None or not has_voxels(data):
            continue
        array, value = voxel_values(data), segment.GetLabelValue()
        if data.__this__ not in boxes:
            boxes[data.__this__] = _boxes(array)
        found = boxes[data.__this__]
        box = found[value - 1] if 0 < value <= len(found) else None
        if box is None:
            continue
        inside = array[box] == value
        place = _place(data, tuple(part.start for part in reversed(box)))
        checksums.append(zlib.crc32(np.packbits(inside).tobytes(), zlib.crc32(repr((place, inside.shape)).encode())))
        volume_ml += float(inside.sum()) * float(np.prod(data.GetSpacing())) / 1000
    return zlib.crc32(repr(sorted(checksums)).encode()), volume_ml


def _boxes(array: np.ndarray) -> list[tuple[slice, slice, slice] | None]:
    """The smallest box (z, y, x) around each value from 1 on; one pass, also over the organs of a whole body."""
    from scipy import ndimage

    return ndimage.find_objects(array if array.dtype.kind in "iu" else array.astype(np.int32))


def _place(data: vtkOrientedImageData, offset: tuple[int, int, int]) -> tuple[float, ...]:
    """Where the voxel ``offset`` (i, j, k from the extent's start) lies, RAS to a hundredth of a millimetre."""
    matrix = vtkMatrix4x4()
    data.GetImageToWorldMatrix(matrix)
    index = [first + step for first, step in zip(data.GetExtent()[::2], offset, strict=True)]
    return tuple(round(value, 2) + 0.0 for value in matrix.MultiplyPoint((*index, 1.0))[:3])


class ReviewTracker:
    """Keeps one :class:`ReviewRecord` true to one segmentation and saved in the scene.

    >>> tracker = ReviewTracker(scene, segmentation_node, record, on_change=panel.update)
    >>> tracker.record.state
    >>> tracker.close()

    :param by: name of whoever edits, asked at each edit.
    :param on_change: called after the record changed.
    """

    def __init__(
        self,
        scene: vtkMRMLScene,
        node: vtkMRMLSegmentationNode,
        record: ReviewRecord | None = None,
        *,
        by: Callable[[], str] = lambda: "",
        on_change: Callable[[], Any] = lambda: None,
    ) -> None:
        self.record = record or ReviewRecord()
        self._scene, self._node, self._by, self._on_change = scene, node, by, on_change
        self._checksum, self._volume_ml = mask_state(node)
        segmentation = node.GetSegmentation()
        self._tags = [(segmentation, segmentation.AddObserver(event, self._on_modified)) for event in _EVENTS]
        self._tags.append((node, node.AddObserver(vtkCommand.ModifiedEvent, self._on_node_modified)))
        self._tags.append((scene, scene.AddObserver(vtkMRMLScene.StartCloseEvent, lambda *_: self.close())))

    @property
    def volume_ml(self) -> float:
        """Volume of all segments as last seen."""
        return self._volume_ml

    def changed(self) -> None:
        """The record was changed from outside (predicted, signed off): save and tell."""
        store_review(self._scene, self.record)
        self._on_change()

    def note_choice(self, volume_before_ml: float) -> bool:
        """Note the choice of lesions that the segmentation carries; whether it is another than the record's.

        :param volume_before_ml: of the outline that it was chosen from.
        """
        choice = lesion_choice_of(self._node)
        if choice is None or choice == self.record.lesion_choice:
            return False
        self.record.lesions_chosen(self._by(), choice, volume_before_ml, self._volume_ml)
        return True

    def _on_node_modified(self, *_: Any) -> None:
        """Lesions that are only named change the node's attribute, not its voxels."""
        choice = lesion_choice_of(self._node)
        if choice is not None and choice != self.record.lesion_choice and not is_choosing(self._node):
            self._take_state()

    def _on_modified(self, *_: Any) -> None:
        if not is_choosing(self._node) and mask_state(self._node)[0] != self._checksum:
            self._take_state()

    def _take_state(self) -> None:
        before = self._volume_ml
        self._checksum, self._volume_ml = mask_state(self._node)
        if not self.note_choice(before):
            self._note_edit(before, self._volume_ml)
            if lesion_choice_of(self._node) is None:  # undone, or the segments were named otherwise
                self.record.lesion_choice = None
        self.changed()

    def _note_edit(self, before: float, after: float) -> None:
        """Strokes in a row by the same person are one event: from the first's before to the last's after."""
        by = self._by()
        events = self.record.events
        last = events[-1] if events else None
        self.record.edited(by, before, after)
        if last is not None and last.what == EDITED and last.by == by:
            events[-2:] = [replace(events[-1], volume_before_ml=last.volume_before_ml)]

    def close(self) -> None:
        """Stop watching."""
        for subject, tag in self._tags:
            subject.RemoveObserver(tag)
        self._tags = []
