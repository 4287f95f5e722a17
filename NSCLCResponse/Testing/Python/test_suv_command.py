"""``nsclc-response suv``: the volume on its own, and nothing written when it cannot be computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from support.cli import nsclc_response
from support.dicom_maker import Examination


def test_it_writes_the_volume_and_says_how(tmp_path: Path):
    Examination().pet(tmp_path / "PET série 1")
    out = tmp_path / "mit Leerzeichen" / "suv.nii.gz"
    done = nsclc_response("suv", tmp_path / "PET série 1", "--out", out)
    assert done.code == 0, done.err
    suv = sitk.GetArrayFromImage(sitk.ReadImage(str(out)))
    assert np.unique(suv.round(3)) == pytest.approx([1.460, 5.842], abs=0.001)
    for words in ("BQML, decay correction START", "Series Time", "60.0 min", "SUVmax: 5.84"):
        assert words in done.out
    again = nsclc_response("suv", tmp_path / "PET série 1", "--out", out)
    assert again.code == 2
    assert "--overwrite" in again.sentence


def test_without_weight_nothing_is_written(tmp_path: Path):
    def without_weight(ds: Dataset, index: int) -> None:
        del ds.PatientWeight

    Examination().pet(tmp_path / "pet", without_weight)
    done = nsclc_response("suv", tmp_path / "pet", "--out", tmp_path / "out" / "suv.nii.gz")
    assert done.code == 2
    assert "(0010,1030)" in done.sentence
    assert not list(tmp_path.glob("out/*"))
