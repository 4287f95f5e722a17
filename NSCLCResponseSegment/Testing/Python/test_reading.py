"""Research image formats, and a whole case: CT, PET and outline checked against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from NSCLCResponseSegmentLib.core.errors import ImageError, MaskError, PetError
from NSCLCResponseSegmentLib.core.masks import volume_ml
from NSCLCResponseSegmentLib.core.progress import Progress
from NSCLCResponseSegmentLib.core.read_ahead import begin_reading, take
from NSCLCResponseSegmentLib.core.reading import check_pet_matches_ct, read_case, read_ct, read_pet
from support.data import shared_data
from support.dicom_maker import ORIGIN, SPACING, Examination, body, tumour_contours, tumour_mask


def image_of(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(SPACING)
    image.SetOrigin(ORIGIN)
    return image


def saved(path: Path, image: sitk.Image) -> Path:
    sitk.WriteImage(image, str(path))
    return path


def refusal(path: Path) -> ImageError:
    with pytest.raises(ImageError) as caught:
        read_ct(path)
    assert path.name in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.remedy.endswith(".")
    return caught.value


# ---------------------------------------------------------------- research formats


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nrrd", "ct.mha", "Müller – 肺.nii", "a b.nrrd"])
def test_formats_and_paths(tmp_path: Path, name: str):
    ct = read_ct(saved(tmp_path / name, image_of(body())))
    assert np.array_equal(sitk.GetArrayFromImage(ct.image), body())
    assert ct.image.GetSpacing() == pytest.approx(SPACING)
    assert (ct.modality, ct.unit) == ("CT", "HU")


@pytest.mark.parametrize(("kind", "stored"), [(np.float64, sitk.sitkInt16), (np.int32, sitk.sitkInt16)])
def test_whole_numbers_become_16_bit(tmp_path: Path, kind: type, stored: int):
    assert read_ct(saved(tmp_path / "ct.nrrd", image_of(body().astype(kind)))).image.GetPixelID() == stored


def test_fractions_stay(tmp_path: Path):
    values = body() + 0.25
    ct = read_ct(saved(tmp_path / "ct.nrrd", image_of(values)))
    assert ct.image.GetPixelID() == sitk.sitkFloat32
    assert np.array_equal(sitk.GetArrayFromImage(ct.image), values)


def test_slices_stored_along_another_axis_are_turned_exactly(tmp_path: Path):
    turned = sitk.DICOMOrient(image_of(body()), "PIR")
    ct = read_ct(saved(tmp_path / "ct.nrrd", turned))
    assert np.array_equal(sitk.GetArrayFromImage(ct.image), body())


def test_a_file_read_ahead_is_used_once_and_a_bad_one_is_refused_as_ever(tmp_path: Path):
    path = saved(tmp_path / "ct.nii.gz", image_of(body()))
    begin_reading(path)
    assert np.array_equal(sitk.GetArrayFromImage(read_ct(path).image), body())
    assert take(path) is None, "an image stays in memory"
    path.write_bytes(path.read_bytes()[:-200])
    begin_reading(path)
    refusal(path)


def test_one_volume_in_four_dimensions_is_read_and_more_are_refused(tmp_path: Path):
    volume = image_of(body())
    one = sitk.JoinSeries([volume])
    assert np.array_equal(sitk.GetArrayFromImage(read_ct(saved(tmp_path / "one.nii.gz", one)).image), body())
    assert "32×32×12×2" in refusal(saved(tmp_path / "two.nii.gz", sitk.JoinSeries([volume, volume]))).message


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (body().astype(int) + 1024, "24 to 1104"),
        ((body() + 1000) / 1080, "0 to 1"),
        (np.clip(body(), -160, 240), "-160 to 80"),
        (body() * 0, "all its values are 0"),
        (np.where(body() > 0, 40, np.nan), "not numbers"),
        (body() * 100.0, "-100000"),
    ],
    ids=["offset", "normalised", "windowed", "constant", "nan", "scaled"],
)
def test_not_in_hounsfield_units(tmp_path: Path, values: np.ndarray, words: str):
    message = refusal(saved(tmp_path / "ct.nrrd", image_of(np.asarray(values)))).message
    assert words in message


def test_files_that_are_no_volume(tmp_path: Path):
    assert "does not exist" in refusal(tmp_path / "missing.nii.gz").message
    (tmp_path / "notes.txt").write_text("hello")
    assert "not an image" in refusal(tmp_path / "notes.txt").message
    (tmp_path / "fake.nii.gz").write_text("hello")
    assert "cannot be read" in refusal(tmp_path / "fake.nii.gz").message
    (tmp_path / "ct.zip").write_bytes(b"PK")
    assert "Unpack" in refusal(tmp_path / "ct.zip").remedy
    flat = saved(tmp_path / "flat.nrrd", image_of(body()[:1]))
    assert "single image" in refusal(flat).message
    colour = saved(tmp_path / "colour.nrrd", sitk.Compose([image_of(body())] * 3))
    assert "3 values per voxel" in refusal(colour).message


@pytest.mark.parametrize("name", ["ct.nii.gz", "ct.nii", "ct.nrrd", "ct.mha"])
@pytest.mark.parametrize("part", [0.05, 0.5, 0.95])
def test_cut_files(tmp_path: Path, name: str, part: float):
    noise = np.random.default_rng(1).integers(-1000, 1000, (20, 64, 64)).astype(np.int16)
    whole = saved(tmp_path / name, image_of(noise)).read_bytes()
    cut = tmp_path / f"cut-{name}"
    cut.write_bytes(whole[: int(len(whole) * part)])
    refusal(cut)


# ---------------------------------------------------------------- a whole case


@pytest.fixture
def examination(tmp_path: Path) -> tuple[Examination, Path]:
    """One patient's CT, PET and structure set in a folder."""
    patient = Examination("P 7")
    patient.ct(tmp_path / "study" / "ct")
    patient.pet(tmp_path / "study" / "pet")
    patient.rtstruct(tmp_path / "rs.dcm", {"GTV": tumour_contours()})
    return patient, tmp_path


