"""Why a prediction is what it is: features, contours, changes and words."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.clinical_text import summary_paragraph
from NSCLCResponseLib.core.contour_range import redraw_contours, redrawn_logits
from NSCLCResponseLib.core.explain_features import explain_part, sampled_shares
from NSCLCResponseLib.core.predict import PredictionOutcome, predict_case
from NSCLCResponseLib.core.predict_settings import Explain
from NSCLCResponseLib.core.prediction import Prediction
from NSCLCResponseLib.core.signature import FeaturePart, Signature
from NSCLCResponseLib.core.signature_io import load_signature
from NSCLCResponseLib.core.waterfall import waterfall_drawing, waterfall_steps
from NSCLCResponseLib.core.what_if import grown, parse_change, what_if
from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import ClinicalError, MaskError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.reading import read_case
from support.small_signature import SmallSignature


@pytest.fixture(scope="module")
def signature(a_small_signature: SmallSignature) -> Signature:
    return load_signature(a_small_signature.folder)


@pytest.fixture(scope="module")
def case(a_small_signature: SmallSignature) -> Case:
    folder = a_small_signature.cohort.parent / "s39"
    paths = {name: folder / f"{name}.nii.gz" for name in ("ct", "pet", "mask")}
    return read_case(**paths, clinical={"age": 61.0, "pdl1_tps_percent": 80.0})


@pytest.fixture(scope="module")
def outcome(case: Case, signature: Signature) -> PredictionOutcome:
    return predict_case(case, signature, explain=Explain(redraws=6, level=0.9))


# ---------------------------------------------------------------- features


class Curved:
    """A model with an interaction, whose logit is no sum over features."""

    steps = (("model", None),)

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        return 2 * x[:, 0] - x[:, 1] + 3 * x[:, 0] * x[:, 2]


def curved_part() -> FeaturePart:
    quantiles = np.tile(np.linspace(0, 1, 101), (4, 1))
    return FeaturePart(
        "radiomics_ct", "radiomics", "ct", ("a", "b", "c", "d"), {"a": "HU"}, "", Curved(), quantiles, np.zeros(4)
    )


def test_shapley_values_of_a_curved_model_sum_to_its_output_and_match_the_exact_ones():
    """Exact by hand: the interaction 3·a·c goes by halves to a and c; d, which the model does not read, has none."""
    part, values = curved_part(), {"a": 1.5, "b": 0.0, "c": 2.0, "d": 9.0}
    shares = sampled_shares(part, values, permutations=400)
    found = {f.name: f.contribution for f in shares.features}
    assert shares.base + sum(found.values()) == pytest.approx(part.logit(values), abs=1e-9)
    da, dc = 1.5 - 0.5, 2.0 - 0.5
    assert found["a"] == pytest.approx(2 * da + 3 * da * (0.5 + 2.0) / 2, abs=0.25)
    assert found["b"] == pytest.approx(0.5, abs=1e-9)
    assert found["c"] == pytest.approx(3 * dc * (0.5 + 1.5) / 2, abs=0.25)
    assert "d" not in found
    assert {f.name: f.unit for f in shares.features}["a"] == "HU"
    assert sampled_shares(part, values, permutations=400) == shares, "the same values each time"


@pytest.mark.parametrize("name", ["radiomics_ct", "clinical"])
def test_sampling_agrees_with_the_closed_form_on_a_linear_model(
    outcome: PredictionOutcome, case: Case, signature: Signature, name: str
):
    """Relative to another reference (median, mean), so shares differ by one constant for each feature."""
    part = signature.feature_part(name)
    values = {**outcome.features, **case.clinical, "sex": 1.0}
    assert part.is_additive(values)
    exact, sampled = explain_part(part, values), sampled_shares(part, values, permutations=4)
    medians = {n: float(q) for n, q in zip(part.features, part.quantiles[:, 50], strict=True)}
    offset = {f.name: f.contribution for f in explain_part(part, medians).features}
    for feature in sampled.features:
        own = next(f.contribution for f in exact.features if f.name == feature.name)
        assert feature.contribution == pytest.approx(own - offset[feature.name], abs=1e-5)
    for shares in (exact, sampled):
        total = shares.base + sum(f.contribution for f in shares.features)
        assert total == pytest.approx(part.logit(values), abs=1e-5)


def test_a_value_filled_from_the_others_is_shared_among_them(signature: Signature):
    """The age of a patient of unknown sex also tells what the sex may be, so no closed form holds."""
    part, values = signature.feature_part("clinical"), {"age": 61.0, "pdl1_tps_percent": 80.0}
    assert not part.is_additive(values)
    shares = explain_part(part, values)
    assert shares == sampled_shares(part, values)
    assert shares.base + sum(f.contribution for f in shares.features) == pytest.approx(part.logit(values), abs=1e-5)


def test_the_waterfall_ends_at_the_prediction(outcome: PredictionOutcome):
    prediction = outcome.prediction.to_json()
    steps = waterfall_steps(prediction, shown=2)
    logit = math.log(prediction["probability"] / (1 - prediction["probability"]))
    assert steps[-1].end == pytest.approx(logit, abs=1e-9)
    assert steps[0].start == pytest.approx(prediction["base_logit"], abs=1.0), "but for averages of curved parts"
    assert not any("0 more" in step.detail for step in steps)
    assert any("the rest" in step.label for step in steps)
    drawing = waterfall_drawing(prediction)
    assert all(0 <= bar["x"] <= drawing["width"] for bar in drawing["bars"])


# ---------------------------------------------------------------- contours


def test_the_range_covers_the_prediction_and_is_the_same_each_time(
    outcome: PredictionOutcome, case: Case, signature: Signature
):
    prediction = outcome.prediction
    low, high = prediction.probability_range
    assert low <= prediction.probability <= high
    assert low < high
    assert prediction.redraw.count == len(prediction.redraw.probabilities) == 6
    assert 0.7 < prediction.redraw.dice < 1
    again = predict_case(case, signature, explain=Explain(redraws=6, level=0.9, network_map=False)).prediction
    assert again.redraw == prediction.redraw


def test_a_contour_that_is_not_displaced_gives_the_prediction_again(
    case: Case, signature: Signature, outcome: PredictionOutcome
):
    """Measured through the redrawing, the given outline has the logits that it has without."""
    from NSCLCResponseLib.core.radiomics.contours import RedrawSettings

    still = RedrawSettings(surface_mm=0, shift_mm=0, turn_degrees=0, growth_mm=0, noise=0)
    contours = redraw_contours(case.mask.image, 1, how=still)
    assert contours.dice == pytest.approx(1)
    drawn = redrawn_logits(case, signature, ["radiomics_ct", "radiomics_pet", "cnn"], contours)
    for name, value in drawn.items():
        assert value[0] == pytest.approx(outcome.findings.logits[name], abs=0.35), name


def test_contours_of_a_tiny_tumour(case: Case):
    mask = sitk.Image(case.mask.image) * 0
    mask[14, 14, 14] = 1
    contours = redraw_contours(mask, 5)
    assert all(sitk.GetArrayViewFromImage(m).any() for m in contours.masks)


# ---------------------------------------------------------------- what if


def test_less_pdl1_less_response(case: Case, signature: Signature, outcome: PredictionOutcome):
    other = what_if(case, signature, outcome, parse_change("pdl1_tps_percent=5"))
    fresh = predict_case(replace(case, clinical={"age": 61.0, "pdl1_tps_percent": 5.0}), signature).prediction
    assert other.difference < 0
    assert other.probability == pytest.approx(fresh.probability, abs=1e-5)
    assert other.text == "PD-L1 tumour proportion score 5 % instead of 80 %"


def test_without_the_pet(case: Case, signature: Signature, outcome: PredictionOutcome):
    other = what_if(case, signature, outcome, parse_change("no-pet"))
    fresh = predict_case(replace(case, pet=None), signature).prediction
    assert other.probability == pytest.approx(fresh.probability, abs=1e-5)
    assert "radiomics_pet" not in other.parts
    with pytest.raises(NSCLCResponseError, match="no PET"):
        what_if(replace(case, pet=None), signature, outcome, parse_change("no-pet"))


def test_a_smaller_outline(case: Case, signature: Signature, outcome: PredictionOutcome):
    other = what_if(case, signature, outcome, parse_change("erode=4"))
    assert other.text == "outline 4 mm smaller all around"
    assert other.probability != outcome.prediction.probability
    masks = [case.mask.image, grown(case.mask.image, -4), grown(case.mask.image, 4)]
    before, after, larger = (np.count_nonzero(sitk.GetArrayFromImage(m)) for m in masks)
    assert after < before < larger
    with pytest.raises(MaskError, match="Nothing is left"):
        grown(case.mask.image, -60)


@pytest.mark.parametrize("text", ["pdl1", "erode=far", "erode=-2", "dilate=100", "=3", ""])
def test_changes_that_make_no_sense(text: str):
    with pytest.raises(ClinicalError, match="no change that can be tried"):
        parse_change(text)


def test_a_change_of_an_unknown_variable(case: Case, signature: Signature, outcome: PredictionOutcome):
    with pytest.raises(ClinicalError, match="does not know eye_colour"):
        what_if(case, signature, outcome, parse_change("eye_colour=3"))


# ---------------------------------------------------------------- in words and as data


def test_the_paragraph_says_the_numbers_and_nothing_else(outcome: PredictionOutcome):
    prediction = outcome.prediction.to_json()
    result = {
        "prediction": {**prediction, "out_of_distribution": ["5 mm slices (trained on 3 mm)"]},
        "tumour": {"lesion_count": 1, "volume_ml": 12.3, "longest_axial_diameter_mm": 31.0},
        "notice": "For research use only.",
        "what_if": [{"text": "without the PET", "probability": 0.2, "difference": -0.1}],
    }
    text = summary_paragraph(result)
    low, high = prediction["probability_range"]
    assert f"{prediction['probability']:.2f} ({low:.2f}–{high:.2f} over 6 redrawn contours)" in text
    assert "training cohort's rate of response of 0.50" in text
    assert "90% level" in text
    assert "Rests mostly on" in text
    assert "Not reliable because of 5 mm slices (trained on 3 mm). The verdict's level holds" in text
    assert "With without" not in text
    assert "Trained on spheres." in text
    assert text.endswith("For research use only.")
    assert not {"should", "recommend", "must", "consider", "treat"} & set(text.lower().replace(".", " ").split())


def test_what_was_added_survives_json(outcome: PredictionOutcome):
    data = json.loads(json.dumps(outcome.prediction.to_json(), allow_nan=False))
    assert Prediction.from_json(data) == outcome.prediction
    older = {k: v for k, v in data.items() if k not in ("doubts", "redraw", "conformal_level", "base_logit")}
    assert Prediction.from_json(older).probability == outcome.prediction.probability


def test_refusing_takes_the_verdict_away(outcome: PredictionOutcome):
    from NSCLCResponseLib.core.prediction import Doubt

    sure = replace(outcome.prediction, conformal_set=("responder",), doubts=())
    assert sure.verdict == "responder"
    assert replace(sure, doubts=(Doubt("images", "5 mm slices"),)).verdict == "responder"
    assert replace(sure, doubts=(Doubt("images", "0.2 mL", "refuse"),)).verdict == "cannot say"


def test_a_cohorts_features_as_a_picture(outcome: PredictionOutcome):
    import io

    from PIL import Image

    from NSCLCResponseLib.core.beeswarm import beeswarm_png

    one = outcome.prediction.to_json()
    assert beeswarm_png([one] * 4) == b""
    with Image.open(io.BytesIO(beeswarm_png([one] * 6))) as picture:
        assert picture.width > picture.height > 200
