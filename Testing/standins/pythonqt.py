"""``qt`` as PythonQt offers it: properties as attributes, signals by signature, Designer's custom widgets."""

# ruff: noqa: E731, S314 the files that are read are our own
import re
import sys
import types
from typing import Any
from xml.etree import ElementTree

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

_VTK_ARGUMENT = re.compile(r"vtk\w+\*")
CUSTOM_WIDGETS: dict[str, type] = {}  # what QUiLoader finds through a designer plugin in Slicer


class PythonQtStyle:
    """Mixed into every QObject class: ``label.text = "x"``, ``button.connect("clicked(bool)", f)``, ``w.name``."""

    def __getattribute__(self, name: str) -> Any:
        if not name.startswith("_"):
            if name == "name":
                return QtCore.QObject.objectName(self)
            if name in ("connect", "disconnect"):  # PySide's own would win otherwise
                return types.MethodType(getattr(PythonQtStyle, name), self)
            if QtCore.QObject.metaObject(self).indexOfProperty(name) >= 0:
                return QtCore.QObject.property(self, name)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        name = "objectName" if name == "name" else name
        if QtCore.QObject.metaObject(self).indexOfProperty(name) >= 0:
            if value is None:
                raise AttributeError(f"{type(self).__name__} would show 'None' as its {name}")
            QtCore.QObject.setProperty(self, name, value)
        elif name.startswith("_"):
            super().__setattr__(name, value)
        elif not isinstance(value, QtWidgets.QWidget):  # PySide's loader adds children; PythonQt refuses
            raise AttributeError(f"{type(self).__name__} has no property '{name}'")

    def _signal(self, signature: str) -> str:
        plain = _VTK_ARGUMENT.sub("PyObject", signature)
        if QtCore.QObject.metaObject(self).indexOfSignal(plain) < 0:
            raise ValueError(f"{type(self).__name__} has no signal '{signature}'")
        return QtCore.SIGNAL(plain)

    connect = lambda self, signature, slot: QtCore.QObject.connect(self, self._signal(signature), slot)
    disconnect = lambda self, signature, slot: QtCore.QObject.disconnect(self, self._signal(signature), slot)


class _QtModule(types.ModuleType):
    """Makes the PythonQt form of a class when it is asked for first, always the same one afterwards."""

    def __getattr__(self, name: str) -> Any:
        found = next((getattr(m, name) for m in (QtWidgets, QtGui, QtCore) if hasattr(m, name)), None)
        if found is None:
            raise AttributeError(f"module 'qt' has no attribute '{name}'")
        if isinstance(found, type) and issubclass(found, QtCore.QObject):
            found = type(name, (PythonQtStyle, found), {"__module__": "qt"})
        setattr(self, name, found)
        return found


qt = _QtModule("qt")


class QUiLoader(QtUiTools.QUiLoader):
    """Creates the widgets of a ``.ui`` file as our classes and makes its connections."""

    def createWidget(self, class_name: str, parent: Any = None, name: str = "") -> Any:
        if class_name in CUSTOM_WIDGETS:
            widget = CUSTOM_WIDGETS[class_name](parent)
        elif class_name.startswith(("qMRML", "ctk", "qSlicer")):
            raise LookupError(f"{class_name} has no designer plugin; make it in code")
        else:
            widget = getattr(qt, class_name)(parent)
        widget.setObjectName(name)
        return widget

    def load(self, file: QtCore.QFile) -> Any:
        tree = ElementTree.fromstring(bytes(file.readAll()))
        connections = tree.find("connections")
        wanted = [{part.tag: part.text for part in c} for c in connections]
        connections.clear()
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(tree))
        buffer.open(QtCore.QIODevice.OpenModeFlag.ReadOnly)
        widget = super().load(buffer)
        for c in wanted:
            find = lambda name: widget if name == widget.name else widget.findChild(QtWidgets.QWidget, name)
            slot = getattr(find(c["receiver"]), c["slot"].partition("(")[0])
            find(c["sender"]).connect(c["signal"], slot)
        return widget


def install() -> None:
    """Make ``import qt`` give the stand-in."""
    qt.app = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["tests"])
    qt.QUiLoader = QUiLoader
    sys.modules["qt"] = qt
