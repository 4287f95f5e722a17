"""A result as the short texts of a card: what panel and browser show beside the pictures. Made from numbers only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .clinical import variable
from .wording import doubt_words, number_words, parts_words, percentile_words, verdict_words


@dataclass(frozen=True)
class ResultCard:
    """The texts, in the order they are read; empty where there is nothing to say."""

    endpoint: str
    probability: str
    range: str
    verdict: str
    label: str  # what it was trained on, and that it is for research: always shown with the probability
    reliability: str
    parts: str
    tumour: str
    signature: str
    warnings: tuple[str, ...]


def result_card(result: Mapping[str, Any]) -> ResultCard:
    """The card of a result.

    :param result: as result.json.
    """
    prediction, tumour = result["prediction"], result["tumour"]
    spread = prediction.get("probability_range")
    count = tumour["lesion_count"]
    return ResultCard(
        endpoint=f"Probability of response ({prediction['endpoint']})",
        probability=f"{prediction['probability']:.2f}",
        range=f"{spread[0]:.2f}–{spread[1]:.2f} over redrawn contours" if spread else "range not measured",
        verdict=_verdict(prediction),
        label=f"{prediction['label'].rstrip('.')}. {result['notice']}",
        reliability=doubt_words(prediction),
        parts=parts_words(prediction),
        tumour=(
            f"Outlined tumour: {tumour['volume_ml']:.1f} mL, {count} {'lesion' if count == 1 else 'lesions'},"
            f" longest axial diameter {tumour['longest_axial_diameter_mm']:.0f} mm."
        ),
        signature=f"Signature: {prediction['signature_name']} (SHA-256 {prediction['signature_sha256'][:12]}…)",
        warnings=tuple(result["warnings"]),
    )


def _verdict(prediction: Mapping[str, Any]) -> str:
    known = prediction.get("conformal_level") is not None
    if prediction["verdict"] == "cannot say" and not known and not prediction.get("doubts"):
        return "Cannot say"
    words = verdict_words(prediction).replace("the signature's threshold", "the threshold")
    return words[:1].upper() + words[1:]


def value_words(feature: Mapping[str, Any]) -> str:
    """A feature's value with its place in training: ``80 %, 82nd percentile``; a word for a coded value.

    :param feature: as ``result.json`` holds it; without percentile it was not given.
    """
    words = number_words(feature["value"], feature["unit"])
    coding = variable(feature["name"]).coding if _image_feature(feature["name"]) is None else {}
    word = next((word for word, value in coding.items() if value == feature["value"]), "")
    if feature["percentile"] is None:
        return f"not given, {word or words} stands in"
    return word or f"{words}, {percentile_words(feature['percentile'])}"


def _image_feature(name: str) -> list[str] | None:
    """Image, filter, class and measure of an image's feature; ``None`` for a clinical variable."""
    parts = name.split("_", 3)
    return parts if len(parts) == 4 and parts[0] in ("ct", "pet") else None


_CLASSES = {"firstorder": "histogram", "shape": "shape"}
_ABBREVIATED = {
    "id": "inverse difference",
    "idm": "inverse difference moment",
    "idmn": "normalised inverse difference moment",
    "idn": "normalised inverse difference",
    "imc 1": "informational measure of correlation 1",
    "imc 2": "informational measure of correlation 2",
}
_WORD = re.compile(r"\dD|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def feature_words(name: str) -> str:
    """A feature's name for people, what it measures first; a clinical variable's label.

    >>> feature_words("ct_log-sigma-3-0-mm-3D_glrlm_RunEntropy")
    'run entropy, GLRLM, LoG 3.0 mm, CT'
    """
    parts = _image_feature(name)
    if parts is None:
        return variable(name).label
    image, filtered, kind, measure = parts
    words = " ".join(w if w.isupper() and len(w) > 1 else w.lower() for w in _WORD.findall(measure))
    words = _ABBREVIATED.get(words, words.replace("0 percentile", "0th percentile"))
    sigma = re.fullmatch(r"log-sigma-(\d+)-(\d+)-mm-3D", filtered)
    image_type = f"LoG {sigma[1]}.{sigma[2]} mm" if sigma else filtered.replace("-", " ")
    found = [words, _CLASSES.get(kind, kind.upper()), "" if filtered == "original" else image_type, image.upper()]
    return ", ".join(part for part in found if part)
