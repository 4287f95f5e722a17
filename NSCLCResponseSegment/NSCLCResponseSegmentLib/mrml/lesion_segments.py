"""The user's choice of lesions on a segmentation node: each kept lesion becomes a segment of its own."""

from __future__ import annotations

from functools import reduce

import SimpleITK as sitk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

from ..core.errors import MaskError
from ..core.lesion_choice import LesionChoice, choose_lesions
from .segmentations import add_segment, mask_from_segment, segment_ids
from .volumes import image_from_volume

CHOICE_ATTRIBUTE = "NSCLCResponse.LesionChoice"


def apply_choice(node: vtkMRMLSegmentationNode, ct: vtkMRMLScalarVolumeNode, choice: LesionChoice) -> list[str]:
    """Keep, merge, name and drop lesions; the segmentation's geometry and terminology stay.

    The choice is kept as an attribute of the node, so that it is saved with the scene.

    :param choice: lesions are numbered over all segments together, largest first, as in the table of lesions.
    :returns: ids of the segments, in the choice's order.
    :raises MaskError: a lesion that was chosen does not exist, or the segmentation is empty; nothing is changed then.
    """
    before = segment_ids(node)
    if not before:
        raise MaskError(f"The segmentation '{node.GetName()}' has no segment.", "Outline the tumour first.")
    grid = image_from_volume(ct)
    whole = reduce(sitk.Or, [mask_from_segment(node, segment_id, grid) for segment_id in before])
    chosen, names = choose_lesions(whole, choice)
    after = [
        add_segment(node, sitk.Cast(sitk.Equal(chosen, number), sitk.sitkUInt8), name)
        for number, name in enumerate(names, start=1)
    ]
    for segment_id in before:
        node.GetSegmentation().RemoveSegment(segment_id)
    words = ",".join(f"{'+'.join(map(str, group.labels))}={group.name}" for group in choice.groups)
    node.SetAttribute(CHOICE_ATTRIBUTE, words)
    return after
