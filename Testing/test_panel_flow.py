"""The flow in both panels with the real worker: outline, correct, predict, explain, report, sign; cancel, fail."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from support.panels import FILE, LIBRARIES, Desktop, erase_half


@pytest.fixture(scope="module")
def a_desktop(tmp_path_factory):
    """Slicer's application with both modules open, every Python package installed."""
    pytest.importorskip("PySide6")
    desktop = Desktop(tmp_path_factory.mktemp("pictures"))
    for name in reversed(LIBRARIES):
        desktop.open(name)
    desktop.slicer.packaging.pip_check = lambda _requirement: True
    yield desktop
    desktop.close()


@pytest.fixture(scope="module")
def images(a_simulated_patient) -> dict[str, sitk.Image]:
    """CT, PET and tumour mask of the simulated patient, read once."""
    return {name: sitk.ReadImage(str(a_simulated_patient / f"{name}.nii.gz")) for name in ("ct", "pet", "mask")}


@pytest.fixture
def segment(a_desktop, images, a_simulated_patient):
    """The segmentation panel with the patient's CT and PET, and the file with the outline filled in."""
    from NSCLCResponseSegmentLib.mrml.logic import MODALITY_ATTRIBUTE
    from NSCLCResponseSegmentLib.mrml.volumes import volume_from_image

    a_desktop.clear()
    panel = a_desktop.widget("NSCLCResponseSegment").panel
    for name, modality in (("ct", "CT"), ("pet", "PT")):
        node = volume_from_image(a_desktop.slicer.mrmlScene, images[name], f"Patient {modality}")
        node.SetAttribute(MODALITY_ATTRIBUTE, modality)
        setattr(panel.parameters, name, node)
    panel.ui.maskFileEdit.text = str(a_simulated_patient / "mask.nii.gz")
    return panel


@pytest.fixture
def outlined(a_desktop, segment, images):
    """The response panel of the patient, outlined."""
    from NSCLCResponseSegmentLib.mrml.segmentations import segmentation_from_mask

    mask = sitk.Cast(images["mask"], sitk.sitkUInt8)
    ct = segment.parameters.ct
    segment.parameters.segmentation = segmentation_from_mask(a_desktop.slicer.mrmlScene, mask, ct)
    segment.ui.methodComboBox.currentIndex = FILE
    segment.ui.continueButton.click()
    assert ("selectModule", ("NSCLCResponse",)) in a_desktop.calls
    return a_desktop.widget("NSCLCResponse").panel


def solid_point_ras(images: dict[str, sitk.Image]) -> tuple[float, float, float]:
    """A point in the densest part of the tumour, where a radiologist would click."""
    smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(sitk.Cast(images["ct"], sitk.sitkFloat32), 4.0))
    smooth[sitk.GetArrayViewFromImage(images["mask"]) == 0] = -2000
    index = np.unravel_index(smooth.argmax(), smooth.shape)[::-1]
    x, y, z = images["ct"].TransformIndexToPhysicalPoint([int(i) for i in index])
    return -x, -y, z


def predict(desktop, panel) -> float:
    """Press the button and wait; returns the longest time that the application did not answer."""
    panel.ui.predictButton.click()
    assert panel.ui.predictButton.text == "Cancel"
    return desktop.wait_until(lambda: not panel.predicting.running)


def test_one_click_outlines_the_tumour(a_desktop, segment, images):
    ui = segment.ui
    a_desktop.picture(a_desktop.widget("NSCLCResponseSegment"), "outline-1-loaded")
    ui.placeButton.click()
    segment.parameters.clicks.AddControlPointWorld(*solid_point_ras(images))
    a_desktop.process()
    assert ui.outlineButton.text == "Cancel", "the first click starts the outline"
    assert ui.outlineBar.isVisibleTo(segment.widget)
    assert not ui.placeButton.enabled, "a click now would be lost"
    assert "Wait for the outline" in ui.placeButton.toolTip
    a_desktop.picture(a_desktop.widget("NSCLCResponseSegment"), "outline-2-running")
    a_desktop.wait_until(lambda: not segment.step.outlining.running)
    assert a_desktop.messages == []
    assert ui.outlineButton.text == "Outline the tumour"
    assert not ui.outlineBar.isVisibleTo(segment.widget)
    assert segment.lesions.lesions
    assert ui.segmentEditor.segmentationNode() is segment.parameters.segmentation
    a_desktop.picture(a_desktop.widget("NSCLCResponseSegment"), "outline-3-done")


