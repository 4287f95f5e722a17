"""Several cases in one scene, and segmentations from other programs: each has its own result and a true record."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.review import ReviewRecord, ReviewState
from NSCLCResponseLib.mrml.case_session import CaseSession
from NSCLCResponseLib.mrml.logic import ResponseLogic
from NSCLCResponseLib.mrml.result_nodes import MODULE_NAME, lesion_table
from NSCLCResponseLib.mrml.review_tracker import mask_state
from NSCLCResponseLib.mrml.scene import open_mrb, save_mrb
from NSCLCResponseSegmentLib.core.errors import ImageError, MaskError, PetError
from NSCLCResponseSegmentLib.core.reading import read_pet
from NSCLCResponseSegmentLib.mrml.click_outline import replace_tumour
from NSCLCResponseSegmentLib.mrml.hierarchy import file_beside, file_under_study
from NSCLCResponseSegmentLib.mrml.images import patient_of, require_one_patient
from NSCLCResponseSegmentLib.mrml.lesion_names import lesion_names
from NSCLCResponseSegmentLib.mrml.lesion_table import lesions_of
from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic
from NSCLCResponseSegmentLib.mrml.node_jobs import JobFolder
from NSCLCResponseSegmentLib.mrml.segmentations import add_segment, is_empty, segment_ids, segmentation_from_mask
from NSCLCResponseSegmentLib.mrml.volumes import volume_from_image
from support.drawn_chest import drawn_chest


def a_case(scene, patient: str):
    """A segmentation and its result node, in use, as a saved scene brings both."""
    from slicer import vtkMRMLScriptedModuleNode

    ct, tumour = drawn_chest((25, 32, 22))
    segmentation = segmentation_from_mask(scene, tumour, volume_from_image(scene, ct, "CT"), show_3d=False)
    record = ReviewRecord()
    record.predicted("signature", 1.0)
    result = {"patient": {"id": patient}, "created": "2025-01-01T00:00:00Z", "tumour": {"volume_ml": 1.0}}
    node = vtkMRMLScriptedModuleNode()
    node.SetModuleName(MODULE_NAME)
    node.SetParameter("result", json.dumps(result))
    node.SetParameter("review", json.dumps(record.to_json()))
    scene.AddNode(node)
    node.SetNodeReferenceID("segmentation", segmentation.GetID())
    return segmentation


def test_each_segmentation_has_its_own_result_whatever_was_loaded_or_copied(a_slicer_app):
    scene = a_slicer_app.scene
    cases = {name: a_case(scene, name) for name in ("A", "B", "C")}
    session = CaseSession(scene)
    for name in "ACBCA":
        session.follow(cases[name])
        assert session.result()["patient"]["id"] == name
    copy = scene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    copy.Copy(cases["B"])
    session.follow(copy)
    assert session.result() is None, "a copy was not predicted on"
    copy.GetSegmentation().RemoveSegment(segment_ids(copy)[0])
    a_case(scene, "D")
    session.follow(copy)
    assert session.result() is None, "an imported result is that of its own outline only"
    session.follow(cases["B"])
    assert session.record.state is ReviewState.PREDICTED, "the copy's edit is not the original's"
    session.close()


def test_dicoms_patient_is_the_results_and_no_other_patients_outline_is_taken(a_slicer_app):
    from slicer import vtkMRMLSubjectHierarchyNode

    scene = a_slicer_app.scene
    ct, tumour = drawn_chest((25, 32, 22))
    nodes = []
    for patient in ("P1", "P2"):
        node = volume_from_image(scene, ct, "4: Thorax 1.0")
        file_under_study(scene, node, patient_id=patient, study_uid=f"1.2.{patient[1]}", modality="CT")
        outline = segmentation_from_mask(scene, tumour, node, show_3d=False)
        file_beside(scene, outline, node)
        pet = volume_from_image(scene, ct, "PET")
        file_under_study(scene, pet, patient_id=patient, study_uid=f"1.2.{patient[1]}", modality="PT")
        nodes.append((node, outline, pet))
    (ct_node, outline, pet), (_, other, other_pet) = nodes
    assert patient_of(ct_node) == "P1"
    assert SegmentLogic(scene).guessImages() == (ct_node, pet)
    require_one_patient(ct_node, outline, pet)
    for strangers in ((other, pet), (outline, other_pet)):
        with pytest.raises(ImageError, match="belongs to patient P2"):
            ResponseLogic(scene).startPredict(ct_node, *strangers)
    tree = vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    assert tree.GetItemName(tree.GetItemByUID("DICOM", "P2")) == "P2", "Slicer's DICOM browser finds the patient by it"


def test_surfaces_of_another_program_are_measured_and_corrected_like_our_own(a_slicer_app):
    import vtk

    scene = a_slicer_app.scene
    ct, tumour = drawn_chest((25, 32, 22))
    ct_node = volume_from_image(scene, ct, "CT")
    own = segmentation_from_mask(scene, tumour, ct_node)
    surface = vtk.vtkPolyData()
    surface.DeepCopy(own.GetSegmentation().GetNthSegment(0).GetRepresentation("Closed surface"))
    node = scene.AddNewNodeByClass("vtkMRMLSegmentationNode", "RTSTRUCT")
    node.GetSegmentation().SetSourceRepresentationName("Closed surface")
    node.AddSegmentFromClosedSurfaceRepresentation(surface, "GTV-1", [1.0, 0.0, 0.0])
    session = CaseSession(scene)
    (lesion,) = lesions_of(node, ct_node)
    session.follow(node)
    assert not session.record.events
    assert lesion.volume_ml == pytest.approx(lesions_of(own, ct_node)[0].volume_ml, rel=0.05)
    spacing = node.GetSegmentation().GetNthSegment(0).GetRepresentation("Binary labelmap").GetSpacing()
    assert spacing == pytest.approx(ct.GetSpacing())
    replace_tumour(node, sitk.BinaryErode(tumour, [1] * 3))
    assert lesions_of(node, ct_node)[0].volume_ml < 0.9 * lesion.volume_ml, "a correction counts"
    assert session.record.state is ReviewState.EDITED
    assert node.GetSegmentation().ContainsRepresentation("Closed surface"), "it is still shown in 3D"
    session.follow(None)


def test_empty_segments_say_nothing_and_organs_are_no_tumour(a_slicer_app):
    scene = a_slicer_app.scene
    ct, tumour = drawn_chest((25, 32, 22))
    ct_node = volume_from_image(scene, ct, "CT")
    node = segmentation_from_mask(scene, tumour, ct_node, show_3d=False)
    before, state = lesions_of(node, ct_node), mask_state(node)
    node.GetSegmentation().AddEmptySegment("", "Segment_1")
    assert lesions_of(node, ct_node) == before
    assert lesion_names(node, ct_node) == {}
    assert mask_state(node) == state
    node.GetSegmentation().RemoveSegment(segment_ids(node)[0])
    assert is_empty(node)
    with pytest.raises(MaskError, match="'Segment_1' is empty"):
        lesions_of(node, ct_node)
    body = sitk.Image([160, 160, 160], sitk.sitkUInt8) + 1
    add_segment(node, body, "BODY")
    with pytest.raises(MaskError, match=r"4\.1 litres"):
        lesions_of(node, ct_node)


def test_what_a_lesion_is_called_does_not_shift_the_columns_of_a_saved_table(a_slicer_app, tmp_path):
    scene = a_slicer_app.scene
    lesions = [{"label": 1, "name": 'right "upper"\tlobe, hilar; Ä', "volume_ml": 1.5}, {"label": 2, "volume_ml": 0.5}]
    table = lesion_table(scene, lesions)
    save_mrb(scene, tmp_path / "Fall ä.mrb")
    before = [table.GetCellText(row, column) for row in range(2) for column in range(table.GetNumberOfColumns())]
    scene.Clear(0)
    open_mrb(scene, tmp_path / "Fall ä.mrb")
    table = scene.GetFirstNodeByName("Lesions")
    assert [
        table.GetCellText(row, column) for row in range(2) for column in range(table.GetNumberOfColumns())
    ] == before


def test_a_pet_whose_unit_slicer_knows_is_taken_by_it(a_slicer_app):
    from slicer import vtkCodedEntry

    pet = volume_from_image(a_slicer_app.scene, sitk.Image([4, 4, 4], sitk.sitkFloat32) + 2.5, "PET SUV")
    for code, refused in (("{SUVbw}g/ml", False), ("{SUVlbm}g/ml", True)):
        unit = vtkCodedEntry()
        unit.SetValueSchemeMeaning(code, "UCUM", "standardized uptake value")
        pet.SetVoxelValueUnits(unit)
        folder = JobFolder()
        file = Path(folder.write_pet(pet))
        if refused:
            with pytest.raises(PetError, match="SUVlbm"):
                read_pet(file)
        else:
            assert not read_pet(file).notes
        folder.remove()
