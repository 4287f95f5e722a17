"""What a panel or the browser says of a result, and of the signatures to choose from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from NSCLCResponseLib.core.result_card import feature_words, result_card
from NSCLCResponseLib.core.signature_list import describe_signature, shipped_signatures
from NSCLCResponseSegmentLib.core.errors import SignatureError
from NSCLCResponseSegmentLib.core.time_left import TimeLeft


def a_result(**prediction) -> dict:
    """A result with as much of it as a card needs."""
    return {
        "prediction": {
            "probability": 0.344,
            "endpoint": "CR or PR by RECIST 1.1",
            "threshold": 0.35,
            "verdict": "non-responder",
            "probability_range": None,
            "out_of_distribution": [],
            "label": "Trained on simulated patients.",
            "signature_name": "Some 1",
            "signature_sha256": "abcdef0123456789",
            "parts": [{"name": "cnn", "used": True}],
            **prediction,
        },
        "tumour": {"lesion_count": 1, "volume_ml": 10.04, "longest_axial_diameter_mm": 31.7},
        "notice": "For research use only.",
        "warnings": ["The outline was resampled."],
    }


def test_the_card_says_the_numbers_and_what_it_was_trained_on():
    card = result_card(a_result())
    assert card.probability == "0.34"
    assert card.verdict == "Non-responder (below the threshold of 0.35)"
    assert card.label == "Trained on simulated patients. For research use only."
    assert card.range == "range not measured"
    assert card.reliability == ""
    assert card.tumour == "Outlined tumour: 10.0 mL, 1 lesion, longest axial diameter 32 mm."
    assert card.warnings == ("The outline was resampled.",)


def test_the_card_says_when_it_cannot_say_and_why():
    card = result_card(
        a_result(verdict="cannot say", probability_range=(0.29, 0.41), out_of_distribution=["5 mm slices", "tiny"])
    )
    assert card.verdict == "Cannot say"
    assert card.range == "0.29–0.41 over redrawn contours"
    assert card.reliability == "Not reliable because of 5 mm slices; tiny."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ct_log-sigma-3-0-mm-3D_glrlm_RunEntropy", "run entropy, GLRLM, LoG 3.0 mm, CT"),
        ("pet_wavelet-LLH_glcm_MCC", "MCC, GLCM, wavelet LLH, PET"),
        ("ct_original_firstorder_90Percentile", "90th percentile, histogram, CT"),
        ("ct_original_shape_Maximum2DDiameterSlice", "maximum 2D diameter slice, shape, CT"),
        ("ct_original_glcm_Imc2", "informational measure of correlation 2, GLCM, CT"),
        ("albumin_g_dl", "serum albumin"),
    ],
)
def test_features_are_named_for_people(name, words):
    assert feature_words(name) == words


def test_shipped_signatures_can_be_listed_without_opening_them():
    infos = shipped_signatures()
    assert infos
    for info in infos:
        assert info.label
        assert info.endpoint
        assert describe_signature(info.folder) == info


@pytest.mark.parametrize("content", ["", "{", "[]", json.dumps({"name": "x"}), "[" * 100_000])
def test_a_folder_that_is_no_signature_is_refused(tmp_path: Path, content):
    (tmp_path / "signature.json").write_text(content)
    with pytest.raises(SignatureError, match="Choose another folder"):
        describe_signature(tmp_path)
    with pytest.raises(SignatureError, match=r"no readable signature\.json"):
        describe_signature(tmp_path / "nowhere")


def test_time_left_waits_until_it_can_say(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("NSCLCResponseSegmentLib.core.time_left.time.monotonic", lambda: now[0])
    clock = TimeLeft()
    assert clock.words(0.5) == "", "too early"
    now[0] += 10
    assert clock.seconds(0.5) == pytest.approx(10)
    assert clock.words(0.5) == "about 10 s left"
    assert clock.words(0.05) == "about 3 min left"


def test_time_left_goes_by_the_recent_pace_after_a_start_that_found_half_of_it_done(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("NSCLCResponseSegmentLib.core.time_left.time.monotonic", lambda: now[0])
    clock = TimeLeft()
    now[0] = 2.0
    clock.words(0.5)  # what an earlier run had finished
    for second in range(1, 201):
        now[0] = 2.0 + second
        left = clock.seconds(0.5 + 0.001 * second)
    assert left == pytest.approx(300, rel=0.02), "one thousandth per second, three tenths to go"
