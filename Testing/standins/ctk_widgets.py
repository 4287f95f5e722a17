"""The CTK widgets that the panels use."""

# ruff: noqa: N801, N815
import sys
import types
from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from .pythonqt import CUSTOM_WIDGETS, PythonQtStyle, qt

messages: list[dict[str, Any]] = []  # what message boxes said; none waits for a click
answers: list[Any] = []  # what the user clicks in the next ones; OK or Yes when empty


def qt_property(kind: Any, name: str, default: Any, changed: str = "") -> QtCore.Property:
    """A Qt property kept in ``_name``; ``changed`` names a method to call after a change."""

    def write(self: Any, value: Any) -> None:
        self.__dict__[f"_{name}"] = value
        if changed:
            getattr(self, changed)()

    return QtCore.Property(kind, lambda self: self.__dict__.get(f"_{name}", default), write)


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
        for child in self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindChildOption.FindDirectChildrenOnly):
            child.setVisible(not self.collapsed)
        QtWidgets.QWidget.setMaximumHeight(self, self._TITLE if self.collapsed else 16777215)
        self.contentsCollapsed.emit(self.collapsed)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, option.rect.width(), self._TITLE)
        option.text = ("▸  " if self.collapsed else "▾  ") + self.text
        QtWidgets.QStylePainter(self).drawControl(QtWidgets.QStyle.ControlElement.CE_PushButton, option)


class ctkSliderWidget(PythonQtStyle, QtWidgets.QWidget):
    """A slider for one number."""

    valueChanged = QtCore.Signal(float)
    minimum = qt_property(float, "minimum", 0.0)
    maximum = qt_property(float, "maximum", 100.0)
    value = qt_property(float, "value", 0.0, "_moved")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        QtWidgets.QVBoxLayout(self).addWidget(self._slider)

    def _moved(self) -> None:
        self._slider.setValue(round(99 * (self.value - self.minimum) / (self.maximum - self.minimum)))
        self.valueChanged.emit(self.value)


class ctkMessageBox(PythonQtStyle, QtWidgets.QMessageBox):
    """Notes what it says instead of waiting."""

    def exec_(self) -> Any:
        messages.append({"text": self.text, "details": self.detailedText, "title": self.windowTitle.strip()})
        yes, ok = (getattr(QtWidgets.QMessageBox.StandardButton, name) for name in ("Yes", "Ok"))
        return answers.pop(0) if answers else yes if self.standardButtons & yes else ok


def _answered(_parent: Any, *_texts: Any) -> str:
    return answers.pop(0) if answers else ""  # PythonQt's dialogs return one string, empty when the user cancels


def install() -> None:
    """Make ``import ctk`` give the stand-in; the first two have designer plugins."""
    qt.QFileDialog = types.SimpleNamespace(getOpenFileName=_answered, getExistingDirectory=_answered)
    qt.QInputDialog = types.SimpleNamespace(getText=_answered)
    ctk = types.ModuleType("ctk")
    for widget in (ctkCollapsibleButton, ctkSliderWidget, ctkMessageBox):
        setattr(ctk, widget.__name__, widget)
    CUSTOM_WIDGETS.update(ctkCollapsibleButton=ctkCollapsibleButton, ctkSliderWidget=ctkSliderWidget)
    sys.modules["ctk"] = ctk
