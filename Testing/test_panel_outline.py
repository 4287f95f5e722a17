"""Ways to outline in the segmentation panel: sizes and corrections of a click with the real worker, PET, models."""

from __future__ import annotations

import json
import types

import numpy as np
import pytest
import SimpleITK as sitk

from support.panels import CLICK, FILE, MODEL, PET, Desktop, erase_half


@pytest.fixture(scope="module")
def a_desktop(tmp_path_factory):
    """Slicer's application with both modules open, every Python package installed."""
    pytest.importorskip("PySide6")
    desktop = Desktop(tmp_path_factory.mktemp("pictures"))
    desktop.open("NSCLCResponseSegment")
    desktop.slicer.packaging.pip_check = lambda _requirement: True
    yield desktop
    desktop.close()


@pytest.fixture
def panel(a_desktop):
    """The panel in an empty scene."""
    a_desktop.clear()
    return a_desktop.widget("NSCLCResponseSegment").panel


@pytest.fixture(scope="module")
def ct_and_mask(a_simulated_patient) -> tuple[sitk.Image, sitk.Image]:
    """CT and true tumour of the simulated patient."""
    return tuple(sitk.ReadImage(str(a_simulated_patient / f"{name}.nii.gz")) for name in ("ct", "mask"))


def add_volume(desktop, image, name, modality):
    """A volume node of the given modality."""
    from NSCLCResponseSegmentLib.mrml.logic import MODALITY_ATTRIBUTE
    from NSCLCResponseSegmentLib.mrml.volumes import volume_from_image

    node = volume_from_image(desktop.slicer.mrmlScene, image, name)
    if modality:
        node.SetAttribute(MODALITY_ATTRIBUTE, modality)
    return node


def volume_ml(panel) -> float:
    """Volume of the outline in the panel, from its voxels."""
    from NSCLCResponseSegmentLib.mrml.lesion_table import lesions_of

    return sum(le.volume_ml for le in lesions_of(panel.parameters.segmentation, panel.parameters.ct))


def point_ras(image: sitk.Image, chosen: np.ndarray) -> tuple[float, float, float]:
    """The voxel deepest inside ``chosen`` (z, y, x), as a point in RAS mm."""
    inside = sitk.GetImageFromArray(chosen.astype(np.uint8))
    depth = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(inside, insideIsPositive=True, squaredDistance=False))
    index = np.unravel_index(depth.argmax(), depth.shape)[::-1]
    x, y, z = image.TransformIndexToPhysicalPoint([int(i) for i in index])
    return -x, -y, z


def overlap(panel, truth: sitk.Image) -> float:
    """Dice coefficient of the outline in the panel and ``truth``."""
    from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids

    node = panel.parameters.segmentation
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(mask_from_segment(node, segment_ids(node)[0], truth), truth)
    return measures.GetDiceCoefficient()


def keys(desktop) -> set[str]:
    """The key sequences that are installed on the main window."""
    from PySide6.QtGui import QShortcut

    return {s.key.toString() for s in desktop.slicer.util.mainWindow().findChildren(QShortcut)}


def test_a_click_offers_sizes_and_further_clicks_correct(a_desktop, panel, ct_and_mask):
    ct, mask = ct_and_mask
    ui, step = panel.ui, panel.step
    panel.parameters.ct = add_volume(a_desktop, ct, "Patient CT", "CT")
    values, tumour = sitk.GetArrayFromImage(ct), sitk.GetArrayFromImage(mask) > 0
    solid = point_ras(ct, tumour & (values > -100))
    ui.placeButton.click()
    panel.parameters.clicks.AddControlPointWorld(*solid)
    a_desktop.process()
    a_desktop.wait_until(lambda: not step.outlining.running)
    assert a_desktop.messages == []
    first, node = volume_ml(panel), panel.parameters.segmentation
    assert ui.sizeFrame.isVisibleTo(panel.widget), "this click has more than one size"
    assert ui.sizeButton1.checked
    assert ui.sizeButton1.text == f"1: {first:.1f} mL"
    assert {"1", "2"} <= keys(a_desktop)
    assert not ui.segmentEditor._shortcuts, "the editor would react to the same keys"
    a_desktop.picture(a_desktop.widget("NSCLCResponseSegment"), "outline-4-sizes")

    ui.sizeButton2.click()
    assert panel.parameters.segmentation is node
    second = volume_ml(panel)
    assert ui.sizeButton2.text == f"2: {second:.1f} mL"
    assert second != first
    assert ui.segmentEditor._undo_states == 1
    ui.sizeButton1.click()
    assert volume_ml(panel) == pytest.approx(first, rel=1e-6)

    ui.excludeButton.click()
    panel.parameters.exclusions.AddControlPointWorld(*solid)
    a_desktop.process()
    assert step.outlining.running, "a further click corrects at once"
    a_desktop.wait_until(lambda: not step.outlining.running)
    assert a_desktop.messages == []
    assert panel.parameters.segmentation is node, "the outline is corrected, not replaced"
    assert volume_ml(panel) < first
    assert not ui.sizeFrame.isVisibleTo(panel.widget)
    assert ui.segmentEditor._shortcuts
    assert node.GetAttribute("NSCLCResponse.EditedByHand") == "1"


