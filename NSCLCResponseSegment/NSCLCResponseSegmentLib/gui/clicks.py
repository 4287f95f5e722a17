"""Placing points in the slice views: inside the tumour, or where it is not."""

from collections.abc import Callable
from typing import Any

import qt
import slicer

from .shortcuts import Shortcuts

Point = tuple[float, float, float]


class PointTool:
    """A checkable button that puts the views into place mode for a list of points; Esc leaves it.

    :param button: checked while the views wait for the click.
    :param editor: lends its keys meanwhile (``suspend_keys``, ``resume_keys``), of which one is Esc.
    :param make_node: called for the markups node when the first point is to be placed.
    :param on_placed: called after each point that the user placed.
    :param on_removed: called after each point that the user removed.
    """

    def __init__(
        self,
        button: qt.QPushButton,
        editor: Any,
        make_node: Callable[[], Any],
        on_placed: Callable[[], None],
        on_removed: Callable[[], None],
    ) -> None:
        self._button, self._editor, self._make_node = button, editor, make_node
        self._on_placed, self._on_removed = on_placed, on_removed
        self._node: Any = None
        self._tags: list[int] = []
        self._mode_tag = 0
        self._keys = Shortcuts({"Esc": self._on_escape})
        button.connect("toggled(bool)", self._on_toggled)

    def set_node(self, node: Any) -> None:
        """Work with the markups ``node`` from now on, or with none."""
        if node is self._node:
            return
        for tag in self._tags:
            self._node.RemoveObserver(tag)
        self._node, self._tags = node, []
        if node is not None:
            self._tags = [
                node.AddObserver(slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent, self._on_point_defined),
                node.AddObserver(slicer.vtkMRMLMarkupsNode.PointRemovedEvent, self._on_point_removed),
            ]

    def points(self) -> list[Point]:
        """The points in RAS mm, in the order they were placed; the one that follows the mouse is not among them."""
        if self._node is None:
            return []
        points = []
        for index in range(self._node.GetNumberOfControlPoints()):
            if self._node.GetNthControlPointPositionStatus(index) == slicer.vtkMRMLMarkupsNode.PositionDefined:
                position = [0.0, 0.0, 0.0]
                self._node.GetNthControlPointPositionWorld(index, position)
                points.append(tuple(position))
        return points

    def start(self) -> None:
        """Wait for a click in a view."""
        if self._button.enabled:
            self._button.checked = True

    def stop(self) -> None:
        """Leave place mode."""
        self._button.checked = False

    def clear(self) -> None:
        """Remove all points."""
        if self._node is not None:
            self._node.RemoveAllControlPoints()

    def _on_toggled(self, checked: bool) -> None:
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        if not checked:
            interaction.RemoveObserver(self._mode_tag)
            self._keys.uninstall()
            self._editor.resume_keys(self)
            if interaction.GetCurrentInteractionMode() == interaction.Place:
                interaction.SetCurrentInteractionMode(interaction.ViewTransform)
            return
        if interaction.GetCurrentInteractionMode() == interaction.Place:  # with another tool, which ends so
            interaction.SetCurrentInteractionMode(interaction.ViewTransform)
        self._editor.suspend_keys(self)
        self._keys.install()
        if self._node is None:
            self.set_node(self._make_node())
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
        selection.SetActivePlaceNodeID(self._node.GetID())
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(interaction.Place)
        self._mode_tag = interaction.AddObserver(interaction.InteractionModeChangedEvent, self._on_mode_changed)

    def _on_escape(self) -> None:
        qt.QTimer.singleShot(0, self.stop)  # which deletes the shortcut, so not while that is calling

    def _on_mode_changed(self, interaction: Any, _event: Any) -> None:
        """The user left place mode in another way (Esc, the toolbar, another tool)."""
        if interaction.GetCurrentInteractionMode() != interaction.Place:
            self.stop()

    def _on_point_defined(self, _caller: Any, _event: Any) -> None:
        # Let the view finish the click first: leaving place mode now would make it forget which point it has placed.
        qt.QTimer.singleShot(0, self._after_click)

    def _after_click(self) -> None:
        self.stop()
        self._on_placed()

    def _on_point_removed(self, _caller: Any, _event: Any) -> None:
        self._on_removed()


def make_point_list(name: str, colour: tuple[float, float, float]) -> Any:
    """An empty markups node in the scene, with small glyphs and no labels that would hide the tumour."""
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", name)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetSelectedColor(*colour)
    display.SetPointLabelsVisibility(False)
    return node
