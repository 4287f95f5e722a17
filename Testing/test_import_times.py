"""Panels and ``--help`` start at once: under a second in a fresh process, and nothing heavy in ``sys.modules``."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "monai", "radiomics", "sklearn", "pandas", "matplotlib", "captum", "lifelines", "highdicom")
BUDGET_SECONDS = 1.0

pytestmark = pytest.mark.alone

_HELP = "import sys; sys.argv = ['nsclc-response', '--help']; from NSCLCResponseLib.cli.main import main; main()"
# Panels are imported by the application, which has qt, slicer, vtk, numpy and SimpleITK already.
_PANELS = """
import os, sys; sys.path.insert(0, {testing!r}); os.environ['QT_QPA_PLATFORM'] = 'offscreen'
import numpy, vtk, SimpleITK
from standins import application
application.install()
sys.stderr.write('-- our own imports --\\n')
import NSCLCResponseSegmentLib.gui.panel, NSCLCResponseLib.gui.panel
"""


def _fresh_process(code: str) -> tuple[float, set[str]]:
    """Seconds of all imports by ``-X importtime`` (after our own mark, if there is one) and what was imported."""
    listing = "\nimport atexit, sys"
    command = [sys.executable, "-X", "importtime", "-c", f"{listing}\n{code}"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    text = run.stderr.rpartition("-- our own imports --")[2]
    rows = re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", text)
    assert rows
    return sum(int(own) for own, _ in rows) / 1e6, {name.partition(".")[0] for _, name in rows}


@pytest.mark.parametrize(
    "code",
    [
        _HELP,
        "import NSCLCResponseSegmentLib.core.jobs, NSCLCResponseSegmentLib.core.errors",
        _PANELS.format(testing=str(ROOT / "Testing")),
    ],
    ids=["help", "jobs", "panels"],
)
def test_imports_are_quick_and_light(code):
    try:
        seconds, imported = _fresh_process(code)
    except subprocess.CalledProcessError as error:
        pytest.fail(error.stderr[-2000:])
    assert not imported & set(HEAVY)
    assert seconds < BUDGET_SECONDS, f"imports take {seconds:.2f} s"
