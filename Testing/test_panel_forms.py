"""The panels' forms against their code, without running anything: names, parameters, types."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from xml.etree import ElementTree

import pytest

from NSCLCResponseLib.core.predict_settings import PredictSettings
from NSCLCResponseSegmentLib.core.outline_settings import OutlineSettings

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("NSCLCResponse", "NSCLCResponseSegment")
SETTINGS = {"NSCLCResponse": PredictSettings, "NSCLCResponseSegment": OutlineSettings}
# Slicer's connectors, by exact class of the widget: what the parameter's annotation must look like
ANNOTATIONS = {
    "QLineEdit": r"str",
    "QCheckBox": r"bool",
    "ctkSliderWidget": r"Annotated\[float, WithinRange\(.*\)\]",
    "QComboBox": r"\w+Choice",
}
# Slicer's designer plugins; a class without one silently becomes an empty QWidget
WITH_PLUGIN = {
    *("ctkCollapsibleButton", "ctkSliderWidget", "qMRMLNodeComboBox"),
    *("qMRMLSegmentEditorWidget", "qMRMLTableView", "qMRMLWidget"),
}


def form(module: str) -> ElementTree.Element:
    """The module's ``.ui`` file."""
    return ElementTree.parse(ROOT / module / "Resources" / "UI" / f"{module}.ui").getroot()  # noqa: S314 our own file


def code_of(module: str) -> str:
    """All code of the module's ``gui`` room."""
    folder = ROOT / module / f"{module}Lib" / "gui"
    return "".join(path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.py")))


def parameters(module: str) -> dict[str, str]:
    """Field → annotation of the class that ``@parameterNodeWrapper`` decorates."""
    tree = ast.parse((ROOT / module / f"{module}Lib" / "gui" / "parameters.py").read_text(encoding="utf-8"))
    wrapped = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.decorator_list]
    assert len(wrapped) == 1, "two wrappers in one module share their values in Slicer"
    return {n.target.id: ast.unparse(n.annotation) for n in wrapped[0].body if isinstance(n, ast.AnnAssign)}


def connected(module: str) -> dict[str, ElementTree.Element]:
    """``SlicerParameterName`` → the widget that has it."""
    found = {}
    for widget in form(module).iter("widget"):
        for entry in widget.findall("property[@name='SlicerParameterName']"):
            assert entry.get("stdset") == "0", "a dynamic property"
            assert entry.find("string").get("notr") == "true", "a name, not to be translated"
            found[entry.findtext("string")] = widget
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_widget_named_in_code_is_in_the_form(module):
    names = {w.get("name") for w in form(module).iter("widget")}
    used = set(re.findall(r"\b_?ui\.([a-z]\w+)", code_of(module)))
    assert len(used) > 15
    assert not used - names


@pytest.mark.parametrize("module", MODULES)
def test_every_widget_that_does_something_is_used(module):
    active = ("QPushButton", "QComboBox", "QLineEdit", "QProgressBar", "QTableWidget", "qMRMLTableView", "QCheckBox")
    names = {w.get("name") for w in form(module).iter("widget") if w.get("class") in active}
    used = set(re.findall(r"\b_?ui\.([a-z]\w+)", code_of(module)))
    assert not names - used - {w.get("name") for w in connected(module).values()}


@pytest.mark.parametrize("module", MODULES)
def test_every_parameter_of_the_form_exists_with_a_type_that_slicer_connects(module):
    known = parameters(module)
    assert len(connected(module)) > 3
    for name, widget in connected(module).items():
        kind = widget.get("class")
        if kind == "qMRMLNodeComboBox":
            types = [s.text for s in widget.findall("property[@name='nodeTypes']/stringlist/string")]
            assert types == [known[name]]
        else:
            assert re.fullmatch(ANNOTATIONS[kind], known[name]), f"{name}: {known[name]} on a {kind}"


@pytest.mark.parametrize("module", MODULES)
def test_parameters_mirror_the_settings_of_the_core(module):
    assert {field.name for field in fields(SETTINGS[module])} <= set(parameters(module))


@pytest.mark.parametrize("module", MODULES)
def test_the_form_uses_only_widgets_that_slicers_designer_plugins_make(module):
    classes = {w.get("class") for w in form(module).iter("widget")}
    assert {c for c in classes if not c.startswith("Q")} <= WITH_PLUGIN
    assert form(module).find("widget").get("class") == "qMRMLWidget"


@pytest.mark.parametrize("module", MODULES)
def test_names_are_unique_and_the_editor_gets_its_scene_from_code(module):
    names = [w.get("name") for w in form(module).iter("widget")]
    assert len(names) == len(set(names))
    receivers = {c.findtext("receiver") for c in form(module).find("connections")}
    takes_scene = {"qMRMLNodeComboBox", "qMRMLTableView"}
    assert receivers == {w.get("name") for w in form(module).iter("widget") if w.get("class") in takes_scene}


@pytest.mark.parametrize("module", MODULES)
def test_words_of_the_panel_can_be_translated(module):
    """Texts set in code go through ``_()``; what the core says is passed on as it is."""
    literal = re.findall(r"""\.(?:text|toolTip|title) = (f?["'][A-Za-z].+)""", code_of(module))
    assert literal == []


@pytest.mark.parametrize("module", MODULES)
def test_what_the_panels_take_from_slicer_is_there(module):
    """Functions of ``slicer.util`` and wrapped VTK classes, looked up in slicer-core, which has Slicer's own files.

    Only for those that exist without the application; its Qt classes are looked up by the stand-ins.
    """
    import slicer
    import slicer.util

    code = code_of(module)
    functions = set(re.findall(r"\bslicer\.util\.(\w+)", code))
    assert len(functions) > 3
    assert {name for name in functions if not hasattr(slicer.util, name)} == set()
    classes = set(re.findall(r"\bslicer\.(vtk\w+)", code)) | set(re.findall(r"from slicer import (vtk\w+)", code))
    assert {name for name in classes if not hasattr(slicer, name)} == set()
