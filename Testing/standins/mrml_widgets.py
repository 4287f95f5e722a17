"""The qMRML widgets that the panels use, over the real MRML scene of slicer-core. Methods are Slicer's."""

# ruff: noqa: N801, N815, ARG005, E731
from typing import Any

import slicer
import vtk
from PySide6.QtCore import Property, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QLabel, QTableView, QVBoxLayout, QWidget

from .ctk_widgets import qt_property
from .pythonqt import CUSTOM_WIDGETS, PythonQtStyle, qt


class qMRMLWidget(PythonQtStyle, QWidget):
    """Passes the scene on to what is in it."""

    mrmlSceneChanged = Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)


class qMRMLNodeComboBox(PythonQtStyle, QWidget):
    """Chooses a node of some classes."""

    currentNodeChanged = Signal(object)
    nodeTypes = qt_property("QStringList", "nodeTypes", [], "_fill")
    showChildNodeTypes = qt_property(bool, "showChildNodeTypes", True, "_fill")
    noneEnabled = qt_property(bool, "noneEnabled", False, "_fill")
    noneDisplay = qt_property(str, "noneDisplay", "None", "_fill")
    currentNodeID = Property(str, lambda self: self._ids[self._box.currentIndex()] if self._ids else "")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene, self._ids, self._box = None, [], QComboBox()
        self._box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        QVBoxLayout(self).addWidget(self._box)
        QWidget.layout(self).setContentsMargins(0, 0, 0, 0)
        self._box.currentIndexChanged.connect(lambda _index: self.currentNodeChanged.emit(self.currentNode()))

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent):
            scene.AddObserver(event, lambda *_args: self._fill())
        self._fill()

    def _fits(self, node: Any) -> bool:
        is_child = self.showChildNodeTypes and any(map(node.IsA, self.nodeTypes))
        return (is_child or node.GetClassName() in self.nodeTypes) and not node.GetHideFromEditors()

    def _fill(self) -> None:
        if self._scene is None or self._scene.IsImporting():
            return
        before, blocked = self.currentNodeID, self._box.blockSignals(True)
        nodes = [n for n in map(self._scene.GetNthNode, range(self._scene.GetNumberOfNodes())) if self._fits(n)]
        self._ids = ([""] if self.noneEnabled else []) + [n.GetID() for n in nodes]
        self._box.clear()
        self._box.addItems(([self.noneDisplay] if self.noneEnabled else []) + [n.GetName() for n in nodes])
        self._box.setCurrentIndex(self._ids.index(before) if before in self._ids else min(0, len(self._ids) - 1))
        self._box.blockSignals(blocked)
        if self.currentNodeID != before:
            self.currentNodeChanged.emit(self.currentNode())

    def currentNode(self) -> Any:
        return self._scene.GetNodeByID(self.currentNodeID) if self._scene and self.currentNodeID else None

    def setCurrentNode(self, node: Any) -> None:
        wanted = node.GetID() if node is not None else ""
        self._box.setCurrentIndex(self._ids.index(wanted) if wanted in self._ids else -1 + self.noneEnabled)


