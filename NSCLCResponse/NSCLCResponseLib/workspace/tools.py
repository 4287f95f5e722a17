"""The tools that correct an outline: those of Slicer's Segment Editor, as trame-slicer has them, with undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp

LOOK, CLICK = "look", "click"  # both leave the outline alone: one moves the cross-hair, one starts an outline
PAINT, ERASE, SCISSORS, ISLANDS, THRESHOLD, SMOOTH = "paint", "erase", "scissors", "islands", "threshold", "smooth"
EDITING = (PAINT, ERASE, SCISSORS, ISLANDS, THRESHOLD, SMOOTH)
UNDO_STEPS = 20
_SMALL_ISLAND_ML = 0.1
_HU_LIMITS = (-32768, 32767)


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

        by_name = {
            PAINT: effects.SegmentationEffectPaint,
            ERASE: effects.SegmentationEffectErase,
            SCISSORS: effects.SegmentationEffectScissors,
            ISLANDS: effects.SegmentationEffectIslands,
            THRESHOLD: effects.SegmentationEffectThreshold,
        }
        self._editor.set_active_effect_type(by_name.get(tool, effects.SegmentationEffectNoTool))
        if tool == ISLANDS:
            self._editor.active_effect.set_island_mode(effects.SegmentationIslandsMode.KEEP_SELECTED)

    def set_brush(self, diameter_mm: float) -> None:
        """The diameter of the round brush of paint and erase, which is a sphere."""
        from trame_slicer import segmentation as effects

        for effect_type in (effects.SegmentationEffectPaint, effects.SegmentationEffectErase):
            effect = self._editor.get_effect(effect_type)
            effect.set_use_sphere_brush(True)
            effect.set_brush_diameter(diameter_mm, effects.BrushDiameterMode.Absolute)

    def set_scissors(self, fill: str) -> None:
        """``erase`` what is inside the line, ``keep`` only that, or ``fill`` it; through all slices."""
        from trame_slicer import segmentation as effects

        modes = effects.ScissorsEffectFillMode
        by_name = {"erase": modes.ERASE_INSIDE, "keep": modes.ERASE_OUTSIDE, "fill": modes.FILL_INSIDE}
        self._editor.get_effect(effects.SegmentationEffectScissors).set_fill_mode(by_name[fill])

    def set_threshold(self, low_hu: float, high_hu: float) -> None:
        """The range that the threshold tool shows."""
        from trame_slicer import segmentation as effects

        self._editor.get_effect(effects.SegmentationEffectThreshold).set_threshold_min_max_values((low_hu, high_hu))

    def trim(self, low_hu: float, high_hu: float) -> None:
        """Take what lies outside a range of HU out of the outline."""
        from trame_slicer import segmentation as effects

        effect = self._editor.set_active_effect_type(effects.SegmentationEffectThreshold)
        modifier = self._editor.active_segment_modifier
        before = modifier.modification_mode
        with self._editor.active_segmentation.group_undo_commands("Threshold"):
            modifier.modification_mode = effects.ModificationMode.Remove
            for outside in ((_HU_LIMITS[0], low_hu - 1), (high_hu + 1, _HU_LIMITS[1])):
                effect.set_threshold_min_max_values(outside)
                effect.apply()
        modifier.modification_mode = before
        effect.set_threshold_min_max_values((low_hu, high_hu))

    def keep_largest(self) -> None:
        """Only the largest connected part stays."""
        from trame_slicer import segmentation as effects

        self._editor.set_active_effect_type(effects.SegmentationEffectIslands).keep_largest_island()
        self._editor.deactivate_effect()

    def remove_small(self) -> None:
        """Parts under 0.1 mL go."""
        from trame_slicer import segmentation as effects

        x, y, z = self._ct.GetSpacing()
        voxels = max(2, round(_SMALL_ISLAND_ML * 1000 / (x * y * z)))
        self._editor.set_active_effect_type(effects.SegmentationEffectIslands).remove_small_islands(voxels)
        self._editor.deactivate_effect()

    def smooth(self, kernel_mm: float) -> None:
        """A median of the outline over ``kernel_mm``, at least three voxels: takes off spikes, closes notches."""
        from trame_slicer.segmentation.segmentation_effect_smoothing import (
            SegmentationEffectSmoothing,
            SmoothingEffectMode,
        )

        effect = self._editor.set_active_effect_type(SegmentationEffectSmoothing)
        effect.set_smoothing_mode(SmoothingEffectMode.MEDIAN)
        effect.set_kernel_size(max(kernel_mm, 3 * min(self._ct.GetSpacing())))
        effect.apply_smoothing()
        self._editor.deactivate_effect()

    def undo(self) -> None:
        """Take the last step back."""
        self._undo.undo()

    def redo(self) -> None:
        """Do it again."""
        self._undo.redo()
