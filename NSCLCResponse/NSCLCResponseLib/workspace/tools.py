"""The tools that correct an outline: those of Slicer's Segment Editor, as trame-slicer has them, with undo."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from trame_slicer.core import SlicerApp

    from .whole_outline import Crop

LOOK, CLICK = "look", "click"  # both leave the outline alone: one moves the cross-hair, one starts an outline
PAINT, ERASE, SCISSORS, ISLANDS, THRESHOLD, SMOOTH = "paint", "erase", "scissors", "islands", "threshold", "smooth"
EDITING = (PAINT, ERASE, SCISSORS, ISLANDS, THRESHOLD, SMOOTH)
UNDO_STEPS = 20
_SMALL_ISLAND_ML = 0.1


class OutlineTools:
    """Works on one segmentation at a time.

    :param on_undo_changed: called when there is more or less to undo or redo.
    """

    def __init__(self, app: SlicerApp, on_undo_changed: Callable[[], None]) -> None:
        from undo_stack import UndoStack

        self._editor = app.segmentation_editor
        self._undo = UndoStack(undo_limit=UNDO_STEPS)
        self._editor.set_undo_stack(self._undo)
        self._ct: Any = None
        for signal in self._undo.signals():
            signal.connect(lambda *_: on_undo_changed())

    @property
    def can_undo(self) -> bool:
        """Whether there is a step to take back."""
        return self._undo.can_undo()

    @property
    def can_redo(self) -> bool:
        """Whether there is a step to do again."""
        return self._undo.can_redo()

    def edit(self, segmentation: Any, ct: Any) -> None:
        """Work on ``segmentation`` of ``ct`` from now on; there is nothing to undo then."""
        self._ct = ct
        self._editor.set_active_segmentation(segmentation, ct)
        self._editor.set_surface_representation_enabled(True)
        self._undo.clear()

    def release(self) -> None:
        """Let go of the segmentation, e.g. before it is removed."""
        self._editor.clear()

    def activate(self, tool: str) -> None:
        """What the left button does in the views from now on."""
        from trame_slicer import segmentation as effects

        from .brush import QuickErase, QuickPaint
        from .islands import QuickIslands
        from .scissors import QuickScissors

        by_name = {
            PAINT: QuickPaint,
            ERASE: QuickErase,
            SCISSORS: QuickScissors,
            ISLANDS: QuickIslands,
            THRESHOLD: effects.SegmentationEffectThreshold,
        }
        self._editor.set_active_effect_type(by_name.get(tool, effects.SegmentationEffectNoTool))
        if tool == ISLANDS:
            self._editor.active_effect.set_island_mode(effects.SegmentationIslandsMode.KEEP_SELECTED)

    def set_brush(self, diameter_mm: float) -> None:
        """The diameter of the round brush of paint and erase, which is a sphere."""
        from trame_slicer import segmentation as effects

        from .brush import QuickErase, QuickPaint

        for effect_type in (QuickPaint, QuickErase):
            effect = self._editor.get_effect(effect_type)
            effect.set_use_sphere_brush(True)
            effect.set_brush_diameter(diameter_mm, effects.BrushDiameterMode.Absolute)

    def set_scissors(self, fill: str) -> None:
        """``erase`` what is inside the line, ``keep`` only that, or ``fill`` it; through all slices."""
        from trame_slicer import segmentation as effects

        from .scissors import QuickScissors

        modes = effects.ScissorsEffectFillMode
        by_name = {"erase": modes.ERASE_INSIDE, "keep": modes.ERASE_OUTSIDE, "fill": modes.FILL_INSIDE}
        self._editor.get_effect(QuickScissors).set_fill_mode(by_name[fill])

    def set_threshold(self, low_hu: float, high_hu: float) -> None:
        """The range that the threshold tool shows."""
        from trame_slicer import segmentation as effects

        self._editor.get_effect(effects.SegmentationEffectThreshold).set_threshold_min_max_values((low_hu, high_hu))

    def trim(self, low_hu: float, high_hu: float) -> None:
        """Take what lies outside a range of HU out of the outline."""
        from .whole_outline import within

        self._change(lambda crop: within(crop, self._ct, low_hu, high_hu))

    def keep_largest(self) -> None:
        """Only the largest connected part stays."""
        from .whole_outline import largest

        self._change(lambda crop: largest(crop.inside))

    def remove_small(self) -> None:
        """Parts under 0.1 mL go."""
        from .whole_outline import without_small

        voxels = max(2, round(_SMALL_ISLAND_ML * 1000 / math.prod(self._ct.GetSpacing())))
        self._change(lambda crop: without_small(crop.inside, voxels))

    def smooth(self, kernel_mm: float) -> None:
        """A median of the outline over ``kernel_mm``, at least three voxels: takes off spikes, closes notches."""
        from .whole_outline import smoothed

        self._change(lambda crop: smoothed(crop.inside, self._ct.GetSpacing(), kernel_mm))

    def _change(self, edit: Callable[[Crop], np.ndarray]) -> None:
        """Replace the segment by what ``edit`` makes of it, as one step that can be undone."""
        from .whole_outline import crop_of, replace_segment

        segmentation = self._editor.active_segmentation
        node, segment_id = segmentation.segmentation_node, self._editor.active_segment_id
        crop = crop_of(node, segment_id, self._ct)
        if crop is None:
            return
        changed = edit(crop)
        if (changed == crop.inside).all():
            return
        with self.step():
            replace_segment(node, segment_id, self._ct, replace(crop, inside=changed))

    @contextmanager
    def step(self) -> Iterator[None]:
        """What is done to the outline meanwhile is one step that can be undone."""
        from trame_slicer.segmentation.segmentation_undo_command import SegmentationLabelMapUndoCommand

        segmentation = self._editor.active_segmentation
        with SegmentationLabelMapUndoCommand.push_state_change(segmentation):
            yield
        segmentation.trigger_modified()

    def undo(self) -> None:
        """Take the last step back."""
        self._undo.undo()
        self.restyle()

    def redo(self) -> None:
        """Do it again."""
        self._undo.redo()
        self.restyle()

    def restyle(self) -> None:
        """Segments that are new or were put back have lost their thin filling, which lets the CT be seen."""
        from NSCLCResponseSegmentLib.mrml.segmentations import FILL_OPACITY

        display = self._editor.active_segmentation.segmentation_node.GetDisplayNode()
        display.SetAllSegmentsOpacity2DFill(FILL_OPACITY)
