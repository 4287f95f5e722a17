"""When not to trust a prediction: real and simulated patients that differ from those in training, each in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.feature_space import FeatureSpace, fit_space
from NSCLCResponseLib.core.image_facts import (
    FACTS,
    ImageFacts,
    blood_level,
    contrast_phase,
    measure_facts,
)
from NSCLCResponseLib.core.out_of_distribution import judge, judge_facts, training_images_words
from NSCLCResponseLib.core.phantom.patient import simulate_patient
from NSCLCResponseLib.core.prediction import REFUSE, WARN
from NSCLCResponseLib.core.signature import Signature
from NSCLCResponseLib.core.signature_io import load_signature
from NSCLCResponseLib.core.training_reference import facts_arrays
from NSCLCResponseSegmentLib.core.anatomy import require_chest, segment_anatomy
from NSCLCResponseSegmentLib.core.errors import ImageError
from NSCLCResponseSegmentLib.core.reading import read_case
from support.data import shared_data
from support.small_signature import SmallSignature

USUAL = ImageFacts(3.0, 0.9, 14.0, 30.0, 0.0, 80.0, 45.0)


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    """60 training patients: slices of 1.5 to 3 mm, tumours of 2 to 190 mL, no contrast medium or a venous phase."""
    random = np.random.default_rng(3)
    facts = [
        ImageFacts(
            float(random.choice([1.5, 2.0, 3.0])),
            float(random.uniform(0.7, 1.0)),
            float(random.uniform(8, 25)),
            float(np.geomspace(2, 190, 60)[number]),
            float(random.uniform(-60, 20)),
            float(random.uniform(50, 120)),
            float(random.choice([45, 150])),
        )
        for number in range(60)
    ]
    return facts_arrays([f.to_json() for f in facts])


@pytest.fixture(scope="module")
def signature(a_small_signature: SmallSignature) -> Signature:
    return load_signature(a_small_signature.folder)


def test_a_patient_like_the_others_raises_no_doubt(reference):
    assert judge_facts(USUAL, reference) == []


@pytest.mark.parametrize(
    ("change", "words", "effect"),
    [
        ({"slice_mm": 5.0}, "5 mm slices (trained on 1.5 to 3 mm)", WARN),
        ({"slice_mm": 10.0}, "10 mm slices", REFUSE),
        ({"volume_ml": 0.2}, "a tumour of 0.2 mL (trained on 2 to 190 mL)", REFUSE),
        ({"volume_ml": 900.0}, "a tumour of 900 mL (trained on 2 to 190 mL)", REFUSE),
        ({"volume_ml": 260.0}, "a tumour of 260 mL", WARN),
        ({"noise_hu": 60.0}, "noise of 60 HU", WARN),
        ({"low_hu": -950.0}, "darkest parts of the tumour at −950 HU", REFUSE),
        ({"blood_hu": 300.0}, "phase 'arterial' (0 of 60", WARN),
    ],
)
def test_what_differs_is_said_with_numbers_and_effect(reference, change, words, effect):
    doubts = judge_facts(replace(USUAL, **change), reference)
    assert [d.effect for d in doubts] == [effect]
    assert words in doubts[0].text


def test_thick_slices_of_a_real_patient(reference):
    """lung-dx-a0001 has slices of 5 mm; the radiologist's boxes stand for an outline."""
    folder = shared_data("lung-dx-a0001")
    ct = read_case(ct=folder / "ct.nii.gz").ct.image
    box = sitk.ReadImage(str(folder / "radiologist_box.nii.gz"))
    facts = measure_facts(ct, sitk.Cast(box != 0, sitk.sitkUInt8))
    assert facts.slice_mm == pytest.approx(5)
    assert facts.phase == "unenhanced"
    assert "5 mm slices (trained on 1.5 to 3 mm)" in [d.text for d in judge_facts(facts, reference)]


