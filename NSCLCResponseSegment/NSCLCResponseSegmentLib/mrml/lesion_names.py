"""Names of lesions: those of the segments that they lie in, when there are several or the user named them."""

from __future__ import annotations

from functools import reduce
from typing import Any

import SimpleITK as sitk

from ..core.lesion_choice import WHOLE
from ..core.lesions import label_lesions
from .lesion_table import grid_around
from .segmentations import segment_ids, tumour_masks


def lesion_names(segmentation_node: Any, ct_node: Any) -> dict[int, str]:
    """Lesion's number (1 is the largest) to the name of the segment that holds most of it.

    :returns: empty while there is nothing but one segment with the name that every new outline has.
    :raises MaskError: all segments are empty, or they are no tumour's.
    """
    segmentation = segmentation_node.GetSegmentation()
    ids = segment_ids(segmentation_node)
    if not ids or (len(ids) == 1 and segmentation.GetSegment(ids[0]).GetName().startswith(WHOLE)):
        return {}
    grid = grid_around(segmentation_node, ct_node)
    masks = tumour_masks(segmentation_node, grid)
    if len(masks) == 1 and segmentation.GetSegment(next(iter(masks))).GetName().startswith(WHOLE):
        return {}
    labelled, statistics = label_lesions(reduce(sitk.Or, masks.values()))
    names: dict[int, tuple[int, str]] = {}
    for segment_id, mask in masks.items():
        within = sitk.LabelShapeStatisticsImageFilter()
        within.ComputePerimeterOff()
        within.Execute(sitk.Mask(labelled, mask))
        for label in within.GetLabels():
            found = (within.GetNumberOfPixels(label), segmentation.GetSegment(segment_id).GetName())
            names[label] = max(names.get(label, (0, "")), found)
    return {label: names[label][1] for label in statistics.GetLabels()}
