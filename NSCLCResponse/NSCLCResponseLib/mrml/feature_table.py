"""Radiomics on MRML nodes: each segment is a lesion of its own; features and reasons come back as a table node."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLSegmentationNode, vtkMRMLTableNode

from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.jobs import WarmWorker
from NSCLCResponseSegmentLib.mrml.images import patient_of
from NSCLCResponseSegmentLib.mrml.node_jobs import JobFolder, NodeJob
from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids
from NSCLCResponseSegmentLib.mrml.tables import set_columns, storable
from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume

from ..core.radiomics.case_features import FeatureRow
from ..core.radiomics.table import columns

_TABLE_NAME = "Radiomics"


class RadiomicsLogic:
    """Features of the segments of a scene.

    >>> logic = RadiomicsLogic(slicer.mrmlScene)
    >>> table = logic.measure(ctNode, segmentationNode, petNode, regions="tumour,ring5")

    :param worker: keeps libraries loaded between calls; without one every call starts a process.
    """

    def __init__(self, scene: vtkMRMLScene, worker: WarmWorker | None = None) -> None:
        self.scene = scene
        self._worker = worker

    def measure(
        self,
        ctNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode,
        petNode: vtkMRMLScalarVolumeNode | None = None,
        *,
        settings: str | Path | None = None,
        regions: str = "tumour",
        segmentIds: Sequence[str] | None = None,
    ) -> vtkMRMLTableNode:
        """Measure and wait; see :meth:`startMeasure` for the form that does not wait.

        :raises NSCLCResponseError: the input cannot be used, in a sentence for the user.
        """
        job = self.startMeasure(
            ctNode, segmentationNode, petNode, settings=settings, regions=regions, segmentIds=segmentIds
        )
        try:
            job.wait()
        finally:
            if job.running:
                job.cancel()
        return self.finishMeasure(job)

    def startMeasure(
        self,
        ctNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode,
        petNode: vtkMRMLScalarVolumeNode | None = None,
        *,
        settings: str | Path | None = None,
        regions: str = "tumour",
        segmentIds: Sequence[str] | None = None,
    ) -> NodeJob:
        """Start the same job as ``nsclc-response radiomics``; poll it, then call :meth:`finishMeasure`.

        :param settings: PyRadiomics parameter file for the CT; ``ct.yaml`` without it.
        :param segmentIds: the segments to measure; all without it.
        :raises MaskError: there is no segment, or none that can be used. One of several that is empty gets a column
            without values, and its reason.
        """
        chosen = list(segmentIds) if segmentIds is not None else segment_ids(segmentationNode)
        if not chosen:
            name = segmentationNode.GetName()
            raise MaskError(f"The segmentation '{name}' has no segment.", "Outline the tumour first.")
        ct = image_from_volume(ctNode)
        masks, problems = _masks(segmentationNode, chosen, ct)
        folder = JobFolder()
        arguments: dict[str, Any] = {
            "ct": folder.write(ct, "ct.nrrd"),
            "lesion_masks": {n: folder.write(m, f"segment-{i}.nrrd") for i, (n, m) in enumerate(masks.items())},
            "lesion_problems": problems,
            "settings": str(settings) if settings else None,
            "regions": regions,
            "patient_id": patient_of(ctNode) or ctNode.GetName(),
            "out": str(folder.path / "features.csv"),
            "with_values": True,
        }
        if petNode is not None:
            arguments["pet"] = folder.write_pet(petNode)
        nodes = {"ct": ctNode.GetID(), "segmentation": segmentationNode.GetID()}
        return NodeJob("radiomics", arguments, folder, nodes, self._worker)

    def finishMeasure(self, job: NodeJob) -> vtkMRMLTableNode:
        """Put a finished job's features into a new table node.

        :raises NSCLCResponseError: the job failed or was cancelled.
        """
        try:
            record = json.loads(Path(job.result()["record"]).read_text(encoding="utf-8"))
        finally:
            job.folder.remove()
        return table_from_rows(self.scene, [FeatureRow.from_json(row) for row in record["rows"]])


def _masks(
    node: vtkMRMLSegmentationNode, chosen: Sequence[str], ct: sitk.Image
) -> tuple[dict[str, sitk.Image], dict[str, str]]:
    """Masks of the segments on the CT's grid by name, and why others have none."""
    masks: dict[str, sitk.Image] = {}
    problems: dict[str, str] = {}
    for segment_id in chosen:
        segment = node.GetSegmentation().GetSegment(segment_id)
        name = segment.GetName() if segment is not None else segment_id
        name = name if name not in masks and name not in problems else f"{name} ({segment_id})"
        try:
            masks[name] = mask_from_segment(node, segment_id, ct, whole=True)
        except MaskError as problem:
            if len(chosen) == 1:
                raise
            problems[name] = problem.message
    if not masks:
        raise MaskError(" ".join(problems.values()), "Outline the tumour first.")
    return masks, problems


def table_from_rows(scene: vtkMRMLScene, rows: Sequence[FeatureRow], name: str = _TABLE_NAME) -> vtkMRMLTableNode:
    """Add a table with a line for each feature and a column for each lesion and region.

    A feature without a value has an empty cell, and its reason in the last column. Values are text with all their
    digits, since a saved table of numbers keeps six.
    """
    table = vtkMRMLTableNode()
    table.SetName(scene.GenerateUniqueName(name))
    scene.AddNode(table)
    names = columns(rows)
    content: dict[str, list[str]] = {"feature": names}
    for row in rows:
        title = row.lesion if row.region == "tumour" else f"{row.lesion}, {row.region}"
        content[storable(title)] = [repr(float(row.values[n])) if n in row.values else "" for n in names]
    content["reason if missing"] = [storable(_reasons(rows, n)) for n in names]
    set_columns(table, content)
    table.SetUseColumnTitleAsColumnHeader(True)
    return table


def _reasons(rows: Sequence[FeatureRow], name: str) -> str:
    found = [(row.lesion, row.failed[name]) for row in rows if name in row.failed]
    if len({reason for _, reason in found}) == 1:
        return found[0][1]
    return "; ".join(f"{lesion}: {reason}" for lesion, reason in found)
