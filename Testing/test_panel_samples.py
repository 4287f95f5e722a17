"""Sample data of the panels: the public patient, served from a file instead of its publisher."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from support.data import shared_data
from support.panels import Desktop


@pytest.fixture(scope="module")
def a_desktop(tmp_path_factory):
    """Slicer's application with the segmentation module."""
    pytest.importorskip("PySide6")
    desktop = Desktop(tmp_path_factory.mktemp("pictures"))
    desktop.open("NSCLCResponseSegment")
    yield desktop
    desktop.close()


@pytest.fixture
def public_patient(a_desktop, monkeypatch, tmp_path):
    """The module under test; its address is an archive in ``tmp_path``."""
    from NSCLCResponseSegmentLib.gui import public_patient

    a_desktop.clear()
    monkeypatch.setattr(public_patient, "ADDRESS", (tmp_path / "archive.zip").as_uri())
    return public_patient


def make_archive(folder: Path, files: list[Path]) -> None:
    """The archive as the publisher's service makes it: DICOM files and a licence."""
    with zipfile.ZipFile(folder / "archive.zip", "w") as archive:
        archive.writestr("LICENSE", "CC BY-NC 3.0")
        for file in files:
            archive.write(file, f"series/{file.name}")


def test_the_public_patient_is_checked_by_its_voxels(a_desktop, public_patient, tmp_path):
    slices = sorted((shared_data("lung1-001") / "ct").iterdir())
    make_archive(tmp_path, slices)
    node = public_patient.load_public_patient(tmp_path / "cache")
    assert node.GetName() == "LUNG1-001"
    assert "not for commercial use" in a_desktop.messages[-1]["text"]
    assert [p.name for p in (tmp_path / "cache").iterdir()] == ["LUNG1-001"], "nothing is left aside"


def test_another_ct_is_not_taken_for_the_public_patient(a_desktop, public_patient, tmp_path):
    from NSCLCResponseSegmentLib.core.errors import ImageError

    make_archive(tmp_path, sorted((shared_data("lung1-001") / "ct").iterdir())[:40])
    with pytest.raises(ImageError, match="not the CT that was published"):
        public_patient.load_public_patient(tmp_path / "cache")
    assert a_desktop.slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == 0


def test_a_failed_download_leaves_nothing_and_says_what_to_do(a_desktop, public_patient, tmp_path):
    from NSCLCResponseSegmentLib.core.errors import ImageError

    (tmp_path / "archive.zip").write_bytes(b"<html>maintenance</html>")
    with pytest.raises(ImageError, match="could not be downloaded"):
        public_patient.load_public_patient(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_who_declines_the_licence_downloads_nothing(a_desktop, public_patient, tmp_path):
    from PySide6.QtWidgets import QMessageBox

    from NSCLCResponseSegmentLib.core.errors import JobCancelledError

    a_desktop.answers.append(QMessageBox.StandardButton.Cancel)
    with pytest.raises(JobCancelledError):
        public_patient.load_public_patient(tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
