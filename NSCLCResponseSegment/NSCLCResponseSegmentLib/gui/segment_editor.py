"""Slicer's Segment Editor inside a panel, with the life cycle of Slicer's own module SegmentEditor."""

import slicer

_SINGLETON_TAG = "SegmentEditor"


class EmbeddedSegmentEditor:
    """Wraps a ``qMRMLSegmentEditorWidget``; its owner passes on enter, exit, scene close and import.

    The editor's settings node is the application's single one, so that the effect and brush chosen here are the ones in
    the module Segment Editor. It must be set before the scene, so that the editor's first selections are kept in it.

    :param editor: the ``qMRMLSegmentEditorWidget`` from the ``.ui`` file; its scene must not be set by the file.
    """

    def __init__(self, editor) -> None:
        self._editor = editor
        self._node = None
        editor.setMaximumNumberOfUndoStates(10)
        self._select_node()
        editor.setMRMLScene(slicer.mrmlScene)
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
        self._node = node
        self._editor.setMRMLSegmentEditorNode(node)

    def edit(self, segmentation_node, source_volume_node) -> None:
        """Show ``segmentation_node``, painted on ``source_volume_node``; either may be ``None``."""
        if self._editor.segmentationNode() is not segmentation_node:
            self._editor.setActiveEffect(None)
            self._editor.setSegmentationNode(segmentation_node)
        if segmentation_node is not None and self._editor.sourceVolumeNode() is not source_volume_node:
            self._editor.setSourceVolumeNode(source_volume_node)

    def enter(self) -> None:
        """The panel is shown: shortcuts on."""
        self._editor.installKeyboardShortcuts()
        self.refresh()

    def exit(self) -> None:
        """The panel is left: no effect, no shortcuts, no observation of the views."""
        self._editor.setActiveEffect(None)
        self._editor.uninstallKeyboardShortcuts()
        self._editor.removeViewObservations()

    def scene_start_close(self) -> None:
        """Let go of the scene's nodes before they vanish."""
        self._node = None
        self._editor.setSegmentationNode(None)
        self._editor.removeViewObservations()

    def refresh(self) -> None:
        """After scene close or import while the panel is shown, and on enter."""
        self._select_node()
        self._editor.updateWidgetFromMRML()

    def cleanup(self) -> None:
        """The panel is destroyed."""
        self._factory.disconnect("effectRegistered(QString)", self._on_effect_registered)
        self._editor.setActiveEffect(None)
        self._editor.setSegmentationNode(None)
        self._editor.removeViewObservations()
