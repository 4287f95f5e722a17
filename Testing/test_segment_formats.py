"""The job behind ``segment``: all kinds of outlines in, all formats out, lesions chosen, empty results, overwriting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.tasks import segment
from NSCLCResponseLib.worker import TaskContext
from NSCLCResponseSegmentLib.core.atomic import new_token
from NSCLCResponseSegmentLib.core.errors import MaskError, OutputError, SegmentationError
from NSCLCResponseSegmentLib.core.masks import read_mask
from NSCLCResponseSegmentLib.core.progress import Progress
from NSCLCResponseSegmentLib.core.reading import read_ct
from support.dicom_maker import Examination, tumour_contours, tumour_mask


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One examination: CT, and the tumour as structure set and DICOM SEG."""
    folder, patient = tmp_path_factory.mktemp("formats"), Examination()
    ct = patient.ct(folder / "ct")
    return {
        "ct": folder / "ct",
        "rtstruct": patient.rtstruct(folder / "rs.dcm", {"Lung": tumour_contours(), "GTV-1": tumour_contours()}),
        "seg": patient.seg(folder / "seg.dcm", ct, {"Tumour": tumour_mask()}),
    }


def run(files: dict[str, Path], out: Path, **arguments: Any) -> dict[str, Any]:
    arguments = {"ct": str(files["ct"]), "out": str(out), **arguments}
    return segment.run(arguments, TaskContext(Progress(), new_token()))


def voxels(path: Path | str) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))


@pytest.mark.parametrize("suffix", [".nii.gz", ".seg.nrrd", ".dcm", ".mha"])
def test_an_outline_goes_through_every_format_unchanged(tmp_path: Path, files: dict[str, Path], suffix: str):
    for kind, roi in (("rtstruct", "GTV-1"), ("seg", "")):
        there = tmp_path / f"{kind}{suffix}"
        result = run(files, there, mask=str(files[kind]), roi=roi)
        assert result["origin"] == "imported"
        back = run(files, tmp_path / f"{kind}-back.nii.gz", mask=str(there))
        assert np.array_equal(voxels(back["out"]), tumour_mask())
        assert back["lesions"][0]["volume_ml"] == result["lesions"][0]["volume_ml"]


def test_a_surface_is_written_beside(tmp_path: Path, files: dict[str, Path]):
    pytest.importorskip("vtkmodules")
    result = run(files, tmp_path / "tumour.stl", mask=str(files["seg"]))
    assert Path(result["out"]).stat().st_size > 1000


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path, files: dict[str, Path]):
    out = tmp_path / "mask.nii.gz"
    run(files, out, mask=str(files["seg"]))
    edited = sitk.ReadImage(str(out)) * 0
    sitk.WriteImage(edited, str(out))
    with pytest.raises(OutputError, match="perhaps with corrections by hand") as caught:
        run(files, out, mask=str(files["seg"]))
    assert "--overwrite" in caught.value.remedy
    assert not voxels(out).any()
    run(files, out, mask=str(files["seg"]), overwrite=True)
    assert np.array_equal(voxels(out), tumour_mask())


def test_lesions_are_chosen_named_and_recorded(tmp_path: Path, files: dict[str, Path]):
    two = sitk.ReadImage(run(files, tmp_path / "one.nii.gz", mask=str(files["seg"]))["out"])
    array = sitk.GetArrayFromImage(two)
    array[9, 8:12, 22:26] = 1
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(two)
    sitk.WriteImage(image, str(tmp_path / "two.nii.gz"))
    mask = str(tmp_path / "two.nii.gz")
    result = run(files, tmp_path / "both.seg.nrrd", mask=mask, lesions="2=Node,1=Primary")
    assert [kept["name"] for kept in result["choice"]["kept"]] == ["Node", "Primary"]
    back = run(files, tmp_path / "node.nii.gz", mask=result["out"], roi="Node")
    assert voxels(back["out"]).sum() == 16
    assert read_mask(Path(result["out"]), read_ct(files["ct"]), "Node").lesion_choice == result["choice"]
    result = run(files, tmp_path / "primary.nii.gz", mask=mask, lesions="1=Primary")
    assert np.array_equal(voxels(result["out"]), tumour_mask())
    assert result["choice"]["dropped"] == [{"lesion": 2, "volume_ml": pytest.approx(0.031, abs=0.001)}]
    assert "Lesions kept: Primary (lesion 1; " in result["summary"]
    assert "dropped: lesion 2 (0.03 mL)" in result["summary"]
    with pytest.raises(MaskError, match="no lesion 7"):
        run(files, tmp_path / "none.nii.gz", mask=mask, lesions="7")
    assert not (tmp_path / "none.nii.gz").exists()


def test_nothing_found_is_a_result_in_words(tmp_path: Path, files: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    from NSCLCResponseLib.tasks import outlining
    from NSCLCResponseSegmentLib.core.case import TumourMask

    monkeypatch.setattr(
        outlining, "_by_model", lambda ct, *_: TumourMask(sitk.Cast(ct.image, sitk.sitkUInt8) * 0, "model m")
    )
    result = run(files, tmp_path / "mask.nii.gz", model="m")
    assert result["summary"].startswith("No tumour was found (model m). That does not exclude one")
    assert (result["lesions"], voxels(result["out"]).any()) == ([], False)
    result = run(files, tmp_path / "mask.dcm", model="m")
    assert (result["out"], (tmp_path / "mask.dcm").exists()) == ("", False)
    assert "cannot hold an empty outline" in result["summary"]


def test_only_one_way_to_outline_at_a_time(tmp_path: Path, files: dict[str, Path]):
    out = tmp_path / "mask.nii.gz"
    for arguments, words in (
        ({"mask": "m", "click_ras": [[0, 0, 0]]}, "Both a mask"),
        ({"model": "m", "click_ras": [[0, 0, 0]]}, "Both a model"),
        ({"pet_outline": "41%", "click_ras": [[0, 0, 0]]}, "no PET"),
        ({"box_ras": [0] * 6}, "A box is for"),
        ({}, "Nothing says where"),
    ):
        with pytest.raises(SegmentationError, match=words):
            run(files, out, **arguments)
    with pytest.raises(OutputError, match="does not end in"):
        run(files, tmp_path / "mask.png", mask=str(files["seg"]))
