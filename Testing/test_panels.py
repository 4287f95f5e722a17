"""Both panels' life in Slicer, on stand-ins for its Qt (see ``standins`` for what that does not prove)."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from support.panels import FILE, LIBRARIES, ROOT, Desktop, erase_half


@pytest.fixture(scope="module")
def a_desktop(tmp_path_factory):
    """Slicer's application as the panels see it."""
    pytest.importorskip("PySide6")
    desktop = Desktop(tmp_path_factory.mktemp("pictures"))
    for name in reversed(LIBRARIES):
        desktop.open(name)
    yield desktop
    desktop.close()


@pytest.fixture
def both(a_desktop):
    """The widgets of segmentation and response module in an empty scene."""
    a_desktop.clear()
    return a_desktop.widget("NSCLCResponseSegment"), a_desktop.widget("NSCLCResponse")


@pytest.fixture
def a_small_case(both):
    """CT node and segmentation node of an 8 mL cube, chosen in both panels."""
    from NSCLCResponseSegmentLib.gui.self_test import small_case

    ct, segmentation = small_case()
    for widget in both:
        widget.panel.parameters.ct = ct
        widget.panel.parameters.segmentation = segmentation
    return ct, segmentation


def test_the_stand_ins_stay_small():
    files = list((ROOT / "Testing" / "standins").glob("*.py"))
    assert len(files) > 4
    assert sum(len(f.read_text(encoding="utf-8").splitlines()) for f in files) < 600


def test_choices_are_kept_in_the_scene_and_found_again(a_desktop, both, a_small_case, tmp_path):
    segment, response = both
    ct, segmentation = a_small_case
    segment.panel.ui.maskRoiEdit.text = "GTV-1"
    response.panel.ui.commentEdit.text = "second reading"
    response.panel.parameters.clinical = {"age": "61"}
    scene = a_desktop.slicer.mrmlScene
    assert scene.WriteToMRB(str(tmp_path / "case.mrb"), None)
    a_desktop.clear()
    assert segment.panel.parameters.ct is None
    assert segment.panel.ui.maskRoiEdit.text == ""
    assert scene.ReadFromMRB(str(tmp_path / "case.mrb"), True)
    a_desktop.process()
    assert segment.panel.parameters.ct.GetName() == ct.GetName()
    assert segment.panel.ui.segmentationSelector.currentNode().GetName() == segmentation.GetName()
    assert segment.panel.ui.maskRoiEdit.text == "GTV-1"
    assert response.panel.ui.commentEdit.text == "second reading"
    assert dict(response.panel.parameters.clinical) == {"age": "61"}


def installed_shortcuts(desktop) -> list:
    """What is installed on the main window."""
    from PySide6.QtGui import QShortcut

    return desktop.slicer.util.mainWindow().findChildren(QShortcut)


def test_the_segment_editor_follows_the_life_of_the_module(a_desktop, both, a_small_case, monkeypatch):
    segment, _ = both
    editor, (ct, segmentation) = segment.panel.ui.segmentEditor, a_small_case
    segment.panel.parameters.segmentation = None
    assert editor._segmentation is None
    segment.panel.parameters.segmentation = segmentation
    assert editor._segmentation is segmentation
    assert editor.sourceVolumeNode() is ct
    assert editor._shortcuts
    tag = editor._settings.GetSingletonTag()
    assert tag == "SegmentEditor"
    a_desktop.leave(segment)
    assert not editor._shortcuts
    assert not editor._observing
    assert segment.panel.parameters is None
    shared = a_desktop.slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")
    assert editor._settings is not shared, "Slicer's own Segment Editor has it now"
    own = types.SimpleNamespace(editor=a_desktop.slicer.qMRMLSegmentEditorWidget(), parameterSetNode=shared)
    own.editor.setMRMLSegmentEditorNode(shared)
    monkeypatch.setattr(a_desktop.slicer.modules, "SegmentEditorWidget", own, raising=False)
    a_desktop.enter(segment)
    assert own.editor._settings is not shared, "both would take up the effect, and it would paint"
    assert own.parameterSetNode is None
    assert editor._settings is shared
    assert editor._shortcuts
    assert editor._segmentation is segmentation
    a_desktop.clear()
    assert editor.segmentationNode() is None
    assert editor._settings is a_desktop.slicer.mrmlScene.GetSingletonNode("SegmentEditor", "vtkMRMLSegmentEditorNode")


