"""A prediction in a real scene: made through the worker, saved, opened again, and stale when the mask changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.review import ReviewRecord, ReviewState
from NSCLCResponseLib.mrml.case_session import CaseSession
from NSCLCResponseLib.mrml.logic import ResponseLogic
from NSCLCResponseLib.mrml.result_nodes import result_node, stored_review
from NSCLCResponseLib.mrml.review_tracker import ReviewTracker
from NSCLCResponseLib.mrml.scene import open_mrb, save_mrb
from NSCLCResponseSegmentLib.core.errors import MaskError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.lesion_choice import LesionChoice
from NSCLCResponseSegmentLib.mrml.lesion_segments import apply_choice, lesion_choice_of
from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic
from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids, segmentation_from_mask
from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume, volume_from_image
from support.slicer_app import a_blob


def erase_a_slice(node) -> None:
    """Edit the first segment as the Segment Editor does: change its label map in place and say so."""
    from slicer import vtkSegmentationConverter
    from vtk.util.numpy_support import vtk_to_numpy

    segment = node.GetSegmentation().GetNthSegment(0)
    data = segment.GetRepresentation(vtkSegmentationConverter.GetBinaryLabelmapRepresentationName())
    array = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])
    array[np.nonzero(array.any(axis=(1, 2)))[0][0]] = 0
    data.Modified()
    segment.Modified()
    node.GetSegmentation().InvokeEvent(node.GetSegmentation().SourceRepresentationModified)


def test_predict_save_and_open_again(a_slicer_app, a_warm_worker, a_simulated_patient: Path, tmp_path: Path):
    scene = a_slicer_app.scene
    segment, response = SegmentLogic(scene), ResponseLogic(scene, a_warm_worker)
    ct = segment.loadCt(a_simulated_patient / "ct.nii.gz")
    pet = segment.loadPet(a_simulated_patient / "pet.nii.gz")
    tumour = segment.importMask(ct, a_simulated_patient / "mask.nii.gz")
    prediction = response.predict(ct, tumour, pet, clinical={"age": 61})
    assert 0 <= prediction.probability <= 1
    assert "imulated" in prediction.label
    result = response.result()
    assert result["inputs"]["clinical"]["age"] == 61
    assert result["review"]["state"] == ReviewState.PREDICTED.value
    save_mrb(scene, tmp_path / "case.mrb")

    before = sitk.GetArrayFromImage(image_from_volume(ct))
    scene.Clear(0)
    assert response.result() is None
    open_mrb(scene, tmp_path / "case.mrb")
    assert response.result() == result
    volume = scene.GetFirstNodeByName("CT")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image_from_volume(volume)), before)
    node = result_node(scene)
    table = node.GetNodeReference("features").GetTable()
    assert table.GetNumberOfRows() > 50
    assert node.GetNodeReference("segmentation").GetSegmentation().GetNumberOfSegments() == 1
    assert f"{prediction.probability:.2f}" in node.GetNodeReference("summary").GetText()


def test_a_second_prediction_replaces_the_first_and_keeps_the_history(
    a_slicer_app, a_warm_worker, a_simulated_patient: Path
):
    scene = a_slicer_app.scene
    segment, response = SegmentLogic(scene), ResponseLogic(scene, a_warm_worker)
    ct = segment.loadCt(a_simulated_patient / "ct.nii.gz")
    tumour = segment.importMask(ct, a_simulated_patient / "mask.nii.gz")
    first = response.predict(ct, tumour)
    tables = scene.GetNumberOfNodesByClass("vtkMRMLTableNode")
    tracker = ReviewTracker(scene, tumour, stored_review(scene), by=lambda: "Dr Test")
    erase_a_slice(tumour)
    assert tracker.record.state is ReviewState.STALE
    assert stored_review(scene).state is ReviewState.STALE, "the scene knows it, too"
    second = response.predict(ct, tumour)
    assert second.probability != first.probability
    assert scene.GetNumberOfNodesByClass("vtkMRMLTableNode") == tables
    events = [event.what for event in stored_review(scene).events]
    assert [what.split(":")[0] for what in events] == ["outlined", "predicted", "mask edited", "predicted"]
    tracker.close()


def test_a_mask_edited_while_the_job_runs_makes_it_stale(a_slicer_app, a_warm_worker, a_simulated_patient: Path):
    scene = a_slicer_app.scene
    segment, response = SegmentLogic(scene), ResponseLogic(scene, a_warm_worker)
    ct = segment.loadCt(a_simulated_patient / "ct.nii.gz")
    tumour = segment.importMask(ct, a_simulated_patient / "mask.nii.gz")
    job = response.startPredict(ct, tumour)
    erase_a_slice(tumour)
    session = CaseSession(scene)  # and another outline was chosen meanwhile
    session.follow(
        segmentation_from_mask(
            scene, sitk.Cast(image_from_volume(ct) > 200, sitk.sitkUInt8), ct, "Other", show_3d=False
        )
    )
    session.outlined("another", 1.0)
    job.wait()
    response.finishPredict(job)
    assert stored_review(scene).state is ReviewState.STALE
    session.close()
    session.follow(scene.GetFirstNodeByName("Other"))
    assert session.result() is None, "the other outline was not predicted on"
    assert session.record.events[0].what == "outlined: another"
    session.close()
    assert not job.folder.path.exists()


def test_what_cannot_be_predicted_is_said(a_slicer_app, a_warm_worker, a_simulated_patient: Path):
    scene = a_slicer_app.scene
    segment, response = SegmentLogic(scene), ResponseLogic(scene, a_warm_worker)
    ct = segment.loadCt(a_simulated_patient / "ct.nii.gz")
    tumour = segment.importMask(ct, a_simulated_patient / "mask.nii.gz")
    with pytest.raises(NSCLCResponseError, match="eye_colour"):
        response.predict(ct, tumour, clinical={"eye_colour": "blue"})
    tumour.GetSegmentation().RemoveAllSegments()
    with pytest.raises(MaskError, match="no segment"):
        response.predict(ct, tumour)


def test_the_tracker_joins_strokes_and_ignores_what_changes_no_voxel(a_slicer_app, an_oblique_image: sitk.Image):
    scene = a_slicer_app.scene
    reference = volume_from_image(scene, an_oblique_image, "CT")
    node = segmentation_from_mask(scene, a_blob(an_oblique_image, (2, 3, 1), (9, 8, 6)), reference)
    record = ReviewRecord()
    calls = []
    tracker = ReviewTracker(scene, node, record, by=lambda: "Dr Test", on_change=lambda: calls.append(1))
    record.outlined("imported", tracker.volume_ml)
    start = tracker.volume_ml
    node.GetSegmentation().InvokeEvent(node.GetSegmentation().SourceRepresentationModified)
    node.CreateClosedSurfaceRepresentation()
    assert not calls, "nothing was edited"
    from slicer import vtkSegmentationHistory

    history = vtkSegmentationHistory()
    history.SetSegmentation(node.GetSegmentation())
    history.SaveState()
    erase_a_slice(node)
    erase_a_slice(node)
    assert len(calls) == 2
    assert [e.what for e in record.events] == ["outlined: imported", "mask edited"]
    edit = record.events[-1]
    assert (edit.by, edit.volume_before_ml) == ("Dr Test", pytest.approx(start))
    assert edit.volume_after_ml == pytest.approx(tracker.volume_ml)
    assert edit.volume_after_ml < start
    history.RestorePreviousState()  # which says of segments, not of their label maps, that they are modified
    assert tracker.volume_ml == pytest.approx(start), "the Segment Editor's undo is an edit, too"
    history.RestoreNextState()
    got = mask_from_segment(node, segment_ids(node)[0], an_oblique_image)
    voxel_ml = np.prod(an_oblique_image.GetSpacing()) / 1000
    assert sitk.GetArrayViewFromImage(got).sum() * voxel_ml == pytest.approx(edit.volume_after_ml)
    scene.Clear(0)
    assert not tracker._tags, "it lets go when the scene is closed"


def test_the_choice_of_lesions_is_in_the_review_record_until_it_is_undone(a_slicer_app, an_oblique_image: sitk.Image):
    scene = a_slicer_app.scene
    ct = volume_from_image(scene, an_oblique_image, "CT")
    two = sitk.Or(a_blob(an_oblique_image, (2, 3, 1), (6, 6, 4)), a_blob(an_oblique_image, (9, 8, 6), (11, 10, 7)))
    node = segmentation_from_mask(scene, two, ct, show_3d=False)
    session = CaseSession(scene, by=lambda: "Dr Test")
    session.follow(node)
    session.outlined("model m", 1.0)
    apply_choice(node, ct, LesionChoice.parse("1=Primary"))
    event = stored_review(scene).events[-1]
    assert (event.what, event.by) == ("lesions chosen", "Dr Test")
    assert event.comment.startswith("kept: Primary (lesion 1; ")
    assert "dropped: lesion 2 (" in event.comment
    assert event.volume_after_ml < event.volume_before_ml
    assert stored_review(scene).lesion_choice == lesion_choice_of(node)
    assert session.record.is_edited_by_hand, "a new outline would lose it"
    erase_a_slice(node)
    assert [e.what for e in session.record.events] == ["outlined: model m", "lesions chosen", "mask edited"]
    assert session.record.lesion_choice is not None
    node.GetSegmentation().GetSegment(segment_ids(node)[0]).SetName("Tumour")  # as undo does
    erase_a_slice(node)
    assert session.record.lesion_choice is None
    session.close()
