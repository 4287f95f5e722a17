"""The panel of the module NSCLCResponseSegment: images, outline, correction, lesions."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..core.errors import SegmentationError
from .clicks import ClickTool
from .dependencies import ensure_dependencies
from .errors import shown_errors
from .job_control import JobControl
from .lesions import LesionTable
from .module_panel import ModulePanel
from .parameters import OutlineChoice, outline_settings
from .segment_editor import EmbeddedSegmentEditor

_RESPONSE_MODULE = "NSCLCResponse"


class SegmentPanel(ModulePanel):
    """Load → outline → correct; hands over to the module NSCLCResponse."""

    def connect_widgets(self) -> None:
        """Connect signals, make helpers."""
        ui = self.ui
        self.editor = EmbeddedSegmentEditor(ui.segmentEditor)
        self.clicks = ClickTool(ui.placeButton, ui.clearButton, ui.clickNote, self._on_point_placed)
        self.lesions = LesionTable(ui.lesionTable, ui.lesionNote)
        self.outlining = JobControl(
            ui.outlineButton, ui.outlineBar, ui.outlineProgress, self._start_outline, self._finish_outline, self.update
        )
        ui.loadDicomButton.connect("clicked(bool)", lambda _checked: slicer.util.selectModule("DICOM"))
        ui.loadFileButton.connect("clicked(bool)", lambda _checked: slicer.util.openAddDataDialog())
        ui.sampleButton.connect("clicked(bool)", self._on_sample)
        ui.maskFileButton.connect("clicked(bool)", self._on_browse_mask)
        ui.continueButton.connect("clicked(bool)", self._on_continue)

    # ---------------------------------------------------------------- life cycle

    def cleanup(self) -> None:
        """The widget is about to be destroyed."""
        self.outlining.cancel()
        self.clicks.set_node(None)
        self.lesions.set_segmentation(None, None)
        self.editor.cleanup()
        super().cleanup()

    def enter(self) -> None:
        """The module is shown."""
        self.editor.enter()
        super().enter()

    def exit(self) -> None:
        """Another module is shown."""
        self.clicks.stop()
        self.editor.exit()
        super().exit()

    def on_scene_start_close(self, _caller: Any = None, _event: Any = None) -> None:
        """Let go of the scene."""
        self.outlining.cancel()
        self.clicks.set_node(None)
        self.lesions.set_segmentation(None, None)
        self.editor.scene_start_close()
        super().on_scene_start_close()

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
        """The first CT and PET of the scene; the only segmentation."""
        if self.parameters.ct is None:
            ct, pet = self.segment_logic().guessImages()
            self.parameters.ct, self.parameters.pet = ct, pet

    def segment_logic(self) -> Any:
        """The logic on the current scene."""
        return self.logic.segmentLogic()

    # ---------------------------------------------------------------- state

    def update(self) -> None:
        """Bring the widgets in line with the parameters and the scene."""
        parameters, ui = self.parameters, self.ui
        if parameters is None:
            return
        by_click = parameters.method is OutlineChoice.CLICK
        ui.clickFrame.visible = by_click
        ui.fileFrame.visible = not by_click
        self.clicks.set_node(parameters.clicks)
        ui.placeButton.enabled = parameters.ct is not None
        ui.imagesNote.text = self._images_note()
        self.outlining.set_blocked(self.reason_not_to_outline())
        has_outline = parameters.segmentation is not None
        ui.correctSection.enabled = has_outline
        ui.lesionsSection.enabled = has_outline
        self.editor.edit(parameters.segmentation, parameters.ct)
        self.lesions.set_segmentation(parameters.segmentation, parameters.ct)
        ui.continueButton.enabled = has_outline
        ui.continueButton.toolTip = (
            _("Open the module NSCLC Response with this patient") if has_outline else _("Outline the tumour first")
        )

    def reason_not_to_outline(self) -> str:
        """Why the primary button is disabled; empty when it is not."""
        parameters = self.parameters
        if parameters.ct is None:
            return _("Choose the CT first")
        if parameters.method is OutlineChoice.CLICK and not self.clicks.points():
            return _("Press 'Click in the tumour', then click inside the tumour in a slice view")
        if parameters.method is OutlineChoice.FILE and not parameters.mask_file.strip():
            return _("Choose the file with the outline first")
        return ""

    def _images_note(self) -> str:
        if self.parameters.ct is None:
            return _("Load a chest CT, or make a simulated patient.")
        return self.segment_logic().describeImages(self.parameters.ct, self.parameters.pet)

    # ---------------------------------------------------------------- actions

    def _on_point_placed(self) -> None:
        """A click in the tumour outlines it at once; further points refine it when the user asks."""
        self.update()
        if self.parameters is not None and len(self.clicks.points()) == 1:
            self.outlining.start()

    def _start_outline(self) -> Any:
        parameters = self.parameters
        ensure_dependencies(torch=False, radiomics=False)
        settings = outline_settings(parameters)
        points = self.clicks.points() if parameters.method is OutlineChoice.CLICK else []
        return self.segment_logic().startOutline(parameters.ct, settings, points, parameters.pet)

    def _finish_outline(self, job: Any) -> None:
        node = self.segment_logic().finishOutline(job)
        if node is None:
            raise SegmentationError(_("No outline was made."))
        parameters = self.parameters or self.logic.getParameterNode()
        parameters.segmentation = node
        self.lesions.jump_to_largest()

    def _on_sample(self, _checked: bool = False) -> None:
        with shown_errors():
            from .sample_data import load_simulated_patient

            load_simulated_patient()
            self.initialize_parameter_node()

    def _on_browse_mask(self, _checked: bool = False) -> None:
        path = qt.QFileDialog.getOpenFileName(self.widget, _("Outline of the tumour"))
        if path:
            self.parameters.mask_file = path

    def _on_continue(self, _checked: bool = False) -> None:
        parameters = self.parameters
        target = slicer.util.getModuleLogic(_RESPONSE_MODULE).getParameterNode()
        target.ct = parameters.ct
        target.pet = parameters.pet
        target.segmentation = parameters.segmentation
        slicer.util.selectModule(_RESPONSE_MODULE)
