"""The CTK widgets that the panels use."""

# ruff: noqa: N801, N815, ARG005, E731
from __future__ import annotations

import sys
import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import CUSTOM_WIDGETS, PythonQtStyle

messages: list[dict[str, Any]] = []  # what message boxes said; none waits for a click
answers: list[int] = []  # what the user clicks in the next ones; OK or Yes when empty


def qt_property(kind: type, name: str, default: Any, changed: str = "") -> QtCore.Property:
    """A Qt property kept in ``_name``; ``changed`` names a method to call after a change."""

    def read(self: Any) -> Any:
        return self.__dict__.get(f"_{name}", default)

    def write(self: Any, value: Any) -> None:
        self.__dict__[f"_{name}"] = value
        if changed:
            getattr(self, changed)()

    return QtCore.Property(kind, read, write)


class ctkCollapsibleButton(PythonQtStyle, QtWidgets.QWidget):
    """A title that folds what is under it."""

    contentsCollapsed = QtCore.Signal(bool)
    text = qt_property(str, "text", "", "update")
    collapsed = qt_property(bool, "collapsed", False, "_fold")
    flat = qt_property(bool, "flat", False)
    _TITLE = 26

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self.setContentsMargins(0, self._TITLE, 0, 0)

    def _fold(self) -> None:
        policy = QtWidgets.QSizePolicy.Policy
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
            child.setVisible(not self.collapsed)
        QtWidgets.QWidget.setMaximumHeight(self, self._TITLE if self.collapsed else 16777215)
        QtWidgets.QWidget.setSizePolicy(self, policy.Preferred, policy.Fixed if self.collapsed else policy.Preferred)
        self.contentsCollapsed.emit(self.collapsed)

    def mousePressEvent(self, event: QtGui.QMouseEvent) -> None:
        """A click on the title."""
        if event.position().y() < self._TITLE:
            self.collapsed = not self.collapsed

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw title and arrow."""
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, option.rect.width(), self._TITLE)
        option.text = ("▸  " if self.collapsed else "▾  ") + self.text
        painter = QtWidgets.QStylePainter(self)
        painter.drawControl(QtWidgets.QStyle.ControlElement.CE_PushButton, option)


class ctkSliderWidget(PythonQtStyle, QtWidgets.QWidget):
    """Slider and spin box for one number."""

    valueChanged = QtCore.Signal(float)
    minimum = qt_property(float, "minimum", 0.0, "_limits")
    maximum = qt_property(float, "maximum", 100.0, "_limits")
    singleStep = qt_property(float, "singleStep", 1.0, "_limits")
    decimals = qt_property(int, "decimals", 2, "_limits")
    suffix = qt_property(str, "suffix", "", "_limits")
    value = qt_property(float, "value", 0.0, "_moved")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._slider, self._box = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal), QtWidgets.QDoubleSpinBox()
        self._slider.setRange(0, 1000)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(lambda v: setattr(self, "value", v))

    def _limits(self) -> None:
        self._box.setDecimals(self.decimals)
        self._box.setSingleStep(self.singleStep)
        self._box.setSuffix(self.suffix)
        self._box.setRange(self.minimum, self.maximum)

    def _moved(self) -> None:
        self.__dict__["_value"] = min(max(self.value, self.minimum), self.maximum)
        if self._box.value() != self.value:
            self._box.setValue(self.value)
            return
        self._slider.setValue(round(1000 * (self.value - self.minimum) / (self.maximum - self.minimum or 1)))
        self.valueChanged.emit(self.value)


class ctkMessageBox(PythonQtStyle, QtWidgets.QMessageBox):
    """Notes what it says instead of waiting."""

    def exec_(self) -> int:
        """Answer at once."""
        messages.append({"text": self.text, "details": self.detailedText, "title": self.windowTitle.strip()})
        buttons = self.standardButtons
        yes = QtWidgets.QMessageBox.StandardButton.Yes
        default = yes if buttons & yes else QtWidgets.QMessageBox.StandardButton.Ok
        return answers.pop(0) if answers else default


def install() -> types.ModuleType:
    """Make ``import ctk`` give the stand-in; these two have designer plugins."""
    ctk = types.ModuleType("ctk")
    for widget in (ctkCollapsibleButton, ctkSliderWidget):
        CUSTOM_WIDGETS[widget.__name__] = widget
    for widget in (*CUSTOM_WIDGETS.values(), ctkMessageBox):
        setattr(ctk, widget.__name__, widget)
    ctk.__getattr__ = lambda name: type(name, (), {})  # a class that no widget is of
    sys.modules["ctk"] = ctk
    return ctk
