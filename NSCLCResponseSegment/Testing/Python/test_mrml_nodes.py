"""Images and masks through real MRML nodes and files: every voxel and its place survive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import vtk

from NSCLCResponseSegmentLib.core.errors import ImageError, MaskError, SegmentationError
from NSCLCResponseSegmentLib.mrml.hierarchy import file_under_study
from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic
from NSCLCResponseSegmentLib.mrml.segmentations import (
    mask_from_segment,
    read_segmentation,
    segment_ids,
    segmentation_from_mask,
    write_segmentation,
)
from NSCLCResponseSegmentLib.mrml.tables import shown_table
from NSCLCResponseSegmentLib.mrml.volumes import LUNG_WINDOW, image_from_volume, volume_from_image
from support.slicer_app import a_blob


def assert_same_image(first: sitk.Image, second: sitk.Image) -> None:
    assert first.GetSize() == second.GetSize()
    assert first.GetOrigin() == pytest.approx(second.GetOrigin(), abs=1e-9)
    assert first.GetSpacing() == pytest.approx(second.GetSpacing(), abs=1e-9)
    assert first.GetDirection() == pytest.approx(second.GetDirection(), abs=1e-9)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(first), sitk.GetArrayViewFromImage(second))


def test_a_volume_comes_back_as_it_was(a_slicer_app, an_oblique_image: sitk.Image):
    node = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT", LUNG_WINDOW, ["1.2", "1.3"])
    assert_same_image(image_from_volume(node), an_oblique_image)
    assert node.GetDisplayNode().GetWindow() == 1500
    assert node.GetDisplayNode().GetLevel() == -600
    ras = [0.0, 0.0, 0.0, 1.0]
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    matrix.MultiplyPoint([3, 2, 1, 1], ras)
    lps = an_oblique_image.TransformIndexToPhysicalPoint((3, 2, 1))
    assert ras[:3] == pytest.approx([-lps[0], -lps[1], lps[2]])


def test_a_volume_under_a_transform_is_refused_in_words(a_slicer_app, an_oblique_image: sitk.Image):
    from slicer import vtkMRMLLinearTransformNode

    node = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    transform = a_slicer_app.scene.AddNode(vtkMRMLLinearTransformNode())
    transform.SetName("Registration")
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(ImageError, match="lies under the transform 'Registration'"):
        image_from_volume(node)


def test_a_mask_comes_back_as_it_was_also_through_a_file(a_slicer_app, an_oblique_image: sitk.Image, tmp_path: Path):
    mask = a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6))
    reference = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    node = segmentation_from_mask(a_slicer_app.scene, mask, reference)
    assert_same_image(mask_from_segment(node, segment_ids(node)[0], an_oblique_image), mask)
    write_segmentation(node, tmp_path / "tumour.seg.nrrd")
    a_slicer_app.scene.Clear(0)
    again = read_segmentation(a_slicer_app.scene, tmp_path / "tumour.seg.nrrd")
    assert_same_image(mask_from_segment(again, segment_ids(again)[0], an_oblique_image), mask)
    segment = again.GetSegmentation().GetNthSegment(0)
    tag = vtk.reference("")
    assert segment.GetTag("TerminologyEntry", tag)
    assert "SCT^108369006^Neoplasm" in tag.get()
    assert "SCT^39607008^Lung" in tag.get()
    assert node.GetSegmentation().GetConversionParameter("Reference image geometry") == (
        again.GetSegmentation().GetConversionParameter("Reference image geometry")
    )


def test_each_segment_is_its_own_region(a_slicer_app, an_oblique_image: sitk.Image):
    from NSCLCResponseSegmentLib.mrml.segmentations import add_segment

    first, second = a_blob(an_oblique_image, (1, 1, 1), (4, 5, 4)), a_blob(an_oblique_image, (6, 2, 2), (12, 9, 6))
    reference = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    node = segmentation_from_mask(a_slicer_app.scene, first, reference)
    second_id = add_segment(node, second, "Lesion 2")
    ids = segment_ids(node)
    assert ids[1] == second_id
    for segment_id, mask in zip(ids, (first, second), strict=True):
        assert_same_image(mask_from_segment(node, segment_id, an_oblique_image), mask)


def test_an_empty_mask_and_an_unknown_segment_are_refused(a_slicer_app, an_oblique_image: sitk.Image):
    reference = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    mask = a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6))
    with pytest.raises(MaskError, match="empty"):
        segmentation_from_mask(a_slicer_app.scene, mask * 0, reference)
    node = segmentation_from_mask(a_slicer_app.scene, mask, reference)
    with pytest.raises(MaskError, match="no segment 'nothing'"):
        mask_from_segment(node, "nothing", an_oblique_image)


def test_a_pet_from_slicers_dicom_browser_is_found_though_it_is_in_bq_ml(a_slicer_app):
    scene = a_slicer_app.scene
    pet = volume_from_image(scene, sitk.Image([4, 4, 4], sitk.sitkInt16) + 20_000, "4: AC")
    assert SegmentLogic(scene).guessImages() == (None, None)
    file_under_study(scene, pet, patient_id="1", study_uid="1.2", modality="PT")  # as Slicer's DICOM plugins do
    assert SegmentLogic(scene).guessImages() == (None, pet)


def test_a_table_that_only_shows_something_is_hidden_before_it_is_added(a_slicer_app):
    """Slicer puts a node that is added into its data tree, and does not take it out when it is hidden later."""
    hidden = []

    @vtk.calldata_type(vtk.VTK_OBJECT)
    def note(_scene, _event, node):
        hidden.append(node.GetHideFromEditors())

    tag = a_slicer_app.scene.AddObserver(a_slicer_app.scene.NodeAddedEvent, note)
    shown_table(a_slicer_app.scene, "Lesions")
    a_slicer_app.scene.RemoveObserver(tag)
    assert hidden == [1]


def test_segment_logic_on_a_simulated_patient(a_slicer_app, a_simulated_patient: Path):
    logic = SegmentLogic(a_slicer_app.scene)
    ct = logic.loadCt(a_simulated_patient / "ct.nii.gz")
    pet = logic.loadPet(a_simulated_patient / "pet.nii.gz")
    assert logic.guessImages() == (ct, pet)
    assert "voxels" in logic.describeImages(ct, pet)
    imported = logic.importMask(ct, a_simulated_patient / "mask.nii.gz")
    truth = sitk.ReadImage(str(a_simulated_patient / "mask.nii.gz"), sitk.sitkUInt8)
    got = mask_from_segment(imported, segment_ids(imported)[0], truth)
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(got), sitk.GetArrayViewFromImage(truth))
    inside = np.argwhere(sitk.GetArrayViewFromImage(truth))
    k, j, i = (int(v) for v in inside[len(inside) // 2])
    x, y, z = truth.TransformIndexToPhysicalPoint((i, j, k))
    clicked = logic.outlineFromClicks(ct, [(-x, -y, z)])
    assert clicked.GetAttribute("NSCLCResponse.Origin") == "one click"
    outline = mask_from_segment(clicked, segment_ids(clicked)[0], truth)
    assert sitk.GetArrayViewFromImage(outline)[k, j, i] == 1
    with pytest.raises(SegmentationError):
        logic.outlineFromClicks(ct, [(0.0, 0.0, 99999.0)])