class qMRMLTableView(PythonQtStyle, QTableView):
    """Shows a table node."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node, self._tag = None, None
        self.setModel(QStandardItemModel(self))
        self.setSelectionModel(qt.QItemSelectionModel(QTableView.model(self), self))
        self.setViewport(qt.QFrame(styleSheet="background: white"))
        self.setHorizontalHeader(qt.QHeaderView(Qt.Orientation.Horizontal, self))
        self.setVerticalHeader(qt.QHeaderView(Qt.Orientation.Vertical, self))

    setMRMLScene = lambda self, _scene: None

    def setMRMLTableNode(self, node: Any) -> None:
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        self._tag = node and node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_args: self._fill())
        self._fill()
        self.horizontalHeader().setMinimumSectionSize(60)
        self.resizeColumnsToContents()

    def _fill(self) -> None:
        table, model = self._node.GetTable() if self._node is not None else vtk.vtkTable(), self.model()
        columns = range(table.GetNumberOfColumns())
        model.setRowCount(0)
        model.setColumnCount(len(columns))
        model.setHorizontalHeaderLabels([table.GetColumnName(c) for c in columns])
        for row in range(table.GetNumberOfRows()):
            model.appendRow([QStandardItem(table.GetValue(row, c).ToString()) for c in columns])


class qMRMLPlotView(PythonQtStyle, QWidget):
    """Draws the bar series of a chart, named by the axis' custom ticks only; has no designer plugin in Slicer."""

    setMRMLScene = lambda self, scene: self.__dict__.update(_scene=scene)
    chart = lambda self: self._chart

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node, self._chart = None, vtk.vtkChartXY()

    def setMRMLPlotViewNode(self, node: Any) -> None:
        self._node = node
        self.update()

    def paintEvent(self, _event: Any) -> None:
        painter, area = QPainter(self), QWidget.rect(self)
        painter.fillRect(area, Qt.GlobalColor.white)
        chart = self._node and self._scene.GetNodeByID(self._node.GetPlotChartNodeID() or "")  # it may have no scene
        count, ticks = chart.GetNumberOfPlotSeriesNodes() if chart else 0, self._chart.GetAxis(1).GetTickLabels()
        for series in map(chart.GetNthPlotSeriesNode if count else None, range(count)):
            table = series.GetTableNode().GetTable()
            column = table.GetColumnByName(series.GetYColumnName())
            values = [column.GetValue(i) for i in range(table.GetNumberOfRows())]
            step, half = area.width() / len(values), area.height() // 2 - 16
            reach = max(table.GetColumn(c).GetRange()[n] * (2 * n - 1) for c in (1, 2) for n in (0, 1)) or 1.0
            for index, value in enumerate(values):
                left, height = round(step * (index + 0.25)), round(value / reach * half)
                painter.fillRect(left, half, round(step / 2), -height, QColor.fromRgbF(*series.GetColor()))
                painter.drawText(QPointF(left, area.height() - 4), ticks.GetValue(index))


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Keeps what it is told, in the order that Slicer needs; its combo box shows the first while it edits none."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._settings = self._segmentation = self._volume = self._effect = None
        self._shortcuts = self._observing = self._undo_states = False
        QVBoxLayout(self).addWidget(QLabel("(Slicer's Segment Editor)", alignment=Qt.AlignmentFlag.AlignCenter))

    def setMRMLScene(self, scene: Any) -> None:
        assert self._settings is not None, "setMRMLSegmentEditorNode must come before setMRMLScene"
        super().setMRMLScene(scene)

    def setSegmentationNode(self, node: Any) -> None:
        self._segmentation, self._observing = node, node is not None

    setMRMLSegmentEditorNode = lambda self, node: setattr(self, "_settings", node)
    setSourceVolumeNode = lambda self, node: setattr(self, "_volume", node)
    segmentationNode = lambda self: self._segmentation or self._scene.GetFirstNodeByClass("vtkMRMLSegmentationNode")
    mrmlSegmentEditorNode, sourceVolumeNode = lambda self: self._settings, lambda self: self._volume
    setActiveEffect = lambda self, effect: setattr(self, "_effect", effect)
    installKeyboardShortcuts = lambda self: setattr(self, "_shortcuts", True)
    uninstallKeyboardShortcuts = lambda self: setattr(self, "_shortcuts", False)
    removeViewObservations = lambda self: setattr(self, "_observing", False)
    saveStateForUndo = lambda self: setattr(self, "_undo_states", self._undo_states + 1)
    setMaximumNumberOfUndoStates = updateWidgetFromMRML = updateEffectList = lambda self, _count=0: None


def install() -> None:
    """Put them where Slicer has them; those with a designer plugin also where Designer's files look."""
    with_plugin = (qMRMLWidget, qMRMLNodeComboBox, qMRMLTableView, qMRMLSegmentEditorWidget)
    CUSTOM_WIDGETS.update({widget.__name__: widget for widget in with_plugin})
    vars(slicer).update({widget.__name__: widget for widget in (*with_plugin, qMRMLPlotView)})
