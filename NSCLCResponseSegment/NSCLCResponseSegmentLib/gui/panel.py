"""The panel of the module NSCLCResponseSegment: images, outline, correction, lesions."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from .dependencies import ensure_dependencies
from .errors import explain_button, shown_errors
from .job_control import JobControl
from .lesion_choice import LesionButtons
from .lesions import LesionTable
from .module_panel import ModulePanel
from .outline_step import OutlineStep
from .pet_units import reason_not_to_convert, suv_from_dicom, why_not_suv
from .sample_data import load_simulation, show_images, start_simulation
from .segment_editor import EmbeddedSegmentEditor

_RESPONSE_MODULE = "NSCLCResponse"


class SegmentPanel(ModulePanel):
    """Load → outline → correct; hands over to the module NSCLCResponse."""

    step: OutlineStep | None = None
    choice: LesionButtons | None = None

    def connect_widgets(self) -> None:
        """Connect signals, make helpers."""
        ui = self.ui
        self._shown: tuple[Any, Any] = (None, None)
        self.editor = EmbeddedSegmentEditor(ui.segmentEditor, self._on_effect)
        self.step = OutlineStep(
            ui, self.editor, lambda: self.parameters, self.logic.getParameterNode, self.update, self._on_outlined
        )
        self.lesions = LesionTable(ui.lesionTable, ui.lesionNote, self._on_lesions, self._on_lesions)
        self.choice = LesionButtons(ui, self.lesions, self._outline_and_ct, self.editor.save_state_for_undo)
        self.simulating = JobControl(
            ui.sampleButton, ui.sampleBar, ui.sampleProgress, self._start_sample, self._finish_sample, self.update
        )
        ui.loadDicomButton.connect("clicked(bool)", lambda _checked: slicer.util.selectModule("DICOM"))
        ui.loadFileButton.connect("clicked(bool)", lambda _checked: slicer.util.openAddDataDialog())
        ui.suvButton.connect("clicked(bool)", self._on_convert_pet)
        ui.continueButton.connect("clicked(bool)", self._on_continue)

    def shortcuts(self) -> dict[str, Any]:
        """Place a point, start or cancel the outline, go through the lesions."""
        return {
            "Shift+C": self.step.inside.start,
            "Shift+X": self.step.outside.start,
            "Shift+O": self.ui.outlineButton.click,
            "Shift+L": self.lesions.jump_to_next,
        }

    # ---------------------------------------------------------------- life cycle

    def cleanup(self) -> None:
        """The widget is about to be destroyed."""
        self._let_go()
        self.step.cleanup()
        self.editor.cleanup()
        super().cleanup()

    def enter(self) -> None:
        """The module is shown."""
        self.editor.enter()
        self.step.enter()
        super().enter()

    def exit(self) -> None:
        """Another module is shown."""
        self.step.exit()
        self.editor.exit()
        super().exit()

    def on_scene_start_close(self, _caller: Any = None, _event: Any = None) -> None:
        """Let go of the scene."""
        self._let_go()
        self.editor.scene_start_close()
        super().on_scene_start_close()

    def _let_go(self) -> None:
        self.step.let_go()
        self.simulating.cancel()
        self.lesions.set_segmentation(None, None)
        self._shown = (None, None)

    def on_scene_end_close(self, _caller: Any = None, _event: Any = None) -> None:
        """A new, empty scene."""
        if self.is_entered():
            self.editor.refresh()
        super().on_scene_end_close()

    def on_scene_end_import(self, _caller: Any = None, _event: Any = None) -> None:
        """A scene or a study was loaded."""
        if self.is_entered():
            self.editor.refresh()
        super().on_scene_end_import()

    def choose_defaults(self) -> None:
        """The first CT and PET of the scene."""
        parameters = self.parameters
        if parameters.ct is None:
            parameters.ct, parameters.pet = self.segment_logic().guessImages()
        self._shown = (parameters.ct, parameters.pet)

    def segment_logic(self) -> Any:
        """The logic on the current scene."""
        return self.logic.segmentLogic()

    # ---------------------------------------------------------------- state

    def update(self) -> None:
        """Bring the widgets in line with the parameters and the scene."""
        parameters, ui = self.parameters, self.ui
        if parameters is None:
            return
        self._update_images()
        self.step.update()
        has_outline = parameters.segmentation is not None
        missing = "" if has_outline else _("Outline the tumour first")
        for section in (ui.correctSection, ui.lesionsSection):
            explain_button(section, missing, "")
        self.editor.edit(parameters.segmentation, parameters.ct)
        self.lesions.set_segmentation(parameters.segmentation, parameters.ct)
        explain_button(ui.continueButton, missing, _("Open the module NSCLC Response with this patient"))

    def _update_images(self) -> None:
        ct, pet = self.parameters.ct, self.parameters.pet
        ui = self.ui
        ui.imagesNote.text = (
            self.segment_logic().describeImages(ct, pet)
            if ct is not None
            else _("Load a chest CT, or make a simulated patient.")
        )
        problem = why_not_suv(pet)
        ui.suvFrame.visible = bool(problem)
        ui.suvLabel.text = problem
        reason = reason_not_to_convert(pet) if problem else ""
        explain_button(ui.suvButton, reason, _("Compute SUVbw from the DICOM files that this PET was loaded from"))
        if ct is not None and (ct, pet) != self._shown:
            show_images(ct, pet)
        self._shown = (ct, pet)

    # ---------------------------------------------------------------- actions

    def _on_effect(self) -> None:
        if self.step is not None:  # the editor comes first, and may have kept an effect
            self.step.on_effect()

    def _on_lesions(self) -> None:
        if self.choice is not None:
            self.choice.update()

    def _outline_and_ct(self) -> tuple[Any, Any]:
        return self.parameters.segmentation, self.parameters.ct

    def _on_outlined(self) -> None:
        self.lesions.jump_to_largest()

    def _on_convert_pet(self, _checked: bool = False) -> None:
        with shown_errors(), slicer.util.WaitCursor():
            self.parameters.pet = suv_from_dicom(self.parameters.pet)

    def _start_sample(self) -> Any:
        ensure_dependencies(torch=False, radiomics=False)
        return start_simulation

    def _finish_sample(self, job: Any) -> None:
        ct, pet = load_simulation(job)
        parameters = self.parameters or self.logic.getParameterNode()
        parameters.ct, parameters.pet, parameters.segmentation = ct, pet, None

    def _on_continue(self, _checked: bool = False) -> None:
        parameters = self.parameters
        target = slicer.util.getModuleLogic(_RESPONSE_MODULE).getParameterNode()
        target.ct = parameters.ct
        target.pet = parameters.pet
        target.segmentation = parameters.segmentation
        slicer.util.selectModule(_RESPONSE_MODULE)