def test_a_click_in_air_is_explained(a_desktop, segment):
    segment.ui.placeButton.click()
    bounds = [0.0] * 6
    segment.parameters.ct.GetRASBounds(bounds)
    segment.parameters.clicks.AddControlPointWorld(bounds[0] + 8, bounds[2] + 8, (bounds[4] + bounds[5]) / 2)
    a_desktop.process()
    a_desktop.wait_until(lambda: not segment.step.outlining.running)
    assert len(a_desktop.messages) == 1
    assert "Click on" in a_desktop.messages[0]["text"] or "air" in a_desktop.messages[0]["text"]
    assert a_desktop.messages[0]["details"] == ""
    assert segment.parameters.segmentation is None
    assert segment.ui.outlineButton.enabled


def test_a_new_outline_leaves_the_old_one_in_the_scene_whatever_module_is_shown(a_desktop, segment, outlined):
    first = segment.parameters.segmentation
    segment.ui.outlineButton.click()
    a_desktop.leave(a_desktop.widget("NSCLCResponseSegment"))
    a_desktop.wait_until(lambda: not segment.step.outlining.running)
    a_desktop.enter(a_desktop.widget("NSCLCResponseSegment"))
    assert a_desktop.messages == []
    assert segment.parameters.segmentation is not first
    assert a_desktop.slicer.mrmlScene.IsNodePresent(first)
    assert not first.GetDisplayVisibility()


def is_shown(panel, frame) -> bool:
    """Whether a frame of the panel is visible to the user."""
    return frame.isVisibleTo(panel.widget)


def test_predict_correct_predict_again_sign_and_save(a_desktop, outlined, segment, tmp_path):
    panel, ui = outlined, outlined.ui
    shown = a_desktop.widget("NSCLCResponse")
    a_desktop.picture(shown, "predict-1-ready")
    assert ui.predictButton.enabled, ui.predictButton.toolTip
    assert not is_shown(panel, ui.resultFrame)
    panel.parameters.clinical = {"age": "61"}
    predict(a_desktop, panel)
    assert a_desktop.messages == []
    first = panel.session.result()
    check_card(panel, first)
    check_map(a_desktop, panel)
    a_desktop.picture(shown, "predict-3-result")

    assert ui.signButton.toolTip == "Enter your name first"
    ui.reviewerEdit.text = "Dr Test"
    erase_half(panel.parameters.segmentation)
    assert is_shown(panel, ui.staleFrame), "the moment the mask changes"
    assert "predict again" in ui.signButton.toolTip
    assert ui.reviewLabel.text == f"Review: stale. {ui.signButton.toolTip}."
    a_desktop.picture(shown, "predict-4-stale")
    ui.predictAgainButton.click()
    assert panel.predicting.running
    a_desktop.leave(shown)  # it goes on while the user looks at something else
    a_desktop.wait_until(lambda: not panel.predicting.running)
    a_desktop.enter(shown)
    assert not is_shown(panel, ui.staleFrame)
    assert ui.recentTable.model().rowCount() == 2
    assert panel.session.result()["tumour"]["volume_ml"] < first["tumour"]["volume_ml"]

    ui.commentEdit.text = "lower half only"
    ui.signButton.click()
    assert [ui.reviewTable.model().item(0, column).text() for column in (1, 2)] == ["signed off", "Dr Test"]
    assert ui.signButton.toolTip == "This case is signed off"
    assert ui.commentEdit.text == "", "nobody signs the next outline with it"
    a_desktop.picture(shown, "predict-5-signed")
    a_desktop.answers.append(str(tmp_path))
    ui.saveButton.click()
    assert a_desktop.messages == []
    (folder,) = tmp_path.iterdir()
    check_saved(a_desktop, panel, folder)
    check_another_outline(a_desktop, panel, segment)


def check_card(panel, result) -> None:
    """The card says what the result says, and what it was trained on."""
    ui, prediction = panel.ui, result["prediction"]
    assert ui.probabilityLabel.text == f"{prediction['probability']:.2f}"
    assert "Trained on simulated patients" in ui.labelLabel.text
    assert "research use only" in ui.labelLabel.text
    assert prediction["signature_name"] in ui.signatureLabel.text
    assert result["inputs"]["clinical"] == {"age": 61.0}
    assert ui.featureTable.model().rowCount() > 3
    assert not is_shown(panel, ui.staleFrame)


