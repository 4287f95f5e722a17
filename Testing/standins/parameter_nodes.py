"""``slicer.parameterNodeWrapper``: typed access to a parameter node, saved as Slicer does, and its GUI connectors.

A connector takes exactly the widget classes that Slicer's takes, not their subclasses.
"""

# ruff: noqa: N801, N815, ARG005, E731
from __future__ import annotations

import enum
import json
import types
import typing
from typing import Any

import ctk
import qt
import slicer
import vtk

_NODES = slicer.vtkMRMLNode


class WithinRange:
    """Annotation: a number's limits."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum


def _plain(kind: Any) -> tuple[Any, tuple]:
    if typing.get_origin(kind) is typing.Annotated:
        return kind.__origin__, kind.__metadata__
    return kind, ()


def _read(node: Any, name: str, kind: Any) -> Any:
    kind = _plain(kind)[0]
    if isinstance(kind, type) and issubclass(kind, _NODES):
        return node.GetNodeReference(name)
    text = node.GetParameter(name)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return kind[text]
    if typing.get_origin(kind) is dict or kind is dict:
        return json.loads(text)
    return {"True": True, "False": False}[text] if kind is bool else kind(text)


def _write(node: Any, name: str, kind: Any, value: Any) -> None:
    kind, annotations = _plain(kind)
    if isinstance(kind, type) and issubclass(kind, _NODES):
        if value is not None and not isinstance(value, kind):
            raise TypeError(f"{name} is a {kind.__name__}, not {type(value).__name__}")
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
        return
    if typing.get_origin(kind) is dict or kind is dict:
        node.SetParameter(name, json.dumps(value))
        return
    if not isinstance(value, kind):
        raise TypeError(f"{name} is a {kind.__name__}, not {type(value).__name__}")
    for limits in annotations:
        if not limits.minimum <= value <= limits.maximum:
            raise ValueError(f"{name} must lie between {limits.minimum} and {limits.maximum}")
    node.SetParameter(name, value.name if isinstance(value, enum.Enum) else str(value))


def _attribute(signal: str, name: str) -> tuple[str, Any, Any]:
    return signal, lambda w: getattr(w, name), lambda w, value: setattr(w, name, value)


def _connector(widget: Any, kind: Any) -> tuple[str, Any, Any]:
    """Signal, reader and writer for a widget and a type; as strict as Slicer's connectors."""
    kind, annotations = _plain(kind)
    is_class = isinstance(kind, type)
    if type(widget) is slicer.qMRMLNodeComboBox and is_class and issubclass(kind, _NODES):
        widget.nodeTypes = [kind.__name__]
        return "currentNodeChanged", lambda w: w.currentNode(), lambda w, value: w.setCurrentNode(value)
    if type(widget) is qt.QComboBox and is_class and issubclass(kind, enum.Enum):
        members = list(kind)
        widget.clear()
        for member in members:
            widget.addItem(member.label())
        index = lambda w, value: setattr(w, "currentIndex", members.index(value))
        return "currentIndexChanged", lambda w: members[w.currentIndex], index
    if type(widget) is qt.QLineEdit and kind is str:
        return _attribute("textChanged", "text")
    if type(widget) is qt.QCheckBox and kind is bool:
        return _attribute("stateChanged", "checked")
    if type(widget) in (ctk.ctkSliderWidget, qt.QDoubleSpinBox) and kind in (float, int):
        widget.minimum, widget.maximum = annotations[0].minimum, annotations[0].maximum
        return _attribute("valueChanged", "value")
    raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'")


class _Wrapper:
    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode, self._guis, self._next, self._updating = parameterNode, {}, 0, False
        for name, (kind, default) in self.allParameters.items():
            if default is not None and not parameterNode.GetParameter(name):
                _write(parameterNode, name, kind, default)

    def connectGui(self, ui: Any) -> int:
        connected = []
        for widget in vars(ui).values():
            name = widget.property("SlicerParameterName")
            if not name:
                continue
            if name not in self.allParameters:
                raise ValueError(f"Cannot find a param with the given name: {name}")
            signal, read, write = _connector(widget, self.allParameters[name][0])
            write(widget, getattr(self, name))
            slot = lambda *_args, n=name, w=widget, r=read: self._updating or setattr(self, n, r(w))
            getattr(widget, signal).connect(slot)
            connected.append((widget, signal, slot, name, write))
        self._next += 1
        tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_args, n=self._next: self._show(n))
        self._guis[self._next] = (connected, tag)
        return self._next

    def _show(self, number: int) -> None:
        if self._updating:
            return
        self._updating = True
        for widget, _signal, _slot, name, write in self._guis[number][0]:
            write(widget, getattr(self, name))
        self._updating = False

    def disconnectGui(self, number: Any) -> None:
        connected, tag = self._guis.pop(number, ([], None))
        for widget, signal, slot, *_rest in connected:
            getattr(widget, signal).disconnect(slot)
        if tag is not None:
            self.parameterNode.RemoveObserver(tag)


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator."""
    parameters = {}
    for name, kind in typing.get_type_hints(cls, include_extras=True).items():
        plain, _ = _plain(kind)
        default = getattr(cls, name, {} if typing.get_origin(plain) is dict else None)
        parameters[name] = (kind, default)
    namespace: dict[str, Any] = {"allParameters": parameters, "__module__": cls.__module__, "__doc__": cls.__doc__}
    for name, (kind, _default) in parameters.items():
        namespace[name] = property(
            lambda self, n=name, k=kind: _read(self.parameterNode, n, k),
            lambda self, value, n=name, k=kind: _write(self.parameterNode, n, k, value),
        )
    return types.new_class(cls.__name__, (_Wrapper,), {}, lambda body: body.update(namespace))
