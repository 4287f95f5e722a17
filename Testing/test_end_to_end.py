"""Real and simulated patients through all rooms: images in, prediction with pictures out.

Two commands run as a user starts them, with all outputs; where numbers alone are looked at, a warm worker makes them.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.result import check_result
from NSCLCResponseSegmentLib.core.jobs import WarmWorker, wait_for
from support.cli import nsclc_response
from support.data import shared_data

LUNG1_CENTRE = (-81.0, 201.0, -456.0)  # RAS, within GTV-1
CONTOURS = 6
OUTPUTS = {"result.json", "features.csv", "tumour.seg.nrrd", "overlay.png", "report.html", "scene.mrb"}
OUTPUTS |= {"cnn_map.nrrd", "cnn_gradcam.nrrd"}
DICOM_OUTPUTS = {"tumour_seg.dcm", "report_sr.dcm"}


def predict(out: Path, *arguments: object) -> dict:
    done = nsclc_response("predict", *arguments, "--contours", CONTOURS, "--out", out)
    assert done.code == 0, done.err
    is_dicom = Path(str(arguments[arguments.index("--ct") + 1])).is_dir()
    assert {p.name for p in out.iterdir()} == OUTPUTS | (DICOM_OUTPUTS if is_dicom else set())
    result = json.loads((out / "result.json").read_text(encoding="utf-8"))
    check_result(result)
    assert f"{result['prediction']['probability']:.2f}" in done.out
    assert result["prediction"]["label"] in done.out
    return result


def numbers_of(worker: WarmWorker, out: Path, **arguments: object) -> dict:
    """The result without pictures, report and scene."""
    given = {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}
    job = worker.start("predict", {**given, "redraws": CONTOURS, "outputs": ["core"], "out": str(out)})
    wait_for(job, 300)
    result = job.result()["result"]
    assert json.loads((out / "result.json").read_text(encoding="utf-8")) == result
    check_result(result)
    return result


@pytest.fixture(scope="module")
def lung1(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """LUNG1-001 from its DICOM folder with the RTSTRUCT's GTV-1."""
    out = tmp_path_factory.mktemp("lung1") / "Ergebnis für Patient 1"
    folder = shared_data("lung1-001")
    return out, predict(out, "--ct", folder / "ct", "--mask", folder / "rtstruct.dcm", "--roi", "GTV-1")


def test_lung1_has_the_published_volume(lung1: tuple[Path, dict]):
    _, result = lung1
    assert result["tumour"]["volume_ml"] == pytest.approx(156.3, rel=0.005)
    assert result["inputs"]["mask"]["roi"] == "GTV-1"
    assert result["inputs"]["ct"]["facts"], "the DICOM facts are part of the result"


def test_lung1_features_equal_stock_pyradiomics(lung1: tuple[Path, dict]):
    """features.csv against PyRadiomics called directly with the signature's own settings file."""
    import logging

    from radiomics import featureextractor

    from NSCLCResponseLib.core.signature_io import default_signature
    from NSCLCResponseSegmentLib.core.masks import read_mask
    from NSCLCResponseSegmentLib.core.reading import read_ct

    out, _ = lung1
    with (out / "features.csv").open(encoding="utf-8") as stream:
        ours = {k: float(v) for k, v in next(csv.DictReader(stream)).items() if k.startswith("ct_") and v}
    folder = shared_data("lung1-001")
    ct = read_ct(folder / "ct")
    mask = read_mask(folder / "rtstruct.dcm", ct, "GTV-1")
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    settings = next(default_signature().glob("*ct*.yaml"))
    stock = featureextractor.RadiomicsFeatureExtractor(str(settings)).execute(ct.image, mask.image)
    expected = {f"ct_{k}": float(v) for k, v in stock.items() if not k.startswith("diagnostics")}
    assert expected
    assert set(expected) <= set(ours)
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, rel=1e-6, abs=1e-12), name


def test_lung1_pictures_and_report_are_there_and_self_contained(lung1: tuple[Path, dict]):
    out, result = lung1
    pixels = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "overlay.png")))
    assert pixels.shape[0] >= 800
    assert pixels.shape[1] >= 1000
    assert pixels.std() > 20, "the views are not empty"
    html = (out / "report.html").read_text(encoding="utf-8")
    assert result["prediction"]["label"] in html
    assert "data:image/png;base64," in html
    text = re.sub(r"base64,[A-Za-z0-9+/=]+", "", html).replace("http-equiv", "")
    assert "http" not in text, "nothing is fetched from outside"
    assert "<script" not in html


