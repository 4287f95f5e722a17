"""Commands from ``Slicer --no-main-window --python-script``, on stand-ins: the script as Slicer executes it."""

from __future__ import annotations

import runpy
import sys

import pytest

from support.panels import ROOT, Desktop

SCRIPT = ROOT / "NSCLCResponse" / "NSCLCResponseLib" / "gui" / "headless.py"


@pytest.fixture
def slicer_without_window(tmp_path, monkeypatch):
    """Slicer's application; notes how it is asked to exit."""
    pytest.importorskip("PySide6")
    desktop = Desktop(tmp_path)
    desktop.exits = []
    monkeypatch.setattr(desktop.slicer.util, "mainWindow", lambda: None)
    monkeypatch.setattr(desktop.slicer.util, "exit", desktop.exits.append, raising=False)
    monkeypatch.setattr(desktop.slicer.packaging, "pip_check", lambda _requirement: True)
    yield desktop
    desktop.close()


def test_the_command_runs_and_slicer_ends_with_its_code(slicer_without_window, tmp_path, monkeypatch, capfd):
    """What a batch does is in test_batch.py; here it is the way to it and back."""
    arguments = ["batch", "--cases", str(tmp_path / "cases.csv"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *arguments])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert slicer_without_window.exits == [2]
    assert f"nsclc-response batch: {tmp_path / 'cases.csv'}" in capfd.readouterr().err


def test_missing_extensions_are_said_and_end_slicer(slicer_without_window, monkeypatch, caplog):
    from NSCLCResponseSegmentLib.gui import dependencies

    monkeypatch.setattr(dependencies, "_is_installed", lambda _module: False)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "batch"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    assert slicer_without_window.exits == [2]
    assert "SlicerRadiomics" in caplog.text


def test_a_defect_ends_slicer_too(slicer_without_window, monkeypatch):
    """Nobody could close a Slicer without a window."""
    from NSCLCResponseSegmentLib.gui import dependencies

    monkeypatch.setattr(dependencies, "ensure_dependencies", lambda: {}["defect"])
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "batch"])
    with pytest.raises(KeyError):
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert slicer_without_window.exits == [1]
