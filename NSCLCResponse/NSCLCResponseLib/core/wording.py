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
        count = (prediction.get("redraw") or {}).get("count")
        text += f" ({low:.2f}–{high:.2f} over {f'{count} ' if count else ''}redrawn contours)"
    return text


def verdict_words(prediction: Mapping[str, Any]) -> str:
    """The verdict and what it was made by: the conformal set at its level, or the threshold without one."""
    if any(doubt["effect"] == "refuse" for doubt in prediction.get("doubts", ())):
        return "no verdict: this patient is too unlike those in training"
    level, kept = prediction.get("conformal_level"), prediction.get("conformal_set")
    if level is not None and kept is not None:
        if len(kept) == 1:
            other = "non-responder" if kept[0] == "responder" else "responder"
            return f"{kept[0]} (a {other} is ruled out at the {level:.0%} level)"
        reason = "neither verdict can be ruled out" if kept else "the patient fits neither verdict"
        return f"cannot say ({reason} at the {level:.0%} level)"
    if prediction["verdict"] == "cannot say":
        return "cannot say"
    side = "at or above" if prediction["verdict"] == "responder" else "below"
    return f"{prediction['verdict']} ({side} the signature's threshold of {prediction['threshold']:.2f})"


def doubt_words(prediction: Mapping[str, Any]) -> str:
    """Why the prediction is not to be trusted, and what that does to its verdict; empty where nothing is doubted."""
    refusing = [doubt["text"] for doubt in prediction.get("doubts", ()) if doubt["effect"] == "refuse"]
    others = [text for text in prediction["out_of_distribution"] if text not in refusing]
    sentences = []
    if refusing:
        sentences.append(f"No verdict is given, because of {'; '.join(refusing)}.")
    if others:
        sentences.append(f"{'Also not' if refusing else 'Not'} reliable because of {'; '.join(others)}.")
    if others and not refusing and prediction.get("conformal_level") is not None:
        sentences.append("The verdict's level holds for patients like those in training, not for such a one.")
    return " ".join(sentences)


def doubt_sentences(prediction: Mapping[str, Any]) -> list[str]:
    """One sentence for each doubt, with its effect."""
    refusing = {doubt["text"] for doubt in prediction.get("doubts", ()) if doubt["effect"] == "refuse"}
    return [
        f"{'No verdict is given' if text in refusing else 'Not reliable'} because of {text}."
        for text in prediction["out_of_distribution"]
    ]


def tumour_words(result: Mapping[str, Any]) -> str:
    """Volume, lesion count and longest axial diameter."""
    tumour = result["tumour"]
    if tumour is None:
        return "no image was looked at"
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
    text = f"Rests on {listing(used)}." if used else ""
    if unused:
        text += f" Not used: {'; '.join(unused)}."
    return text.strip()


def listing(words: list[str]) -> str:
    """``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``11th``."""
    if 10 <= number % 100 <= 20:
        return f"{number}th"
    return f"{number}{ {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th') }"


def number_words(number: float, unit: str = "") -> str:
    """Four figures, large numbers in full, with the unit: ``45.89 mm``, ``57340``."""
    text = f"{number:.0f}" if 1e4 <= abs(number) < 1e9 else f"{number:.4g}"
    sign, size = ("−", text[1:]) if text.startswith("-") else ("", text)
    return f"{sign}{size} {unit}".strip()


def percentile_words(percentile: float) -> str:
    """``92nd percentile``; at either end of the training cohort there is no more to tell than that."""
    if percentile < 1:
        return "below 1st percentile"
    return "above 99th percentile" if percentile > 99 else f"{ordinal(round(percentile))} percentile"


def signed(number: float) -> str:
    """Two decimals with a sign, a true minus."""
    return f"{number:+.2f}".replace("-", "−")
