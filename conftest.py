"""Fixtures and paths that every kind of test shares."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import pytest

pytest_plugins = ["support.slicer_app"]

ROOT = Path(__file__).resolve().parent
for folder in ("Testing", "NSCLCResponse", "NSCLCResponseSegment"):
    path = str(ROOT / folder)
    if path not in sys.path:
        sys.path.insert(0, path)


def pytest_configure() -> None:
    """A run that was started in the background ignores Ctrl-C, and so would the commands that the tests interrupt."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def some_simulated_patients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cohort folder of two simulated patients, made by the command line."""
    from support.cli import nsclc_response

    folder = tmp_path_factory.mktemp("simulated") / "cohort"
    done = nsclc_response("phantom", "--patients", 2, "--seed", 11, "--signal", "planted", "--out", folder)
    assert done.code == 0, done.err
    return folder


@pytest.fixture(scope="session")
def a_simulated_patient(some_simulated_patients: Path) -> Path:
    """Folder with ct.nii.gz, pet.nii.gz and mask.nii.gz of one simulated patient."""
    return some_simulated_patients / "patients" / "sim-0001"


@pytest.fixture(scope="session")
def a_warm_worker():
    """A worker process that stays between tests, so that torch is imported once."""
    from NSCLCResponseSegmentLib.core.jobs import WarmWorker

    worker = WarmWorker()
    yield worker
    worker.close()
