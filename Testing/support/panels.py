"""The panels on stand-ins for Slicer's Qt: what tests need to open them, click in them and take pictures.

With the environment variable ``SLICER_SOURCE`` set to a checkout of Slicer, its own Python files replace the stand-ins
of ``slicer.ScriptedLoadableModule``, ``.parameterNodeWrapper`` and ``.i18n``. With ``PANEL_PICTURES``
set to a folder, pictures are kept there.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_OTHER_CTK = (
    *("ctkCheckBox", "ctkCheckablePushButton", "ctkColorPickerButton", "ctkComboBox", "ctkDirectoryButton"),
    *("ctkDoubleRangeSlider", "ctkDoubleSlider", "ctkDoubleSpinBox", "ctkPathLineEdit", "ctkRangeWidget"),
)
CLICK, PET, MODEL, FILE = range(4)  # entries of the combo box of ways to outline
LIBRARIES = ("NSCLCResponse", "NSCLCResponseSegment")


def erase_half(segmentation: Any) -> None:
    """Erase the upper half of the slices of the first segment, as the Segment Editor does: in place, then say so."""
    import numpy as np
    from slicer import vtkSegmentationConverter
    from vtk.util.numpy_support import vtk_to_numpy

    content = segmentation.GetSegmentation()
    data = content.GetNthSegment(0).GetRepresentation(vtkSegmentationConverter.GetBinaryLabelmapRepresentationName())
    array = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])
    slices = np.nonzero(array.any(axis=(1, 2)))[0]
    array[slices[len(slices) // 2 :]] = 0
    data.Modified()
    content.InvokeEvent(content.SourceRepresentationModified)


class Desktop:
    """Slicer's application as the panels see it; one at a time, and everything is put back by :meth:`close`."""

    def __init__(self, pictures: Path) -> None:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        import slicer
        import slicer.util

        self._before = (dict(sys.modules), dict(vars(slicer)), dict(vars(slicer.util)))
        from standins import application, ctk_widgets

        self.application, self.messages, self.answers = application, ctk_widgets.messages, ctk_widgets.answers
        application.install()
        if os.environ.get("SLICER_SOURCE"):
            self._use_slicers_own(Path(os.environ["SLICER_SOURCE"]))
        self.slicer = slicer
        cache = slicer.vtkCacheManager()
        cache.SetRemoteCacheDirectory(str(pictures))
        files = slicer.vtkDataIOManager()
        files.SetCacheManager(cache)
        slicer.mrmlScene.SetCacheManager(cache)
        slicer.mrmlScene.SetDataIOManager(files)
        self._segmentations = slicer.vtkSlicerSegmentationsModuleLogic()
        self._segmentations.SetMRMLScene(slicer.mrmlScene)  # after which segments can be copied, as undo does
        self.calls: list[tuple[str, Any]] = application.calls
        self._pictures = Path(os.environ.get("PANEL_PICTURES", pictures))
        self._pictures.mkdir(parents=True, exist_ok=True)
        self._widgets: list[Any] = []

    @staticmethod
    def _use_slicers_own(source: Path) -> None:
        import slicer

        for name in ("qMRMLRangeWidget", "qMRMLSliderWidget", "qMRMLSpinBox"):  # classes that no widget of ours is of
            setattr(slicer, name, type(name, (), {}))
        for name in _OTHER_CTK:
            setattr(sys.modules["ctk"], name, type(name, (), {}))
        slicer.__path__.append(str(source / "Base" / "Python" / "slicer"))
        for name in ("i18n", "ScriptedLoadableModule", "parameterNodeWrapper"):
            sys.modules.pop(f"slicer.{name}")
            importlib.import_module(f"slicer.{name}")

    def open(self, name: str) -> Any:
        """Load a module's entry file as Slicer does, make its widget, enter it; returns Slicer's widget."""
        from PySide6.QtWidgets import QVBoxLayout
        from standins.ctk_widgets import qt_property
        from standins.mrml_widgets import qMRMLWidget

        path = ROOT / name / f"{name}.py"
        if str(path.parent) not in sys.path:
            sys.path.insert(0, str(path.parent))
        spec = importlib.util.spec_from_file_location(name, path)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        members = {"isEntered": qt_property(bool, "isEntered", False), "reload": lambda _self: self._represent(name)}
        parent = type("ModuleParent", (qMRMLWidget,), members)()
        QVBoxLayout(parent)
        parent.setMRMLScene(self.slicer.mrmlScene)
        setattr(self.slicer.modules, name.lower(), types.SimpleNamespace(widgetRepresentation=lambda: parent))
        parent.resize(440, 1250)
        parent.show()
        widget = self._represent(name)
        self.enter(widget)
        self.process()  # shows it
        return widget

    def _represent(self, name: str) -> Any:
        """Make the widget of a module that is loaded, as Slicer does when it is opened first and after reload."""
        parent = getattr(self.slicer.modules, name.lower()).widgetRepresentation()
        widget = getattr(sys.modules[name], f"{name}Widget")(parent)
        widget.setup()
        setattr(self.slicer.modules, f"{name}Widget", widget)
        self._widgets = [w for w in self._widgets if w.moduleName != name] + [widget]
        return widget

    def widget(self, name: str) -> Any:
        """The widget of a module that was opened."""
        return next(w for w in self._widgets if w.moduleName == name)

    def clear(self) -> None:
        """An empty scene, both modules shown, nothing asked or answered yet."""
        self.slicer.mrmlScene.Clear(0)
        for widget in self._widgets:
            if not widget.parent.isEntered:
                self.enter(widget)
        self.messages.clear()
        self.answers.clear()
        self.calls.clear()

    def enter(self, widget: Any) -> None:
        """The user opens the module."""
        widget.parent.isEntered = True
        widget.enter()

    def leave(self, widget: Any) -> None:
        """The user opens another module."""
        widget.parent.isEntered = False
        widget.exit()

    def process(self, seconds: float = 0.0) -> None:
        """Let the event loop run."""
        end = time.monotonic() + seconds
        self.slicer.app.processEvents()
        while time.monotonic() < end:
            self.slicer.app.processEvents()
            time.sleep(0.01)

    def wait_until(self, done: Callable[[], bool], seconds: float = 600) -> float:
        """Let the event loop run until ``done``; returns the longest time in seconds that one round took."""
        end, longest = time.monotonic() + seconds, 0.0
        while not done():
            began = time.monotonic()
            self.slicer.app.processEvents()
            longest = max(longest, time.monotonic() - began)
            time.sleep(0.01)
            if time.monotonic() > end:
                message = f"nothing happened within {seconds} s"
                raise TimeoutError(message)
        return longest

    def picture(self, widget: Any, name: str) -> bytes:
        """Take a picture of a module's widget; returns its pixels."""
        from PySide6.QtWidgets import QWidget

        self.process(0.05)
        for _ in range(3):  # Slicer shows panels in a scroll area: as high as they want to be
            layout = QWidget.layout(widget.parent)
            layout.activate()
            widget.parent.resize(440, max(layout.totalHeightForWidth(440), layout.totalMinimumSize().height()))
            self.process()
        image = QWidget.grab(widget.parent).toImage()
        image.save(str(self._pictures / f"{name}.png"))
        return bytes(image.constBits())

    def close(self) -> None:
        """Close the panels and put back what was there before."""
        import slicer
        import slicer.util

        for widget in self._widgets:
            widget.cleanup()
            widget.parent.deleteLater()
        self.process()
        modules, names, utilities = self._before
        for name in [n for n in sys.modules if n not in modules]:
            if name.partition(".")[0] in {"qt", "ctk", "standins", *LIBRARIES} or ".gui" in name or "slicer." in name:
                del sys.modules[name]
        for namespace, before in ((slicer, names), (slicer.util, utilities)):
            for name in set(vars(namespace)) - set(before):
                delattr(namespace, name)
            vars(namespace).update(before)
