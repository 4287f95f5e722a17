"""The waterfall of one prediction: from a patient like the training cohort's average to this one, step by step.

Each step is a share of the prediction's log-odds: the strongest features one by one, the other features of each part
together, and the 3D-CNN. The steps and the start sum to the prediction exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import wording
from .clinical_text import strongest_features
from .result_card import feature_words, value_words

FEATURES_SHOWN = 8
WIDTH = 420.0  # SVG units
_PROBABILITIES = (
    0.001,
    0.002,
    0.005,
    0.01,
    0.02,
    0.03,
    *(n / 20 for n in range(1, 20)),
    0.97,
    0.98,
    0.99,
    0.995,
    0.998,
)
_LEAST_TICK_DISTANCE, _TICK_MARGIN = 40.0, 14.0


@dataclass(frozen=True)
class Step:
    """One step, in log-odds.

    :param label: what it is. :param detail: its value and place in the training cohort.
    """

    label: str
    detail: str
    share: float
    start: float

    @property
    def end(self) -> float:
        """The log-odds after it."""
        return self.start + self.share


def waterfall_steps(prediction: Mapping[str, Any], shown: int = FEATURES_SHOWN) -> list[Step]:
    """The steps to the prediction's log-odds; none for a result that keeps no base.

    They start at a patient whose features are those that the shares count from, and whose 3D-CNN says what it says on
    average. That is ``base_logit``, but for parts whose average patient does not have their average log-odds.

    :param prediction: as ``result.json`` holds it.
    """
    if prediction.get("base_logit") is None:
        return []
    features = [f for f in strongest_features(prediction) if _weight(prediction, f["part"]) is not None]
    shares = [(feature_words(f["name"]), _detail(f), f["share"], f["part"]) for f in features[:shown]]
    pieces: list[tuple[str, str, float]] = [share[:3] for share in shares]
    at = float(prediction["base_logit"])
    for part in prediction["parts"]:
        if not part["used"] or part["contribution"] is None:
            continue
        own = [f for f in features if f["part"] == part["name"]]
        whole = sum(f["share"] for f in own) if own else part["contribution"]
        at += part["contribution"] - whole
        rest = whole - sum(share for _, _, share, owner in shares if owner == part["name"])
        left = len(own) - sum(owner == part["name"] for *_, owner in shares)
        if not own:
            alone = "" if part["probability"] is None else f"alone {part['probability']:.2f}"
            pieces.append((wording.part_name(part["name"]), alone, rest))
        elif left:
            pieces.append((f"{wording.part_name(part['name'])}: the rest", f"{left} more features", rest))
    steps = []
    for label, detail, share in sorted(pieces, key=lambda piece: -abs(piece[2])):
        steps.append(Step(label, detail, share, at))
        at += share
    return steps


def _weight(prediction: Mapping[str, Any], name: str) -> float | None:
    return next((p.get("weight") for p in prediction["parts"] if p["name"] == name), None)


def _detail(feature: Mapping[str, Any]) -> str:
    words = value_words(feature)
    return f"{words} in training" if words.endswith("percentile") else words


def waterfall_drawing(prediction: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the report draws: bars in SVG units, ticks in probability; ``None`` without steps."""
    steps = waterfall_steps(prediction)
    if not steps:
        return None
    base = steps[0].start
    ends = [base, *(step.end for step in steps)]
    low, high = min(ends), max(ends)
    margin = max(0.08 * (high - low), 0.05)
    low, high = low - margin, high + margin

    def place(logit: float) -> float:
        return round((logit - low) / (high - low) * WIDTH, 1)

    bars = [
        {
            "label": step.label,
            "detail": step.detail,
            "share": step.share,
            "x": min(place(step.start), place(step.end)),
            "width": max(abs(place(step.end) - place(step.start)), 0.6),
            "end": place(step.end),
        }
        for step in steps
    ]
    return {
        "bars": bars,
        "ticks": _ticks(low, high, place),
        "base": place(base),
        "base_probability": 1 / (1 + math.exp(-base)),
        "end": place(ends[-1]),
        "width": WIDTH,
    }


def _ticks(low: float, high: float, place: Any) -> list[dict[str, Any]]:
    """Round probabilities within the span, none closer to its neighbour than can be read."""
    ticks: list[dict[str, Any]] = []
    for probability in _PROBABILITIES:
        logit = math.log(probability / (1 - probability))
        inside = _TICK_MARGIN <= place(logit) <= WIDTH - _TICK_MARGIN  # its text is not cut
        if low <= logit <= high and inside and (not ticks or place(logit) - ticks[-1]["x"] >= _LEAST_TICK_DISTANCE):
            ticks.append({"x": place(logit), "text": f"{probability:g}"})
    return ticks
