"""The panel of the module NSCLCResponse: predict, explain, report and sign."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import slicer
from slicer.i18n import tr as _

from NSCLCResponseSegmentLib.core.errors import ImageError
from NSCLCResponseSegmentLib.core.jobs import WarmWorker
from NSCLCResponseSegmentLib.gui.dependencies import ensure_dependencies
from NSCLCResponseSegmentLib.gui.errors import shown_errors
from NSCLCResponseSegmentLib.gui.job_control import JobControl
from NSCLCResponseSegmentLib.gui.lesions import LesionTable
from NSCLCResponseSegmentLib.gui.module_panel import ModulePanel
from NSCLCResponseSegmentLib.gui.pet_units import why_not_suv
from NSCLCResponseSegmentLib.mrml.images import require_one_patient
from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic
from NSCLCResponseSegmentLib.mrml.segmentations import ensure_label_map

from ..mrml.case_session import CaseSession
from ..mrml.result_nodes import result_node
from .explanation import ExplanationView
from .parameters import predict_settings
from .report import ReportFiles, choose_folder
from .result_card import ResultCardView
from .review import ReviewView
from .signatures import ClinicalTable, SignatureChooser

_SEGMENT_MODULE = "NSCLCResponseSegment"


class ResponsePanel(ModulePanel):
    """Predict → explain → report and sign, for the patient whose outline was made in NSCLCResponseSegment."""

    def connect_widgets(self) -> None:
        """Connect signals, make helpers."""
        ui = self.ui
        self._user_name = slicer.app.applicationLogic().GetUserInformation().GetName() or ""
        self._worker = WarmWorker()
        self._explained = ""
        self._has_result: bool | None = None
        self.session = CaseSession(slicer.mrmlScene, by=self._reviewer, on_change=self.update)
        self.signatures = SignatureChooser(
            ui.signatureComboBox, ui.signatureButton, ui.signatureNote, self._on_signature_chosen
        )
        self.clinical = ClinicalTable(ui.clinicalTable, ui.clinicalNote, self._on_clinical_changed)
        self.card = ResultCardView(ui)
        self.explanation = ExplanationView(ui)
        self.review = ReviewView(ui, self._on_sign)
        self.files = ReportFiles()
        self.lesions = LesionTable(
            ui.lesionTable, ui.lesionNote, on_measured=self._on_measured, tag="NSCLCResponsePredictedLesions"
        )
        self.predicting = JobControl(
            ui.predictButton,
            ui.predictBar,
            ui.predictProgress,
            self._start,
            self._finish,
            self.update,
            fetch=lambda job: self.logic.responseLogic().fetchPredict(job),
            remarks=False,  # the result has them
        )
        ui.predictAgainButton.connect("clicked(bool)", lambda _checked: self.predicting.start())
        ui.outlineButton.connect("clicked(bool)", lambda _checked: slicer.util.selectModule(_SEGMENT_MODULE))
        ui.reportButton.connect("clicked(bool)", self._on_report)
        ui.saveButton.connect("clicked(bool)", self._on_save)

    def shortcuts(self) -> dict[str, Any]:
        """Predict or cancel; go through the lesions."""
        return {"Shift+P": self.ui.predictButton.click, "Shift+L": self.lesions.jump_to_next}

    # ---------------------------------------------------------------- life cycle

    def cleanup(self) -> None:
        """The widget is about to be destroyed."""
        self._let_go()
        self._worker.close()
        super().cleanup()

    def on_scene_start_close(self, _caller: Any = None, _event: Any = None) -> None:
        """Let go of the scene."""
        self._let_go()
        super().on_scene_start_close()

    def _let_go(self) -> None:
        self.predicting.cancel()
        self.session.close()
        self.lesions.set_segmentation(None, None)
        self.explanation.clear()
        self.review.clear()
        self._explained = ""

    def choose_defaults(self) -> None:
        """The first CT and PET of the scene, the last segmentation, the user's name."""
        parameters, scene = self.parameters, slicer.mrmlScene
        if parameters.ct is None:
            parameters.ct, parameters.pet = SegmentLogic(scene).guessImages()
        if parameters.segmentation is None:
            count = scene.GetNumberOfNodesByClass("vtkMRMLSegmentationNode")
            if count:
                parameters.segmentation = scene.GetNthNodeByClass(count - 1, "vtkMRMLSegmentationNode")
        if not parameters.reviewer:
            parameters.reviewer = self._user_name

    def _reviewer(self) -> str:
        return self.parameters.reviewer if self.parameters is not None else self._user_name

    # ---------------------------------------------------------------- state

    def update(self) -> None:
        """Bring the widgets in line with the parameters, the scene and the review."""
        parameters, ui = self.parameters, self.ui
        if parameters is None:
            return
        if parameters.segmentation is not None:
            ensure_label_map(parameters.segmentation, parameters.ct)
        self.session.follow(parameters.segmentation)
        self.lesions.set_segmentation(parameters.segmentation, parameters.ct)
        self.signatures.select(parameters.signature)
        info = self.signatures.current
        self.clinical.show(info.clinical_variables if info else (), dict(parameters.clinical))
        reason = self.reason_not_to_predict()
        self.predicting.set_blocked(reason)
        ui.predictAgainButton.enabled = not reason and not self.predicting.running
        ui.predictAgainButton.toolTip = reason or _("Predict with the outline as it is now")
        self._show_result()

    def _show_result(self) -> None:
        parameters, ui, result = self.parameters, self.ui, self.session.result()
        has_result = result is not None and "prediction" in result
        result = result if has_result else None
        self.card.show(result, is_stale=self.session.is_stale)
        for section in (ui.explainSection, ui.reviewSection, ui.recentSection):
            section.enabled = has_result
            section.toolTip = "" if has_result else _("Predict first")
        if has_result != self._has_result:
            ui.explainSection.collapsed = ui.reviewSection.collapsed = not has_result
            self._has_result = has_result
        created = result["created"] if result else ""
        if created != self._explained or not created:
            self.explanation.show(result)
            self._explained = created
        self.explanation.show_map(
            self._map_node(), parameters.map_opacity, is_wanted=parameters.show_map, pet=parameters.pet
        )
        self.review.show(self.session.record, parameters.reviewer)
        self.review.show_recent(self.session.recent())

    def reason_not_to_predict(self) -> str:
        """Why the primary button is disabled; empty when it is not."""
        parameters = self.parameters
        if parameters.ct is None:
            return _("Choose the CT first")
        if parameters.segmentation is None:
            return _("Outline the tumour first")
        if not self.lesions.lesions:
            return self.ui.lesionNote.text or _("The outline is empty")
        if self.signatures.current is None:
            return _("No signature is installed")
        return self._problem_with_images() or self.clinical.problem(dict(parameters.clinical))

    def _problem_with_images(self) -> str:
        parameters = self.parameters
        try:
            require_one_patient(parameters.ct, parameters.segmentation, parameters.pet)
        except ImageError as error:
            return str(error)
        problem = why_not_suv(parameters.pet)
        return (
            _("{problem} Press 'Outline…' to convert it, or choose no PET.").format(problem=problem) if problem else ""
        )

    def _map_node(self) -> Any:
        node = result_node(slicer.mrmlScene)
        return node.GetNodeReference("map") if node is not None else None

    # ---------------------------------------------------------------- actions

    def _start(self) -> Any:
        parameters = self.parameters
        ensure_dependencies()
        settings = predict_settings(parameters)
        return partial(
            self.logic.responseLogic(self._worker).startPredict,
            parameters.ct,
            parameters.segmentation,
            parameters.pet,
            self._asked_of(settings.clinical),
            self.signatures.current.folder,
        )

    def _asked_of(self, values: Mapping[str, str]) -> dict[str, str]:
        """Those clinical values that the signature asks for; others were entered for another one, and wait for it."""
        asked = {variable.name for variable in self.signatures.current.clinical_variables}
        return {name: text for name, text in values.items() if name in asked}

    def _finish(self, job: Any) -> None:
        logic = self.logic.responseLogic(self._worker)
        # The user may have chosen another outline meanwhile, which keeps its own result and record.
        self.session.follow(slicer.mrmlScene.GetNodeByID(job.nodes["segmentation"]))
        logic.finishPredict(job)
        self.session.predicted(job.mask_checksum)

    def _on_measured(self) -> None:
        """The outline has been measured again: it may have become empty, or not empty any more."""
        if self.parameters is not None:
            self.predicting.set_blocked(self.reason_not_to_predict())

    def _on_signature_chosen(self, folder: str) -> None:
        self.parameters.signature = folder
        self.ui.clinicalGroup.collapsed = not self.clinical.asked

    def _on_clinical_changed(self, values: dict[str, str]) -> None:
        before = dict(self.parameters.clinical)
        kept = {name: before[name] for name in before.keys() - self._asked_of(before).keys()}
        self.parameters.clinical = {**kept, **values}

    def _on_sign(self) -> None:
        with shown_errors():
            self.session.sign_off(self.parameters.reviewer, self.parameters.comment)
            self.parameters.comment = ""  # it is in the record; the next outline gets one of its own

    def _on_report(self, _checked: bool = False) -> None:
        with shown_errors():
            ensure_dependencies(torch=False, radiomics=False)  # a scene from elsewhere can be read without them
            self.files.open_report(self.session.result())

    def _on_save(self, _checked: bool = False) -> None:
        parent = choose_folder(self.widget)
        if parent is None:
            return
        with shown_errors(), slicer.util.WaitCursor():
            ensure_dependencies(torch=False, radiomics=False)
            folder = self.files.save(self.session.result(), self.parameters.segmentation, parent)
            slicer.util.showStatusMessage(_("Saved in {folder}").format(folder=folder), 5000)
