"""A case as a scene and as ``scene.mrb``, opened again by another application."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.prediction import FeatureContribution, PartContribution, Prediction
from NSCLCResponseLib.core.result import build_result, check_result
from NSCLCResponseLib.core.review import ReviewRecord, ReviewState
from NSCLCResponseLib.mrml.result_nodes import result_node, stored_result, stored_review
from NSCLCResponseLib.mrml.scene import build_scene, open_mrb, save_mrb
from NSCLCResponseSegmentLib.core.case import Case, LoadedImage, TumourMask
from NSCLCResponseSegmentLib.core.errors import OutputError, SegmentationError
from NSCLCResponseSegmentLib.core.lesions import measure_lesions
from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids
from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume
from support.slicer_app import a_blob

FEATURES = {"original_firstorder_Mean": 12.5, "original_shape_MeshVolume": 1234.56789012345}


@pytest.fixture
def a_case(an_oblique_image: sitk.Image) -> Case:
    pet = sitk.Cast(an_oblique_image, sitk.sitkFloat32) * 0.005 + 5.25
    identity = {"patient_id": "Müller 7", "study_uid": "1.2.3", "acquisition_date": "20240105"}
    return Case(
        LoadedImage(an_oblique_image, "CT", "HU", Path("ct"), series_uid="1.2.3.1", **identity),
        LoadedImage(pet, "PT", "SUVbw", Path("pet"), series_uid="1.2.3.2", **identity),
        TumourMask(a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6)), "one click"),
        {"age": 61.0},
        "Müller 7",
    )


@pytest.fixture
def a_result(a_case: Case) -> dict:
    """What a prediction writes, with texts that JSON, XML and the scene's attributes must not spoil."""
    prediction = Prediction(
        0.34,
        "CR or PR by RECIST 1.1",
        "Signature <1> & “two”",
        "0" * 64,
        "Trained on simulated patients.",
        0.42,
        (PartContribution("radiomics_ct", True, 0.3, -0.4), PartContribution("cnn", False, reason="no PET; none")),
        (FeatureContribution("radiomics_ct", "original_firstorder_Mean", 12.5, "HU", 40.0, -0.1),),
    )
    review = ReviewRecord()
    review.outlined("one click", 3.4)
    review.predicted(prediction.signature_name, 3.4)
    result = build_result(
        a_case,
        prediction=prediction.to_json(),
        lesions=[lesion.to_json() for lesion in measure_lesions(a_case.mask.image)],
        review=review.to_json(),
        warnings=["100 % 'quoted' \\ and\na second line"],
        failed_features={"original_glcm_Idn": "one grey level only"},
        timings={},
        files={"features": "features.csv"},
    )
    check_result(result)
    return result


def assert_same_in_space(first: sitk.Image, second: sitk.Image) -> None:
    """Every voxel lies where it lay; Slicer's reader may turn an axis of a left-handed grid, and its voxels with it."""
    assert first.GetSize() == second.GetSize()
    moved = sitk.Resample(first, second, sitk.Transform(), sitk.sitkNearestNeighbor, -9999, first.GetPixelID())
    np.testing.assert_array_equal(sitk.GetArrayViewFromImage(moved), sitk.GetArrayViewFromImage(second))


def path_in_the_data_tree(scene, node) -> list[str]:
    from slicer import vtkMRMLSubjectHierarchyNode

    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    item, names = tree.GetItemByDataNode(node), []
    while item and item != tree.GetSceneItemID():
        names.append(tree.GetItemName(item))
        item = tree.GetItemParent(item)
    return names[::-1]


def test_a_saved_scene_opens_in_another_application(a_slicer_app, a_case: Case, a_result: dict, tmp_path: Path):
    from NSCLCResponseLib.render.app import new_app

    file = tmp_path / "Ordner mit Ümlaut" / "szene 1.mrb"
    file.parent.mkdir()
    build_scene(a_slicer_app.scene, a_case, a_result, FEATURES)
    save_mrb(a_slicer_app.scene, file)
    names = zipfile.ZipFile(file).namelist()
    assert any(name.endswith(".mrml") for name in names)
    assert {"CT.nrrd", "PET SUVbw.nrrd", "Tumour.seg.nrrd"} <= {Path(name).name for name in names}

    another_app = new_app()
    scene = another_app.scene
    open_mrb(scene, file)
    assert stored_result(scene) == a_result
    assert stored_review(scene).state is ReviewState.PREDICTED
    node = result_node(scene)
    images = {role: image_from_volume(node.GetNodeReference(role)) for role in ("ct", "pet")}
    assert_same_in_space(images["ct"], a_case.ct.image)
    assert_same_in_space(images["pet"], a_case.pet.image)
    segmentation = node.GetNodeReference("segmentation")
    mask = mask_from_segment(segmentation, segment_ids(segmentation)[0], a_case.ct.image)
    assert_same_in_space(mask, a_case.mask.image)
    table = node.GetNodeReference("features").GetTable()
    rows = {table.GetValue(r, 0).ToString(): table.GetValue(r, 1).ToString() for r in range(table.GetNumberOfRows())}
    assert {name: float(rows[name]) for name in FEATURES} == FEATURES, "to the last digit"
    assert rows["original_glcm_Idn"] == ""
    assert "0.34" in node.GetNodeReference("summary").GetText()
    study = ["Müller 7", "20240105"]
    assert path_in_the_data_tree(scene, node.GetNodeReference("ct")) == [*study, "CT"]
    assert path_in_the_data_tree(scene, node.GetNodeReference("pet")) == [*study, "PET SUVbw"]
    assert path_in_the_data_tree(scene, segmentation) == [*study, "Tumour"]


def test_a_saved_scene_opens_in_a_scene_that_no_application_looks_after(a_slicer_app, a_case: Case, tmp_path: Path):
    from slicer import vtkMRMLScene

    build_scene(a_slicer_app.scene, a_case)
    save_mrb(a_slicer_app.scene, tmp_path / "scene.mrb")
    scene = vtkMRMLScene()
    open_mrb(scene, tmp_path / "scene.mrb")
    assert_same_in_space(image_from_volume(scene.GetFirstNodeByName("CT")), a_case.ct.image)
    assert scene.GetFirstNodeByName("Tumour").GetSegmentation().GetNumberOfSegments() == 1
    assert scene.GetDataIOManager() is None


def test_the_slice_views_of_the_desktop_show_ct_and_pet(a_slicer_app, a_case: Case):
    scene = a_slicer_app.scene
    nodes = build_scene(scene, a_case)
    for name in ("Red", "Green", "Yellow"):
        composite = scene.GetSingletonNode(name, "vtkMRMLSliceCompositeNode")
        assert composite.GetBackgroundVolumeID() == nodes.ct.GetID()
        assert composite.GetForegroundVolumeID() == nodes.pet.GetID()
        assert 0.3 < composite.GetForegroundOpacity() < 0.6
    assert stored_result(scene) is None


def test_what_cannot_be_saved_or_opened_is_said(a_slicer_app, a_case: Case, tmp_path: Path):
    scene, here = a_slicer_app.scene, Path.cwd()
    build_scene(scene, a_case)
    with pytest.raises(OutputError, match="cannot be written"):
        save_mrb(scene, tmp_path / "not there" / "scene.mrb")
    (tmp_path / "no scene.mrb").write_bytes(b"no zip file at all")
    with pytest.raises(OutputError, match="not a saved scene"):
        open_mrb(scene, tmp_path / "no scene.mrb")
    assert Path.cwd() == here
    a_case.mask = None
    with pytest.raises(SegmentationError, match="no tumour outline"):
        build_scene(scene, a_case)
