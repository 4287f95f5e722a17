"""Outlines written for other programs, read back by other means than ours: voxels, place, codes, references."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.case import LoadedImage
from NSCLCResponseSegmentLib.core.errors import MaskError, OutputError, SettingsError
from NSCLCResponseSegmentLib.core.lesion_choice import LesionChoice, choose_lesions
from NSCLCResponseSegmentLib.core.lesions import measure_lesions
from NSCLCResponseSegmentLib.core.masks import read_mask
from NSCLCResponseSegmentLib.core.reading import read_ct
from NSCLCResponseSegmentLib.core.seg_export import Outline, format_of, require_exportable, write_outline
from NSCLCResponseSegmentLib.core.terminology import LEFT
from support.dicom_maker import Examination, body


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> LoadedImage:
    folder = tmp_path_factory.mktemp("export") / "ct"
    Examination().ct(folder)
    return read_ct(folder)


@pytest.fixture(scope="module")
def labels(ct: LoadedImage) -> sitk.Image:
    """Two lesions of odd shape, so that a flipped or shifted axis cannot go unseen."""
    array = np.zeros((12, 32, 32), dtype=np.uint8)
    array[2:5, 8:14, 10:13] = 1
    array[4, 13, 13:17] = 1
    array[8, 20:22, 5:9] = 2
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(ct.image)
    return image


def outline(labels: sitk.Image) -> Outline:
    return Outline(labels, ("Primary", "Node"), "one click", (LEFT, None))


def pixels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def test_dicom_seg_holds_the_same_voxels_for_pydicom_and_for_us(tmp_path: Path, ct: LoadedImage, labels: sitk.Image):
    import pydicom

    path = tmp_path / "tumour.dcm"
    write_outline(path, outline(labels), ct)
    seg = pydicom.dcmread(path)
    found = np.zeros_like(pixels(labels))
    frames = seg.pixel_array
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        place = [float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient]
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        column, row, slice_index = ct.image.TransformPhysicalPointToIndex(place)
        assert (column, row) == (0, 0)
        found[slice_index][frame > 0] = number
    assert np.array_equal(found, pixels(labels))
    for number, name in enumerate(("Primary", "Node"), start=1):
        assert np.array_equal(pixels(read_mask(path, ct, name).image), pixels(labels) == number)


def test_dicom_seg_says_what_it_is_and_refers_to_the_ct(tmp_path: Path, ct: LoadedImage, labels: sitk.Image):
    import pydicom

    path = tmp_path / "tumour.dcm"
    write_outline(path, outline(labels), ct)
    seg = pydicom.dcmread(path)
    source = pydicom.dcmread(ct.dicom_files[0], stop_before_pixels=True)
    assert seg.SOPClassUID.name == "Segmentation Storage"
    for keyword in ("PatientID", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[keyword].value == source[keyword].value
    assert seg.SeriesInstanceUID != source.SeriesInstanceUID
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == source.SeriesInstanceUID
    first = seg.SegmentSequence[0]
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "108369006"
    assert first.SegmentedPropertyTypeCodeSequence[0].CodingSchemeDesignator == "SCT"
    region = first.AnatomicRegionSequence[0]
    assert (region.CodeValue, region.AnatomicRegionModifierSequence[0].CodeMeaning) == ("39607008", "Left")
    assert first.SegmentAlgorithmType == "SEMIAUTOMATIC"
    images = {str(pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID) for f in ct.dicom_files}
    for group in seg.PerFrameFunctionalGroupsSequence:
        referred = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        assert str(referred) in images


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
def test_every_volume_format_is_read_back_with_the_same_voxels(
    tmp_path: Path, ct: LoadedImage, labels: sitk.Image, suffix: str
):
    path = tmp_path / f"tumour{suffix}"
    write_outline(path, outline(labels), ct)
    for number, name in enumerate(("Primary", "Node"), start=1):
        mask = read_mask(path, ct, name if suffix == ".seg.nrrd" else str(number))
        assert np.array_equal(pixels(mask.image), pixels(labels) == number)


def test_a_turned_patient_fed_feet_first_keeps_its_segments_in_place(tmp_path: Path, labels: sitk.Image):
    """Slices from head to feet, and rows that are not along the patient."""

    def turn(dataset, index: int) -> None:
        cosine, sine = float(np.cos(0.35)), float(np.sin(0.35))
        dataset.ImageOrientationPatient = [cosine, sine, 0, -sine, cosine, 0]
        dataset.ImagePositionPatient = [3.0, -7.0, 50.0 - 3.0 * index]

    folder = tmp_path / "ct"
    Examination().ct(folder, turn)
    ct = read_ct(folder)
    turned = sitk.Image(labels)
    turned.CopyInformation(ct.image)
    write_outline(tmp_path / "tumour.dcm", outline(turned), ct)
    assert np.array_equal(pixels(read_mask(tmp_path / "tumour.dcm", ct, "Node").image), pixels(turned) == 2)


def test_what_cannot_be_written_is_said_before_any_work(tmp_path: Path, ct: LoadedImage, labels: sitk.Image):
    with pytest.raises(OutputError, match=r"does not end in"):
        format_of(tmp_path / "mask.txt")
    research = tmp_path / "ct.nrrd"
    image = sitk.GetImageFromArray(body())
    image.CopyInformation(ct.image)
    sitk.WriteImage(image, str(research))
    with pytest.raises(OutputError, match="is not DICOM"):
        require_exportable(tmp_path / "tumour.dcm", read_ct(research))
    with pytest.raises(OutputError, match="cannot be empty"):
        write_outline(tmp_path / "tumour.dcm", outline(labels * 0), ct)


def test_lesions_are_kept_merged_named_and_dropped(labels: sitk.Image):
    whole = labels != 0
    lesions = measure_lesions(whole)
    assert [lesion.voxels for lesion in lesions] == [58, 8]
    chosen, names = choose_lesions(whole, LesionChoice.parse("2=Node"))
    assert (names, np.array_equal(pixels(chosen), pixels(labels) == 2)) == (["Node"], True)
    chosen, names = choose_lesions(whole, LesionChoice.parse(" 2 = Hilar node, 1"))
    assert names == ["Hilar node", "Lesion 1"]
    assert np.array_equal(pixels(chosen), np.array([0, 2, 1], dtype=np.uint8)[pixels(labels)])
    chosen, names = choose_lesions(whole, LesionChoice.parse("1+2=Both"))
    assert (names, int(pixels(chosen).sum())) == (["Both"], 66)
    record = LesionChoice.parse("2=Node").to_json(lesions)
    assert record["kept"][0]["name"] == "Node"
    assert [dropped["lesion"] for dropped in record["dropped"]] == [1]
    for text in ("one", "1=", "1,1", "1=A,2=A"):
        with pytest.raises(SettingsError):
            LesionChoice.parse(text)
    with pytest.raises(MaskError, match="no lesion 3"):
        choose_lesions(whole, LesionChoice.parse("3"))
