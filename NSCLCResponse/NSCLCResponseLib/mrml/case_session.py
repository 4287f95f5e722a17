"""The case that the user works on: which segmentation, its result, its review, and the results before.

A scene can hold several segmentations (of one patient or of several). Each has its own result node; the one in use
carries the module name that :mod:`result_nodes` looks for, the others wait under another until their segmentation is
chosen again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

from slicer import vtkMRMLScene, vtkMRMLScriptedModuleNode, vtkMRMLSegmentationNode

from ..core.review import ReviewRecord, ReviewState
from .result_nodes import MODULE_NAME, result_node, stored_result, stored_review
from .review_tracker import ReviewTracker, mask_state

CASE_ATTRIBUTE = "NSCLCResponse.Case"
EARLIER_SHOWN = 10
_WAITING = "NSCLCResponseResultWaiting"
_CASE, _CHECKSUM, _EARLIER = "case", "checksum", "earlier"


class CaseSession:
    """Follows one segmentation at a time; its review record is always true, whoever edits the mask and where.

    :param by: name of whoever edits, asked at each edit.
    :param on_change: called after result or review changed.
    """

    def __init__(
        self,
        scene: vtkMRMLScene,
        *,
        by: Callable[[], str] = lambda: "",
        on_change: Callable[[], Any] = lambda: None,
    ) -> None:
        self._scene, self._by, self._on_change = scene, by, on_change
        self._segmentation: vtkMRMLSegmentationNode | None = None
        self._tracker: ReviewTracker | None = None
        self._shown: dict[str, Any] | None = None

    @property
    def record(self) -> ReviewRecord:
        """The review record of the segmentation followed."""
        return self._tracker.record if self._tracker is not None else ReviewRecord()

    @property
    def is_stale(self) -> bool:
        """Whether the mask was changed after the prediction."""
        return self.record.state is ReviewState.STALE

    def result(self) -> dict[str, Any] | None:
        """The result of the segmentation followed, as result.json, with the review as it stands now."""
        return stored_result(self._scene) if self._segmentation is not None else None

    def follow(self, segmentation: vtkMRMLSegmentationNode | None) -> None:
        """Work with ``segmentation`` from now on, or with none."""
        if segmentation is self._segmentation:
            if segmentation is not None:  # a scene that was imported meanwhile may have brought a result in use
                take_result_node(self._scene, segmentation)
            return
        self.close()
        self._segmentation = segmentation
        if segmentation is None:
            return
        take_result_node(self._scene, segmentation)
        self._track()

    def outlined(self, origin: str, volume_ml: float) -> None:
        """The segmentation followed is a new outline; ``origin`` says how it was made."""
        self.record.outlined(origin, volume_ml)
        if self._tracker is not None:
            self._tracker.changed()

    def predicted(self, mask_checksum: int) -> None:
        """A new result of the segmentation followed is in the scene.

        :param mask_checksum: of the mask it was made on.
        """
        node = result_node(self._scene)
        if self._shown is not None:
            earlier = [self._shown, *json.loads(node.GetParameter(_EARLIER) or "[]")]
            node.SetParameter(_EARLIER, json.dumps(earlier[:EARLIER_SHOWN]))
        node.SetParameter(_CASE, _case_of(self._segmentation))
        node.SetParameter(_CHECKSUM, str(mask_checksum))
        self._track()
        self._on_change()

    def sign_off(self, by: str, comment: str = "") -> None:
        """A person takes responsibility for the outline and has seen the prediction.

        :raises ReviewError: there is no current prediction, or no name was given.
        """
        self.record.signed_off(by, comment)
        if self._tracker is not None:
            self._tracker.changed()
        self._shown = self.result()

    def recent(self) -> list[dict[str, Any]]:
        """Results of this patient in this scene, newest first, the current one included."""
        current = self.result()
        if current is None:
            return []
        found = [current]
        for node in _result_nodes(self._scene):
            found += json.loads(node.GetParameter(_EARLIER) or "[]")
            if node.GetModuleName() == _WAITING and node.GetParameter("result"):
                review = json.loads(node.GetParameter("review"))
                found.append({**json.loads(node.GetParameter("result")), "review": review})
        patient = current["patient"]["id"]
        mine = [result for result in found if result["patient"]["id"] == patient]
        return sorted(mine, key=lambda result: result["created"], reverse=True)

    def close(self) -> None:
        """Stop following."""
        if self._tracker is not None:
            self._tracker.close()
        self._tracker, self._segmentation, self._shown = None, None, None

    # ---------------------------------------------------------------- inside

    def _track(self) -> None:
        if self._tracker is not None:
            self._tracker.close()
        record = stored_review(self._scene)
        self._tracker = ReviewTracker(
            self._scene, self._segmentation, record, by=self._by, on_change=self._on_tracked_change
        )
        self._shown = self.result()
        self._note_unseen_edit()

    def _on_tracked_change(self) -> None:
        node = result_node(self._scene)
        node.SetParameter(_CASE, _case_of(self._segmentation))
        node.SetNodeReferenceID("segmentation", self._segmentation.GetID())
        self._shown = self.result()
        self._on_change()

    def _note_unseen_edit(self) -> None:
        """The mask may have been changed while nobody followed it, e.g. before the panel was opened."""
        node = result_node(self._scene)
        known = node.GetParameter(_CHECKSUM) if node is not None else ""
        checksum, volume_ml = mask_state(self._segmentation)
        is_current = self.record.state in (ReviewState.PREDICTED, ReviewState.SIGNED_OFF)
        is_other = bool(known) and is_current and int(known) != checksum
        before_ml = self._shown["tumour"]["volume_ml"] if is_other else volume_ml
        if self._tracker.note_choice(before_ml):
            self._tracker.changed()
        elif is_other:
            self.record.edited("", before_ml, volume_ml)
            self._tracker.changed()


def take_result_node(scene: vtkMRMLScene, segmentation: vtkMRMLSegmentationNode) -> None:
    """Make a segmentation's result node, if it has one, that in use; those of others wait, also of imported scenes."""
    case, taken = _case_of(segmentation), False
    for node in _result_nodes(scene):
        mine = not taken and _is_of(node, segmentation, case)
        node.SetModuleName(MODULE_NAME if mine else _WAITING)
        taken = taken or mine


def _is_of(node: vtkMRMLScriptedModuleNode, segmentation: vtkMRMLSegmentationNode, case: str) -> bool:
    """By what the node refers to; a copy of a segmentation has the case's name, too, but not its result."""
    owner = node.GetNodeReference("segmentation")
    if not node.GetParameter(_CASE):  # made by a script or the worker
        node.SetParameter(_CASE, _case_of(owner) if owner is not None else case)
    return owner is segmentation if owner is not None else node.GetParameter(_CASE) == case


def _result_nodes(scene: vtkMRMLScene) -> list[vtkMRMLScriptedModuleNode]:
    count = scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode")
    nodes = [scene.GetNthNodeByClass(i, "vtkMRMLScriptedModuleNode") for i in range(count)]
    return [node for node in nodes if node.GetModuleName() in (MODULE_NAME, _WAITING)]


def _case_of(segmentation: vtkMRMLSegmentationNode) -> str:
    """A name for the case that survives saving and loading the scene."""
    case = segmentation.GetAttribute(CASE_ATTRIBUTE)
    if not case:
        case = uuid.uuid4().hex
        segmentation.SetAttribute(CASE_ATTRIBUTE, case)
    return case
