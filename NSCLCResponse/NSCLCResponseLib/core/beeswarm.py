"""The features of a cohort at a glance: every patient a dot, to the right where the feature speaks for response."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

from .clinical_text import strongest_features
from .result_card import feature_words

FEWEST_PATIENTS = 5
FEATURES_SHOWN = 15
_BINS = 40
_SPREAD = 0.36  # of a row's height


def beeswarm_png(predictions: Sequence[Mapping[str, Any]]) -> bytes:
    """The picture (PNG); empty when there are too few patients or no features.

    :param predictions: as ``result.json`` holds them under ``prediction``, of one signature.
    """
    rows = _rows(predictions)
    if len(predictions) < FEWEST_PATIENTS or not rows:
        return b""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 1.6 + 0.36 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvline(0, color="#8a95a3", linewidth=1)
    colours = colormaps["cividis"].with_extremes(bad="#c4cad2")
    place = {"cmap": colours, "vmin": 0, "vmax": 100, "s": 14, "linewidths": 0, "plotnonfinite": True}
    for number, (_, shares, percentiles) in enumerate(reversed(rows)):
        dots = axes.scatter(shares, _swarm(shares, number), c=percentiles, **place)
    axes.set_yticks(range(len(rows)), [_capital(name) for name, *_ in reversed(rows)], fontsize=8)
    axes.set_xlabel("share of the log-odds of response (Shapley value); right: for response")
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title(f"{len(predictions)} patients, {predictions[0]['signature_name']}", fontsize=10)
    bar = figure.colorbar(dots, ax=axes, ticks=[0, 50, 100])
    bar.set_label("percentile in the training cohort (grey: not given)")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def _rows(predictions: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[float], list[float]]]:
    """Name in words, shares and percentiles (NaN where not given) of the strongest features, strongest first."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for prediction in predictions:
        for feature in strongest_features(prediction):
            shares, percentiles = found.setdefault(feature["name"], ([], []))
            shares.append(feature["share"])
            percentiles.append(float("nan") if feature["percentile"] is None else feature["percentile"])
    ranked = sorted(found, key=lambda name: (-sum(abs(s) for s in found[name][0]), name))[:FEATURES_SHOWN]
    return [(feature_words(name), *found[name]) for name in ranked]


def _swarm(shares: Sequence[float], row: int) -> list[float]:
    """Heights of the dots of one row: stacked around it where shares are alike."""
    low, high = min(shares), max(shares)
    width = (high - low) / _BINS or 1.0
    counts: dict[int, int] = {}
    places = []
    for share in shares:
        own = int((share - low) / width)
        counts[own] = counts.get(own, 0) + 1
        places.append((own, counts[own]))
    tallest = max(counts.values())
    step = 2 * _SPREAD / max(tallest, 8)
    return [row + (number // 2) * step * (1 if number % 2 else -1) for _, number in places]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
