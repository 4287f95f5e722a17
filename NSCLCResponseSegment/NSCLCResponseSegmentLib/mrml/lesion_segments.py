"""The user's choice of lesions on a segmentation node: each kept lesion becomes a segment of its own."""

from __future__ import annotations

import json
from typing import Any

import SimpleITK as sitk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from ..core.lesion_choice import LesionChoice, choose_lesions
from ..core.lesions import label_lesions
from .lesion_table import lesion_mask
from .segmentations import add_segment, edit_label_map, segment_ids

CHOICE_ATTRIBUTE = "NSCLCResponse.LesionChoice"
_CHOOSING_ATTRIBUTE = "NSCLCResponse.Choosing"


def apply_choice(node: vtkMRMLSegmentationNode, ct: vtkMRMLScalarVolumeNode, choice: LesionChoice) -> list[str]:
    """Keep, merge, name and drop lesions; the segmentation's geometry and terminology stay.

    The choice is kept as an attribute of the node, so that it is saved with the scene and noted in the review record.

    :param choice: lesions are numbered over all segments together, largest first, as in the table of lesions.
    :returns: ids of the segments, in the choice's order.
    :raises MaskError: a lesion that was chosen does not exist, or the segmentation is empty; nothing is changed then.
    """
    before = segment_ids(node)
    whole = lesion_mask(node, ct)
    _, statistics = label_lesions(whole)
    record = choice.record({int(n): statistics.GetPhysicalSize(n) / 1000 for n in statistics.GetLabels()})
    chosen, names = choose_lesions(whole, choice)
    node.SetAttribute(_CHOOSING_ATTRIBUTE, "1")
    try:
        edit_label_map(node)
        after = [
            add_segment(node, sitk.Cast(sitk.Equal(chosen, number), sitk.sitkUInt8), name)
            for number, name in enumerate(names, start=1)
        ]
        for segment_id in before:
            node.GetSegmentation().RemoveSegment(segment_id)
    finally:
        node.RemoveAttribute(_CHOOSING_ATTRIBUTE)
    node.SetAttribute(CHOICE_ATTRIBUTE, json.dumps(record))
    return after


def is_choosing(node: vtkMRMLSegmentationNode) -> bool:
    """Whether :func:`apply_choice` is at work on the node, so that its segments are between two states."""
    return bool(node.GetAttribute(_CHOOSING_ATTRIBUTE))


def lesion_choice_of(node: vtkMRMLSegmentationNode) -> dict[str, Any] | None:
    """The record of the choice that made the node's segments, as :meth:`LesionChoice.record` gives it.

    :returns: ``None`` without a choice, and when the segments are no longer those of the choice, e.g. after undo.
    """
    text = node.GetAttribute(CHOICE_ATTRIBUTE)
    if not text:
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    segmentation = node.GetSegmentation()
    names = {segmentation.GetSegment(segment_id).GetName() for segment_id in segment_ids(node)}
    return record if names == {group["name"] for group in record["kept"]} else None