def test_shortcuts_live_only_while_the_module_is_shown(a_desktop, both):
    segment, _ = both

    def keys() -> set[str]:
        return {s.key.toString() for s in installed_shortcuts(a_desktop)}

    assert {"Shift+C", "Shift+O"} <= keys()
    a_desktop.leave(segment)
    a_desktop.process()
    assert not {"Shift+C", "Shift+O"} & keys()
    a_desktop.enter(segment)


def test_a_disabled_button_says_why_and_an_outline_enables_it(both, a_small_case):
    segment, response = both
    ui, parameters = segment.panel.ui, segment.panel.parameters
    assert not ui.outlineButton.enabled
    assert "click inside the tumour" in ui.outlineButton.toolTip
    ui.methodComboBox.currentIndex = FILE
    assert "file" in ui.outlineButton.toolTip
    assert ui.fileFrame.isVisibleTo(segment.parent)
    assert not ui.clickFrame.isVisibleTo(segment.parent)
    ui.maskFileEdit.text = "tumour.nii.gz"
    assert ui.outlineButton.enabled
    parameters.ct = None
    assert ui.outlineButton.toolTip == "Choose the CT first"
    assert not response.panel.ui.signButton.enabled
    assert response.panel.ui.signButton.toolTip == "Predict first"


def test_the_lesion_table_follows_the_brush_and_jumps(a_desktop, both, a_small_case):
    from PySide6.QtCore import QCoreApplication, QEvent, Qt
    from PySide6.QtGui import QKeyEvent

    segment, _ = both
    table = segment.panel.ui.lesionTable
    slice_node = a_desktop.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSliceNode")
    assert table.model().item(0, 1).text() == "8.0"
    paste = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    QCoreApplication.sendEvent(table, paste)
    assert paste.isAccepted(), "Slicer's table view would paste over the measures"
    undo = a_desktop.slicer.vtkSegmentationHistory()  # the Segment Editor's
    undo.SetSegmentation(a_small_case[1].GetSegmentation())
    undo.SaveState()
    erase_half(a_small_case[1])
    a_desktop.wait_until(lambda: table.model().item(0, 1).text() == "4.0", 30)
    undo.RestorePreviousState()
    a_desktop.wait_until(lambda: table.model().item(0, 1).text() == "8.0", 30)
    table.clicked.emit(table.model().index(0, 0))
    centre = [slice_node.GetSliceToRAS().GetElement(axis, 3) for axis in range(3)]
    assert centre == pytest.approx(segment.panel.lesions.lesions[0].centre_ras, abs=1e-3)


def test_tables_fit_their_panel_also_after_they_were_hidden(a_desktop, both, a_small_case):
    from NSCLCResponseSegmentLib.gui.tables import fitting_widths

    both[1].panel.parameters.segmentation = None
    assert both[0].panel.ui.lesionTable.model().rowCount() == 1, "the panels may show different segmentations"
    both[1].panel.parameters.segmentation = a_small_case[1]
    assert fitting_widths([90, 110, 60], 400) == [90, 110, 60]
    assert fitting_widths([90, 110, 60], 200) == [70, 70, 60], "the widest give way first"
    ui = both[1].panel.ui
    ui.explainSection.collapsed = False  # the lesions were measured while it was closed
    a_desktop.process()
    table = ui.lesionTable
    assert min(table.columnWidth(column) for column in range(4)) > 40
    assert table.horizontalHeader().length() <= table.viewport().width
    ui.explainSection.collapsed = True


def test_slicers_layout_manager_leaves_the_panels_chart_alone(a_desktop, both):
    """It makes a view of each view node, whoever owns it, when a scene was closed or loaded."""
    assert both[1].panel.explanation._plot._node is not None
    assert a_desktop.slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotViewNode") == 0


def test_what_is_loaded_while_a_panel_is_shown_is_chosen(a_desktop, both):
    from NSCLCResponseSegmentLib.gui.self_test import small_case

    ct, segmentation = small_case()
    segment, response = both
    a_desktop.wait_until(lambda: response.panel.parameters.segmentation is segmentation, 30)
    assert segment.panel.parameters.ct is ct
    assert response.panel.parameters.ct is ct
    assert response.panel.parameters.segmentation is segmentation
    assert response.panel.ui.ctSelector.currentNode() is ct