def check_map(desktop, panel) -> None:
    """The network's map lies over the slices while it is wanted; the PET comes back afterwards."""
    ui, calls = panel.ui, desktop.calls
    assert ui.mapCheckBox.enabled, ui.mapCheckBox.toolTip
    ui.mapCheckBox.checked = True
    node = panel._map_node()
    assert calls[-1] == ("setSliceViewerLayers", {"foreground": node, "foregroundOpacity": 0.5})
    ui.mapOpacitySlider.value = 0.8
    assert calls[-1][1]["foregroundOpacity"] == pytest.approx(0.8)
    count = len(calls)
    ui.commentEdit.text = "seen"
    assert len(calls) == count, "the views are left alone while the map stays as it is"
    ui.mapCheckBox.checked = False
    assert calls[-1][1]["foreground"] is panel.parameters.pet
    ui.commentEdit.text = ""
    ui.mapOpacitySlider.value = 0.5


def check_saved(desktop, panel, folder: Path) -> None:
    """Every file is there; the scene opens again with result and sign-off, and knows when the mask changes."""
    names = {"cnn_map.nrrd", "features.csv", "report.html", "result.json", "scene.mrb", "tumour.seg.nrrd"}
    assert {p.name for p in folder.iterdir()} == names
    saved = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert saved["review"]["state"] == "signed off"
    assert "lower half only" in json.dumps(saved["review"])
    desktop.clear()
    assert not is_shown(panel, panel.ui.resultFrame)
    assert desktop.slicer.mrmlScene.ReadFromMRB(str(folder / "scene.mrb"), True)
    desktop.process()
    assert panel.ui.probabilityLabel.text == f"{saved['prediction']['probability']:.2f}"
    assert panel.session.record.state.value == "signed off"


def check_another_outline(desktop, panel, segment) -> None:
    """A second outline has its own result; the first one's is found again, stale if it was edited meanwhile."""
    first, probability = panel.parameters.segmentation, panel.ui.probabilityLabel.text
    segment.ui.outlineButton.click()
    desktop.wait_until(lambda: not segment.step.outlining.running)
    panel.parameters.segmentation = segment.parameters.segmentation
    assert panel.session.result() is None
    assert not is_shown(panel, panel.ui.resultFrame)
    assert panel.ui.signButton.toolTip == "Predict first"
    erase_half(first)  # behind the panel's back
    panel.parameters.segmentation = first
    assert panel.ui.probabilityLabel.text == probability
    assert is_shown(panel, panel.ui.staleFrame)


def test_cancel_keeps_everything_as_it_was(a_desktop, outlined):
    panel, ui = outlined, outlined.ui
    ui.predictButton.click()
    a_desktop.wait_until(lambda: ui.predictBar.value > 0 or not panel.predicting.running)
    a_desktop.picture(a_desktop.widget("NSCLCResponse"), "predict-2-running")
    assert panel.predicting.running
    ui.predictButton.click()
    assert not panel.predicting.running
    assert ui.predictButton.text == "Predict the response"
    assert a_desktop.messages == [], "who cancels knows it"
    assert ("showStatusMessage", ("Cancelled; nothing was written.", 5000)) in a_desktop.calls
    assert panel.session.result() is None


def test_closing_the_scene_ends_the_job(a_desktop, outlined):
    outlined.ui.predictButton.click()
    assert outlined.predicting.running
    a_desktop.clear()
    assert not outlined.predicting.running
    assert outlined.ui.predictButton.toolTip == "Choose the CT first"
    assert a_desktop.messages == []


def test_an_impossible_clinical_value_blocks_and_says_why(outlined):
    panel = outlined
    table = panel.ui.clinicalTable
    names = [table.item(row, 0).text() for row in range(table.rowCount)]
    row = next(i for i, name in enumerate(names) if "PD-L1" in name)
    table.item(row, 1).setText("180")
    assert dict(panel.parameters.clinical) == {"pdl1_tps_percent": "180"}
    assert "180" in panel.ui.clinicalNote.text
    assert not panel.ui.predictButton.enabled
    assert "180" in panel.ui.predictButton.toolTip
    table.item(row, 1).setText("80")
    assert panel.ui.predictButton.enabled


def test_a_signature_chosen_on_another_computer(a_desktop, outlined):
    from NSCLCResponseLib.core.signature_list import shipped_signatures

    panel, messages = outlined, a_desktop.messages
    messages.clear()
    name = next(info.folder.name for info in shipped_signatures() if info.folder.name != "simulated-ct-pet")
    panel.parameters.signature = rf"C:\Slicer 5.12\Signatures\{name}"
    assert panel.signatures.current.folder.name == name, "a shipped one is found by its name"
    assert not messages
    panel.parameters.signature = "/home/other/our-own-signature"
    panel.parameters.comment = "typed"
    panel.update()
    assert len(messages) == 1, "said once, not at each change"
    assert panel.signatures.current.folder.name == "simulated-ct-pet"
