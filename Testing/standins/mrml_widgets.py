"""The qMRML widgets that the panels use, over the real MRML scene of slicer-core."""

# ruff: noqa: N801, N815, ARG005, E731
from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets

from .ctk_widgets import qt_property
from .pythonqt import CUSTOM_WIDGETS, PythonQtStyle

_CHANGED = vtk.vtkCommand.ModifiedEvent


class qMRMLWidget(PythonQtStyle, QtWidgets.QWidget):
    """A widget that passes the scene on to what is in it."""

    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        """Tell everything that is connected."""
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        """The scene."""
        return self.__dict__.get("_scene")


class qMRMLNodeComboBox(PythonQtStyle, QtWidgets.QWidget):
    """Chooses a node of some classes."""

    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeTypes = qt_property("QStringList", "nodeTypes", [], "_fill")
    showChildNodeTypes = qt_property(bool, "showChildNodeTypes", True, "_fill")
    noneEnabled = qt_property(bool, "noneEnabled", False, "_fill")
    noneDisplay = qt_property(str, "noneDisplay", "None", "_fill")
    addEnabled = qt_property(bool, "addEnabled", True)
    removeEnabled = qt_property(bool, "removeEnabled", True)
    renameEnabled = qt_property(bool, "renameEnabled", False)
    currentNodeID = QtCore.Property(str, lambda self: self._ids[self._box.currentIndex()] if self._ids else "")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._scene, self._ids, self._box = None, [], QtWidgets.QComboBox()
        self._box.setSizeAdjustPolicy(QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.currentIndexChanged.connect(lambda _index: self._tell())

    def setMRMLScene(self, scene: Any) -> None:
        """Follow the nodes of ``scene``."""
        self._scene = scene
        for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent):
            scene.AddObserver(event, lambda *_args: self._fill())
        self._fill()

    def _fits(self, node: Any) -> bool:
        exact = node.GetClassName() in self.nodeTypes
        return (
            exact or (self.showChildNodeTypes and any(map(node.IsA, self.nodeTypes)))
        ) and not node.GetHideFromEditors()

    def _fill(self) -> None:
        if self._scene is None:
            return
        before, blocked = self.currentNodeID, self._box.blockSignals(True)
        nodes = [n for n in map(self._scene.GetNthNode, range(self._scene.GetNumberOfNodes())) if self._fits(n)]
        self._ids = ([""] if self.noneEnabled else []) + [n.GetID() for n in nodes]
        self._box.clear()
        self._box.addItems(([self.noneDisplay] if self.noneEnabled else []) + [n.GetName() for n in nodes])
        self._box.setCurrentIndex(self._ids.index(before) if before in self._ids else min(0, len(self._ids) - 1))
        self._box.blockSignals(blocked)
        if self.currentNodeID != before:
            self._tell()

    def _tell(self) -> None:
        self.currentNodeChanged.emit(self.currentNode())
        self.currentNodeIDChanged.emit(self.currentNodeID)

    def currentNode(self) -> Any:
        """The node chosen, or None."""
        return self._scene.GetNodeByID(self.currentNodeID) if self._scene and self.currentNodeID else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node."""
        wanted = node.GetID() if node is not None else ""
        if wanted in self._ids:
            self._box.setCurrentIndex(self._ids.index(wanted))


class qMRMLTableView(PythonQtStyle, QtWidgets.QTableView):
    """Shows a table node."""

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._node, self._tag = None, None
        self.setModel(QtGui.QStandardItemModel(self))

    def setMRMLScene(self, _scene: Any) -> None:
        """Nothing to do here."""

    def mrmlTableNode(self) -> Any:
        """The node shown."""
        return self._node

    def setMRMLTableNode(self, node: Any) -> None:
        """Follow a node."""
        if self._node is not None:
            self._node.RemoveObserver(self._tag)
        self._node = node
        if node is not None:
            self._tag = node.AddObserver(_CHANGED, lambda *_args: self._fill())
        self._fill()

    def _fill(self) -> None:
        model = self.model()
        model.clear()
        table = self._node.GetTable() if self._node is not None else vtk.vtkTable()
        columns = range(table.GetNumberOfColumns())
        model.setHorizontalHeaderLabels([table.GetColumnName(c) for c in columns])
        for row in range(table.GetNumberOfRows()):
            model.appendRow([QtGui.QStandardItem(table.GetValue(row, c).ToString()) for c in columns])


class qMRMLPlotView(PythonQtStyle, QtWidgets.QWidget):
    """Draws the bar series of a chart; has no designer plugin in Slicer."""

    def setMRMLScene(self, scene: Any) -> None:
        """The scene of the nodes."""
        self._scene = scene

    def setMRMLPlotViewNode(self, node: Any) -> None:
        """Follow a view node."""
        self._node = node
        if node is not None:
            node.AddObserver(_CHANGED, lambda *_args: self.update())

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """One bar per row of each series, with its label."""
        node = self.__dict__.get("_node")
        chart = node.GetPlotChartNode() if node is not None else None
        painter = QtGui.QPainter(self)
        painter.fillRect(QtWidgets.QWidget.rect(self), QtCore.Qt.GlobalColor.white)
        if chart is None:
            return
        for number in range(chart.GetNumberOfPlotSeriesNodes()):
            series = chart.GetNthPlotSeriesNode(number)
            table = series.GetTableNode().GetTable()
            values = table.GetColumnByName(series.GetYColumnName())
            labels = table.GetColumnByName(series.GetLabelColumnName())
            self._bars(painter, [(labels.GetValue(i), values.GetValue(i)) for i in range(table.GetNumberOfRows())])

    def _bars(self, painter: QtGui.QPainter, bars: list[tuple[str, float]]) -> None:
        size, top = QtWidgets.QWidget.size(self), max([abs(v) for _, v in bars] or [1.0]) or 1.0
        step, middle = size.width() / max(len(bars), 1), size.height() // 2
        for index, (label, value) in enumerate(bars):
            height = round(value / top * (middle - 16))
            painter.fillRect(round(step * (index + 0.25)), middle, round(step / 2), -height, QtGui.QColor("#37617a"))
            painter.drawText(QtCore.QRectF(step * index, middle, step, middle), 0x1004 | 0x40, label)


class qMRMLSegmentEditorWidget(qMRMLWidget):
    """Keeps what it is told, in the order Slicer needs; paints nothing."""

    maximumNumberOfUndoStates = qt_property(int, "maximumNumberOfUndoStates", 0)

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._settings = self._segmentation = self._volume = self._effect = None
        self._shortcuts = self._observing = False
        label = QtWidgets.QLabel("(Slicer's Segment Editor)", alignment=QtCore.Qt.AlignmentFlag.AlignCenter)
        label.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        label.setMinimumHeight(90)
        QtWidgets.QVBoxLayout(self).addWidget(label)

    def setMaximumNumberOfUndoStates(self, count: int) -> None:
        """Slot of the property."""
        self.maximumNumberOfUndoStates = count

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        """The settings node."""
        self._settings = node

    def setMRMLScene(self, scene: Any) -> None:
        """Needs the settings node first."""
        assert self._settings is not None, "setMRMLSegmentEditorNode must come before setMRMLScene"
        super().setMRMLScene(scene)

    def setSegmentationNode(self, node: Any) -> None:
        """What is edited."""
        self._segmentation, self._observing = node, node is not None

    def setSourceVolumeNode(self, node: Any) -> None:
        """What it is painted on; needs a segmentation first."""
        assert self._segmentation is not None
        self._volume = node

    segmentationNode = lambda self: self._segmentation
    sourceVolumeNode = lambda self: self._volume
    setActiveEffect = lambda self, effect: setattr(self, "_effect", effect)
    installKeyboardShortcuts = lambda self: setattr(self, "_shortcuts", True)
    uninstallKeyboardShortcuts = lambda self: setattr(self, "_shortcuts", False)
    removeViewObservations = lambda self: setattr(self, "_observing", False)
    updateWidgetFromMRML = updateEffectList = lambda self: None


class qSlicerSegmentEditorEffectFactory(PythonQtStyle, QtCore.QObject):
    """Tells of effects that are registered late."""

    effectRegistered = QtCore.Signal(str)
    _only: Any = None

    @classmethod
    def instance(cls) -> Any:
        """The one factory."""
        cls._only = cls._only or cls()
        return cls._only


def install() -> None:
    """Put them where Slicer has them."""
    for widget in (qMRMLWidget, qMRMLNodeComboBox, qMRMLTableView, qMRMLSegmentEditorWidget):
        CUSTOM_WIDGETS[widget.__name__] = widget
    for widget in (*CUSTOM_WIDGETS.values(), qMRMLPlotView, qSlicerSegmentEditorEffectFactory):
        setattr(slicer, widget.__name__, widget)
