"""``slicer.app``, ``slicer.modules``, the scripted module base classes, translation and packaging; installs it all."""

# ruff: noqa: N801, N815, ARG005, E731
from __future__ import annotations

import importlib
import os
import sys
import types
from pathlib import Path
from typing import Any

import slicer
import slicer.util

from . import ctk_widgets, mrml_widgets, pythonqt

calls: list[tuple[str, Any]] = []  # what the panels asked the application to do
installed: set[str] = set()  # Python packages that pip_check finds


class Application(pythonqt.PythonQtStyle, pythonqt.QtCore.QObject):
    """What the panels ask of ``slicer.app``."""

    startupCompleted = pythonqt.QtCore.Signal()
    moduleAboutToBeUnloaded = pythonqt.QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)

    applicationName = "Slicer"
    layoutManager = lambda self: None
    applicationLogic = lambda self: self._logic
    testingEnabled = lambda self: False
    topLevelWidgets = lambda self: []
    overrideCursor = lambda self: None
    moduleManager = lambda self: self
    processEvents = lambda self: pythonqt.application().processEvents()
    translate = lambda self, _context, text: text


class ModuleParent(mrml_widgets.qMRMLWidget):
    """The widget that Slicer gives to a module's widget; ``isEntered`` is a property of it."""

    isEntered = ctk_widgets.qt_property(bool, "isEntered", False)


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent, self.moduleName = parent, type(self).__name__


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any) -> None:
        self.parent, self.layout = parent, parent.layout()
        self.moduleName = type(self).__name__.removesuffix("Widget")

    def resourcePath(self, name: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self) -> None: ...

    def onReload(self) -> None:
        calls.append(("reload", self.moduleName))


class ScriptedLoadableModuleLogic:
    def __init__(self) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
            node.UnRegister(None)
            node.SetSingletonTag(self.moduleName)
            node.SetName(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


def _module(name: str, **content: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    sys.modules[name] = module
    setattr(slicer, name.partition(".")[2], module)
    return module


def _requirements(path: Path) -> list[Any]:
    from packaging.requirements import Requirement

    lines = [line.strip() for line in Path(path).read_text(encoding="utf-8").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


def open_module(name: str) -> Any:
    """Load a module's entry file as Slicer does, make its widget, and enter it."""
    module = importlib.import_module(name)
    parent = ModuleParent()
    pythonqt.QtWidgets.QVBoxLayout(parent)
    parent.setMRMLScene(slicer.mrmlScene)
    slicer.util.modulePath = lambda module_name: sys.modules[module_name].__file__
    widget = getattr(module, f"{name}Widget")(parent)
    widget.setup()
    parent.isEntered = True
    widget.enter()
    return widget


def install() -> None:
    """Make ``import qt``, ``ctk`` and the missing parts of ``slicer`` give the stand-ins."""
    if "qt" in sys.modules:
        return
    pythonqt.install()
    ctk_widgets.install()
    mrml_widgets.install()
    slicer.mrmlScene = slicer.vtkMRMLScene()
    slicer.mrmlScene.RegisterNodeClass(slicer.vtkMRMLSegmentEditorNode())
    slicer.app = Application()
    slicer.modules = types.SimpleNamespace()
    slicer.util.selectModule = lambda name: calls.append(("selectModule", name))
    slicer.util.openAddDataDialog = lambda: calls.append(("openAddDataDialog", None))
    slicer.util.setSliceViewerLayers = lambda **layers: calls.append(("setSliceViewerLayers", layers))
    slicer.util.showStatusMessage = lambda text, _msec=0: calls.append(("showStatusMessage", text))
    slicer.util.mainWindow = lambda: None
    slicer.util.getModuleLogic = lambda name: getattr(sys.modules[name], f"{name}Logic")()
    if os.environ.get("SLICER_SOURCE"):
        for name in ("qMRMLRangeWidget", "qMRMLSliderWidget", "qMRMLSpinBox"):
            setattr(slicer, name, type(name, (), {}))
        slicer.__path__.append(str(Path(os.environ["SLICER_SOURCE"]) / "Base" / "Python" / "slicer"))
        for name in ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper", "packaging"):
            importlib.import_module(f"slicer.{name}")
        return
    from . import parameter_nodes

    bases = (ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic)
    import unittest

    names = {base.__name__: base for base in bases}
    _module("slicer.ScriptedLoadableModule", ScriptedLoadableModuleTest=unittest.TestCase, **names)
    _module("slicer.i18n", tr=lambda text: text, translate=lambda _context, text: text)
    _module("slicer.parameterNodeWrapper", **vars(parameter_nodes))
    _module(
        "slicer.packaging",
        load_requirements=_requirements,
        pip_check=lambda requirement: requirement.name in installed,
        pip_ensure=lambda requirements, **options: calls.append(("pip_ensure", (requirements, options))),
    )
