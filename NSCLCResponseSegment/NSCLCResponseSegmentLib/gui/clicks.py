"""Placing points inside the tumour in the slice views."""

from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

Point = tuple[float, float, float]


class ClickTool:
    """A checkable button that puts the views into place mode for a list of points, and what it says about them.

    :param on_placed: called after each point that the user placed.
    """

    def __init__(
        self, place: qt.QPushButton, clear: qt.QPushButton, note: qt.QLabel, on_placed: Callable[[], None]
    ) -> None:
        self._place, self._clear, self._note, self._on_placed = place, clear, note, on_placed
        self._node: Any = None
        self._tags: list[int] = []
        place.connect("toggled(bool)", self._on_toggled)
        clear.connect("clicked(bool)", self._on_clear)
        self._show()

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
        self._show()

    def points(self) -> list[Point]:
        """The points in RAS mm, in the order they were placed."""
        if self._node is None:
            return []
        points = []
        for index in range(self._node.GetNumberOfControlPoints()):
            if self._node.GetNthControlPointPositionStatus(index) == slicer.vtkMRMLMarkupsNode.PositionDefined:
                position = [0.0, 0.0, 0.0]
                self._node.GetNthControlPointPositionWorld(index, position)
                points.append(tuple(position))
        return points

    def stop(self) -> None:
        """Leave place mode."""
        self._place.checked = False

    def _on_toggled(self, checked: bool) -> None:
        interaction = slicer.app.applicationLogic().GetInteractionNode()
        if not checked:
            if interaction.GetCurrentInteractionMode() == interaction.Place:
                interaction.SwitchToViewTransformMode()
            return
        selection = slicer.app.applicationLogic().GetSelectionNode()
        selection.SetReferenceActivePlaceNodeClassName("vtkMRMLMarkupsFiducialNode")
        selection.SetActivePlaceNodeID(self._node.GetID())
        interaction.SetPlaceModePersistence(0)
        interaction.SetCurrentInteractionMode(interaction.Place)

    def _on_point_defined(self, _caller: Any, _event: Any) -> None:
        self.stop()
        self._show()
        # Let the view finish the click before work starts on it.
        qt.QTimer.singleShot(0, self._on_placed)

    def _on_point_removed(self, _caller: Any, _event: Any) -> None:
        self._show()

    def _on_clear(self, _checked: bool = False) -> None:
        if self._node is not None:
            self._node.RemoveAllControlPoints()
        self._show()
        self._on_placed()

    def _show(self) -> None:
        count = len(self.points())
        self._clear.enabled = count > 0
        self._clear.toolTip = _("Remove all points") if count else _("There is no point yet")
        if count == 0:
            self._note.text = _("No point yet. One click inside the tumour is enough; more refine it.")
        elif count == 1:
            self._note.text = _("1 point")
        else:
            self._note.text = _("{count} points").format(count=count)
