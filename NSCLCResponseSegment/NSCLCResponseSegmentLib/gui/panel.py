"""The panel of the module NSCLCResponseSegment: images, outline, correction, lesions."""

from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..mrml.lesion_table import prepare_measuring
from .clicks import PointTool, make_point_list
from .dependencies import ensure_dependencies
from .job_control import JobControl
from .lesions import LesionTable
from .module_panel import ModulePanel
from .parameters import OutlineChoice, outline_settings
from .sample_data import load_simulation, show_images, start_simulation
from .segment_editor import EmbeddedSegmentEditor

_INSIDE_COLOUR, _OUTSIDE_COLOUR = (0.1, 0.8, 0.3), (0.9, 0.3, 0.1)
_RESPONSE_MODULE = "NSCLCResponse"


class SegmentPanel(ModulePanel):
    """Load → outline → correct; hands over to the module NSCLCResponse."""

    def connect_widgets(self) -> None:
        """Connect signals, make helpers."""
        ui = self.ui
        self.editor = EmbeddedSegmentEditor(ui.segmentEditor)
        self._shown: tuple[Any, Any] = (None, None)
        self.inside = PointTool(ui.placeButton, self._make_inside, self._on_points_changed)
        self.outside = PointTool(ui.excludeButton, self._make_outside, self._on_points_changed)
        self.lesions = LesionTable(ui.lesionTable, ui.lesionNote)
        self.outlining = JobControl(
            ui.outlineButton, ui.outlineBar, ui.outlineProgress, self._start_outline, self._finish_outline, self.update
        )
        ui.loadDicomButton.connect("clicked(bool)", lambda _checked: slicer.util.selectModule("DICOM"))
        ui.loadFileButton.connect("clicked(bool)", lambda _checked: slicer.util.openAddDataDialog())
        self.simulating = JobControl(
            ui.sampleButton, ui.sampleBar, ui.sampleProgress, self._start_sample, self._finish_sample, self.update
        )
        ui.clearButton.connect("clicked(bool)", self._on_clear_points)
        ui.maskFileButton.connect("clicked(bool)", self._on_browse_mask)
        ui.continueButton.connect("clicked(bool)", self._on_continue)

    def shortcuts(self) -> dict[str, Any]:
        """Place a point, start or cancel the outline."""
        return {
            "Shift+C": self.inside.start,
            "Shift+X": self.outside.start,
            "Shift+O": self.ui.outlineButton.click,
            "Shift+L": self.lesions.jump_to_next,
        }

    # ---------------------------------------------------------------- life cycle

    def cleanup(self) -> None:
        """The widget is about to be destroyed."""
        self._let_go()
        self.editor.cleanup()
        super().cleanup()

    def enter(self) -> None:
        """The module is shown."""
        self.editor.enter()
        super().enter()

    def exit(self) -> None:
        """Another module is shown."""
        self.inside.stop()
        self.outside.stop()
        self.editor.exit()
        super().exit()

    def on_scene_start_close(self, _caller: Any = None, _event: Any = None) -> None:
        """Let go of the scene."""
        self._let_go()
        self.editor.scene_start_close()
        super().on_scene_start_close()

    def _let_go(self) -> None:
        self.outlining.cancel()
        self.simulating.cancel()
        self.inside.set_node(None)
        self.outside.set_node(None)
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
        by_click = parameters.method is OutlineChoice.CLICK
        ui.clickFrame.visible = by_click
        ui.fileFrame.visible = not by_click
        self._update_points()
        self._update_images()
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

    def _update_points(self) -> None:
        parameters, ui = self.parameters, self.ui
        self.inside.set_node(parameters.clicks)
        self.outside.set_node(parameters.exclusions)
        inside, outside = len(self.inside.points()), len(self.outside.points())
        has_ct = parameters.ct is not None
        ui.placeButton.enabled = has_ct
        ui.placeButton.toolTip = (
            _("Then click inside the tumour in a slice view (Shift+C)") if has_ct else _("Choose the CT first")
        )
        ui.excludeButton.enabled = inside > 0
        ui.excludeButton.toolTip = (
            _("Then click where the outline went too far (Shift+X)") if inside else _("Click in the tumour first")
        )
        ui.clearButton.enabled = inside + outside > 0
        ui.clearButton.toolTip = _("Remove all points") if inside + outside else _("There is no point yet")
        ui.clickNote.text = (
            _("Points: {inside} inside, {outside} outside").format(inside=inside, outside=outside)
            if inside
            else _("One click inside the tumour is enough; more points refine the outline.")
        )

    def _update_images(self) -> None:
        ct, pet = self.parameters.ct, self.parameters.pet
        self.ui.imagesNote.text = (
            self.segment_logic().describeImages(ct, pet)
            if ct is not None
            else _("Load a chest CT, or make a simulated patient.")
        )
        if ct is not None and (ct, pet) != self._shown:
            show_images(ct, pet)
        self._shown = (ct, pet)

    def reason_not_to_outline(self) -> str:
        """Why the primary button is disabled; empty when it is not."""
        parameters = self.parameters
        if parameters.ct is None:
            return _("Choose the CT first")
        if parameters.method is OutlineChoice.CLICK and not self.inside.points():
            return _("Press 'Click in the tumour', then click inside the tumour in a slice view")
        if parameters.method is OutlineChoice.FILE and not parameters.mask_file.strip():
            return _("Choose the file with the outline first")
        return ""

    # ---------------------------------------------------------------- actions

    def _make_inside(self) -> Any:
        self.parameters.clicks = make_point_list(_("Inside the tumour"), _INSIDE_COLOUR)
        return self.parameters.clicks

    def _make_outside(self) -> Any:
        self.parameters.exclusions = make_point_list(_("Not tumour"), _OUTSIDE_COLOUR)
        return self.parameters.exclusions

    def _on_points_changed(self) -> None:
        """The first click in the tumour outlines it at once; further points refine it when the user asks."""
        if self.parameters is None:
            return
        self.update()
        if len(self.inside.points()) == 1 and not self.outside.points() and self.parameters.segmentation is None:
            self.outlining.start()

    def _on_clear_points(self, _checked: bool = False) -> None:
        self.inside.clear()
        self.outside.clear()
        self.update()

    def _start_outline(self) -> Any:
        ensure_dependencies(torch=False, radiomics=False)
        parameters, logic = self.parameters, self.segment_logic()
        by_click = parameters.method is OutlineChoice.CLICK
        inside, outside = (self.inside.points(), self.outside.points()) if by_click else ([], [])
        ct, pet, settings = parameters.ct, parameters.pet, outline_settings(parameters)

        def start() -> Any:
            job = logic.startOutline(ct, settings, inside, pet, outside)
            prepare_measuring()
            return job

        return start

    def _finish_outline(self, job: Any) -> None:
        """Show the new outline; the one before stays in the scene, hidden, so that no hand edit is lost."""
        node = self.segment_logic().finishOutline(job)
        parameters = self.parameters or self.logic.getParameterNode()
        if parameters.segmentation is not None:
            parameters.segmentation.SetDisplayVisibility(False)
        parameters.segmentation = node
        self.lesions.jump_to_largest()

    def _start_sample(self) -> Any:
        ensure_dependencies(torch=False, radiomics=False)
        return start_simulation

    def _finish_sample(self, job: Any) -> None:
        ct, pet = load_simulation(job)
        parameters = self.parameters or self.logic.getParameterNode()
        parameters.ct, parameters.pet, parameters.segmentation = ct, pet, None

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
