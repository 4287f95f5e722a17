"""The simulated patient: same seed same voxels, tissues in their ranges, and a signal of known strength."""

from __future__ import annotations

import csv
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core import phantom
from NSCLCResponseLib.core.phantom.body import TISSUES
from NSCLCResponseLib.core.phantom.frame import Grid
from NSCLCResponseLib.core.phantom.tumour import TumourPlan, inner_pattern
from NSCLCResponseSegmentLib.core.errors import OutputError, SettingsError

COARSE = Grid.around_body((80, 108, 108), (3.6, 3.7, 3.7), -178.0)


@cache
def a_patient(index: int, **options: object) -> phantom.SimulatedPatient:
    """A patient on a coarse grid, made once per run."""
    return phantom.simulate_patient(31, index, grid=COARSE, **options)


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Mann–Whitney AUC without ties."""
    ranks = np.argsort(np.argsort(np.concatenate([positive, negative]))) + 1
    return float(
        (ranks[: len(positive)].sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative))
    )


def test_same_seed_gives_the_same_voxels_and_another_seed_does_not() -> None:
    first, again = a_patient(1), phantom.simulate_patient(31, 1, grid=COARSE, signal="none")
    for name in ("ct", "pet", "mask", "signal_mask"):  # the signal changes outcomes, never voxels
        np.testing.assert_array_equal(voxels(getattr(first, name)), voxels(getattr(again, name)))
    without = phantom.simulate_patient(31, 1, grid=COARSE, with_pet=False)
    assert without.pet is None
    np.testing.assert_array_equal(voxels(first.ct), voxels(without.ct))
    other = phantom.simulate_patient(32, 1, grid=COARSE, with_pet=False)
    assert np.mean(voxels(other.ct) != voxels(first.ct)) > 0.5


@pytest.mark.parametrize("index", range(1, 5))
def test_tissues_have_the_attenuation_of_their_kind(index: int) -> None:
    patient = a_patient(index)
    hu, tissue = voxels(patient.ct).astype(float), voxels(patient.anatomy)

    def median(name: str) -> float:
        return float(np.median(hu[tissue == TISSUES[name]]))

    assert patient.ct.GetPixelID() == sitk.sitkInt16
    assert median("air") == pytest.approx(-1000, abs=12)
    assert -115 < median("fat") < -75
    assert 30 < median("muscle") < 75
    assert 40 < median("liver") < 125
    assert -900 < median("lung") < -780
    assert -1010 < median("airway") < -800
    assert median("bone") > 250
    lungs_ml = np.sum(voxels(patient.lungs) > 0) * np.prod(patient.ct.GetSpacing()) / 1000
    assert 2000 < lungs_ml < 7500


def test_pet_is_in_suv_on_its_own_grid_and_shows_liver_and_tumour() -> None:
    values, tumours = [], []
    for index in range(1, 5):
        patient = a_patient(index)
        assert patient.pet.GetSpacing() == (4.0, 4.0, 4.0)
        assert voxels(patient.pet).min() >= 0
        on_ct = voxels(sitk.Resample(patient.pet, patient.ct, sitk.Transform(), sitk.sitkLinear, 0.0))
        values.append(np.median(on_ct[voxels(patient.anatomy) == TISSUES["liver"]]))
        tumours.append(np.percentile(on_ct[voxels(patient.mask) > 0], 90))
    assert 1.3 < np.mean(values) < 3.0
    assert all(2.0 < value < 25 for value in tumours)


@pytest.mark.parametrize("index", range(1, 7))
def test_the_outline_lies_in_the_chest_and_has_the_volume_and_place_that_are_told(index: int) -> None:
    patient = a_patient(index)
    mask = voxels(patient.mask) > 0
    edge = mask.copy()
    edge[1:-1, 1:-1, 1:-1] = False
    assert not edge.any()
    assert mask.sum() * np.prod(patient.ct.GetSpacing()) / 1000 == pytest.approx(patient.lesion.volume_ml, rel=1e-3)
    assert 0.5 < patient.lesion.volume_ml < 210
    right, anterior, superior = patient.lesion.centre_ras
    moments = sitk.LabelShapeStatisticsImageFilter()
    moments.Execute(patient.mask)
    np.testing.assert_allclose(moments.GetCentroid(1), (-right, -anterior, superior), atol=0.5)
    assert len(moments.GetLabels()) == 1
    lungs = sitk.BinaryDilate(patient.lungs, [4, 4, 4])  # pleural and mediastinal tumours grow a little beyond
    assert np.mean(voxels(lungs)[mask] > 0) > 0.97
    assert np.mean(mask[voxels(patient.signal_mask) > 0]) == 1.0
    assert 0.05 < np.sum(voxels(patient.signal_mask)) / mask.sum() < 0.6 or patient.lesion.kind == "ground-glass"


@pytest.mark.parametrize(("best", "rate"), [(0.95, 0.33), (0.8, 0.25), (0.5, 0.4)])
def test_the_best_reachable_auc_is_the_one_by_construction(best: float, rate: float) -> None:
    model = phantom.OutcomeModel(best, rate)
    assert phantom.auc_of_latent(model.rho, rate) == pytest.approx(best, abs=1e-6)
    rng = np.random.default_rng(5)
    latent, unseen = rng.standard_normal((2, 200_000))
    responds = model.rho * latent + np.sqrt(1 - model.rho**2) * unseen > model.threshold
    assert responds.mean() == pytest.approx(rate, abs=0.005)
    assert auc(latent[responds], latent[~responds]) == pytest.approx(best, abs=0.005)
    # no other ranking does better: the true probability is monotone in the latent variable
    assert np.all(np.diff(model.probability(np.linspace(-4, 4, 200))) >= 0)


@pytest.mark.parametrize(("signal", "expected"), [("planted", 0.95), ("none", 0.5)])
def test_outcomes_follow_the_latent_variable_only_when_the_signal_is_planted(signal: str, expected: float) -> None:
    drawn = [phantom.draw_patient(3, i, signal=signal) for i in range(1, 1501)]
    outcome = np.array([d.outcome for d in drawn], dtype=bool)
    latent = np.array([d.latent for d in drawn])
    error = 3 * np.sqrt(0.25 / min(outcome.sum(), (~outcome).sum()) / 3)
    assert auc(latent[outcome], latent[~outcome]) == pytest.approx(expected, abs=error)
    pdl1 = np.array(
        [d.clinical["pdl1_tps_percent"] if d.clinical["pdl1_tps_percent"] is not None else np.nan for d in drawn]
    )
    assert 0.2 < np.isnan(pdl1).mean() < 0.4
    given = ~np.isnan(pdl1)
    difference = np.mean(pdl1[given & outcome]) - np.mean(pdl1[given & ~outcome])
    assert difference > 15 if signal == "planted" else abs(difference) < 6
    age = np.array([d.person.age for d in drawn])
    assert abs(age[outcome].mean() - age[~outcome].mean()) < 2


def oracle(patient: phantom.SimulatedPatient) -> dict[str, float]:
    """What a measurer who knows the traits finds in the CT, per trait."""
    hu, inside = voxels(patient.ct).astype(float), sitk.BinaryErode(patient.mask, [1, 1, 1])
    core = (voxels(inside) > 0) & (hu > -120)
    values = hu[core]
    spread = np.percentile(values, 84) - np.percentile(values, 16)
    steps = np.mean([np.mean(np.abs(hu - np.roll(hu, -1, a))[core & np.roll(core, -1, a)]) for a in (1, 2)])
    to_front = -np.nonzero(core)[1]
    return {
        "histogram": float(np.log(spread)),
        "texture": float(-np.log(steps / spread)),
        "spatial": float(np.corrcoef(to_front, np.clip(values, *np.percentile(values, (2, 98))))[0, 1]),
    }


@pytest.mark.parametrize("index", [2, 6])
def test_the_same_patient_as_a_better_responder_differs_in_the_three_traits_but_not_in_shape(index: int) -> None:
    started = time.process_time()
    worse, better = (a_patient(index, latent=z, with_pet=False) for z in (-1.5, 1.5))
    sys.stdout.write(f"\n{(time.process_time() - started) / 2:.2f} s of one core per CT of {COARSE.shape} voxels\n")
    np.testing.assert_array_equal(voxels(worse.mask), voxels(better.mask))
    low, high = oracle(worse), oracle(better)
    assert high["histogram"] - low["histogram"] > 0.4
    assert high["texture"] - low["texture"] > 0.3
    assert high["spatial"] > 0.2 > -0.2 > low["spatial"]


def test_the_spatial_trait_alone_leaves_histogram_and_texture_alone() -> None:
    grid = Grid.around_body((20, 24, 24), (3.0, 2.5, 2.5), 0.0)
    z, y, x = np.ogrid[:20, :24, :24]
    inside = ((z - 9.5) / 7) ** 2 + ((y - 11.5) / 9) ** 2 + ((x - 11.5) / 8) ** 2 < 1
    texture: dict[float, list[float]] = {-1.5: [], 1.5: []}
    for seed in range(40):
        patterns = {}
        for spatial, steps in texture.items():
            traits = {"histogram": 0.0, "texture": 0.0, "spatial": spatial}
            plan = TumourPlan("isolated", 15.0, False, 0, 0.0, 0.0, traits)
            pattern, where = inner_pattern(grid, inside, plan, np.random.default_rng(seed))
            beside = inside & np.roll(inside, -1, 1)
            steps.append(np.mean(np.abs(pattern - np.roll(pattern, -1, 1))[beside]))
            patterns[spatial] = np.sort(pattern[inside])
            assert where.any()
            assert inside[where].all()
        np.testing.assert_allclose(patterns[-1.5], patterns[1.5], atol=1e-5)
    difference = np.array(texture[1.5]) - np.array(texture[-1.5])
    assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(len(difference)) + 1e-6
    assert abs(difference.mean()) < 0.03 * np.mean(texture[1.5])


@pytest.mark.parametrize("alone", ["histogram", "texture", "spatial"])
def test_a_trait_shows_alone_when_the_others_are_switched_off(alone: str) -> None:
    worse, better = (a_patient(3, latent=z, with_pet=False, traits=(alone,)) for z in (-1.5, 1.5))
    assert (list(better.traits), better.traits[alone]) == ([alone], 1.5)
    assert voxels(better.signal_mask).any() == (alone == "spatial")
    low, high = oracle(worse), oracle(better)
    difference = {name: high[name] - low[name] for name in low}
    limits = {"histogram": 0.4, "texture": 0.4, "spatial": 0.3}  # a little crosses over: noise has a texture, too
    assert difference[alone] > 1.5 * limits[alone], difference
    assert all(abs(difference[name]) < limits[name] for name in {*low} - {alone}), difference


def test_a_cohort_is_the_same_in_one_process_or_two_and_says_that_it_is_simulated(tmp_path: Path) -> None:
    import yaml

    options = {"seed": 4, "without_pet": 0.5}
    done = phantom.write_cohort(tmp_path / "two", 2, jobs=2, **options)
    phantom.write_cohort(tmp_path / "one", 1, first=2, jobs=1, **options)
    with (tmp_path / "two" / "cohort.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["patient"] for row in rows] == ["sim-0001", "sim-0002"]
    assert done["responders"] == sum(int(row["response"]) for row in rows)
    roles = yaml.safe_load((tmp_path / "two" / "roles.yaml").read_text())
    columns = set(rows[0])
    assert {roles[name] for name in ("patient", "ct", "pet", "mask", "center")} <= columns
    assert set(roles["clinical"]) <= columns
    assert roles["endpoint"]["response"] in columns
    for row in rows:
        for name in ("ct", "mask", "pet"):
            assert (tmp_path / "two" / row[name]).is_file() or (name == "pet" and row[name] == "")
    same = "patients/sim-0002/ct.nii.gz"
    assert (tmp_path / "one" / same).read_bytes() == (tmp_path / "two" / same).read_bytes()
    readme = (tmp_path / "two" / "README.txt").read_text()
    assert "SIMULATED" in readme
    assert "0.9500" in readme
    with pytest.raises(OutputError, match="already holds"):
        phantom.write_cohort(tmp_path / "two", 1, 4)


@pytest.mark.parametrize(
    "wrong", [{"patients": 0}, {"signal": "strong"}, {"best_auc": 0.2}, {"traits": ("shape",)}, {"without_pet": 2.0}]
)
def test_impossible_wishes_are_refused_in_a_sentence(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as error:
        phantom.CohortPlan(**{"patients": 2, "seed": 1, **wrong})
    assert error.value.remedy
