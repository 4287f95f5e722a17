"""Sentences made from a result's numbers; the same in console, report, panel and browser. Nothing is invented here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PART_NAMES = {
    "radiomics_ct": "CT radiomics",
    "radiomics_pet": "PET radiomics",
    "cnn": "3D-CNN",
    "clinical": "clinical values",
}


def part_name(name: str) -> str:
    """The words for a part of a signature."""
    return _PART_NAMES.get(name, name.replace("_", " "))


def probability_words(prediction: Mapping[str, Any]) -> str:
    """``0.34 (0.29–0.41 over redrawn contours)``, the range only where it was measured."""
    text = f"{prediction['probability']:.2f}"
    if prediction.get("probability_range"):
        low, high = prediction["probability_range"]
        text += f" ({low:.2f}–{high:.2f} over redrawn contours)"
    return text


def verdict_words(prediction: Mapping[str, Any]) -> str:
    """The verdict with the threshold it was made at."""
    if prediction["verdict"] == "cannot say":
        return "cannot say"
    side = "at or above" if prediction["verdict"] == "responder" else "below"
    return f"{prediction['verdict']} ({side} the signature's threshold of {prediction['threshold']:.2f})"


def tumour_words(result: Mapping[str, Any]) -> str:
    """Volume, lesion count and longest axial diameter."""
    tumour = result["tumour"]
    count = tumour["lesion_count"]
    lesions = "one lesion" if count == 1 else f"{count} lesions"
    return (
        f"{tumour['volume_ml']:.1f} mL in {lesions},"
        f" longest axial diameter {tumour['longest_axial_diameter_mm']:.0f} mm"
    )


def parts_words(prediction: Mapping[str, Any]) -> str:
    """Which parts were used, and why others were not."""
    used = [part_name(p["name"]) for p in prediction["parts"] if p["used"]]
    unused = [f"{part_name(p['name'])} ({p['reason']})" for p in prediction["parts"] if not p["used"]]
    text = f"Rests on {_listing(used)}." if used else ""
    if unused:
        text += f" Not used: {'; '.join(unused)}."
    return text.strip()


def summary_paragraph(result: Mapping[str, Any]) -> str:
    """One paragraph in plain clinical English: probability, tumour, parts used, reliability, purpose."""
    prediction = result["prediction"]
    sentences = [
        f"Probability of response ({prediction['endpoint']}): {probability_words(prediction)};"
        f" {verdict_words(prediction)}.",
        f"Tumour: {tumour_words(result)}.",
        parts_words(prediction),
    ]
    if prediction["out_of_distribution"]:
        sentences.append(f"Not reliable for this patient: {'; '.join(prediction['out_of_distribution'])}.")
    sentences += [_sentence(prediction["label"]), result["notice"]]
    return " ".join(s for s in sentences if s)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else text + "."


def _listing(words: list[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
