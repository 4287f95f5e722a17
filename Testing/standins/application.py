"""``slicer.app``, the base classes of scripted modules, translation and packaging; installs all stand-ins."""

# ruff: noqa: N815, ARG005, E731
import sys
import types
import unittest
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from packaging.requirements import Requirement
from PySide6.QtCore import QObject, Signal

from . import ctk_widgets, mrml_widgets, pythonqt

calls: list[tuple[str, Any]] = []  # what the panels asked the application to do


class Application(pythonqt.PythonQtStyle, QObject):
    """What the panels ask of ``slicer.app``."""

    startupCompleted = Signal()
    moduleAboutToBeUnloaded = Signal(str)
    effectRegistered = Signal(str)  # of qSlicerSegmentEditorEffectFactory, which this object stands for, too
    applicationName = "Slicer"
    layoutManager = overrideCursor = lambda self: None
    applicationLogic = lambda self: self._logic
    testingEnabled = lambda self: False
    moduleManager = lambda self: self
    processEvents = lambda self: pythonqt.qt.app.processEvents()
    translate = lambda self, _context, text: text

    def __init__(self) -> None:
        super().__init__()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetMRMLScene(slicer.mrmlScene)


class ScriptedLoadableModule:
    """What Slicer's class of this name does as far as the modules need it; so with the two below."""

    def __init__(self, parent: Any) -> None:
        self.parent, self.moduleName = parent, type(self).__name__


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any) -> None:
        self.parent, self.layout = parent, parent.layout()
        self.moduleName = type(self).__name__.removesuffix("Widget")

    def resourcePath(self, name: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    setup = cleanup = lambda self: None
    onReload = lambda self: slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    def __init__(self) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")

    def getParameterNode(self) -> Any:
        node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if node is None:
            node = slicer.vtkMRMLScriptedModuleNode()
            node.SetSingletonTag(self.moduleName)
            node = slicer.mrmlScene.AddNode(node)
        return node


def _module(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    vars(module).update(content)
    sys.modules[f"slicer.{name}"] = module
    setattr(slicer, name, module)


def install() -> None:
    """Make ``import qt``, ``ctk`` and the missing parts of ``slicer`` give the stand-ins; to be done once."""
    pythonqt.install()
    ctk_widgets.install()
    mrml_widgets.install()
    slicer.mrmlScene = slicer.vtkMRMLScene()
    slicer.mrmlScene.RegisterNodeClass(slicer.vtkMRMLSegmentEditorNode())
    slicer.app, slicer.modules, window = Application(), types.SimpleNamespace(), pythonqt.qt.QMainWindow()
    slicer.qSlicerSegmentEditorEffectFactory = types.SimpleNamespace(instance=lambda: slicer.app)
    slicer.util.mainWindow = lambda: window
    slicer.util.createProgressDialog = lambda **_: types.SimpleNamespace(wasCanceled=False, close=lambda: None)
    slicer.util.modulePath = lambda name: sys.modules[name].__file__
    slicer.util.getModuleLogic = lambda name: getattr(slicer.modules, f"{name}Widget").logic
    for name in ("selectModule", "openAddDataDialog", "setSliceViewerLayers", "showStatusMessage"):
        setattr(slicer.util, name, lambda *args, n=name, **options: calls.append((n, options or args)))
    _install_modules()


def _install_modules() -> None:
    from . import parameter_nodes

    named = {b.__name__: b for b in (ScriptedLoadableModule, ScriptedLoadableModuleWidget, ScriptedLoadableModuleLogic)}
    _module("ScriptedLoadableModule", ScriptedLoadableModuleTest=unittest.TestCase, **named)
    _module("i18n", tr=lambda text: text, translate=lambda _context, text: text)
    _module("parameterNodeWrapper", **vars(parameter_nodes))
    lines = lambda path: Path(path).read_text(encoding="utf-8").splitlines()
    load = lambda path: [Requirement(line) for line in lines(path) if not line.startswith("#")]
    ensure = lambda requirements, **options: calls.append(("pip_ensure", (requirements, options)))
    _module("packaging", load_requirements=load, pip_check=lambda _requirement: False, pip_ensure=ensure)
