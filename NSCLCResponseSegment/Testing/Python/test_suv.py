"""SUVbw: every branch of QIBA's pseudo-code on small files, what is refused, and a real PET against published SUV."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset

from NSCLCResponseSegmentLib.core.case import LoadedImage
from NSCLCResponseSegmentLib.core.errors import PetError
from NSCLCResponseSegmentLib.core.reading import read_pet
from NSCLCResponseSegmentLib.core.suv import PHILIPS_CREATOR
from NSCLCResponseSegmentLib.core.suv_times import GE_CREATOR
from support.data import shared_data
from support.dicom_maker import TUMOUR, Examination

HALF_LIFE = 6586.2
TUMOUR_ACTIVITY = 20000.0
ONE_HOUR = TUMOUR_ACTIVITY * 70e3 / (350e6 * 2 ** (-3600 / HALF_LIFE))  # the maker's PET: 5.84 g/mL

Edit = Callable[[Dataset, int], None]


def tumour_suv(pet: LoadedImage) -> float:
    values = sitk.GetArrayFromImage(pet.image)[TUMOUR]
    assert np.ptp(values) < 1e-4 * values.max()
    return float(values.mean())


def converted(folder: Path, edit: Edit, **options: object) -> LoadedImage:
    Examination().pet(folder / "pet", edit, **options)
    return read_pet(folder / "pet")


def nothing(ds: Dataset, index: int) -> None:
    pass


def injection_of(ds: Dataset) -> Dataset:
    return ds.RadiopharmaceuticalInformationSequence[0]


def corrected_to_injection(ds: Dataset, index: int) -> None:
    ds.DecayCorrection = "ADMIN"


def with_date_of_injection(ds: Dataset, index: int) -> None:
    del injection_of(ds).RadiopharmaceuticalStartTime
    injection_of(ds).RadiopharmaceuticalStartDateTime = "20240105093000.00"


def with_time_zones(ds: Dataset, index: int) -> None:
    del injection_of(ds).RadiopharmaceuticalStartTime
    injection_of(ds).RadiopharmaceuticalStartDateTime = "20240105083000+0000"
    ds.TimezoneOffsetFromUTC = "+0100"


def over_midnight(ds: Dataset, index: int) -> None:
    injection_of(ds).RadiopharmaceuticalStartTime = "233000"
    ds.SeriesTime = ds.AcquisitionTime = "003000"


def reprocessed_later_by_ge(ds: Dataset, index: int) -> None:
    ds.SeriesTime, ds.AcquisitionTime, ds.Manufacturer = "150000", "110500", "GE MEDICAL SYSTEMS"
    ds.private_block(0x0009, GE_CREATOR, create=True).add_new(0x0D, "DT", "20240105110000.00")


def reprocessed_later_in_bed_positions(ds: Dataset, index: int) -> None:
    """Two beds of two minutes; reference times are those of the average count rate, from 11:00 on."""
    bed = index // 6
    constant = np.log(2) / HALF_LIFE
    average = np.log(constant * 120 / (1 - np.exp(-constant * 120))) / constant
    ds.SeriesTime, ds.AcquisitionTime = "150000", f"11{5 + 2 * bed:02d}00"
    ds.FrameReferenceTime = round(1000 * (300 + 120 * bed + average), 3)


def reprocessed_later_without_reference(ds: Dataset, index: int) -> None:
    ds.SeriesTime, ds.AcquisitionTime = "150000", f"11{index:02d}00"
    del ds.FrameReferenceTime


def reprocessed_later_with_other_reference(ds: Dataset, index: int) -> None:
    """Acquisition Time is that of the whole scan, so going back from it would give another start for every bed."""
    ds.SeriesTime, ds.AcquisitionTime, ds.FrameReferenceTime = "150000", "110000", 60000 + 120000 * (index // 4)


def without_series_time(ds: Dataset, index: int) -> None:
    del ds.SeriesTime, ds.FrameReferenceTime


def in_philips_counts(ds: Dataset, index: int) -> None:
    ds.Units = "CNTS"
    ds.private_block(0x7053, PHILIPS_CREATOR, create=True).add_new(0x00, "DS", "0.0004")


def in_philips_counts_without_creator(ds: Dataset, index: int) -> None:
    in_philips_counts(ds, index)
    del ds[0x7053, 0x0010]


def in_philips_counts_of_activity(ds: Dataset, index: int) -> None:
    ds.Units = "CNTS"
    block = ds.private_block(0x7053, PHILIPS_CREATOR, create=True)
    block.add_new(0x00, "DS", "0")  # Philips writes 0 when it did not compute SUV
    block.add_new(0x09, "DS", "2.5")


def in_suv_already(ds: Dataset, index: int) -> None:
    ds.Units, ds.RescaleSlope = "GML", 0.5 / 4000


def with_intercept(ds: Dataset, index: int) -> None:
    ds.RescaleIntercept = 1000


@pytest.mark.parametrize(
    ("edit", "expected", "branch"),
    [
        (nothing, ONE_HOUR, "BQML, decay correction START, scan start from Series Time"),
        (corrected_to_injection, 4.0, "BQML, decay correction ADMIN"),
        (with_date_of_injection, ONE_HOUR * 2 ** (1800 / HALF_LIFE), "Series Time"),
        (with_time_zones, ONE_HOUR * 2 ** (1800 / HALF_LIFE), "Series Time"),
        (over_midnight, ONE_HOUR, "Series Time"),
        (reprocessed_later_by_ge, ONE_HOUR, "GE private scan time"),
        (reprocessed_later_in_bed_positions, ONE_HOUR, "Frame Reference Time"),
        (reprocessed_later_without_reference, ONE_HOUR, "earliest Acquisition Time"),
        (reprocessed_later_with_other_reference, ONE_HOUR, "earliest Acquisition Time"),
        (without_series_time, ONE_HOUR, "earliest Acquisition Time"),
        (in_philips_counts, TUMOUR_ACTIVITY * 0.0004, "CNTS, Philips SUV scale factor (7053,1000)"),
        (in_philips_counts_without_creator, TUMOUR_ACTIVITY * 0.0004, "(7053,1000)"),
        (in_philips_counts_of_activity, ONE_HOUR * 2.5, "CNTS, Philips activity concentration factor (7053,1009)"),
        (in_suv_already, 5.0, "GML, SUVbw already"),
        (with_intercept, ONE_HOUR * 21 / 20, "BQML"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_branch(tmp_path: Path, edit: Edit, expected: float, branch: str):
    pet = converted(tmp_path, edit)
    assert tumour_suv(pet) == pytest.approx(expected, rel=1e-4)
    assert branch in pet.facts["suv_branch"]
    assert any(branch.split(",", maxsplit=1)[0] in note for note in pet.notes), "the user reads which way was taken"
    assert (pet.modality, pet.unit) == ("PT", "SUVbw")
    assert json.loads(json.dumps(dict(pet.facts))) == pet.facts, "facts are plain JSON"


def test_slopes_of_single_slices_are_kept(tmp_path: Path):
    pet = converted(tmp_path, nothing, slopes=[1.0, *np.linspace(0.31, 2.3, 11)])
    values = sitk.GetArrayFromImage(pet.image)[TUMOUR]
    assert values == pytest.approx(ONE_HOUR, rel=2e-4)


def test_factors_of_single_slices_are_kept(tmp_path: Path):
    def edit(ds: Dataset, index: int) -> None:
        ds.Units = "CNTS"
        factor = 0.0001 * (index + 1)
        ds.private_block(0x7053, PHILIPS_CREATOR, create=True).add_new(0x00, "DS", f"{factor:.4f}")

    Examination().pet(tmp_path / "pet", edit)
    values = sitk.GetArrayFromImage(read_pet(tmp_path / "pet").image)[:, 0, 0]
    assert values == pytest.approx(5000 * 0.0001 * np.arange(1, 13), rel=1e-5)


def remove(key: str) -> Edit:
    def edit(ds: Dataset, index: int) -> None:
        delattr(ds, key)

    return edit


def remove_injection(key: str) -> Edit:
    def edit(ds: Dataset, index: int) -> None:
        delattr(injection_of(ds), key)

    return edit


def put(key: str, value: object) -> Edit:
    def edit(ds: Dataset, index: int) -> None:
        setattr(ds, key, value)

    return edit


def put_injection(key: str, value: object) -> Edit:
    def edit(ds: Dataset, index: int) -> None:
        setattr(injection_of(ds), key, value)

    return edit


def with_wrong_half_life(ds: Dataset, index: int) -> None:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "C-111A1", "SRT", "18F"
    injection_of(ds).RadionuclideCodeSequence = [code]
    injection_of(ds).RadionuclideHalfLife = 109.77  # minutes


def with_lean_body_mass(ds: Dataset, index: int) -> None:
    ds.Units, ds.SUVType = "GML", "LBM"


def with_two_clocks(ds: Dataset, index: int) -> None:
    injection_of(ds).RadiopharmaceuticalStartDateTime = "20240105093000"


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (remove("PatientWeight"), ["(0010,1030)"]),
        (put("PatientWeight", 0), ["(0010,1030)", "0"]),
        (put("PatientWeight", 70000), ["(0010,1030)", "70000 kg"]),
        (remove("RadiopharmaceuticalInformationSequence"), ["(0054,0016)"]),
        (remove_injection("RadionuclideTotalDose"), ["(0018,1074)"]),
        (put_injection("RadionuclideTotalDose", 0), ["(0018,1074)"]),
        (put_injection("RadionuclideTotalDose", 350), ["(0018,1074)", "MBq"]),
        (remove_injection("RadionuclideHalfLife"), ["(0018,1075)"]),
        (with_wrong_half_life, ["(0018,1075)", "109.77", "6586.2"]),
        (remove_injection("RadiopharmaceuticalStartTime"), ["(0018,1072)"]),
        (put_injection("RadiopharmaceuticalStartTime", "110500"), ["(0018,1072)", "23.9 h"]),
        (put_injection("RadiopharmaceuticalStartDateTime", "20230105100000"), ["(0018,1078)", "cannot be"]),
        (with_two_clocks, ["(0018,1078)", "(0018,1072)", "contradicts"]),
        (remove("AcquisitionTime"), ["(0008,0032)"]),
        (put("DecayCorrection", "NONE"), ["(0054,1102)", "NONE"]),
        (put("CorrectedImage", ["DECY", "SCAT"]), ["attenuation", "(0028,0051)"]),
        (put("CorrectedImage", ["ATTN", "SCAT"]), ["decay", "(0028,0051)"]),
        (put("Units", "CNTS"), ["(7053,1000)", "(7053,1009)"]),
        (put("Units", "PROPCPS"), ["PROPCPS", "(0054,1001)"]),
        (with_lean_body_mass, ["LBM", "(0054,1006)"]),
    ],
)
def test_refused_rather_than_guessed(tmp_path: Path, edit: Edit, words: list[str]):
    Examination().pet(tmp_path / "pet", edit)
    with pytest.raises(PetError) as caught:
        read_pet(tmp_path / "pet")
    for word in [*words, "pet"]:
        assert word in caught.value.message
    assert caught.value.remedy.endswith(".")


def test_a_multi_frame_pet_is_refused(tmp_path: Path):
    path = Examination().enhanced_ct(tmp_path / "pet" / "enhanced.dcm")
    ds = pydicom.dcmread(path)
    ds.Modality, ds.SOPClassUID = "PT", "1.2.840.10008.5.1.4.1.1.130"
    ds.save_as(path)
    with pytest.raises(PetError, match="multi-frame"):
        read_pet(tmp_path / "pet")


def test_the_attenuation_corrected_series_is_chosen(tmp_path: Path):
    patient = Examination()
    patient.pet(tmp_path / "nac", put("CorrectedImage", ["DECY"]))
    patient.pet(tmp_path / "ac")
    assert tumour_suv(read_pet(tmp_path)) == pytest.approx(ONE_HOUR, rel=1e-4)


def written(path: Path, values: np.ndarray) -> Path:
    sitk.WriteImage(sitk.GetImageFromArray(values.astype(np.float32)), str(path))
    return path


def test_other_formats_are_taken_as_suv_and_say_so(tmp_path: Path):
    values = np.linspace(0, 12, 1000).reshape(10, 10, 10)
    pet = read_pet(written(tmp_path / "pet.nii.gz", values))
    assert sitk.GetArrayFromImage(pet.image) == pytest.approx(values)
    assert any("pet.nii.gz" in note and "SUVbw" in note for note in pet.notes)


@pytest.mark.parametrize(
    ("low", "high", "word"), [(0, 30000, "Bq/mL"), (-1000, 900, "CT"), (0, 0, "empty")], ids=["activity", "ct", "empty"]
)
def test_other_formats_that_cannot_be_suv_are_refused(tmp_path: Path, low: float, high: float, word: str):
    path = written(tmp_path / "pet.nii.gz", np.linspace(low, high, 1000).reshape(10, 10, 10))
    with pytest.raises(PetError, match=word) as caught:
        read_pet(path)
    assert "pet.nii.gz" in caught.value.message
    assert caught.value.remedy


def ratio_to_published(image: sitk.Image) -> float:
    """Median of our SUV over the publisher's, above 0.5, on the publisher's grid."""
    published = sitk.ReadImage(str(shared_data("sts-001", "pet_image.nii.gz")))
    ours = sitk.GetArrayFromImage(sitk.Resample(image, published))
    theirs = sitk.GetArrayFromImage(published)
    taken_up = theirs > 0.5
    assert taken_up.sum() > 10_000
    return float(np.median(ours[taken_up] / theirs[taken_up]))


def test_a_real_pet_equals_the_published_suv_image():
    pet = read_pet(shared_data("sts-001", "pet"))
    assert ratio_to_published(pet.image) == pytest.approx(1.0, abs=1e-3)
    assert pet.facts["suv"]["uptake_s"] == 2711
