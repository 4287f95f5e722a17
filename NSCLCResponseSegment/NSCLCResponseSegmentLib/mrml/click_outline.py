"""One click on nodes: a segmentation with other sizes to choose from, and its correction by further clicks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import SimpleITK as sitk
import slicer

from ..core.errors import SegmentationError
from ..core.jobs import WarmWorker
from .hierarchy import file_beside
from .logic import ORIGIN_ATTRIBUTE
from .node_jobs import JobFolder, NodeJob
from .segmentations import (
    cropped,
    edit_label_map,
    mask_from_segment,
    oriented_image,
    segment_ids,
    segmentation_from_mask,
)
from .volumes import image_from_volume

Point = tuple[float, float, float]

ORIGIN = "one click"
_SURFACE = slicer.vtkSegmentationConverter.GetClosedSurfaceRepresentationName()


@dataclass(frozen=True)
class Clicked:
    """What a click gave: the segmentation node, and every size that it may have (masks on the CT's grid).

    The likeliest size is the first; ``chosen`` is the one in the node. A correction has one size only.
    """

    node: Any
    masks: tuple[sitk.Image, ...]
    volumes_ml: tuple[float, ...]
    chosen: int


class ClickOutline:
    """Starts and finishes the job ``click`` on nodes of a scene.

    :param scene: the scene to work in.
    :param worker: keeps the CT's anatomy between clicks; without one every click starts a process.
    """

    def __init__(self, scene: Any, worker: WarmWorker | None = None) -> None:
        self._scene, self._worker = scene, worker

    def start(
        self,
        ct_node: Any,
        include_ras: Sequence[Point],
        exclude_ras: Sequence[Point] = (),
        previous_node: Any = None,
    ) -> NodeJob:
        """Start to outline, or to correct the first segment of ``previous_node``; poll, then call :meth:`finish`.

        :raises MaskError: there is nothing to correct.
        """
        folder = JobFolder()
        ct = image_from_volume(ct_node)
        arguments: dict[str, Any] = {
            "ct": folder.write(ct, "ct.nrrd"),
            "include_ras": [list(map(float, point)) for point in include_ras],
            "exclude_ras": [list(map(float, point)) for point in exclude_ras],
            "out": str(folder.path / "sizes"),
        }
        nodes = {"ct": ct_node.GetID()}
        if previous_node is not None:
            previous = mask_from_segment(previous_node, tumour_segment(previous_node), ct)
            arguments["previous"] = folder.write(previous, "previous.nrrd")
            nodes["segmentation"] = previous_node.GetID()
        return NodeJob("click", arguments, folder, nodes, self._worker)

    def fetch(self, job: NodeJob) -> None:
        """Read the masks of a finished job, which :meth:`finish` does otherwise; touches no scene.

        :raises NSCLCResponseError: the job failed or was cancelled.
        """
        try:
            result = job.result()
            masks = tuple(sitk.ReadImage(size["path"], sitk.sitkUInt8) for size in result["sizes"])
        finally:
            job.folder.remove()
        job.fetched = (result, masks)

    def finish(self, job: NodeJob) -> Clicked:
        """Add the outline as a segmentation, or put the correction into the one that was given.

        :raises NSCLCResponseError: the job failed or was cancelled, or its nodes have been removed meanwhile.
        """
        if job.fetched is None:
            self.fetch(job)
        result, masks = job.fetched
        nodes = {role: self._scene.GetNodeByID(node_id) for role, node_id in job.nodes.items()}
        if None in nodes.values():
            raise SegmentationError("The CT or the outline was removed meanwhile.", "Load the CT again and click anew.")
        chosen = result["chosen"]
        node = nodes.get("segmentation")
        if node is None:
            node = segmentation_from_mask(self._scene, masks[chosen], nodes["ct"])
            node.SetAttribute(ORIGIN_ATTRIBUTE, ORIGIN)
            file_beside(self._scene, node, nodes["ct"])
        else:
            replace_tumour(node, masks[chosen])
        return Clicked(node, masks, tuple(size["volume_ml"] for size in result["sizes"]), chosen)


def tumour_segment(node: Any) -> str:
    """Id of the segment that clicks outline and correct: the first.

    :raises SegmentationError: there is none.
    """
    ids = segment_ids(node)
    if not ids:
        raise SegmentationError(f"The segmentation '{node.GetName()}' has no segment.", "Click into the tumour.")
    return ids[0]


def replace_tumour(node: Any, mask: sitk.Image) -> None:
    """Give the tumour's segment another shape; name, colour and terminology stay, and so do the other segments.

    :param mask: unsigned 8-bit, 1 inside.
    """
    logic, segmentation = slicer.vtkSlicerSegmentationsModuleLogic, node.GetSegmentation()
    edit_label_map(node)
    is_shown_in_3d = segmentation.ContainsRepresentation(_SURFACE)
    logic.SetBinaryLabelmapToSegment(oriented_image(cropped(mask)), node, tumour_segment(node), logic.MODE_REPLACE)
    if is_shown_in_3d:  # the new shape has dropped the old surface
        segmentation.CreateRepresentation(_SURFACE, True)