def test_a_case_from_one_study_folder(examination: tuple[Examination, Path]):
    _, folder = examination
    texts: list[str] = []
    values: list[float] = []

    def note(value: float, text: str) -> None:
        values.append(value)
        texts.append(text)

    study = folder / "study"
    case = read_case(ct=study, pet=study, mask=folder / "rs.dcm", clinical={"age": 61.0}, progress=Progress(note))
    assert case.patient_id == "P 7"
    assert case.ct.modality == "CT"
    assert case.pet.modality == "PT"
    assert np.array_equal(sitk.GetArrayFromImage(case.mask.image), tumour_mask())
    assert case.clinical == {"age": 61.0}
    assert values == sorted(values)
    assert any("slices" in text for text in texts)


def test_the_patient_is_named_by_file_or_folder(tmp_path: Path):
    (tmp_path / "patient 12").mkdir()
    generic = saved(tmp_path / "patient 12" / "ct.nii.gz", image_of(body()))
    assert read_case(ct=generic).patient_id == "patient 12"
    assert read_case(ct=generic, patient_id="X").patient_id == "X"
    assert read_case(ct=saved(tmp_path / "case.07.nii.gz", image_of(body()))).patient_id == "case.07"


def test_pet_of_another_patient(examination: tuple[Examination, Path]):
    _, folder = examination
    Examination("somebody else").pet(folder / "other")
    with pytest.raises(PetError, match=r"different patients.*somebody else.*P 7"):
        read_case(ct=folder / "study", pet=folder / "other")


def test_pet_with_another_frame_of_reference(examination: tuple[Examination, Path]):
    _, folder = examination
    uid = generate_uid()

    def same_study(ds: Dataset, index: int) -> None:
        ds.FrameOfReferenceUID = uid

    patient, _ = examination
    patient.pet(folder / "same study", same_study)
    ct, pet = read_ct(folder / "study"), read_pet(folder / "same study")
    assert any("frames of reference" in note for note in check_pet_matches_ct(ct, pet))
    Examination("P 7").pet(folder / "other study")
    with pytest.raises(PetError, match="different studies"):
        check_pet_matches_ct(ct, read_pet(folder / "other study"))


def test_pet_and_ct_that_do_not_overlap(tmp_path: Path):
    ct = read_ct(saved(tmp_path / "ct.nii.gz", image_of(body())))
    pet = image_of(np.where(tumour_mask(), 8.0, 1.0))
    pet.SetOrigin([ORIGIN[0], ORIGIN[1], ORIGIN[2] + 400])
    with pytest.raises(PetError, match="do not overlap") as caught:
        check_pet_matches_ct(ct, read_pet(saved(tmp_path / "pet.nii.gz", pet)))
    assert "I 102 to I 66" in caught.value.message
    assert "pet.nii.gz" in caught.value.message
    assert caught.value.remedy


def test_pet_that_does_not_cover_the_tumour(tmp_path: Path):
    pet = image_of(np.where(tumour_mask(), 8.0, 1.0))[:, :, 6:]
    paths = {
        "ct": saved(tmp_path / "ct.nii.gz", image_of(body())),
        "pet": saved(tmp_path / "pet.nii.gz", pet),
        "mask": saved(tmp_path / "mask.nii.gz", image_of(tumour_mask())),
    }
    with pytest.raises(PetError, match="67% of it lies outside"):
        read_case(**paths)
    assert any("50% of the CT's height" in note for note in read_case(ct=paths["ct"], pet=paths["pet"]).notes)


def test_a_wrong_mask_is_refused_before_anything_else_is_done(examination: tuple[Examination, Path]):
    _, folder = examination
    with pytest.raises(MaskError, match="'GTV'"):
        read_case(ct=folder / "study", mask=folder / "rs.dcm", roi="Heart")


def test_real_images_are_accepted():
    lung = read_case(ct=shared_data("4d-lung-113", "ct.nii.gz"), mask=shared_data("4d-lung-113", "tumour.nii.gz"))
    assert volume_ml(lung.mask.image) == pytest.approx(67.6, rel=1e-3)
    assert lung.notes == []
    folder = shared_data("sts-001")
    sarcoma = read_case(ct=folder / "ct_image.nii.gz", pet=folder / "pet", mask=folder / "ct_mask.nii.gz")
    assert sarcoma.pet.unit == "SUVbw"


def test_a_real_mr_is_not_a_ct():
    assert "Hounsfield" in refusal(shared_data("pyradiomics", "brain1_image.nrrd")).message