def test_an_effect_takes_its_keys_back(a_desktop, panel):
    from NSCLCResponseSegmentLib.gui.self_test import small_case

    panel.parameters.ct, panel.parameters.segmentation = small_case()
    panel.step.sizes.offer([8.0, 12.0], 0)
    assert "1" in keys(a_desktop)
    editor_node = a_desktop.slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    editor_node.SetActiveEffectName("Paint")
    a_desktop.process()
    assert "1" not in keys(a_desktop)
    assert panel.ui.segmentEditor._shortcuts
    editor_node.SetActiveEffectName("")
    panel.step.sizes.offer([8.0, 12.0], 0)
    widget = a_desktop.widget("NSCLCResponseSegment")
    a_desktop.leave(widget)
    a_desktop.slicer.mrmlScene.Clear(0)
    a_desktop.process()
    assert not keys(a_desktop), "closing the scene elsewhere gives no keys to a panel that is not shown"
    a_desktop.enter(widget)


def test_an_outline_corrected_by_hand_is_not_given_up_unasked(a_desktop, panel):
    from PySide6.QtWidgets import QMessageBox

    from NSCLCResponseSegmentLib.gui.self_test import small_case

    panel.parameters.ct, node = small_case()
    panel.parameters.segmentation = node
    erase_half(node)
    panel.ui.methodComboBox.currentIndex = FILE
    panel.ui.maskFileEdit.text = "another.nii.gz"
    a_desktop.messages.clear()
    a_desktop.answers.append(QMessageBox.StandardButton.Cancel)
    panel.ui.outlineButton.click()
    assert "corrected by hand" in a_desktop.messages[-1]["text"]
    assert not panel.step.outlining.running
    assert panel.ui.outlineButton.enabled


def test_a_pet_in_bq_ml_is_noticed_and_converted_from_its_dicom(a_desktop, panel, tmp_path, monkeypatch):
    """The PET as Slicer's DICOM browser loads it: activity, and the UIDs of its files."""
    from NSCLCResponseSegmentLib.gui.self_test import small_case
    from support.dicom_maker import Examination

    files = {path.stem: path for path in Examination().pet(tmp_path / "study")}
    database = types.SimpleNamespace(fileForInstance=lambda uid: str(files.get(uid, "")))
    monkeypatch.setattr(a_desktop.slicer, "dicomDatabase", database, raising=False)
    panel.parameters.ct, _ = small_case()
    bq_ml = sitk.Cast(sitk.Image([4, 4, 4], sitk.sitkUInt16) + 20_000, sitk.sitkFloat32)
    pet = add_volume(a_desktop, bq_ml, "PET AC", "")
    panel.parameters.pet = pet
    ui = panel.ui
    assert ui.suvFrame.isVisibleTo(panel.widget)
    assert "not in SUVbw" in ui.suvLabel.text
    assert "DICOM browser" in ui.suvButton.toolTip
    pet.SetAttribute("DICOM.instanceUIDs", " ".join(files))
    panel.update()
    a_desktop.picture(a_desktop.widget("NSCLCResponseSegment"), "outline-5-pet-units")
    ui.suvButton.click()
    assert a_desktop.messages == []
    assert panel.parameters.pet.GetName() == "PET AC SUVbw"
    assert not ui.suvFrame.isVisibleTo(panel.widget)
    highest = panel.parameters.pet.GetImageData().GetScalarRange()[1]
    assert highest == pytest.approx(20000 * 70000 / (350e6 * 2 ** (-3600 / 6586.2)), rel=1e-3)


def test_the_uptake_around_a_click_is_outlined(a_desktop, panel, ct_and_mask, a_simulated_patient):
    pet = sitk.ReadImage(str(a_simulated_patient / "pet.nii.gz"))
    on_pet = sitk.GetArrayFromImage(sitk.Resample(ct_and_mask[1], pet, sitk.Transform(), sitk.sitkNearestNeighbor))
    values = sitk.GetArrayFromImage(pet)
    panel.parameters.ct = add_volume(a_desktop, ct_and_mask[0], "Patient CT", "CT")
    panel.parameters.pet = add_volume(a_desktop, pet, "Patient PET", "PT")
    panel.parameters.pet.SetAttribute("NSCLCResponse.Unit", "SUVbw")
    ui = panel.ui
    ui.methodComboBox.currentIndex = PET
    assert ui.clickNote.text == "One click in the uptake outlines it."
    ui.placeButton.click()
    panel.parameters.clicks.AddControlPointWorld(
        *point_ras(pet, (on_pet > 0) & (values > 0.7 * values[on_pet > 0].max()))
    )
    a_desktop.process()
    assert panel.step.outlining.running
    a_desktop.wait_until(lambda: not panel.step.outlining.running)
    assert a_desktop.messages == []
    assert "Uptake of SUVmax" in ui.outlineProgress.text
    assert "taken as SUVbw" not in ui.outlineProgress.text, "the unit is known"
    truth = sitk.Cast(ct_and_mask[1], sitk.sitkUInt8)
    assert overlap(panel, truth) > 0.5
    ui.methodComboBox.currentIndex = CLICK


