"""A result as the short texts of a card: what panel and browser show beside the pictures. Made from the numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .wording import parts_words


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
    reasons = prediction["out_of_distribution"]
    count = tumour["lesion_count"]
    return ResultCard(
        endpoint=f"Probability of response ({prediction['endpoint']})",
        probability=f"{prediction['probability']:.2f}",
        range=f"{spread[0]:.2f}–{spread[1]:.2f} over redrawn contours" if spread else "range not measured",
        verdict=_verdict(prediction),
        label=f"{prediction['label'].rstrip('.')}. {result['notice']}",
        reliability=f"Not reliable for this patient: {'; '.join(reasons)}." if reasons else "",
        parts=parts_words(prediction),
        tumour=(
            f"Outlined tumour: {tumour['volume_ml']:.1f} mL, {count} {'lesion' if count == 1 else 'lesions'},"
            f" longest axial diameter {tumour['longest_axial_diameter_mm']:.0f} mm."
        ),
        signature=f"Signature: {prediction['signature_name']} (SHA-256 {prediction['signature_sha256'][:12]}…)",
        warnings=tuple(result["warnings"]),
    )


def _verdict(prediction: Mapping[str, Any]) -> str:
    if prediction["verdict"] == "cannot say":
        return "Cannot say"
    side = "at or above" if prediction["verdict"] == "responder" else "below"
    return f"{prediction['verdict'].capitalize()} ({side} the threshold of {prediction['threshold']:.2f})"
