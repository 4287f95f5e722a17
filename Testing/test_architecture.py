"""The arrows between the rooms, and the house style."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
FOLDERS = ["NSCLCResponse", "NSCLCResponseSegment", "Testing", "conftest.py"]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_imports_follow_the_arrows():
    run = _run(str(BIN / "lint-imports"), "--no-cache")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_is_content(command):
    run = _run(str(BIN / "ruff"), *command, *FOLDERS)
    assert run.returncode == 0, run.stdout + run.stderr


def test_no_file_is_longer_than_400_lines():
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 20
    lengths = {str(f.relative_to(ROOT)): len(f.read_text(encoding="utf-8").splitlines()) for f in files}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


@pytest.mark.parametrize("module", ["NSCLCResponse", "NSCLCResponseSegment"])
def test_slicers_entry_files_are_short(module):
    text = (ROOT / module / f"{module}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 150
