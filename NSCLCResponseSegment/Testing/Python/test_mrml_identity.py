"""Where nodes come from and what they may not be: DICOM identity, data tree, transforms, shears, cut segments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import vtk

from NSCLCResponseSegmentLib.core.errors import ImageError, MaskError
from NSCLCResponseSegmentLib.mrml.hierarchy import file_beside, file_under_study, remove_node
from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic
from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids, segmentation_from_mask
from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume, volume_from_image
from support.dicom_maker import TUMOUR, Examination
from support.slicer_app import a_blob


def parents(scene, node) -> list[int]:
    from slicer import vtkMRMLSubjectHierarchyNode

    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item, items = tree.GetItemByDataNode(node), []
    while item and item != tree.GetSceneItemID():
        item = tree.GetItemParent(item)
        items.append(item)
    return items[:-1]


def test_dicom_keeps_its_identity(a_slicer_app, tmp_path: Path):
    import pydicom
    from slicer import vtkMRMLSubjectHierarchyNode

    scene = a_slicer_app.scene
    logic = SegmentLogic(scene)
    one, other = Examination("patient-1"), Examination("patient-2")
    files = one.ct(tmp_path / "one" / "ct")
    other.ct(tmp_path / "other")
    ct, later = logic.loadCt(tmp_path / "one" / "ct"), logic.loadCt(tmp_path / "other")
    headers = [pydicom.dcmread(file, stop_before_pixels=True) for file in files]
    bottom_up = sorted(headers, key=lambda header: header.ImagePositionPatient[2])
    uids = ct.GetAttribute("DICOM.instanceUIDs").split()
    assert uids in ([str(h.SOPInstanceUID) for h in order] for order in (bottom_up, bottom_up[::-1]))
    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    study, patient = parents(scene, ct)
    assert tree.GetItemLevel(patient) == "Patient"
    assert tree.GetItemAttribute(patient, "DICOM.PatientID") == "patient-1"
    assert tree.GetItemLevel(study) == "Study"
    assert tree.GetItemUID(study, "DICOM") == one.study_uid
    assert tree.GetItemUID(tree.GetItemByDataNode(ct), "DICOM") == headers[0].SeriesInstanceUID
    assert parents(scene, later)[1] != patient
    assert parents(scene, logic.loadCt(tmp_path / "one" / "ct")) == [study, patient], "the same study, not a second"


def test_what_is_removed_leaves_no_nameless_row_in_the_data_tree(a_slicer_app, an_oblique_image: sitk.Image):
    from slicer import vtkMRMLSubjectHierarchyNode

    scene = a_slicer_app.scene
    ct = volume_from_image(scene, an_oblique_image, "CT")
    file_under_study(scene, ct, patient_id="P1", study_date="20200101")
    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    before = tree.GetNumberOfItems(), scene.GetNumberOfNodes()
    for _ in range(3):
        node = segmentation_from_mask(scene, a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6)), ct)
        file_beside(scene, node, ct)
        assert tree.GetNumberOfItems() == before[0] + 1
        remove_node(scene, node)
    assert (tree.GetNumberOfItems(), scene.GetNumberOfNodes()) == before


def test_a_segmentation_under_a_transform_is_refused_in_words(a_slicer_app, an_oblique_image: sitk.Image):
    from slicer import vtkMRMLLinearTransformNode

    scene = a_slicer_app.scene
    reference = volume_from_image(scene, an_oblique_image, "CT")
    node = segmentation_from_mask(scene, a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6)), reference)
    transform = scene.AddNode(vtkMRMLLinearTransformNode())
    transform.SetName("Registration")
    node.SetAndObserveTransformNodeID(transform.GetID())
    with pytest.raises(MaskError, match="lies under the transform 'Registration'"):
        mask_from_segment(node, segment_ids(node)[0], an_oblique_image)


def test_a_sheared_volume_is_refused_in_words(a_slicer_app, an_oblique_image: sitk.Image):
    node = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    for row in range(3):  # a gantry tilt of 10 degrees, hardened
        matrix.SetElement(row, 2, matrix.GetElement(row, 2) + 0.18 * matrix.GetElement(row, 1))
    node.SetIJKToRASMatrix(matrix)
    with pytest.raises(ImageError, match="right angles"):
        image_from_volume(node)


def test_a_segment_that_reaches_beyond_the_ct_is_refused_where_it_must_be_whole(
    a_slicer_app, an_oblique_image: sitk.Image
):
    reference = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    node = segmentation_from_mask(a_slicer_app.scene, a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6)), reference)
    part = an_oblique_image[:, :, :4]
    segment = segment_ids(node)[0]
    with pytest.raises(MaskError, match="partly outside"):
        mask_from_segment(node, segment, part, whole=True)
    cut = mask_from_segment(node, segment, part)
    assert 0 < np.count_nonzero(sitk.GetArrayViewFromImage(cut)) < 7 * 5 * 5 - 1
    mask_from_segment(node, segment, an_oblique_image, whole=True)


def test_an_empty_segment_beside_a_filled_one_is_refused(a_slicer_app, an_oblique_image: sitk.Image):
    scene = a_slicer_app.scene
    reference = volume_from_image(scene, an_oblique_image, "CT")
    node = segmentation_from_mask(scene, a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6)), reference)
    empty = node.GetSegmentation().AddEmptySegment("second", "Lesion 2")
    with pytest.raises(MaskError, match="'Lesion 2' is empty"):
        mask_from_segment(node, empty, an_oblique_image)


def test_an_outline_that_came_as_a_surface_becomes_a_mask(a_slicer_app, an_oblique_image: sitk.Image):
    scene = a_slicer_app.scene
    reference = volume_from_image(scene, an_oblique_image, "CT")
    mask = a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6))
    node = segmentation_from_mask(scene, mask, reference)
    node.GetSegmentation().SetConversionParameter("Smoothing factor", "0")
    node.CreateClosedSurfaceRepresentation()
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.RemoveBinaryLabelmapRepresentation()
    again = mask_from_segment(node, segment_ids(node)[0], an_oblique_image)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(again, mask)
    assert overlap.GetDiceCoefficient() > 0.8, "of 174 voxels most lie on the surface"


def test_the_outline_lies_beside_its_ct(a_slicer_app, tmp_path: Path):
    scene = a_slicer_app.scene
    logic = SegmentLogic(scene)
    Examination("patient-1").ct(tmp_path / "ct")
    ct = logic.loadCt(tmp_path / "ct")
    image = image_from_volume(ct)
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    array[TUMOUR] = 1
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    sitk.WriteImage(mask, str(tmp_path / "mask.nrrd"))
    node = logic.importMask(ct, tmp_path / "mask.nrrd")
    assert parents(scene, node) == parents(scene, ct)
    assert len(parents(scene, node)) == 2