def test_lung1_says_how_sure_it_is_and_where_it_looked(lung1: tuple[Path, dict]):
    out, result = lung1
    prediction = result["prediction"]
    low, high = prediction["probability_range"]
    assert low <= prediction["probability"] <= high
    assert prediction["redraw"]["count"] == CONTOURS
    assert 0.85 < prediction["redraw"]["dice"] < 1
    assert result["image_facts"]["slice_mm"] == 3
    shown = sitk.ReadImage(str(out / "cnn_map.nrrd"))
    assert list(shown.GetSize()) == result["inputs"]["ct"]["size"]
    values = sitk.GetArrayViewFromImage(shown)
    assert 0.5 < abs(values).max() <= 1
    assert (values != 0).mean() < 0.1, "masked to the patch"


def test_lung1_with_a_single_click(tmp_path: Path, a_warm_worker: WarmWorker):
    ct = shared_data("lung1-001") / "ct"
    result = numbers_of(a_warm_worker, tmp_path / "out", ct=ct, click_ras=[LUNG1_CENTRE])
    assert result["inputs"]["mask"]["origin"] == "one click"
    assert 30 < result["tumour"]["volume_ml"] < 400


def test_4d_lung_from_nifti(tmp_path: Path, a_warm_worker: WarmWorker):
    folder = shared_data("4d-lung-113")
    images = {"ct": folder / "ct.nii.gz", "mask": folder / "tumour.nii.gz"}
    result = numbers_of(a_warm_worker, tmp_path / "out", **images)
    assert result["tumour"]["volume_ml"] == pytest.approx(67.6, rel=0.01)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory, a_simulated_patient: Path) -> tuple[Path, Path, dict]:
    """Folder, outputs and result of a simulated patient with PET; blanks and accents in every path."""
    folder = tmp_path_factory.mktemp("simulated") / "Patient Müller – 肺"
    shutil.copytree(a_simulated_patient, folder)
    out = folder / "résultat n° 1"
    images = [part for kind in ("ct", "mask", "pet") for part in (f"--{kind}", folder / f"{kind}.nii.gz")]
    return folder, out, predict(out, *images)


def test_simulated_patient_with_pet_and_without_gives_both_predictions(
    tmp_path: Path, simulated: tuple[Path, Path, dict], a_warm_worker: WarmWorker
):
    folder, _, with_pet = simulated
    without = numbers_of(a_warm_worker, tmp_path / "b", ct=folder / "ct.nii.gz", mask=folder / "mask.nii.gz")
    assert with_pet["inputs"]["pet"]["unit"] == "SUVbw"
    assert without["inputs"]["pet"] is None
    assert with_pet["prediction"]["probability"] != without["prediction"]["probability"]
    assert any(not part["used"] and part["reason"] for part in without["prediction"]["parts"])


def test_same_input_gives_same_numbers_in_another_process(
    tmp_path: Path, simulated: tuple[Path, Path, dict], a_warm_worker: WarmWorker
):
    folder, out, first = simulated
    images = {kind: folder / f"{kind}.nii.gz" for kind in ("ct", "mask", "pet")}
    second = numbers_of(a_warm_worker, tmp_path / "again", **images)
    assert first["prediction"] == second["prediction"]
    assert (out / "features.csv").read_bytes() == (tmp_path / "again" / "features.csv").read_bytes()


def test_a_coarser_mask_is_said_to_be_resampled(
    tmp_path: Path, simulated: tuple[Path, Path, dict], lung1: tuple[Path, dict], a_warm_worker: WarmWorker
):
    folder, _, result = simulated
    mask = sitk.ReadImage(str(folder / "mask.nii.gz"))
    coarse = sitk.Resample(
        mask, [s // 2 for s in mask.GetSize()], sitk.Transform(), sitk.sitkNearestNeighbor, mask.GetOrigin(),
        [2 * s for s in mask.GetSpacing()], mask.GetDirection(), 0, sitk.sitkUInt8,
    )  # fmt: skip
    sitk.WriteImage(coarse, str(tmp_path / "coarse.nii.gz"))
    images = {"ct": folder / "ct.nii.gz", "mask": tmp_path / "coarse.nii.gz"}
    on_coarse = numbers_of(a_warm_worker, tmp_path / "out", **images)
    assert on_coarse["tumour"]["volume_ml"] == pytest.approx(result["tumour"]["volume_ml"], rel=0.1)
    assert any("resampled" in warning.lower() for warning in on_coarse["warnings"])
    assert not any("resampled" in warning.lower() for warning in lung1[1]["warnings"])


def test_segmentation_file_holds_the_mask_with_terminology(lung1: tuple[Path, dict]):
    out, result = lung1
    image = sitk.ReadImage(str(out / "tumour.seg.nrrd"))
    keys = {key: image.GetMetaData(key) for key in image.GetMetaDataKeys()}
    tags = keys["Segment0_Tags"]
    assert "SCT^" in tags
    assert "Neoplasm" in tags or "neoplasm" in tags
    array = sitk.GetArrayFromImage(image)
    volume = np.count_nonzero(array) * np.prod(image.GetSpacing()) / 1000
    assert volume == pytest.approx(result["tumour"]["volume_ml"], rel=1e-3)
