"""Watches a segmentation: the moment its mask changes, the review record says so and a prediction becomes stale."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from slicer import vtkMRMLScene, vtkMRMLSegmentationNode, vtkOrientedImageData, vtkSegmentation
from vtk import vtkCommand, vtkMatrix4x4
from vtk.util.numpy_support import vtk_to_numpy

from NSCLCResponseSegmentLib.mrml.lesion_segments import is_choosing, lesion_choice_of
from NSCLCResponseSegmentLib.mrml.segmentations import segment_ids

from ..core.review import EDITED, ReviewRecord
from .result_nodes import store_review

_EVENTS = (
    vtkSegmentation.SourceRepresentationModified,
    vtkSegmentation.SegmentModified,  # all that the Segment Editor's undo and redo say
    vtkSegmentation.SegmentAdded,
    vtkSegmentation.SegmentRemoved,
)


def mask_state(node: vtkMRMLSegmentationNode) -> tuple[int, float]:
    """A checksum of all segments' voxels and where they lie, and their volume in mL.

    Independent of how far the label map's extent reaches beyond the segments and where it counts from, both of which
    saving and loading change.
    """
    checksum, volume_ml = 0, 0.0
    for segment_id in segment_ids(node):
        data = vtkOrientedImageData()
        node.GetBinaryLabelmapRepresentation(segment_id, data)
        if 0 in data.GetDimensions() or data.GetPointData().GetScalars() is None:
            continue
        array = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1]) != 0
        inside = np.nonzero(array.any(axis=(1, 2)))[0], np.nonzero(array.any(axis=(0, 2)))[0]
        across = np.nonzero(array.any(axis=(0, 1)))[0]
        if not len(across):
            continue
        (z0, z1), (y0, y1), (x0, x1) = ((int(a[0]), int(a[-1])) for a in (*inside, across))
        place = _place(data, (x0, y0, z0))
        tight = np.packbits(array[z0 : z1 + 1, y0 : y1 + 1, x0 : x1 + 1])
        checksum = zlib.crc32(tight.tobytes(), zlib.crc32(repr((place, tight.shape)).encode(), checksum))
        volume_ml += float(array.sum()) * float(np.prod(data.GetSpacing())) / 1000
    return checksum, volume_ml


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
