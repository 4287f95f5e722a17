"""Outlines from every kind of file onto the CT's grid, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from NSCLCResponseSegmentLib.core.case import LoadedImage, TumourMask
from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.masks import check_mask, onto_grid, read_mask, same_grid, volume_ml
from NSCLCResponseSegmentLib.core.reading import read_ct, read_pet
from NSCLCResponseSegmentLib.core.rtstruct import rasterise
from support.data import shared_data
from support.dicom_maker import SPACING, TUMOUR, Examination, rectangle, tumour_contours, tumour_mask


@pytest.fixture(scope="module")
def patient() -> Examination:
    return Examination()


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory, patient: Examination) -> LoadedImage:
    folder = tmp_path_factory.mktemp("patient") / "ct"
    patient.ct(folder)
    return read_ct(folder)


def pixels(mask: TumourMask | sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(mask.image if isinstance(mask, TumourMask) else mask)


def like(ct: LoadedImage, array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array.astype(np.uint8))
    image.CopyInformation(ct.image)
    return image


def saved(path: Path, image: sitk.Image) -> Path:
    sitk.WriteImage(image, str(path))
    return path


def refusal(path: Path, ct: LoadedImage, roi: str = "") -> MaskError:
    with pytest.raises(MaskError) as caught:
        read_mask(path, ct, roi)
    assert path.name in caught.value.message
    assert caught.value.message.endswith(".")
    assert caught.value.remedy.endswith(".")
    return caught.value


# ---------------------------------------------------------------- structure sets


def test_contours_become_the_voxels_whose_centre_they_hold(tmp_path: Path, patient: Examination, ct: LoadedImage):
    path = patient.rtstruct(tmp_path / "rs.dcm", {"Heart": tumour_contours(), "GTV-1": tumour_contours()})
    mask = read_mask(path, ct)
    assert np.array_equal(pixels(mask), tumour_mask())
    assert mask.image.GetPixelID() == sitk.sitkUInt8
    assert same_grid(mask.image, ct.image)
    assert (mask.roi_name, mask.origin, mask.notes) == ("GTV-1", "imported", ())


def test_inner_contours_and_keyholes_are_holes(tmp_path: Path, patient: Examination, ct: LoadedImage):
    outer, inner = rectangle((9.5, 19.5), (9.5, 19.5), 5), rectangle((12.5, 15.5), (12.5, 15.5), 5)
    keyhole = np.concatenate([outer, outer[:1], inner[[0, 3, 2, 1, 0]], outer[:1]])
    expected = np.zeros((12, 32, 32), dtype=np.uint8)
    expected[5, 10:20, 10:20] = 1
    expected[5, 13:16, 13:16] = 0
    for contours in ([outer, inner], [keyhole], [outer, inner, outer]):
        mask = read_mask(patient.rtstruct(tmp_path / "rs.dcm", {"GTV": contours}), ct)
        assert np.array_equal(pixels(mask), expected)


def test_contours_on_another_slice_distance_are_interpolated(tmp_path: Path, patient: Examination, ct: LoadedImage):
    wide = [rectangle((9.5, 19.5), (9.5, 19.5), k) for k in (2, 4, 6)]
    mask = read_mask(patient.rtstruct(tmp_path / "rs.dcm", {"GTV": wide}), ct)
    assert pixels(mask).sum(axis=(1, 2)).tolist() == [0, 0, 100, 100, 100, 100, 100, 0, 0, 0, 0, 0]
    assert any("interpolated" in note and "6.00 mm" in note for note in mask.notes)
    between = [rectangle((9.5, 19.5), (9.5, 19.5), k) for k in (2.4, 3.4, 4.4)]
    mask = read_mask(patient.rtstruct(tmp_path / "rs.dcm", {"GTV": between}), ct)
    assert pixels(mask).sum(axis=(1, 2)).tolist() == [0, 0, 100, 100, 100, 0, 0, 0, 0, 0, 0, 0]


def test_interpolated_contours_change_gradually(tmp_path: Path, patient: Examination, ct: LoadedImage):
    ends = [rectangle((11.5, 15.5), (11.5, 15.5), 2), rectangle((7.5, 19.5), (7.5, 19.5), 6)]
    mask = read_mask(patient.rtstruct(tmp_path / "rs.dcm", {"GTV": ends}), ct)
    areas = pixels(mask).sum(axis=(1, 2))[2:7].tolist()
    assert (areas[0], areas[4]) == (16, 144)
    assert areas == sorted(areas)
    assert areas[2] == pytest.approx(64, abs=16)


def test_two_separate_parts_are_not_joined_across_empty_slices(tmp_path: Path, patient: Examination, ct: LoadedImage):
    parts = [rectangle((9.5, 19.5), (9.5, 19.5), k) for k in (1, 2, 7, 8)]
    mask = read_mask(patient.rtstruct(tmp_path / "rs.dcm", {"GTV": parts}), ct)
    assert np.flatnonzero(pixels(mask).any(axis=(1, 2))).tolist() == [1, 2, 7, 8]
    assert any("4 slices" in note for note in mask.notes)


def test_structure_names(tmp_path: Path, patient: Examination, ct: LoadedImage):
    contours = {"Lung-Left": tumour_contours(), "GTV primary": tumour_contours(), "GTV node": tumour_contours()}
    path = patient.rtstruct(tmp_path / "rs.dcm", contours)
    for roi in ("", "Tumor"):
        error = refusal(path, ct, roi)
        assert all(name in error.message for name in contours)
        assert "--roi" in error.remedy
    assert read_mask(path, ct, "gtv PRIMARY").roi_name == "GTV primary"
    assert "'Lung-Left'" in refusal(patient.rtstruct(tmp_path / "l.dcm", {"Lung-Left": tumour_contours()}), ct).message


def test_another_frame_of_reference_is_refused(tmp_path: Path, ct: LoadedImage):
    other = Examination("somebody else")
    both = {"GTV 1": tumour_contours(), "GTV 2": tumour_contours()}  # the user hears of this first, not of the names
    error = refusal(other.rtstruct(tmp_path / "rs.dcm", both), ct)
    assert "frame of reference" in error.message
    assert "somebody else" in error.message


def test_drawn_on_another_series_of_the_examination_is_said(tmp_path: Path, patient: Examination, ct: LoadedImage):
    path = patient.rtstruct(tmp_path / "rs.dcm", {"GTV": tumour_contours()}, series_uid="1.2.3")
    assert any("another series" in note for note in read_mask(path, ct).notes)
    path = patient.rtstruct(tmp_path / "rs.dcm", {"GTV": tumour_contours()}, series_uid=ct.series_uid)
    assert read_mask(path, ct).notes == ()


@pytest.mark.parametrize(
    ("contours", "word"),
    [
        ([], "empty"),
        ([rectangle((90, 99), (90, 99), 5)], "outside"),
        ([rectangle((25, 40), (10, 20), 5)], "partly outside"),
        ([rectangle((10, 20), (10, 20), 20)], "outside"),
        ([rectangle((10.2, 10.8), (10.2, 10.8), 5)], "too small"),
        ([rectangle((10, 20), (10, 20), 5) + np.array([[0, 0, 0], [0, 0, 0], [0, 0, 2], [0, 0, 2]])], "planes"),
    ],
    ids=["empty", "outside", "partly", "above", "tiny", "oblique"],
)
def test_useless_contours(tmp_path: Path, patient: Examination, ct: LoadedImage, contours: list[np.ndarray], word: str):
    assert word in refusal(patient.rtstruct(tmp_path / "rs.dcm", {"GTV": contours}), ct).message


def test_points_are_no_outline(tmp_path: Path, patient: Examination, ct: LoadedImage):
    path = patient.rtstruct(tmp_path / "rs.dcm", {"GTV": tumour_contours()}, kind="POINT")
    assert "closed" in refusal(path, ct).message


@settings(max_examples=30, deadline=None)
@given(st.floats(5, 11), st.floats(5, 11), st.floats(2, 4.5), st.integers(3, 40))
def test_polygons_of_circles_have_their_area(x: float, y: float, radius: float, corners: int):
    angles = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    polygon = np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1)
    area = 0.5 * corners * radius**2 * np.sin(2 * np.pi / corners)
    # the count of grid points in a convex shape differs from its area by less than half its boundary plus one
    assert abs(int(rasterise([polygon], 16, 16).sum()) - area) <= np.pi * radius + 1


def test_lung1_has_the_published_voxels():
    folder = shared_data("lung1-001")
    lung1 = read_ct(folder / "ct")
    mask = read_mask(folder / "rtstruct.dcm", lung1)
    assert mask.roi_name == "GTV-1"
    assert np.count_nonzero(pixels(mask)) == 54_639
    assert volume_ml(mask.image) == pytest.approx(156.3, rel=0.005)
    assert "Spinal-Cord" in refusal(folder / "rtstruct.dcm", lung1, "Tumor").message
    lungs = read_mask(folder / "rtstruct.dcm", lung1, "lung-left")
    assert 500 < volume_ml(lungs.image) < 4000


def test_a_real_structure_set_gives_the_published_masks_on_pet_and_ct():
    folder = shared_data("sts-001")
    on_ct = read_ct(folder / "ct_image.nii.gz")
    mask = read_mask(folder / "pet_rtstruct.dcm", on_ct, "GTV_Mass")
    assert np.array_equal(pixels(mask), pixels(read_mask(folder / "ct_mask.nii.gz", on_ct)))
    assert ["could not be checked" in note for note in mask.notes] == [True]
    on_pet = read_pet(folder / "pet")
    published, notes = onto_grid(sitk.ReadImage(str(folder / "pet_mask.nii.gz")), on_pet.image)
    assert notes == [], "a crop of the same grid"
    mask = read_mask(folder / "pet_rtstruct.dcm", on_pet, "GTV_Mass")
    assert np.array_equal(pixels(mask), pixels(published))


# ---------------------------------------------------------------- segmentations and label maps


def test_dicom_seg_by_label_number_and_likely_name(tmp_path: Path, patient: Examination, ct: LoadedImage):
    heart = np.zeros((12, 32, 32), dtype=np.uint8)
    heart[1:3, 7:9, 5:8] = 1
    path = patient.seg(tmp_path / "seg.dcm", ct.dicom_files, {"Heart": heart, "Tumour": tumour_mask()})
    for roi in ("", "tumour", "2"):
        mask = read_mask(path, ct, roi)
        assert np.array_equal(pixels(mask), tumour_mask())
        assert mask.roi_name == "Tumour"
        assert mask.notes == ()
    assert np.array_equal(pixels(read_mask(path, ct, "Heart")), heart)
    assert "'Heart', 'Tumour'" in refusal(path, ct, "Lung").message


def test_dicom_seg_of_another_frame_of_reference(tmp_path: Path, ct: LoadedImage):
    other = Examination("other")
    files = other.ct(tmp_path / "ct")
    path = other.seg(tmp_path / "seg.dcm", files, {"Tumour": tumour_mask()})
    assert "frame of reference" in refusal(path, ct).message


@pytest.mark.parametrize("name", ["mask.nii.gz", "mask.nrrd", "masque n° 1 – 肺.nrrd"])
def test_label_maps(tmp_path: Path, ct: LoadedImage, name: str):
    mask = read_mask(saved(tmp_path / name, like(ct, tumour_mask() * 255)), ct)
    assert np.array_equal(pixels(mask), tumour_mask())
    assert mask.notes == ()


def test_labels_are_chosen_by_number(tmp_path: Path, ct: LoadedImage):
    labels = tumour_mask() * 2
    labels[0, 0, 0] = 7
    path = saved(tmp_path / "labels.nii.gz", like(ct, labels))
    assert np.array_equal(pixels(read_mask(path, ct, "2")), tumour_mask())
    assert np.array_equal(pixels(read_mask(path, ct, "label 2")), tumour_mask())
    assert "2, 7" in refusal(path, ct).message
    assert "2, 7" in refusal(path, ct, "3").message


def slicer_segmentation(ct: LoadedImage, layers: list[np.ndarray], segments: list[tuple[str, int, int]]) -> sitk.Image:
    """An image as Slicer writes it; ``segments`` are (name, layer, label value)."""
    images = [like(ct, layer) for layer in layers]
    image = images[0] if len(images) == 1 else sitk.Compose(images)
    for n, (name, layer, value) in enumerate(segments):
        for key, text in (("ID", f"Segment_{n}"), ("Name", name), ("Layer", layer), ("LabelValue", value)):
            image.SetMetaData(f"Segment{n}_{key}", str(text))
    return image


def test_slicer_segmentations_in_one_layer_and_in_several(tmp_path: Path, ct: LoadedImage):
    shared = tumour_mask() * 2
    shared[0:2, 0:2, 0:2] = 1
    path = saved(tmp_path / "a.seg.nrrd", slicer_segmentation(ct, [shared], [("Aorta", 0, 1), ("GTV", 0, 2)]))
    assert np.array_equal(pixels(read_mask(path, ct)), tumour_mask())
    assert read_mask(path, ct).roi_name == "GTV"
    overlapping = np.ones((12, 32, 32), dtype=np.uint8)
    image = slicer_segmentation(ct, [overlapping, tumour_mask()], [("Lung", 0, 1), ("Tumor left", 1, 1)])
    path = saved(tmp_path / "b.seg.nrrd", image)
    assert np.array_equal(pixels(read_mask(path, ct)), tumour_mask())
    assert np.array_equal(pixels(read_mask(path, ct, "Lung")), overlapping)
    assert "'Lung', 'Tumor left'" in refusal(path, ct, "x").message


def test_a_segmentation_without_its_empty_margin_is_not_resampled(tmp_path: Path, ct: LoadedImage):
    z, y, x = TUMOUR
    part = like(ct, tumour_mask())[x.start - 1 : x.stop + 1, y.start - 1 : y.stop + 1, z.start : z.stop]
    mask = read_mask(saved(tmp_path / "part.nrrd", part), ct)
    assert np.array_equal(pixels(mask), tumour_mask())
    assert mask.notes == ()


def test_other_order_of_axes_is_the_same_grid(tmp_path: Path, ct: LoadedImage):
    turned = sitk.DICOMOrient(like(ct, tumour_mask()), "PIR")
    mask = read_mask(saved(tmp_path / "turned.nrrd", turned), ct)
    assert np.array_equal(pixels(mask), tumour_mask())
    assert mask.notes == ()


def test_another_grid_is_resampled_in_space_and_said(ct: LoadedImage):
    fine = sitk.Image([64, 64, 12], sitk.sitkUInt8)
    fine.SetSpacing([SPACING[0] / 2, SPACING[1] / 2, SPACING[2]])
    fine.SetOrigin([o - s / 4 for o, s in zip(ct.image.GetOrigin()[:2], SPACING[:2], strict=True)] + [-100.0])
    fine[24:40, 20:32, 4:7] = 1  # the tumour's own edges
    moved, notes = onto_grid(fine, ct.image)
    assert np.array_equal(pixels(moved), tumour_mask())
    assert len(notes) == 1
    assert "resampled" in notes[0]
    assert "0.40×0.40×3.00 mm" in notes[0]


def test_rounding_in_files_is_no_other_grid(ct: LoadedImage):
    mask = like(ct, tumour_mask())
    mask.SetOrigin([o + 2e-5 for o in mask.GetOrigin()])
    moved, notes = onto_grid(mask, ct.image)
    assert notes == []
    assert moved.GetOrigin() == ct.image.GetOrigin()


def shifted(ct: LoadedImage, x_mm: float) -> sitk.Image:
    mask = like(ct, tumour_mask())
    mask.SetOrigin([mask.GetOrigin()[0] + x_mm, *mask.GetOrigin()[1:]])
    return mask


def test_useless_masks(tmp_path: Path, ct: LoadedImage):
    path = tmp_path / "mask.nii.gz"
    assert "empty" in refusal(saved(path, like(ct, tumour_mask() * 0)), ct).message
    assert "lies outside" in refusal(saved(path, shifted(ct, 2000)), ct).message
    assert "partly outside" in refusal(saved(path, shifted(ct, 14)), ct).message
    probabilities = sitk.Cast(like(ct, tumour_mask()), sitk.sitkFloat32) * 0.7
    assert "whole numbers" in refusal(saved(path, probabilities), ct).message
    assert "not a label map" in refusal(saved(path, ct.image), ct).message


def test_files_that_are_no_outline(tmp_path: Path, ct: LoadedImage):
    assert "does not exist" in refusal(tmp_path / "missing.nrrd", ct).message
    (tmp_path / "notes.txt").write_text("hello")
    assert "not an image" in refusal(tmp_path / "notes.txt", ct).message
    whole = saved(tmp_path / "mask.nrrd", like(ct, tumour_mask())).read_bytes()
    (tmp_path / "cut.nrrd").write_bytes(whole[: len(whole) // 2])
    assert "cut" in refusal(tmp_path / "cut.nrrd", ct).message
    assert "no outline" in refusal(ct.dicom_files[0], ct).message


def test_an_outline_at_the_edge_or_in_padding_is_flagged(ct: LoadedImage):
    at_edge = np.zeros((12, 32, 32), dtype=np.uint8)
    at_edge[10:12, 10:12, 10:12] = 1
    notes = check_mask(TumourMask(like(ct, at_edge), "imported"), ct)
    assert any("edge of the CT" in note for note in notes)
    padded = sitk.GetArrayFromImage(ct.image)
    padded[4, 12, 13] = -2000
    image = sitk.GetImageFromArray(padded)
    image.CopyInformation(ct.image)
    notes = check_mask(TumourMask(like(ct, tumour_mask()), "imported"), LoadedImage(image, "CT", "HU", Path("ct")))
    assert notes == ["1 voxels of the outline lie outside the scanner's field of view."]
