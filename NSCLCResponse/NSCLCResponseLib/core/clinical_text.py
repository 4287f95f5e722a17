"""The paragraph for the reader: a result's numbers in plain clinical English. Nothing is invented, nothing advised.

Every sentence is made from a number of ``result.json``; a number that is not there has no sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .result_card import feature_words, value_words
from .wording import (
    doubt_words,
    listing,
    part_name,
    probability_words,
    signed,
    tumour_words,
    verdict_words,
)

_CLOSE = 0.05  # probabilities that differ by less are "close to" each other
_WORTH_NAMING = 0.05  # of the log-odds; a smaller contribution is not named
_FEATURES_NAMED = 3


def summary_paragraph(result: Mapping[str, Any]) -> str:
    """One paragraph: probability and range, against the training cohort, verdict, tumour, what it rests on, limits."""
    prediction = result["prediction"]
    sentences = [
        f"Probability of response ({prediction['endpoint']}): {probability_words(prediction)}.",
        _against_training(prediction),
        f"{_capital(verdict_words(prediction))}.",
        f"Tumour: {tumour_words(result)}." if result["tumour"] else "No image was looked at.",
        _rests_on(prediction),
        _unused(prediction),
        *[_alternative(a) for a in result.get("what_if") or ()],
        doubt_words(prediction),
        _sentence(prediction["label"]),
        result["notice"],
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _against_training(prediction: Mapping[str, Any]) -> str:
    rate = prediction.get("training_rate")
    if rate is None:
        return ""
    away = prediction["probability"] - rate
    words = "Close to" if abs(away) < _CLOSE else "Higher than" if away > 0 else "Lower than"
    return f"{words} the training cohort's rate of response of {rate:.2f}."


def _rests_on(prediction: Mapping[str, Any]) -> str:
    used = [p for p in prediction["parts"] if p["used"]]
    if not used:
        return ""
    known = [p for p in used if p["contribution"] is not None]
    ranked = sorted(known, key=lambda p: -abs(p["contribution"]))
    if not ranked or abs(ranked[0]["contribution"]) < _WORTH_NAMING:
        return f"Rests on {listing([part_name(p['name']) for p in used])}, none of which differs much from the average."
    words = [f"{part_name(p['name'])} ({_direction(p['contribution'])})" for p in ranked]
    text = f"Rests {'mostly ' if words[1:] else ''}on {words[0]}"
    text += f", then {listing(words[1:])}." if words[1:] else "."
    features = [_feature(f) for f in strongest_features(prediction)[:_FEATURES_NAMED]]
    return f"{text} Largest single shares: {'; '.join(features)}." if features else text


def _direction(contribution: float) -> str:
    if abs(contribution) < _WORTH_NAMING:
        return "as on average"
    return f"{signed(contribution)} log-odds, {'for' if contribution > 0 else 'against'} response"


def strongest_features(prediction: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Features by their share in the prediction's own log-odds (key ``share``), the largest first."""
    weights = {p["name"]: p.get("weight") for p in prediction["parts"]}
    found = []
    for feature in prediction["features"]:
        weight = weights.get(feature["part"])
        share = feature["contribution"] if weight is None else feature["contribution"] * weight
        found.append({**feature, "share": share})
    return sorted((f for f in found if abs(f["share"]) > 1e-6), key=lambda f: (-abs(f["share"]), f["name"]))


def _feature(feature: Mapping[str, Any]) -> str:
    return f"{feature_words(feature['name'])} ({value_words(feature)}) {signed(feature['share'])}"


def _unused(prediction: Mapping[str, Any]) -> str:
    unused = [f"{part_name(p['name'])} ({p['reason']})" for p in prediction["parts"] if not p["used"]]
    return f"Not used: {'; '.join(unused)}." if unused else ""


def _alternative(alternative: Mapping[str, Any]) -> str:
    change = signed(alternative["difference"])
    text = alternative["text"]
    article = "an " if text.startswith("outline") else ""
    words = _capital(text) if text.startswith("without") else f"With {article}{text}"
    return f"{words} it would be {alternative['probability']:.2f} ({change})."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."
