"""A prediction in the scene: result and review in a scripted node, features and contributions in tables, and text."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import vtk
from slicer import (
    vtkMRMLNode,
    vtkMRMLPlotChartNode,
    vtkMRMLPlotSeriesNode,
    vtkMRMLScalarVolumeNode,
    vtkMRMLScene,
    vtkMRMLScriptedModuleNode,
    vtkMRMLSegmentationNode,
    vtkMRMLTableNode,
    vtkMRMLTextNode,
)

from NSCLCResponseSegmentLib.core.lesion_record import place_words
from NSCLCResponseSegmentLib.mrml.hierarchy import file_beside, remove_node
from NSCLCResponseSegmentLib.mrml.tables import storable

from ..core import wording
from ..core.clinical_text import summary_paragraph
from ..core.review import ReviewRecord
from ..core.waterfall import waterfall_steps
from .map_volume import add_map

if TYPE_CHECKING:
    import SimpleITK as sitk

RESULT_NODE_NAME = "NSCLC Response result"
MODULE_NAME = "NSCLCResponseResult"
_ROLES = ("features", "contributions", "lesions", "summary", "map", "plot", "series", "waterfall")
_RESULT_PARAMETER, _REVIEW_PARAMETER = "result", "review"


def _named(scene: vtkMRMLScene, node: vtkMRMLNode, name: str) -> vtkMRMLNode:
    node.SetName(scene.GenerateUniqueName(name))
    return scene.AddNode(node)


def _text_column(name: str, values: list[str]) -> vtk.vtkStringArray:
    column = vtk.vtkStringArray()
    column.SetName(name)
    for value in values:
        column.InsertNextValue(storable(value))
    return column


def _number_column(name: str, values: list[float]) -> vtk.vtkDoubleArray:
    column = vtk.vtkDoubleArray()
    column.SetName(name)
    for value in values:
        column.InsertNextValue(value)
    return column


def feature_table(scene: vtkMRMLScene, features: Mapping[str, float], failed: Mapping[str, str]) -> vtkMRMLTableNode:
    """Add a table with one row per feature: name, value, and for a failed one the reason instead.

    Values are text with all their digits: saved as numbers, a table keeps six, too few to reproduce a prediction.
    """
    names = sorted({*features, *failed})
    node = _named(scene, vtkMRMLTableNode(), "Features")
    node.AddColumn(_text_column("feature", names))
    node.AddColumn(_text_column("value", [repr(float(features[name])) if name in features else "" for name in names]))
    node.AddColumn(_text_column("reason if missing", [failed.get(name, "") for name in names]))
    node.SetUseColumnTitleAsColumnHeader(True)
    return node


def contribution_table(scene: vtkMRMLScene, prediction: Mapping[str, Any]) -> vtkMRMLTableNode:
    """Add a table with what each part and each feature contributed to the log-odds.

    A part's row holds its share in the prediction's log-odds; a feature's row its share in the part's own, with value,
    unit and percentile in the training cohort (empty where there is none).
    """
    rows = [(wording.part_name(p["name"]), "", p["contribution"], "", "", "") for p in prediction["parts"] if p["used"]]
    for f in prediction["features"]:
        percentile = "" if f["percentile"] is None else f"{f['percentile']:.0f}"
        name = wording.part_name(f["part"])
        rows.append((name, f["name"], f["contribution"], repr(f["value"]), f["unit"], percentile))
    node = _named(scene, vtkMRMLTableNode(), "Contributions")
    node.AddColumn(_text_column("part", [row[0] for row in rows]))
    node.AddColumn(_text_column("feature", [row[1] for row in rows]))
    node.AddColumn(_number_column("contribution", [float("nan") if r[2] is None else r[2] for r in rows]))
    for index, title in enumerate(("value", "unit", "percentile"), start=3):
        node.AddColumn(_text_column(title, [row[index] for row in rows]))
    node.SetUseColumnTitleAsColumnHeader(True)
    return node


def lesion_table(scene: vtkMRMLScene, lesions: Sequence[Mapping[str, Any]]) -> vtkMRMLTableNode:
    """Add a table with one row for each lesion of a result, largest first: measures, place, and centre in RAS mm.

    :param lesions: as ``result.json`` holds them.
    """
    node = _named(scene, vtkMRMLTableNode(), "Lesions")
    rows = [f"{lesion['label']} {lesion.get('name', '')}".strip() for lesion in lesions]
    node.AddColumn(_text_column("lesion", rows))
    for title, key in _LESION_NUMBERS.items():
        node.AddColumn(_number_column(title, [float(lesion.get(key, float("nan"))) for lesion in lesions]))
    node.AddColumn(_text_column("place", [place_words(lesion) or "not known" for lesion in lesions]))
    centres = [", ".join(f"{v:.1f}" for v in lesion.get("centre_ras", ())) for lesion in lesions]
    node.AddColumn(_text_column("centre (RAS mm)", centres))
    node.SetUseColumnTitleAsColumnHeader(True)
    return node


_LESION_NUMBERS = {
    "volume (mL)": "volume_ml",
    "longest axial diameter (mm)": "longest_axial_diameter_mm",
    "perpendicular (mm)": "perpendicular_diameter_mm",
}


def contribution_plot(scene: vtkMRMLScene, prediction: Mapping[str, Any]) -> dict[str, vtkMRMLNode]:
    """Add the steps of the waterfall (see :mod:`waterfall`) as a table and as bars of a plot chart that Slicer shows.

    :returns: by role; nothing for a result that keeps no base to start from.
    """
    steps = waterfall_steps(prediction)
    if not steps:
        return {}
    table = _named(scene, vtkMRMLTableNode(), "Waterfall")
    table.AddColumn(_text_column("step", [step.label for step in steps]))
    table.AddColumn(_text_column("value", [step.detail for step in steps]))
    table.AddColumn(_number_column("share of the log-odds", [step.share for step in steps]))
    table.AddColumn(_number_column("log-odds after it", [step.end for step in steps]))
    table.SetUseColumnTitleAsColumnHeader(True)
    series = _named(scene, vtkMRMLPlotSeriesNode(), "Shares of the log-odds")
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetPlotType(series.PlotTypeBar)
    series.SetYColumnName("share of the log-odds")
    series.SetLabelColumnName("step")
    series.SetColor(0.16, 0.5, 0.45)
    chart = _named(scene, vtkMRMLPlotChartNode(), "Contributions")
    chart.AddAndObservePlotSeriesNodeID(series.GetID())
    chart.SetTitle("What the prediction rests on")
    chart.SetYAxisTitle("share of the log-odds")
    chart.SetLegendVisibility(False)
    return {"waterfall": table, "series": series, "plot": chart}


def result_node(scene: vtkMRMLScene) -> vtkMRMLScriptedModuleNode | None:
    """The scene's result node, if there is one."""
    for index in range(scene.GetNumberOfNodesByClass("vtkMRMLScriptedModuleNode")):
        node = scene.GetNthNodeByClass(index, "vtkMRMLScriptedModuleNode")
        if node.GetModuleName() == MODULE_NAME:
            return node
    return None


