"""One patient's prediction: it adds up, it does without PET and clinical values, and it refuses impossible ones."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.clinical import parse_values
from NSCLCResponseLib.core.predict import PredictionOutcome, predict_case
from NSCLCResponseLib.core.prediction import Prediction
from NSCLCResponseLib.core.signature import Signature
from NSCLCResponseLib.core.signature_io import load_signature
from NSCLCResponseSegmentLib.core.case import Case, TumourMask
from NSCLCResponseSegmentLib.core.errors import ClinicalError, MaskError
from NSCLCResponseSegmentLib.core.reading import read_case
from support.small_signature import SmallSignature


@pytest.fixture(scope="module")
def signature(a_small_signature: SmallSignature) -> Signature:
    return load_signature(a_small_signature.folder)


@pytest.fixture(scope="module")
def case(a_small_signature: SmallSignature) -> Case:
    """The last patient of the cohort: a responder with PET."""
    folder = a_small_signature.cohort.parent / "s39"
    paths = {name: folder / f"{name}.nii.gz" for name in ("ct", "pet", "mask")}
    return read_case(**paths, clinical={"age": 61.0, "pdl1_tps_percent": 80.0})


@pytest.fixture(scope="module")
def outcome(case: Case, signature: Signature) -> PredictionOutcome:
    return predict_case(case, signature)


def used_parts(prediction: Prediction) -> set[str]:
    return {part.name for part in prediction.parts if part.used}


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_it_uses_all_parts_and_says_what_it_rests_on(outcome: PredictionOutcome, signature: Signature):
    prediction = outcome.prediction
    assert used_parts(prediction) == {"radiomics_ct", "radiomics_pet", "clinical", "cnn"}
    assert prediction.label == "Trained on spheres."
    assert prediction.signature_sha256 == signature.sha256
    assert prediction.endpoint == "CR or PR by RECIST 1.1"
    assert any("sex" in warning for warning in prediction.warnings), "sex was not given"
    assert {"ct_original_firstorder_Mean", "pet_original_firstorder_Mean"} <= set(outcome.features)
    assert set(outcome.timings) == {"radiomics_ct", "radiomics_pet", "clinical", "cnn", "doubts"}


def test_part_contributions_and_their_base_sum_to_the_logit(outcome: PredictionOutcome, signature: Signature):
    prediction = outcome.prediction
    rule = next(r for r in signature.rules if set(r.parts) == used_parts(prediction) and r.pet)
    total = rule.base + sum(part.contribution for part in prediction.parts)
    assert total == pytest.approx(logit(prediction.probability), abs=1e-9)


@pytest.mark.parametrize("part", ["radiomics_ct", "radiomics_pet"])
def test_feature_contributions_sum_to_the_logit_of_their_part(
    outcome: PredictionOutcome, signature: Signature, case: Case, part: str
):
    """Against the pipeline itself: its logit minus its logit at the training mean of what its classifier is given."""
    fitted = signature.feature_part(part)
    model = fitted.pipeline.steps[-1][1]
    at_mean = float(model.decision_function(fitted.means[None])[0])
    shares = [f.contribution for f in outcome.prediction.features if f.part == part]
    values = {**outcome.features, **case.clinical}
    assert sum(shares) == pytest.approx(fitted.logit(values) - at_mean, abs=1e-9)
    assert shares == sorted(shares, key=abs, reverse=True)


def test_a_feature_comes_with_unit_and_percentile(outcome: PredictionOutcome):
    found = {f.name: f for f in outcome.prediction.features}
    pdl1 = found["pdl1_tps_percent"]
    assert (pdl1.value, pdl1.unit) == (80.0, "%")
    assert 50 < pdl1.percentile < 100
    assert pdl1.contribution > 0, "more PD-L1, more response in these patients"
    in_hu = [f for f in outcome.prediction.features if f.unit == "HU"]
    assert in_hu
    assert all(0 <= f.percentile <= 100 for f in outcome.prediction.features if f.percentile is not None)


def test_without_pet(case: Case, signature: Signature, outcome: PredictionOutcome):
    without = predict_case(replace(case, pet=None), signature).prediction
    assert used_parts(without) == {"radiomics_ct", "clinical", "cnn"}
    assert next(p for p in without.parts if p.name == "radiomics_pet").reason == "no PET"
    assert without.probability != outcome.prediction.probability


def test_without_clinical_values(case: Case, signature: Signature):
    prediction = predict_case(replace(case, clinical={}), signature).prediction
    assert used_parts(prediction) == {"radiomics_ct", "radiomics_pet", "cnn"}
    assert next(p for p in prediction.parts if p.name == "clinical").reason == "no clinical values given"


def test_a_denser_hotter_sphere_responds_rather_than_a_faint_one(
    a_small_signature: SmallSignature, signature: Signature
):
    folder = a_small_signature.cohort.parent
    cases = [read_case(**{n: folder / p / f"{n}.nii.gz" for n in ("ct", "pet", "mask")}) for p in ("s38", "s39")]
    faint, dense = (predict_case(c, signature).prediction.probability for c in cases)
    assert faint < dense


def test_an_empty_outline(case: Case, signature: Signature):
    empty = TumourMask(case.mask.image * 0, origin="edited")
    with pytest.raises(MaskError, match="empty"):
        predict_case(replace(case, mask=empty), signature)


def test_a_tumour_larger_than_the_patch_is_said(case: Case, signature: Signature):
    whole = TumourMask(sitk.Image(case.mask.image) * 0 + 1, origin="edited")
    prediction = predict_case(replace(case, mask=whole), signature).prediction
    assert any("outside the 72 mm cube" in warning for warning in prediction.warnings)


def test_the_patch_follows_the_tumour_whatever_the_direction_of_the_scan(case: Case, signature: Signature):
    """The same patient stored from feet to head and right to left gives the same patch."""
    import numpy as np

    from NSCLCResponseLib.core.patch import cut_patch

    spec = signature.network_part.patch
    images = case.ct.image, case.pet.image, case.mask.image
    flipped = [sitk.Flip(image, [True, False, True]) for image in images]
    assert flipped[0].GetDirection() != images[0].GetDirection()
    np.testing.assert_allclose(cut_patch(*flipped, spec), cut_patch(*images, spec), atol=2e-3)


def test_clinical_values_are_understood(signature: Signature):
    raw = {"sex": "M", "age": "70", "pdl1_tps_percent": " 55 "}
    assert parse_values(raw, signature) == {"sex": 1.0, "age": 70.0, "pdl1_tps_percent": 55.0}
    assert parse_values({"sex": "0"}, signature) == {"sex": 0.0}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ({"eye_colour": "3"}, ("eye_colour", "age, pdl1_tps_percent, sex")),
        ({"pdl1_tps_percent": "140"}, ("140", "0 to 100 %")),
        ({"pdl1_tps_percent": "high"}, ("high", "not a number")),
        ({"age": "nan"}, ("not a number", "18 to 110 years")),
        ({"sex": "2"}, ("sex cannot be 2", "f (0) or m (1)")),
    ],
)
def test_impossible_clinical_values(signature: Signature, raw: dict[str, str], words: tuple[str, ...]):
    with pytest.raises(ClinicalError) as caught:
        parse_values(raw, signature)
    for word in words:
        assert word in str(caught.value)


def test_the_prediction_survives_json(outcome: PredictionOutcome, tmp_path: Path):
    import json

    text = json.dumps(outcome.prediction.to_json(), allow_nan=False)
    assert Prediction.from_json(json.loads(text)) == outcome.prediction
