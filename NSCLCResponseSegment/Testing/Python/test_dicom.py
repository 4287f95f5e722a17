"""DICOM series of CT: which one is read, in which order, and what is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import RLELossless

from NSCLCResponseSegmentLib.core.errors import ImageError
from NSCLCResponseSegmentLib.core.reading import read_ct
from support.data import shared_data
from support.dicom_maker import ORIGIN, SPACING, Examination, body

AIR_AND_BODY = body()


def refusal(path: Path, series: str = "") -> ImageError:
    """The error of reading a CT, checked to be a sentence with place and remedy."""
    with pytest.raises(ImageError) as caught:
        read_ct(path, series)
    assert path.name in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.remedy.endswith(".")
    return caught.value


def pixels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def test_slices_are_ordered_by_position_with_geometry_and_facts(tmp_path: Path):
    Examination().ct(tmp_path / "ct")
    ct = read_ct(tmp_path / "ct")
    assert np.array_equal(pixels(ct.image), AIR_AND_BODY)
    assert ct.image.GetPixelID() == sitk.sitkInt16
    assert ct.image.GetSpacing() == pytest.approx(SPACING)
    assert ct.image.GetOrigin() == pytest.approx(ORIGIN)
    assert ct.unit == "HU"
    assert (ct.patient_id, ct.acquisition_date) == ("test-1", "20240105")
    assert (ct.facts["kernel"], ct.facts["kvp"], ct.facts["slice_thickness_mm"]) == ("B30f", 120.0, 3.0)
    positions = [float(pydicom.dcmread(p, stop_before_pixels=True).ImagePositionPatient[2]) for p in ct.dicom_files]
    assert positions == sorted(positions)


@pytest.mark.parametrize("name", ["Müller, Jürgen", "肺 がん", "a  b"])
def test_blanks_and_accents_in_paths_simply_work(tmp_path: Path, name: str):
    Examination().ct(tmp_path / name / "série 1")
    assert np.array_equal(pixels(read_ct(tmp_path / name).image), AIR_AND_BODY)


def test_one_file_stands_for_its_series(tmp_path: Path):
    patient = Examination()
    patient.ct(tmp_path, description="other")
    files = patient.ct(tmp_path, hounsfield=AIR_AND_BODY + 1)
    assert np.array_equal(pixels(read_ct(files[3]).image), AIR_AND_BODY + 1)


def test_compressed_slices_and_different_slopes_are_read(tmp_path: Path):
    def compress(ds: Dataset, index: int) -> None:
        ds.RescaleSlope = 1 + index / 4  # the first slice's whole slope must not cut the others' decimals
        ds.compress(RLELossless)

    Examination().ct(tmp_path / "ct", compress)
    expected = (AIR_AND_BODY + 1024.0) * (1 + np.arange(12) / 4)[:, None, None] - 1024
    assert np.allclose(pixels(read_ct(tmp_path / "ct").image), expected)


def test_a_multi_frame_ct_is_read_like_single_slices(tmp_path: Path):
    Examination().enhanced_ct(tmp_path / "ct" / "enhanced.dcm")
    ct = read_ct(tmp_path / "ct")
    Examination().ct(tmp_path / "single")
    single = read_ct(tmp_path / "single").image
    resampled = sitk.Resample(ct.image, single, sitk.Transform(), sitk.sitkNearestNeighbor, -3000)
    assert np.array_equal(pixels(resampled), AIR_AND_BODY)


def test_scouts_and_derived_series_are_left_aside_and_named(tmp_path: Path):
    patient = Examination()

    def as_scout(ds: Dataset, index: int) -> None:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    def as_derived(ds: Dataset, index: int) -> None:
        ds.ImageType = ["DERIVED", "SECONDARY", "MPR"]

    patient.ct(tmp_path / "study", as_scout, description="Topogram", number=1)
    patient.ct(tmp_path / "study", as_derived, description="MPR", number=5)
    patient.ct(tmp_path / "study", hounsfield=AIR_AND_BODY + 7, description="Thorax")
    ct = read_ct(tmp_path / "study")
    assert ct.series_description == "Thorax"
    assert np.array_equal(pixels(ct.image), AIR_AND_BODY + 7)
    assert "Topogram" in " ".join(ct.notes)


def test_two_series_are_listed_and_chosen_by_number_description_or_uid(tmp_path: Path):
    patient = Examination()
    patient.ct(tmp_path / "study", description="lung kernel", number=2)
    sharp = patient.ct(tmp_path / "study", description="soft kernel", number=3, hounsfield=AIR_AND_BODY + 3)
    error = refusal(tmp_path / "study")
    assert "lung kernel" in error.message
    assert "12 files" in error.message
    assert "--series" in error.remedy
    uid = str(pydicom.dcmread(sharp[0], stop_before_pixels=True).SeriesInstanceUID)
    for wanted in ("3", "Soft", uid, uid[-8:]):
        assert np.array_equal(pixels(read_ct(tmp_path / "study", wanted).image), AIR_AND_BODY + 3)
    assert "no series" in refusal(tmp_path / "study", "bone").message.lower()


def test_the_same_file_twice_is_read_once(tmp_path: Path):
    files = Examination().ct(tmp_path / "ct")
    (tmp_path / "ct" / "copy.dcm").write_bytes(files[4].read_bytes())
    ct = read_ct(tmp_path / "ct")
    assert ct.image.GetSize()[2] == 12
    assert any("copies" in note for note in ct.notes)


def compressed(ds: Dataset, index: int) -> None:
    ds.compress(RLELossless)


def with_gap(ds: Dataset, index: int) -> None:
    if index > 5:
        ds.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + (index + 3) * SPACING[2]]


def unevenly(ds: Dataset, index: int) -> None:
    if index == 6:
        ds.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + (index + 0.3) * SPACING[2]]


def doubled(ds: Dataset, index: int) -> None:
    ds.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + index // 2 * SPACING[2]]


def tilted(ds: Dataset, index: int) -> None:
    cosine, sine = np.cos(np.radians(15)), np.sin(np.radians(15))
    ds.ImageOrientationPatient = [1, 0, 0, 0, round(cosine, 6), round(sine, 6)]
    ds.GantryDetectorTilt = 15


def said_to_be_tilted(ds: Dataset, index: int) -> None:
    ds.GantryDetectorTilt = 15


def without_position(ds: Dataset, index: int) -> None:
    if index == 4:
        del ds.ImagePositionPatient


def sagittal(ds: Dataset, index: int) -> None:
    ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
    ds.ImagePositionPatient = [-index * SPACING[2], 0, 0]


def half_sized(ds: Dataset, index: int) -> None:
    if index == 2:
        ds.Rows = ds.Rows // 2
        ds.PixelData = ds.PixelData[: len(ds.PixelData) // 2]


def as_mr(ds: Dataset, index: int) -> None:
    ds.Modality, ds.SOPClassUID = "MR", "1.2.840.10008.5.1.4.1.1.4"


def as_scout(ds: Dataset, index: int) -> None:
    ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]


def in_electron_density(ds: Dataset, index: int) -> None:
    ds.RescaleType = "ED"


def without_rescale(ds: Dataset, index: int) -> None:
    del ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType


def as_capture(ds: Dataset, index: int) -> None:
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (with_gap, ["missing", "12.00 mm", "3.00 mm", "-85.0", "about 3"]),
        (unevenly, ["uneven", "3.00 mm", "3.90 mm"]),
        (doubled, ["more than one slice", "-100.0"]),
        (tilted, ["tilted gantry", "15.0°"]),
        (said_to_be_tilted, ["tilted", "15.0°"]),
        (without_position, ["incomplete", "ImagePositionPatient"]),
        (sagittal, ["transverse"]),
        (half_sized, ["different size", "32×16"]),
        (as_mr, ["MR", "no CT"]),
        (as_scout, ["localizer"]),
        (in_electron_density, ["Hounsfield", "ED"]),
        (without_rescale, ["Hounsfield", "24 to 1104"]),
        (as_capture, ["no CT slices"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_refused_with_one_clear_sentence(tmp_path: Path, edit: Callable[[Dataset, int], None], words: list[str]):
    Examination().ct(tmp_path / "ct", edit)
    message = refusal(tmp_path / "ct").message
    for word in words:
        assert word in message


def test_positions_rounded_to_a_tenth_of_a_millimetre_are_even(tmp_path: Path):
    def rounded(ds: Dataset, index: int) -> None:
        ds.ImagePositionPatient = [*ORIGIN[:2], round(ORIGIN[2] + index * 0.625, 1)]

    Examination().ct(tmp_path / "ct", rounded)
    assert read_ct(tmp_path / "ct").image.GetSpacing()[2] == pytest.approx(0.625, abs=0.01)


@pytest.mark.parametrize("part", [0, 0.1, 0.3, 0.8, 0.99])
def test_a_cut_file_is_named(tmp_path: Path, part: float):
    files = Examination().ct(tmp_path / "ct")
    whole = files[5].read_bytes()
    files[5].write_bytes(whole[: int(len(whole) * part)])
    assert files[5].name in refusal(tmp_path / "ct").message


def test_a_cut_compressed_file_is_named(tmp_path: Path):
    files = Examination().ct(tmp_path / "ct", compressed)
    whole = files[5].read_bytes()
    files[5].write_bytes(whole[:-60])
    assert files[5].name in refusal(tmp_path / "ct").message


def test_folders_without_dicom(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert "empty" in refusal(tmp_path / "empty").message
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "notes.txt").write_text("hello")
    (tmp_path / "papers" / "images.zip").write_bytes(b"PK")
    error = refusal(tmp_path / "papers")
    assert "2 files" in error.message
    assert "images.zip" in error.remedy


def test_other_patients_in_one_folder_are_two_series(tmp_path: Path):
    Examination("a").ct(tmp_path / "all" / "a")
    Examination("b").ct(tmp_path / "all" / "b")
    assert "2 CT series" in refusal(tmp_path / "all").message


def test_a_real_ct_in_about_two_seconds():
    folder = shared_data("lung1-001", "ct")
    began = time.perf_counter()
    ct = read_ct(folder)
    assert time.perf_counter() - began < 8, "about 1 s alone on two cores; the rest is for a busy machine"
    assert ct.image.GetSize() == (512, 512, 134)
    assert ct.image.GetSpacing() == pytest.approx((0.9765625, 0.9765625, 3.0))
    assert ct.patient_id == "LUNG1-001"
    middle = ct.dicom_files[67]
    header = pydicom.dcmread(middle)
    assert np.array_equal(pixels(ct.image)[67], header.pixel_array.astype(int) - 1024)
    assert ct.image.TransformIndexToPhysicalPoint((0, 0, 67)) == pytest.approx(list(header.ImagePositionPatient))
