"""What a result says, as tables and a chart that Slicer's own views show: in the panel and in the browser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from NSCLCResponseSegmentLib.mrml.tables import set_columns, shown_table

from ..core.result_card import feature_words
from ..core.review import ReviewRecord

FEATURES_SHOWN = 8
RAISES, LOWERS = (0.16, 0.5, 0.45), (0.82, 0.42, 0.12)  # told apart by those who do not see red and green, too
BAR_WIDTH = 0.7  # of the space between two bars; a view of :func:`contribution_chart` sets it for both series together
_TAG = "NSCLCResponse"
_SHORT_PARTS = {"radiomics_ct": "CT", "radiomics_pet": "PET", "cnn": "CNN", "clinical": "Clin."}


def _strongest(prediction: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return sorted(prediction["features"], key=lambda f: -abs(f["contribution"]))[:FEATURES_SHOWN]


def feature_table(scene: Any, prediction: Mapping[str, Any] | None) -> Any:
    """The features that mattered most: number as in the chart, effect, value, percentile in training, name."""
    features = _strongest(prediction) if prediction else []
    percentiles = [f["percentile"] for f in features]
    table = shown_table(scene, f"{_TAG}Features")
    set_columns(
        table,
        {
            "No.": [str(number) for number, _ in enumerate(features, start=1)],
            "Effect": [f"{f['contribution']:+.2f}".replace("-", "−") for f in features],
            "Value": [f"{f['value']:.4g}".replace("-", "−") + f" {f['unit']}".rstrip() for f in features],
            "Percentile": ["–" if p is None else f"{p:.0f}" for p in percentiles],
            "Feature": [feature_words(f["name"]) for f in features],
        },
    )
    return table


def contribution_chart(scene: Any, prediction: Mapping[str, Any] | None) -> Any:
    """Bars of what parts and features added to the log-odds: a plot chart node, or ``None`` where there are none.

    Parts carry their short name, features the number that :func:`feature_table` gives them. A view must not show the
    chart meanwhile: columns without rows have no type, at which it complains. Charts draw the bars of two series side
    by side; each is moved by half a bar, so that all stand over their labels at 0, 1, 2, …
    """
    bars = _bars(prediction) if prediction else []
    chart = _singleton(scene, "vtkMRMLPlotChartNode", f"{_TAG}Chart")
    table = shown_table(scene, f"{_TAG}Bars")
    columns = {
        "label": [label for label, _ in bars],
        "raises": [max(value, 0.0) for _, value in bars],
        "lowers": [min(value, 0.0) for _, value in bars],
        "raises at": [index + BAR_WIDTH / 2 for index in range(len(bars))],
        "lowers at": [index - BAR_WIDTH / 2 for index in range(len(bars))],
    }
    set_columns(table, columns)
    chart.SetYAxisTitle("effect on the log-odds")
    chart.SetXAxisTitleVisibility(False)
    chart.SetTitleVisibility(False)
    chart.SetLegendVisibility(False)
    chart.SetGridVisibility(False)
    chart.SetAxisTitleFontSize(12)
    chart.SetAxisLabelFontSize(10)
    chart.SetXAxisRangeAuto(False)  # the automatic range leaves a third of the width empty
    chart.SetXAxisRange(-0.75, max(len(bars), 1) - 0.25)
    for name, colour in (("raises", RAISES), ("lowers", LOWERS)):
        series = _singleton(scene, "vtkMRMLPlotSeriesNode", f"{_TAG}{name.title()}")
        series.SetAndObserveTableNodeID(table.GetID())
        series.SetPlotType(series.PlotTypeScatterBar)
        series.SetXColumnName(f"{name} at")
        series.SetYColumnName(name)
        series.SetLabelColumnName("label")
        series.SetColor(*colour)
        if not chart.HasPlotSeriesNodeID(series.GetID()):
            chart.AddAndObservePlotSeriesNodeID(series.GetID())
    return chart if bars else None


def _bars(prediction: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Label and height of each bar: parts first, then features."""
    parts = [p for p in prediction["parts"] if p["used"] and p["contribution"] is not None]
    bars = [(_SHORT_PARTS.get(p["name"], p["name"]), p["contribution"]) for p in parts]
    return bars + [(str(n), f["contribution"]) for n, f in enumerate(_strongest(prediction), start=1)]


def _singleton(scene: Any, class_name: str, tag: str) -> Any:
    """A hidden single node."""
    node = scene.GetSingletonNode(tag, class_name)
    if node is None:
        node = scene.CreateNodeByClass(class_name)
        node.UnRegister(None)
        node.SetSingletonTag(tag)
        node.SetName(tag)
        node.SetHideFromEditors(True)  # before it is added: Slicer's data tree takes what is not hidden then
        node = scene.AddNode(node)
    node.SetHideFromEditors(True)  # and each time: closing a scene keeps single nodes but resets them
    node.SetSaveWithScene(False)
    return node


def review_table(scene: Any, record: ReviewRecord) -> Any:
    """What happened to the case, newest first."""
    events = list(reversed(record.events))
    table = shown_table(scene, f"{_TAG}Review")
    set_columns(
        table,
        {
            "When": [_local_time(e.when) for e in events],
            "What": [e.what for e in events],
            "By": [e.by or "–" for e in events],
            "Volume": [_volumes(e.volume_before_ml, e.volume_after_ml) for e in events],
            "Comment": [e.comment for e in events],
        },
    )
    return table


def _volumes(before: float | None, after: float | None) -> str:
    return " → ".join(f"{v:.1f} mL" for v in (before, after) if v is not None)


def recent_table(scene: Any, results: Sequence[Mapping[str, Any]]) -> Any:
    """Results side by side, in the order given.

    :param results: each as result.json.
    """
    table = shown_table(scene, f"{_TAG}Recent")
    predictions = [r["prediction"] for r in results]
    set_columns(
        table,
        {
            "When": [_local_time(r["created"]) for r in results],
            "Probability": [f"{_probability(p)}, {p['verdict']}" for p in predictions],
            "Volume": [f"{r['tumour']['volume_ml']:.1f} mL" for r in results],
            "Review": [r["review"]["state"] for r in results],
            "Signature": [p["signature_name"] for p in predictions],
        },
    )
    return table


def _probability(prediction: Mapping[str, Any]) -> str:
    spread = prediction.get("probability_range")
    return f"{prediction['probability']:.2f}" + (f" ({spread[0]:.2f}–{spread[1]:.2f})" if spread else "")


def _local_time(utc: str) -> str:
    """An ISO 8601 time as the user's clock shows it."""
    return f"{datetime.fromisoformat(utc).astimezone():%Y-%m-%d %H:%M}"
