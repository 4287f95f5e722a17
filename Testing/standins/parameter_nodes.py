"""``slicer.parameterNodeWrapper``: typed parameter nodes, GUI connectors for exactly the classes that Slicer's take."""

# ruff: noqa: E731
import collections
import enum
import json
import typing
from typing import Any

import ctk
import qt
import slicer
import vtk

WithinRange = collections.namedtuple("WithinRange", "minimum maximum")  # annotation: a number's limits


def _is(kind: Any, base: type) -> bool:
    return isinstance(kind, type) and issubclass(kind, base)


def _read(node: Any, name: str, kind: Any) -> Any:
    if _is(kind, slicer.vtkMRMLNode):
        return node.GetNodeReference(name)
    text = node.GetParameter(name)
    if _is(kind, enum.Enum):
        return kind[text]
    return text if kind is str else kind(json.loads(text))


def _write(node: Any, name: str, kind: Any, value: Any) -> None:
    plain = typing.get_origin(kind) or kind
    if value is not None and not isinstance(value, plain):
        raise TypeError(f"{name} is a {kind}, not {type(value).__name__}")
    if _is(kind, slicer.vtkMRMLNode):
        node.SetNodeReferenceID(name, value.GetID() if value is not None else None)
    elif _is(kind, enum.Enum):
        node.SetParameter(name, value.name)
    else:
        node.SetParameter(name, value if kind is str else json.dumps(value))


def _connector(widget: Any, kind: Any, limits: Any) -> tuple[str, Any, Any]:
    """Signal, reader and writer for a widget and a type."""
    if type(widget) is slicer.qMRMLNodeComboBox and _is(kind, slicer.vtkMRMLNode):
        widget.nodeTypes = [kind.__name__]
        return "currentNodeChanged", widget.currentNode, widget.setCurrentNode
    if type(widget) is qt.QComboBox and _is(kind, enum.Enum):
        members = list(kind)
        widget.clear()
        for member in members:
            widget.addItem(member.label())
        write = lambda value: setattr(widget, "currentIndex", members.index(value))
        return "currentIndexChanged", lambda: members[widget.currentIndex], write
    plain = {
        (qt.QLineEdit, str): ("textChanged", "text"),
        (qt.QCheckBox, bool): ("stateChanged", "checked"),
        (ctk.ctkSliderWidget, float): ("valueChanged", "value"),
    }
    if (type(widget), kind) not in plain:
        raise RuntimeError(f"Unable to create GUI connector from datatype '{kind}' to widget type '{type(widget)}'")
    signal, name = plain[type(widget), kind]
    if limits is not None:
        widget.minimum, widget.maximum = limits
    return signal, lambda: getattr(widget, name), lambda value: setattr(widget, name, value)


class _Wrapper:
    def __init__(self, parameterNode: Any) -> None:
        self.parameterNode, self._guis, self._updating = parameterNode, {}, False
        for name, (kind, _limits, default) in self.allParameters.items():
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
            signal, read, write = _connector(widget, *self.allParameters[name][:2])
            write(getattr(self, name))
            slot = lambda *_args, n=name, r=read: self._updating or setattr(self, n, r())
            getattr(widget, signal).connect(slot)
            connected.append((getattr(widget, signal), slot, name, write))
        tag = self.parameterNode.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_args: self._show(connected))
        self._guis[tag] = connected
        return tag

    def _show(self, connected: list) -> None:
        if not self._updating:
            self._updating = True
            for _signal, _slot, name, write in connected:
                write(getattr(self, name))
            self._updating = False

    def disconnectGui(self, tag: Any) -> None:
        for signal, slot, *_rest in self._guis.pop(tag, []):
            signal.disconnect(slot)
        if tag is not None:
            self.parameterNode.RemoveObserver(tag)


def parameterNodeWrapper(cls: type) -> type:
    """Class decorator."""
    body: dict[str, Any] = {"allParameters": {}, "__module__": cls.__module__, "__doc__": cls.__doc__}
    for name, annotated in typing.get_type_hints(cls, include_extras=True).items():
        kind, limits = getattr(annotated, "__origin__", annotated), getattr(annotated, "__metadata__", (None,))[0]
        kind = annotated if typing.get_origin(annotated) is dict else kind
        default = getattr(cls, name, {} if typing.get_origin(kind) is dict else None)
        body["allParameters"][name] = (kind, limits, default)
        body[name] = property(
            lambda self, n=name, k=kind: _read(self.parameterNode, n, k),
            lambda self, value, n=name, k=kind: _write(self.parameterNode, n, k, value),
        )
    return type(cls.__name__, (_Wrapper,), body)