def test_place_mode_makes_points_inside_and_outside(a_desktop, both, a_small_case):
    segment, _ = both
    ui, panel = segment.panel.ui, segment.panel
    interaction = a_desktop.slicer.app.applicationLogic().GetInteractionNode()
    panel.parameters.segmentation = None
    panel.step.outlining.start = lambda: None  # a worker is not wanted here
    assert not ui.excludeButton.enabled
    ui.placeButton.click()
    assert interaction.GetCurrentInteractionMode() == interaction.Place
    assert not ui.segmentEditor._shortcuts, "Esc would be the Segment Editor's"
    (escape,) = [s for s in installed_shortcuts(a_desktop) if s.key.toString() == "Esc"]
    escape.activated.emit()
    a_desktop.process()
    assert not ui.placeButton.checked
    assert ui.segmentEditor._shortcuts
    ui.placeButton.click()
    panel.parameters.clicks.AddControlPointWorld(1.0, 2.0, 3.0)
    assert interaction.GetCurrentInteractionMode() == interaction.Place, "the view has not finished the click"
    a_desktop.process()
    assert interaction.GetCurrentInteractionMode() == interaction.ViewTransform
    assert panel.step.inside.points() == [(1.0, 2.0, 3.0)]
    assert ui.excludeButton.enabled
    ui.placeButton.click()
    ui.excludeButton.click()
    assert not ui.placeButton.checked, "one tool at a time"
    panel.parameters.exclusions.AddControlPointWorld(4.0, 5.0, 6.0)
    a_desktop.process()
    assert "1 inside, 1 outside" in ui.clickNote.text
    ui.clearButton.click()
    assert panel.step.inside.points() == panel.step.outside.points() == []


@pytest.fixture
def dependencies(a_desktop, both, monkeypatch):
    """The module under test in a Slicer that lacks monai and psutil; ``asked`` holds what pip was asked for."""
    from NSCLCResponseSegmentLib.gui import dependencies

    missing, asked = ["monai", "psutil"], []

    def pip_ensure(requirements, **options):
        assert options["prompt_install"] is False, "we ask ourselves, saying why"
        is_there = a_desktop.slicer.util.mainWindow() is not None
        assert options["prompt_restart"] is is_there, "the question to restart would wait for ever"
        asked.append(([r.name for r in requirements], Path(options["constraints"]).read_text(encoding="utf-8")))
        missing.clear()

    monkeypatch.setattr(dependencies, "_is_installed", lambda _module: True)
    monkeypatch.setattr(a_desktop.slicer.packaging, "pip_check", lambda r: r.name not in missing)
    monkeypatch.setattr(a_desktop.slicer.packaging, "pip_ensure", pip_ensure)
    return types.SimpleNamespace(ensure=dependencies.ensure_dependencies, module=dependencies, asked=asked)


def test_dependencies_are_explained_asked_for_and_kept_in_bounds(a_desktop, dependencies):
    from PySide6.QtWidgets import QMessageBox

    from NSCLCResponseSegmentLib.core.errors import DependencyError

    a_desktop.answers.append(QMessageBox.StandardButton.Cancel)
    with pytest.raises(DependencyError, match="missing"):
        dependencies.ensure()
    assert "monai, psutil" in a_desktop.messages[-1]["text"]
    dependencies.ensure(torch=False)
    ((names, constraints),) = dependencies.asked
    assert names == ["psutil"], "monai would bring a PyTorch of pip's choice"
    assert "numpy==" in constraints
    assert "SimpleITK==" in constraints


def test_nobody_is_asked_where_nobody_can_answer(a_desktop, dependencies, monkeypatch):
    """Slicer shows such a question without a main window, too, and would wait for ever."""
    monkeypatch.setattr(a_desktop.slicer.util, "mainWindow", lambda: None)
    dependencies.ensure()
    assert a_desktop.messages == []
    assert [names for names, _ in dependencies.asked] == [["monai", "psutil"]]


def test_what_could_not_be_installed_is_one_sentence(a_desktop, dependencies, monkeypatch):
    from NSCLCResponseSegmentLib.core.errors import DependencyError

    def no_network(*_requirements, **_options):
        raise subprocess.CalledProcessError(1, "pip install")

    packaging = a_desktop.slicer.packaging
    monkeypatch.setattr(packaging, "pip_ensure", no_network)
    with pytest.raises(DependencyError, match=r"pip ended with exit code 1.*Check the network"):
        dependencies.ensure()
    monkeypatch.setattr(packaging, "pip_ensure", lambda *_requirements, **_options: None)  # Slicer in testing mode
    with pytest.raises(DependencyError, match="monai, psutil could not be installed: pip did nothing"):
        dependencies.ensure()
    monkeypatch.setattr(dependencies.module, "_is_installed", lambda module: module != "torch")
    with pytest.raises(DependencyError, match="extension PyTorch"):
        dependencies.ensure()
    for install, words in ((no_network, "PyTorch could not be installed"), (lambda **_options: None, "accept")):
        logic = types.SimpleNamespace(installTorch=install)
        utilities = types.SimpleNamespace(PyTorchUtilsLogic=lambda logic=logic: logic)
        monkeypatch.setitem(sys.modules, "PyTorchUtils", utilities)
        with pytest.raises(DependencyError, match=words):
            dependencies.ensure()


