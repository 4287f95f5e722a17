"""Both panels in a Slicer without any of our Python packages: self tests, first run, reload. Run by test_panels.py."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.panels import FILE, LIBRARIES, Desktop

#: what our requirements, PyTorch and SlicerRadiomics bring; Slicer 5.12 has the other imports (numpy, pydicom, …)
_ABSENT = {
    *("torch", "monai", "captum", "radiomics", "sklearn", "skops", "pandas", "yaml", "jsonschema", "nibabel"),
    "openpyxl",
    *("lifelines", "safetensors", "matplotlib", "jinja2", "psutil", "PyTorchUtils"),
}


class _Bare:
    """A finder of modules that does not find those."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in _ABSENT else self._finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def run_self_tests(desktop: Desktop) -> None:
    """What "Reload and Test" and CTest do in Slicer, see ``ScriptedLoadableModuleTest.runTest``."""
    for name in LIBRARIES:
        panel = desktop.widget(name).panel
        desktop.slicer.util.getModuleWidget = lambda _name, p=panel: types.SimpleNamespace(panel=p)
        case = vars(sys.modules[name])[f"{name}Test"]("test_panel")
        case.delayDisplay = lambda _text: None
        case.setUp()
        case.test_panel()


def say_what_is_missing(desktop: Desktop) -> None:
    """One sentence for each thing that is not there, and how to get it; never a defect with its traceback."""
    from PySide6.QtWidgets import QMessageBox

    from NSCLCResponseSegmentLib.gui.self_test import small_case

    desktop.clear()
    segment, response = (desktop.widget(name).panel for name in reversed(LIBRARIES))
    ct, segmentation = small_case()
    for panel in (segment, response):
        panel.parameters.ct, panel.parameters.segmentation = ct, segmentation
    response.ui.predictButton.click()
    segment.ui.methodComboBox.currentIndex = FILE
    segment.ui.maskFileEdit.text = "outline.nii.gz"
    desktop.answers.append(QMessageBox.StandardButton.Cancel)
    segment.ui.outlineButton.click()
    no_radiomics, question, declined = desktop.messages
    assert "extension SlicerRadiomics in the Extensions Manager" in no_radiomics["text"]
    assert "scikit-learn" in question["text"]
    assert "monai" not in question["text"], "it would bring a PyTorch of pip's choice, and a file needs none"
    assert "Start again and accept" in declined["text"]
    assert {message["details"] for message in desktop.messages} == {""}
    assert not segment.step.outlining.running
    assert not response.predicting.running


def reload_both(desktop: Desktop) -> None:
    """Slicer's own ``reloadScriptedModule``: libraries are taken anew, choices stay."""
    for name in LIBRARIES:
        other = desktop.widget("NSCLCResponse").panel
        before = desktop.widget(name).panel
        desktop.widget(name).onReload()
        after = desktop.widget(name).panel
        assert type(after) is not type(before)
        assert type(after).__name__ == type(before).__name__
        assert before.parameters is None
        assert not before.Observations
        assert name == "NSCLCResponse" or before.ui.segmentEditor._settings.GetScene() is None, "both would paint"
        assert after.parameters.ct.GetName() == "Test CT"
        assert desktop.widget("NSCLCResponseSegment").panel.ui.segmentEditor._shortcuts, "the module is shown still"
        response = desktop.widget("NSCLCResponse").panel
        assert response is not other
        assert isinstance(response, sys.modules["NSCLCResponseLib.gui.panel"].ResponsePanel)


def main(folder: str) -> None:
    """Run it all; raises what goes wrong."""
    sys.meta_path[:] = [_Bare(finder) for finder in sys.meta_path]
    desktop = Desktop(Path(folder))
    for name in reversed(LIBRARIES):
        desktop.open(name)
    segment = desktop.widget("NSCLCResponseSegment").panel
    assert not segment.ui.lesionTable.isVisibleTo(segment.widget), "no lesions, no table"
    run_self_tests(desktop)
    say_what_is_missing(desktop)
    reload_both(desktop)
    desktop.close()


if __name__ == "__main__":
    main(sys.argv[1])