def _ensure_node(scene: vtkMRMLScene) -> vtkMRMLScriptedModuleNode:
    node = result_node(scene)
    if node is None:
        node = vtkMRMLScriptedModuleNode()
        node.SetModuleName(MODULE_NAME)
        node.SetName(RESULT_NODE_NAME)
        node = scene.AddNode(node)
    return node


def _parameter(scene: vtkMRMLScene, name: str) -> Any:
    node = result_node(scene)
    text = node.GetParameter(name) if node is not None else ""
    return json.loads(text) if text else None


def store_result(scene: vtkMRMLScene, result: Mapping[str, Any]) -> vtkMRMLScriptedModuleNode:
    """Keep ``result.json`` (prediction and review record included) in the scene; replaces an earlier one."""
    node = _ensure_node(scene)
    node.SetParameter(_RESULT_PARAMETER, json.dumps(result, ensure_ascii=True, allow_nan=False))
    node.SetParameter(_REVIEW_PARAMETER, json.dumps(result["review"], ensure_ascii=True))
    return node


def stored_result(scene: vtkMRMLScene) -> dict[str, Any] | None:
    """What :func:`store_result` kept, with the review record as it stands now; e.g. after opening a saved scene."""
    result = _parameter(scene, _RESULT_PARAMETER)
    return None if result is None else {**result, "review": _parameter(scene, _REVIEW_PARAMETER)}


def store_review(scene: vtkMRMLScene, record: ReviewRecord) -> None:
    """Keep the review record in the scene, also before there is a prediction."""
    _ensure_node(scene).SetParameter(_REVIEW_PARAMETER, json.dumps(record.to_json(), ensure_ascii=True))


def stored_review(scene: vtkMRMLScene) -> ReviewRecord | None:
    """What :func:`store_review` or :func:`store_result` kept."""
    data = _parameter(scene, _REVIEW_PARAMETER)
    return None if data is None else ReviewRecord.from_json(data)


def apply_result(
    scene: vtkMRMLScene,
    result: Mapping[str, Any],
    features: Mapping[str, float],
    segmentation: vtkMRMLSegmentationNode | None = None,
    ct: vtkMRMLScalarVolumeNode | None = None,
    pet: vtkMRMLScalarVolumeNode | None = None,
    network_map: sitk.Image | None = None,
) -> vtkMRMLScriptedModuleNode:
    """Put a finished prediction into the scene.

    Tables and text of an earlier prediction are removed; the result node refers to the new ones by the roles
    ``features``, ``contributions``, ``lesions``, ``summary``, ``map``, ``plot`` (with ``series`` and ``waterfall``),
    and to what was predicted on by ``segmentation``, ``ct``, ``pet``.

    :param network_map: −1 to 1 on the CT's grid; becomes a volume with its own colours.
    """
    node = store_result(scene, result)
    for role in _ROLES:
        old = node.GetNodeReference(role)
        if old is not None:
            remove_node(scene, old)
    text = _named(scene, vtkMRMLTextNode(), "Summary")
    text.SetText(summary_paragraph(result))
    made = {
        "features": feature_table(scene, features, result["failed_features"]),
        "contributions": contribution_table(scene, result["prediction"]),
        "lesions": lesion_table(scene, result["lesions"]),
        "summary": text,
        **contribution_plot(scene, result["prediction"]),
    }
    shown = add_map(scene, network_map, ct) if network_map is not None else None
    for role, other in {**made, "map": shown, "segmentation": segmentation, "ct": ct, "pet": pet}.items():
        node.SetNodeReferenceID(role, other.GetID() if other is not None else None)
    if ct is not None:
        for role, other in made.items():
            if role not in ("plot", "series"):  # found by the plot views, not filed in the data tree
                file_beside(scene, other, ct)
    return node
