"""The step that outlines: by click (with other sizes and corrections by further clicks), PET, model, or from a file."""

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from ..core.jobs import WarmWorker
from ..mrml.click_outline import Clicked, ClickOutline, replace_tumour
from ..mrml.lesion_table import prepare_measuring
from ..mrml.logic import SegmentLogic
from ..mrml.segmentations import is_empty
from .clicks import PointTool, make_point_list
from .dependencies import ensure_dependencies
from .errors import explain_button
from .job_control import JobControl
from .models import ModelChooser, may_run
from .parameters import OutlineChoice, SegmentParameters, outline_settings
from .pet_units import why_not_suv
from .segment_editor import EmbeddedSegmentEditor
from .sizes import SizeChooser

_INSIDE_COLOUR, _OUTSIDE_COLOUR = (0.1, 0.8, 0.3), (0.9, 0.3, 0.1)
_BY_CLICK = (OutlineChoice.CLICK, OutlineChoice.PET)
EDITED_ATTRIBUTE = "NSCLCResponse.EditedByHand"


class OutlineStep:
    """What the section "Outline" does.

    :param ui: the panel's widgets.
    :param editor: the Segment Editor, for undo and its keys.
    :param parameters: gives the panel's parameters, or ``None`` while it is not shown.
    :param saved: gives the parameters in the scene, where an outline goes that is ready while another module is shown.
    :param on_change: called when the panel has to be brought up to date.
    :param on_outlined: called after there is a new outline.
    """

    def __init__(
        self,
        ui: Any,
        editor: EmbeddedSegmentEditor,
        parameters: Callable[[], SegmentParameters | None],
        saved: Callable[[], SegmentParameters],
        on_change: Callable[[], None],
        on_outlined: Callable[[], None],
    ) -> None:
        self._ui, self._editor, self._parameters, self._saved = ui, editor, parameters, saved
        self._on_change, self._on_outlined = on_change, on_outlined
        self._worker = WarmWorker()
        self._masks: tuple[Any, ...] = ()
        self._shaping = False
        self._observed: tuple[Any, int] | None = None
        self.inside = PointTool(ui.placeButton, editor, self._make_inside, self._on_inside_placed, on_change)
        self.outside = PointTool(ui.excludeButton, editor, self._make_outside, self._on_outside_placed, on_change)
        self.sizes = SizeChooser(ui.sizeFrame, [ui.sizeButton1, ui.sizeButton2, ui.sizeButton3], editor, self._take)
        self.models = ModelChooser(ui.modelComboBox, ui.modelButton, ui.modelNote, self._on_model_chosen)
        self.outlining = JobControl(
            ui.outlineButton,
            ui.outlineBar,
            ui.outlineProgress,
            self._start,
            self._finish,
            on_change,
            fetch=self._fetch,
        )
        ui.clearButton.connect("clicked(bool)", self._on_clear_points)
        ui.maskFileButton.connect("clicked(bool)", self._on_browse_mask)
        self._correction: tuple[list[Any], list[Any]] | None = None

    # ---------------------------------------------------------------- life cycle

    def enter(self) -> None:
        """The panel is shown."""
        self.sizes.enter()

    def exit(self) -> None:
        """The panel is left."""
        self.inside.stop()
        self.outside.stop()
        self.sizes.exit()

    def let_go(self) -> None:
        """The scene or the panel is about to vanish."""
        self.outlining.cancel()
        self.inside.stop()
        self.outside.stop()
        self.inside.set_node(None)
        self.outside.set_node(None)
        self._follow(None)

    def cleanup(self) -> None:
        """The panel is destroyed."""
        self.let_go()
        self._worker.close()

    # ---------------------------------------------------------------- state

    def update(self) -> None:
        """Bring the widgets in line with the parameters."""
        parameters, ui = self._parameters(), self._ui
        method = parameters.method
        ui.clickFrame.visible = method in _BY_CLICK
        ui.petFrame.visible = method is OutlineChoice.PET
        ui.modelFrame.visible = method is OutlineChoice.MODEL
        ui.fileFrame.visible = method is OutlineChoice.FILE
        self._follow(parameters.segmentation)
        if method is OutlineChoice.MODEL:
            self.models.select(parameters.model)
        self._update_points(parameters)
        self.outlining.set_blocked(self.reason_not_to_outline())

    def _update_points(self, parameters: SegmentParameters) -> None:
        ui = self._ui
        self.inside.set_node(parameters.clicks)
        self.outside.set_node(parameters.exclusions)
        inside, outside = len(self.inside.points()), len(self.outside.points())
        reason = _("Choose the CT first") if parameters.ct is None else ""
        if parameters.method not in _BY_CLICK:  # the buttons are hidden, their keys are not
            reason = _("Choose a method that works by clicks first")
        if self.outlining.running:
            reason = _("Wait for the outline, or cancel it")
        can_correct = parameters.segmentation is not None or inside > 0
        explain_button(
            ui.placeButton,
            reason,
            _("Then click inside the tumour in a slice view (Shift+C); with an outline, where it is missing"),
        )
        explain_button(
            ui.excludeButton,
            reason or ("" if can_correct else _("Click in the tumour first")),
            _("Then click in a slice view where the outline went too far (Shift+X)"),
        )
        explain_button(
            ui.clearButton,
            "" if inside + outside else _("There is no point yet"),
            _("Remove all points; the outline stays as it is"),
        )
        ui.clickNote.text = self._words_on_points(parameters, inside, outside)

    @staticmethod
    def _words_on_points(parameters: SegmentParameters, inside: int, outside: int) -> str:
        by_pet, has_outline = parameters.method is OutlineChoice.PET, parameters.segmentation is not None
        words = []
        if inside + outside:
            words = [_("Points: {inside} inside, {outside} outside.").format(inside=inside, outside=outside)]
        if by_pet and has_outline:
            words.append(_("Click in the uptake, then press 'Outline the tumour' for a new outline."))
        elif has_outline:
            words.append(_("To correct: click where tumour is missing, or 'Not tumour' and where it goes too far."))
        elif by_pet and not words:
            words.append(_("One click in the uptake outlines it."))
        elif not words:
            words.append(_("One click inside the tumour outlines it; further clicks correct the outline around them."))
        return " ".join(words)

    def reason_not_to_outline(self) -> str:
        """Why the primary button is disabled; empty when it is not."""
        parameters = self._parameters()
        if parameters.ct is None:
            return _("Choose the CT first")
        if parameters.method is OutlineChoice.MODEL:
            return "" if parameters.model.strip() else self.models.reason
        if parameters.method is OutlineChoice.FILE:
            return "" if parameters.mask_file.strip() else _("Choose the file with the outline first")
        problem = ""
        if parameters.method is OutlineChoice.PET:
            problem = why_not_suv(parameters.pet) if parameters.pet is not None else _("Choose the PET first")
        if not problem and not self.inside.points():
            problem = _("Press 'Click in the tumour', then click inside the tumour in a slice view")
        return problem

    # ---------------------------------------------------------------- hand edits

    def _follow(self, segmentation: Any) -> None:
        """Notice when ``segmentation`` is changed by hand."""
        if self._observed is not None and self._observed[0] is segmentation:
            return
        if self._observed is not None:
            self._observed[0].GetSegmentation().RemoveObserver(self._observed[1])
            self._observed = None
            self._forget_sizes()
        if segmentation is not None:
            event = slicer.vtkSegmentation.SourceRepresentationModified
            self._observed = (segmentation, segmentation.GetSegmentation().AddObserver(event, self._on_edited))

    def _on_edited(self, _caller: Any, _event: Any) -> None:
        if not self._shaping and self._observed is not None:
            self._observed[0].SetAttribute(EDITED_ATTRIBUTE, "1")
            self._forget_sizes()

    def _forget_sizes(self) -> None:
        self._masks = ()
        self.sizes.clear()

    def on_effect(self) -> None:
        """The user begins to correct with the Segment Editor: its keys are its own again."""
        self._forget_sizes()

    def _take(self, number: int) -> None:
        """Another size of the click's outline."""
        parameters = self._parameters()
        if parameters is not None and parameters.segmentation is not None:
            self._shape(parameters.segmentation, self._masks[number])

    def _shape(self, segmentation: Any, mask: Any) -> None:
        self._editor.save_state_for_undo()
        self._shaping = True
        try:
            replace_tumour(segmentation, mask)
        finally:
            self._shaping = False

    # ---------------------------------------------------------------- points

    def _make_inside(self) -> Any:
        node = self._parameters().clicks = make_point_list(_("Inside the tumour"), _INSIDE_COLOUR)
        return node

    def _make_outside(self) -> Any:
        node = self._parameters().exclusions = make_point_list(_("Not tumour"), _OUTSIDE_COLOUR)
        return node

    def _on_inside_placed(self) -> None:
        self._on_placed(self.inside.points()[-1:], [])

    def _on_outside_placed(self) -> None:
        self._on_placed([], self.outside.points()[-1:])

    def _on_placed(self, include: list[Any], exclude: list[Any]) -> None:
        """The first click in the tumour outlines it at once; a further one corrects the outline around it."""
        parameters = self._parameters()
        if parameters is None or self.outlining.running:
            return
        self._on_change()
        if parameters.segmentation is None or is_empty(parameters.segmentation):
            if include and not self.reason_not_to_outline():
                self.outlining.start()
        elif parameters.method is OutlineChoice.CLICK and (include or exclude):
            self._correction = (include, exclude)
            self.outlining.start()

    def _on_clear_points(self, _checked: bool = False) -> None:
        self.inside.clear()
        self.outside.clear()
        self._on_change()

    def _on_browse_mask(self, _checked: bool = False) -> None:
        path = qt.QFileDialog.getOpenFileName(self._ui.maskFileEdit, _("Outline of the tumour"))
        if path:
            self._parameters().mask_file = path

    def _on_model_chosen(self, model: str) -> None:
        self._parameters().model = model

    # ---------------------------------------------------------------- the job

    def _start(self) -> Callable[[], Any] | None:
        parameters = self._parameters()
        correction, self._correction = self._correction, None
        self.inside.stop()
        self.outside.stop()
        if correction is None and not self._may_outline_anew(parameters.segmentation):
            return None
        ensure_dependencies(torch=parameters.method is OutlineChoice.MODEL, radiomics=False)
        if parameters.method is OutlineChoice.MODEL and not may_run(parameters.model.strip()):
            return None
        ct, pet, settings = parameters.ct, parameters.pet, outline_settings(parameters)
        inside, outside = correction or (self.inside.points(), self.outside.points())
        if parameters.method is OutlineChoice.CLICK:
            previous = parameters.segmentation if correction is not None else None
            return lambda: _prepared(ClickOutline(slicer.mrmlScene, self._worker).start(ct, inside, outside, previous))
        if parameters.method is not OutlineChoice.PET:
            inside, outside = [], []
        logic = SegmentLogic(slicer.mrmlScene, self._worker)
        return lambda: _prepared(logic.startOutline(ct, settings, inside, pet, outside))

    @staticmethod
    def _may_outline_anew(segmentation: Any) -> bool:
        """Ask before an outline that was corrected by hand gives way to a new one."""
        if segmentation is None or segmentation.GetAttribute(EDITED_ATTRIBUTE) != "1":
            return True
        question = _(
            "The outline '{name}' was corrected by hand.\n\n"
            "A new outline takes its place; the corrected one stays in the scene, hidden. Outline again?"
        ).format(name=segmentation.GetName())
        return slicer.util.confirmOkCancelDisplay(question, _("NSCLC Response"))

    def _fetch(self, job: Any) -> None:
        """Read the outline, half a second for each size of 600 slices, while the application goes on."""
        if job.kind == "click":
            ClickOutline(slicer.mrmlScene).fetch(job)
        else:
            SegmentLogic(slicer.mrmlScene).fetchOutline(job)

    def _finish(self, job: Any) -> None:
        """Show the outline; another one before stays in the scene, hidden, so that no hand edit is lost."""
        shown = self._parameters()
        parameters = shown or self._saved()
        before = parameters.segmentation
        if job.kind != "click":
            node = SegmentLogic(slicer.mrmlScene).finishOutline(job)
            clicked = None
        else:
            clicked = self._finish_click(job)
            node = clicked.node
        is_other_ct = parameters.ct is not None and parameters.ct.GetID() != job.nodes["ct"]
        if is_other_ct or ("segmentation" in job.nodes and node is not before):  # chosen while the job ran
            words = _("The outline '{name}' of the CT chosen before is in the scene.").format(name=node.GetName())
            slicer.util.showStatusMessage(words, 5000)
            return
        if node is not before:
            if before is not None:
                before.SetDisplayVisibility(False)
            parameters.segmentation = node
            self._follow(node)
            if shown is not None:
                self._on_outlined()
        elif clicked is not None:
            node.SetAttribute(EDITED_ATTRIBUTE, "1")
        if clicked is not None and len(clicked.masks) > 1:
            self._masks = clicked.masks
            self.sizes.offer(clicked.volumes_ml, clicked.chosen)

    def _finish_click(self, job: Any) -> Clicked:
        if "segmentation" in job.nodes:  # a correction, which counts as an edit by hand
            self._editor.save_state_for_undo()
        return ClickOutline(slicer.mrmlScene, self._worker).finish(job)


def _prepared(job: Any) -> Any:
    """``job``, after what the end of it will need was imported; called in a thread."""
    prepare_measuring()
    return job