def test_a_result_from_elsewhere_is_reported_without_pytorch(a_desktop, both, dependencies, monkeypatch):
    opened = []
    monkeypatch.setattr(dependencies.module, "_is_installed", lambda _module: False)
    monkeypatch.setattr(a_desktop.slicer.packaging, "pip_check", lambda _requirement: True)
    monkeypatch.setattr(both[1].panel.files, "open_report", opened.append)
    both[1].panel._on_report()
    assert len(opened) == 1
    assert a_desktop.messages == []


def test_the_report_has_a_picture_of_the_views(a_desktop, both, monkeypatch):
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QWidget

    views, rendered = QWidget(), []
    views.resize(40, 30)
    manager = types.SimpleNamespace(viewport=lambda: views)
    utilities = types.SimpleNamespace(grabWidget=lambda widget: widget.grab().toImage())
    monkeypatch.setattr(type(a_desktop.slicer.app), "layoutManager", lambda _self: manager)
    monkeypatch.setattr(sys.modules["ctk"], "ctkWidgetsUtils", utilities, raising=False)
    monkeypatch.setattr(a_desktop.slicer.util, "forceRenderAllViews", lambda: rendered.append(True), raising=False)
    picture = QImage(str(both[1].panel.files.picture()))
    assert rendered
    assert (picture.width(), picture.height()) == (40, 30)


def test_requirements_of_slicer_agree_with_those_of_the_wheel():
    import tomllib
    from packaging.requirements import Requirement

    listed = (ROOT / "NSCLCResponseSegment" / "Resources" / "requirements.txt").read_text(encoding="utf-8")
    in_slicer = {Requirement(x).name: x for x in listed.splitlines() if x and not x.startswith("#")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wheel = {Requirement(x).name: x for x in project["dependencies"]}
    brought_by_slicer = {"numpy", "SimpleITK", "torch", "pyradiomics"}
    assert set(in_slicer) == set(wheel) - brought_by_slicer
    assert {n: x for n, x in wheel.items() if n in in_slicer} == in_slicer


def test_sample_data_is_registered(both, monkeypatch):
    registered = []
    logic = types.SimpleNamespace(registerCustomSampleDataSource=lambda **source: registered.append(source))
    monkeypatch.setitem(sys.modules, "SampleData", types.SimpleNamespace(SampleDataLogic=logic))
    sys.modules["NSCLCResponseSegment"].registerSampleData()
    assert [s["sampleName"] for s in registered] == ["NSCLCSimulatedPatient", "LUNG1-001"]
    for source in registered:
        assert Path(source["thumbnailFileName"]).is_file()
        assert source["uris"].startswith("https://")
        assert callable(source["customDownloader"])


def test_a_bare_slicer_opens_the_panels_tests_them_says_what_is_missing_and_reloads_them(tmp_path):
    """With nothing but what Slicer 5.12 brings; in a process of its own, since reload takes modules from everybody."""
    command = [sys.executable, str(ROOT / "Testing" / "support" / "bare_slicer.py"), str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-3000:]


def test_the_default_signature_is_shown_and_used(a_desktop, both, a_small_case, monkeypatch):
    """Several ship; what the combo box shows is what predicts."""
    monkeypatch.setattr(a_desktop.slicer.packaging, "pip_check", lambda _requirement: True)
    panel = both[1].panel
    assert panel.parameters.signature == ""
    assert panel.signatures.current.folder.name == "simulated-ct-pet"
    panel.parameters.clinical = {"age": "61", "of_another_signature": "5"}
    panel._on_clinical_changed({"age": "62"})
    started = panel._start()
    assert started.args[3] == {"age": "62"}
    assert dict(panel.parameters.clinical) == {"age": "62", "of_another_signature": "5"}, "chosen again, it is there"
    assert started.args[4] == panel.signatures.current.folder
    combo = panel.ui.signatureComboBox
    other = next(i for i in range(combo.count) if i != combo.currentIndex)
    combo.currentIndex = other
    combo.activated.emit(other)
    assert panel._start().args[4] == panel.signatures.current.folder
    assert panel.signatures.current.folder.name != "simulated-ct-pet"