def test_what_pet_and_model_need_is_said(a_desktop, panel):
    from NSCLCResponseSegmentLib.gui.self_test import small_case

    panel.parameters.ct, _ = small_case()
    panel.parameters.segmentation = None
    ui = panel.ui
    ui.methodComboBox.currentIndex = PET
    assert ui.petFrame.isVisibleTo(panel.widget)
    assert ui.outlineButton.toolTip == "Choose the PET first"
    bq_ml = sitk.Cast(sitk.Image([4, 4, 4], sitk.sitkUInt16) + 20_000, sitk.sitkFloat32)
    panel.parameters.pet = add_volume(a_desktop, bq_ml, "PET AC", "")
    assert "PET AC is not in SUVbw" in ui.outlineButton.toolTip
    ui.methodComboBox.currentIndex = MODEL
    assert ui.modelFrame.isVisibleTo(panel.widget)
    assert not ui.clickFrame.isVisibleTo(panel.widget)
    assert ui.outlineButton.enabled == bool(panel.parameters.model)
    assert not ui.placeButton.enabled, "its key would place a point that no model uses"
    ui.methodComboBox.currentIndex = CLICK


def test_code_of_a_model_runs_only_after_a_yes(a_desktop, panel, tmp_path, monkeypatch):
    from PySide6.QtWidgets import QMessageBox

    from NSCLCResponseSegmentLib.core.model_catalog import FOLDER_VARIABLE
    from NSCLCResponseSegmentLib.gui.models import may_run
    from NSCLCResponseSegmentLib.gui.self_test import small_case

    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    bundle = tmp_path / "bundle"
    parts = {key: {} for key in ("preprocessing", "network_def", "inferer", "postprocessing")}
    formats = {"inputs": {"image": {"modality": "CT"}}, "outputs": {"pred": {"channel_def": {"1": "tumour"}}}}
    for name, content in (
        ("configs/inference.json", {"imports": ["$import unknown"], **parts}),
        ("configs/metadata.json", {"network_data_format": formats}),
        ("models/model.pt", {}),
    ):
        (bundle / name).parent.mkdir(parents=True, exist_ok=True)
        (bundle / name).write_text(json.dumps(content), encoding="utf-8")
    panel.parameters.ct, _ = small_case()
    ui = panel.ui
    ui.methodComboBox.currentIndex = MODEL
    panel.parameters.model = str(bundle)
    a_desktop.answers.append(QMessageBox.StandardButton.No)
    ui.outlineButton.click()
    assert "$import unknown" in a_desktop.messages[0]["text"]
    assert not panel.step.outlining.running
    assert ui.outlineButton.text == "Outline the tumour"
    assert may_run(str(bundle)), "the next answer is yes"
    assert may_run(str(bundle))
    assert len(a_desktop.messages) == 2, "who said yes is not asked again"
    ui.methodComboBox.currentIndex = CLICK


def test_lesions_are_dropped_merged_and_named(a_desktop, panel):
    from PySide6.QtCore import QItemSelectionModel

    from NSCLCResponseSegmentLib.gui.self_test import small_case
    from NSCLCResponseSegmentLib.mrml.segmentations import segmentation_from_mask

    ct, _ = small_case()
    mask = sitk.Image([40, 40, 20], sitk.sitkUInt8)
    mask.SetSpacing((2.0, 2.0, 2.0))
    mask[2:12, 2:12, 2:12] = 1
    mask[20:26, 20:26, 2:8] = 1
    mask[30:34, 30:34, 12:16] = 1
    panel.parameters.ct = ct
    panel.parameters.segmentation = segmentation_from_mask(a_desktop.slicer.mrmlScene, mask, ct)
    ui, table = panel.ui, panel.lesions
    assert len(table.lesions) == 3
    assert not ui.dropButton.enabled
    assert "Choose rows" in ui.dropButton.toolTip

    def choose(*rows: int) -> None:
        model, selection = ui.lesionTable.model(), ui.lesionTable.selectionModel()
        selection.clear()
        flags = QItemSelectionModel.SelectionFlag
        for row in rows:
            selection.select(model.index(row, 0), flags.Select | flags.Rows)
        ui.lesionTable.clicked.emit(model.index(rows[-1], 0))

    choose(2)
    ui.dropButton.click()
    assert [round(le.volume_ml, 2) for le in table.lesions] == [8.0, 1.73]
    choose(1)
    a_desktop.answers.append("Node")
    ui.renameButton.click()
    assert table.names == {1: "Lesion 1", 2: "Node"}
    assert ui.lesionTable.model().item(1, 0).text() == "2 Node"
    choose(0, 1)
    assert not ui.dropButton.enabled, "at least one lesion must stay"
    ui.mergeButton.click()
    assert panel.parameters.segmentation.GetSegmentation().GetNumberOfSegments() == 1
    assert len(table.lesions) == 2
    assert a_desktop.messages == []
