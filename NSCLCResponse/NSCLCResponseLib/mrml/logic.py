"""What the response module does on MRML nodes; panel, browser workspace and scripts share it."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLSegmentationNode

from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.jobs import WarmWorker
from NSCLCResponseSegmentLib.mrml.images import origin_of, patient_of, require_one_patient
from NSCLCResponseSegmentLib.mrml.lesion_names import lesion_names
from NSCLCResponseSegmentLib.mrml.lesion_segments import lesion_choice_of
from NSCLCResponseSegmentLib.mrml.logic import ORIGIN_ATTRIBUTE
from NSCLCResponseSegmentLib.mrml.node_jobs import JobFolder, NodeJob
from NSCLCResponseSegmentLib.mrml.segmentations import ensure_label_map, mask_from_segment, tumour_masks
from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume

from ..core.prediction import Prediction
from ..core.review import ReviewRecord
from .case_session import take_result_node
from .map_volume import without_margin
from .result_nodes import apply_result, stored_result, stored_review
from .review_tracker import mask_state


class ResponseLogic:
    """Predict for the nodes of a scene; results and review go into the scene.

    >>> logic = ResponseLogic(slicer.mrmlScene)
    >>> prediction = logic.predict(ctNode, segmentationNode, petNode, clinical={"pdl1_tps_percent": "80"})
    >>> print(prediction.probability, prediction.label)
    >>> logic.result()["tumour"]["volume_ml"]

    :param scene: the scene to work in; nothing else of the application is used.
    :param worker: keeps libraries loaded between predictions; without one every prediction starts a process.
    """

    def __init__(self, scene: vtkMRMLScene, worker: WarmWorker | None = None) -> None:
        self.scene = scene
        self._worker = worker

    def predict(
        self,
        ctNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode,
        petNode: vtkMRMLScalarVolumeNode | None = None,
        clinical: Mapping[str, Any] | None = None,
        signature: str | Path | None = None,
        segmentIds: Sequence[str] | None = None,
        whatIf: Sequence[str] = (),
    ) -> Prediction:
        """Predict and wait; see :meth:`startPredict` for the form that does not wait.

        :raises NSCLCResponseError: the input cannot be used, in a sentence for the user.
        """
        job = self.startPredict(ctNode, segmentationNode, petNode, clinical, signature, segmentIds, whatIf)
        try:
            job.wait()
        finally:
            if job.running:
                job.cancel()
        return self.finishPredict(job)

    def startPredict(
        self,
        ctNode: vtkMRMLScalarVolumeNode,
        segmentationNode: vtkMRMLSegmentationNode,
        petNode: vtkMRMLScalarVolumeNode | None = None,
        clinical: Mapping[str, Any] | None = None,
        signature: str | Path | None = None,
        segmentIds: Sequence[str] | None = None,
        whatIf: Sequence[str] = (),
        contours: int | None = None,
    ) -> NodeJob:
        """Start the same job as ``nsclc-response predict``; poll it, then call :meth:`finishPredict`.

        :param segmentIds: the segments that make up the tumour; all without it.
        :param whatIf: changes to try, e.g. ``pdl1_tps_percent=10`` or ``erode=2``; the answers are in the result.
        :param contours: how often the outline is redrawn for the range; the usual number without it.
        :raises MaskError: there is nothing to predict on.
        :raises ImageError: an image cannot be used, or is another patient's.
        """
        require_one_patient(ctNode, segmentationNode, petNode)
        folder = JobFolder()
        ct = image_from_volume(ctNode)
        ensure_label_map(segmentationNode, ctNode)
        arguments: dict[str, Any] = {
            "ct": folder.write(ct, "ct.nrrd"),
            "mask": folder.write(self._tumour(segmentationNode, ct, segmentIds), "mask.nrrd"),
            "mask_origin": segmentationNode.GetAttribute(ORIGIN_ATTRIBUTE) or "from the scene",
            "lesion_choice": lesion_choice_of(segmentationNode),
            "lesion_names": {} if segmentIds is not None else lesion_names(segmentationNode, ctNode),
            "clinical": {name: str(value) for name, value in (clinical or {}).items()},
            "signature": str(signature) if signature else None,
            "patient_id": patient_of(ctNode) or ctNode.GetName(),
            "what_if": list(whatIf),
            "redraws": contours,
            "outputs": ["core"],
            "cut_map": True,  # read by the application itself, which must not wait for empty voxels
            "out": str(folder.path / "result"),
        }
        if petNode is not None:
            arguments["pet"] = folder.write_pet(petNode)
        nodes = {"ct": ctNode.GetID(), "segmentation": segmentationNode.GetID()}
        if petNode is not None:
            nodes["pet"] = petNode.GetID()
        checksum, _ = mask_state(segmentationNode)
        return NodeJob("predict", arguments, folder, nodes, self._worker, mask_checksum=checksum)

    def _tumour(self, node: vtkMRMLSegmentationNode, ct: sitk.Image, segmentIds: Sequence[str] | None) -> sitk.Image:
        if segmentIds is None:
            return reduce(sitk.Or, tumour_masks(node, ct, whole=True).values())
        if not segmentIds:
            raise MaskError(f"No segment of '{node.GetName()}' is chosen.", "Choose the tumour's segments.")
        return reduce(sitk.Or, [mask_from_segment(node, segment_id, ct, whole=True) for segment_id in segmentIds])

    def fetchPredict(self, job: NodeJob) -> None:
        """Read the files of a finished job, which :meth:`finishPredict` does otherwise; touches no scene.

        A user interface that must not wait a second for the map can call this in another thread.

        :raises NSCLCResponseError: the job failed or was cancelled.
        """
        try:
            result = job.result()["result"]
            folder = Path(job.arguments["out"])
            features = _read_features(folder / result["files"]["features"])
            name = result["files"].get("cnn_map")
            network_map = without_margin(sitk.ReadImage(str(folder / name))) if name else None
        finally:
            job.folder.remove()
        job.fetched = (result, features, network_map)

    def finishPredict(self, job: NodeJob) -> Prediction:
        """Take a finished job's result into the scene: result node, feature and contribution tables, summary.

        A mask that was edited while the job ran makes the prediction stale at once.

        :raises NSCLCResponseError: the job failed or was cancelled, or the outline has been removed meanwhile.
        """
        if job.fetched is None:
            self.fetchPredict(job)
        result, features, network_map = job.fetched
        segmentation = self.scene.GetNodeByID(job.nodes["segmentation"])
        if segmentation is None:
            raise MaskError(
                "The outline was removed while the prediction ran.", "Outline the tumour and predict again."
            )
        take_result_node(self.scene, segmentation)
        record = self._reviewed(result, segmentation, job)
        ct, pet = (self.scene.GetNodeByID(job.nodes.get(role, "")) for role in ("ct", "pet"))
        result = {**result, "review": record.to_json(), "inputs": _inputs(result, {"ct": ct, "pet": pet})}
        apply_result(self.scene, result, features, segmentation, ct, pet, network_map)
        return Prediction.from_json(result["prediction"])

    def _reviewed(self, result: Mapping[str, Any], segmentation: vtkMRMLSegmentationNode, job: NodeJob) -> ReviewRecord:
        before = stored_review(self.scene)
        volume_ml = result["tumour"]["volume_ml"]
        record = before or ReviewRecord()
        if not record.events:
            record.outlined(result["inputs"]["mask"]["origin"], volume_ml)
        choice = result["review"].get("lesion_choice")
        if choice is not None and choice != record.lesion_choice:  # chosen while nobody followed the segmentation
            record.lesions_chosen("", choice, volume_ml, volume_ml)
        record.predicted(result["prediction"]["signature_name"], volume_ml)
        checksum, now_ml = mask_state(segmentation)
        if checksum != job.mask_checksum:
            record.edited("", volume_ml, now_ml)
        return record

    def result(self) -> dict[str, Any] | None:
        """The scene's result as ``result.json`` holds it, with the review record as it stands now."""
        return stored_result(self.scene)


def _inputs(result: Mapping[str, Any], nodes: Mapping[str, vtkMRMLScalarVolumeNode | None]) -> dict[str, Any]:
    """Where the images came from before they were a job's temporary files."""
    inputs = {**result["inputs"], "mask": {**result["inputs"]["mask"], "source": None}}
    for role, node in nodes.items():
        if node is not None and inputs[role] is not None:
            inputs[role] = {**inputs[role], **origin_of(node)}
    return inputs


def _read_features(path: Path) -> dict[str, float]:
    with path.open(encoding="utf-8", newline="") as stream:
        row = next(csv.DictReader(stream))
    return {name: float(v) for name, v in row.items() if v and name not in ("patient", "lesion", "region")}
