"""``report.html``: one self-contained page that a radiologist would read; no script, no outside address."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.lesion_choice import choice_words
from NSCLCResponseSegmentLib.core.lesion_record import place_words
from NSCLCResponseSegmentLib.core.resources import resource

from . import wording
from .clinical_text import summary_paragraph
from .prediction import REFUSE
from .review import ReviewRecord
from .waterfall import waterfall_drawing

_BAR_HALF_WIDTH = 110  # SVG units on each side of zero


def _data_uri(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


def _bars(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Horizontal bars around zero, scaled to the largest; ``items`` have ``label`` and ``contribution``."""
    largest = max((abs(item["contribution"]) for item in items), default=0.0) or 1.0
    bars = []
    for item in items:
        width = abs(item["contribution"]) / largest * _BAR_HALF_WIDTH
        left = _BAR_HALF_WIDTH - width if item["contribution"] < 0 else _BAR_HALF_WIDTH
        bars.append({**item, "x": round(left, 1), "width": round(max(width, 0.5), 1)})
    return bars


def _part_bars(prediction: Mapping[str, Any]) -> list[dict[str, Any]]:
    parts = [p for p in prediction["parts"] if p["used"] and p["contribution"] is not None]
    return _bars(
        [{"label": wording.part_name(p["name"]), "detail": _own(p), "contribution": p["contribution"]} for p in parts]
    )


def _own(part: Mapping[str, Any]) -> str:
    return "" if part["probability"] is None else f"alone {part['probability']:.2f}"


def render_report(result: Mapping[str, Any], picture: Path | None) -> str:
    """The page as one string of HTML.

    :param result: as ``result.json`` holds it.
    :param picture: the overlay, embedded; ``None`` where no views can be rendered.
    """
    import jinja2

    prediction = result["prediction"]
    reasons = [{"text": text, "effect": ""} for text in prediction["out_of_distribution"]]
    doubts = prediction.get("doubts") or reasons
    folder = resource("Report", "report.html.j2").parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    return environment.get_template("report.html.j2").render(
        result=result,
        prediction=prediction,
        picture=_data_uri(picture) if picture else None,
        paragraph=summary_paragraph(result),
        verdict=wording.verdict_words(prediction),
        tumour=wording.tumour_words(result),
        places={lesion["label"]: place_words(lesion) for lesion in result["lesions"]},
        choice=choice_words(chosen) if (chosen := result["review"].get("lesion_choice")) else "",
        review=ReviewRecord.from_json(result["review"]).words(),
        part_bars=_part_bars(prediction),
        waterfall=waterfall_drawing(prediction),
        half_width=_BAR_HALF_WIDTH,
        doubts=doubts,
        refused=any(doubt["effect"] == REFUSE for doubt in doubts),
    )


def write_report(result: Mapping[str, Any], picture: Path | None, path: Path) -> None:
    """Write :func:`render_report` as UTF-8."""
    path.write_text(render_report(result, picture), encoding="utf-8")