def test_an_abdomen_and_a_pet_given_as_ct_are_refused():
    abdomen = read_case(ct=shared_data("not-a-chest") / "abdomen_ct.nii.gz").ct.image
    with pytest.raises(ImageError, match="does not show a chest"):
        require_chest(abdomen)
    with pytest.raises(ImageError, match="not in Hounsfield units"):
        read_case(ct=shared_data("sts-001") / "pet_image.nii.gz")


@pytest.mark.parametrize("index", [1, 3])
def test_the_contrast_phase_is_guessed_from_blood(index):
    patient = simulate_patient(11, index, with_pet=False)
    anatomy = segment_anatomy(patient.ct)
    drawn = {"none": "unenhanced"}.get(patient.scanner["contrast_phase"], patient.scanner["contrast_phase"])
    assert contrast_phase(blood_level(anatomy.coarse_ct, anatomy.coarse_lungs)) == drawn
    assert measure_facts(patient.ct, patient.mask, anatomy).volume_ml == pytest.approx(
        patient.lesion.volume_ml, rel=0.01
    )


def test_a_patient_twenty_years_older_than_any_in_training(signature: Signature):
    part = signature.feature_part("clinical")
    oldest = part.quantiles[part.features.index("age"), -1]
    values = {"age": float(oldest) + 20, "sex": 1.0, "pdl1_tps_percent": 50.0}
    doubts = judge(signature, None, values, ["clinical"])
    assert any(d.text.startswith(f"age at start of treatment {oldest + 20:g} years (trained on") for d in doubts)
    ordinary = {"age": float(part.quantiles[part.features.index("age"), 50]), "sex": 1.0, "pdl1_tps_percent": 40.0}
    assert judge(signature, None, ordinary, ["clinical"]) == ()


def test_features_unlike_all_training_patients(signature: Signature):
    part = signature.feature_part("radiomics_ct")
    middle = {name: float(q) for name, q in zip(part.features, part.quantiles[:, 50], strict=True)}
    assert judge(signature, None, middle, [part.name]) == ()
    strange = {name: value + 1e4 for name, value in middle.items()}
    doubts = judge(signature, None, strange, [part.name])
    assert doubts
    assert doubts[0].part == "radiomics_ct"
    assert "farther from their average than any of the 40" in doubts[0].text
    assert "most unusual" in doubts[0].text


def test_few_of_those_who_are_alike_are_doubted_and_all_who_are_shifted():
    """False alarms stay at their rate on correlated features with long tails and gaps; a shift is always found."""
    random = np.random.default_rng(1)
    mixing = random.normal(size=(12, 12))

    def draw(count: int) -> np.ndarray:
        x = np.exp(0.5 * random.normal(size=(count, 12)) @ mixing)
        x[random.random(x.shape) < 0.05] = np.nan
        return x

    space = fit_space(draw(300), np.arange(12))
    rarity = np.array([space.rarity(row) for row in draw(1000)])
    assert np.mean(rarity <= 0.05) < 0.09
    assert all(space.rarity(row) <= 0.01 for row in draw(50) * 1e6)
    stored = FeatureSpace.from_arrays(space.to_arrays("space.x"), "space.x")
    row = draw(1)[0]
    assert stored.distance(row) == space.distance(row)


def test_facts_survive_storage_and_missing_values(reference):
    assert reference["images.names"].tolist() == list(FACTS)
    assert facts_arrays([{}, {}]) == {}
    unknown = replace(USUAL, blood_hu=float("nan"))
    assert unknown.to_json()["blood_hu"] is None
    assert unknown.phase == ""
    assert judge_facts(unknown, reference) == []
    assert judge_facts(USUAL, {}) == [], "a signature that keeps nothing cannot doubt"
    assert training_images_words({}) == ""
    words = training_images_words(reference)
    assert words.startswith("Its images had slices of 1.5 to 3 mm; pixels of 0.7")
    assert "tumours of 2 to 190 mL; blood unenhanced in" in words
