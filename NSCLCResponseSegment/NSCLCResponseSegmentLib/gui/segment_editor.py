"""Slicer's Segment Editor inside a panel, with the life cycle of Slicer's own module SegmentEditor."""

from collections.abc import Callable
from typing import Any

import slicer
import vtk

_SINGLETON_TAG = "SegmentEditor"


class EmbeddedSegmentEditor:
    """Wraps a ``qMRMLSegmentEditorWidget``; its owner passes on enter, exit, scene close and import.

    The editor's settings node is the application's single one, so that the brush and segmentation chosen here are the
    ones in the module Segment Editor. It must be set before the scene, so that the editor's first selections are kept
    in it. Only the editor that is shown has it: each one that has it takes up the effect that is chosen in any of them,
    shown or not; the first one paints, and keeps the states for undo to itself.

    :param editor: the ``qMRMLSegmentEditorWidget`` from the ``.ui`` file; its scene must not be set by the file.
    :param on_effect: called when the user takes up an effect.
    """

    def __init__(self, editor: Any, on_effect: Callable[[], None] = lambda: None) -> None:
        self._editor, self._on_effect = editor, on_effect
        self._node: Any = None
        self._tag = 0
        # For editors that are not shown, in no scene; with none at all they complain when a segmentation is loaded.
        self._idle, self._idle_of_slicers = slicer.vtkMRMLSegmentEditorNode(), slicer.vtkMRMLSegmentEditorNode()
        self._is_entered = self._has_keys = False
        self._borrowers: list[Any] = []  # of the keys
        editor.setMaximumNumberOfUndoStates(10)
        self._select_node()
        editor.setMRMLScene(slicer.mrmlScene)
        self._release_node()
        self._factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
        self._factory.connect("effectRegistered(QString)", self._on_effect_registered)

    def _on_effect_registered(self, _name: str = "") -> None:
        self._editor.updateEffectList()

    def _select_node(self) -> None:
        node = slicer.mrmlScene.GetSingletonNode(_SINGLETON_TAG, "vtkMRMLSegmentEditorNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
            node.UnRegister(None)
            node.SetSingletonTag(_SINGLETON_TAG)
            node = slicer.mrmlScene.AddNode(node)
        if node is self._node:
            return
        self._forget_node()
        self._node = node
        self._tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._on_node_modified)
        self._editor.setMRMLSegmentEditorNode(node)

    def _forget_node(self) -> None:
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = None

    def _release_node(self) -> None:
        if self._node is not None:
            self._forget_node()
            self._editor.setMRMLSegmentEditorNode(self._idle)

    def _release_slicers_own(self) -> None:
        """Slicer's module Segment Editor, once it was opened, keeps the node while it is left, too."""
        own = getattr(slicer.modules, "SegmentEditorWidget", None)
        node = slicer.mrmlScene.GetSingletonNode(_SINGLETON_TAG, "vtkMRMLSegmentEditorNode")
        if own is not None and own.editor and node is not None and own.editor.mrmlSegmentEditorNode() is node:
            own.editor.setMRMLSegmentEditorNode(self._idle_of_slicers)
            own.parameterSetNode = None  # so that it takes the node again when it is entered

    def _on_node_modified(self, node: Any, _event: Any) -> None:
        if node.GetActiveEffectName():
            self._on_effect()

    def edit(self, segmentation_node, source_volume_node) -> None:
        """Show ``segmentation_node``, painted on ``source_volume_node``; either may be ``None``."""
        if self._node is None:  # the panel is not shown
            return
        # Always told: the editor itself sees whether that is a change, and ends the effect then. Its segmentationNode()
        # is what its combo box shows, the first of the scene even while none is edited.
        self._editor.setSegmentationNode(segmentation_node)
        if segmentation_node is not None and self._editor.sourceVolumeNode() is not source_volume_node:
            self._editor.setSourceVolumeNode(source_volume_node)

    def enter(self) -> None:
        """The panel is shown: shortcuts on."""
        self._is_entered = True
        self._update_keys()
        self._release_slicers_own()
        self.refresh()

    def exit(self) -> None:
        """The panel is left: no effect, no shortcuts, no observation of the views, no settings node."""
        self._editor.setActiveEffect(None)
        self._is_entered = False
        self._update_keys()
        self._editor.removeViewObservations()
        self._release_node()

    def suspend_keys(self, borrower: Any) -> None:
        """The editor's keyboard shortcuts are off while ``borrower`` uses some of the same keys."""
        self._borrowers.append(borrower)
        self._update_keys()

    def resume_keys(self, borrower: Any) -> None:
        """The keyboard shortcuts work again, unless somebody else uses them or the panel is left."""
        self._borrowers = [other for other in self._borrowers if other is not borrower]
        self._update_keys()

    def _update_keys(self) -> None:
        wanted = self._is_entered and not self._borrowers
        if wanted and not self._has_keys:
            self._editor.installKeyboardShortcuts()
        elif self._has_keys and not wanted:
            self._editor.uninstallKeyboardShortcuts()
        self._has_keys = wanted

    def save_state_for_undo(self) -> None:
        """What is done to the segmentation next can be undone with the editor's own button."""
        self._editor.saveStateForUndo()

    def scene_start_close(self) -> None:
        """Let go of the scene's nodes before they vanish."""
        self._forget_node()
        self._editor.setSegmentationNode(None)
        self._editor.removeViewObservations()

    def refresh(self) -> None:
        """After scene close or import while the panel is shown, and on enter."""
        self._select_node()
        self._editor.updateWidgetFromMRML()

    def cleanup(self) -> None:
        """The panel is destroyed."""
        self._factory.disconnect("effectRegistered(QString)", self._on_effect_registered)
        self._is_entered = False
        self._update_keys()
        self._editor.setActiveEffect(None)
        self._editor.removeViewObservations()
        self._release_node()
