"""The conformal set holds the truth as often as it says, on simulated and on real patients held out from it."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from NSCLCResponseLib.core.conformal import LABELS, conformal_set, p_values, scores_of_rule, to_quantiles
from NSCLCResponseLib.core.conformal_coverage import coverage as measured_coverage
from NSCLCResponseLib.core.fusion import fit_rules
from NSCLCResponseLib.core.phantom.patient import draw_patient
from NSCLCResponseLib.core.training_reference import conformal_arrays
from NSCLCResponseLib.core.training_tables import make_pipeline
from support.data import shared_data

Table = tuple[np.ndarray, np.ndarray]


def simulated(count: int) -> Table:
    """Clinical values and outcomes of simulated patients, (patients, variables) and (patients,)."""
    drawn = [draw_patient(77, number) for number in range(1, count + 1)]
    names = sorted(drawn[0].clinical)
    x = np.array([[np.nan if d.clinical[n] is None else d.clinical[n] for n in names] for d in drawn], dtype=float)
    return x, np.array([d.outcome for d in drawn])


def real() -> Table:
    """Patients on immune checkpoint inhibitors of three published cohorts, with missing values."""
    with (shared_data("cohorts") / "ici_clinical.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["response"] in ("0", "1")]
    names = ("age", "albumin_g_dl", "nlr", "tmb_mut_per_mb", "pdl1_tps_percent", "prior_systemic_therapy")
    x = np.array([[float(row[n]) if row[n] else np.nan for n in names] for row in rows])
    return x, np.array([int(row["response"]) for row in rows])


LEVELS = (0.8, 0.9)


def coverage(x: np.ndarray, y: np.ndarray, splits: int) -> dict[tuple[str, float], tuple[float, float, float]]:
    """(Verdict, level) → coverage, its standard error in one split, share of patients without a single verdict."""
    kept = {(name, level): [] for name in LABELS.values() for level in LEVELS}
    errors = {}
    unclear = {level: [] for level in LEVELS}
    for split in range(splits):
        random = np.random.default_rng(split)
        train = random.random(len(y)) < 0.5
        folds = random.integers(0, 5, train.sum())
        oof = np.zeros(train.sum())
        for fold in range(5):
            inside = make_pipeline(int((folds != fold).sum()), 5, 0.1).fit(
                x[train][folds != fold], y[train][folds != fold]
            )
            oof[folds == fold] = inside.decision_function(x[train][folds == fold])
        table = {"clinical": oof}
        rule = fit_rules(table, y[train], folds)[0]
        scores = scores_of_rule(conformal_arrays(0, rule, table, y[train], folds), 0)
        whole = make_pipeline(int(train.sum()), 5, 0.1).fit(x[train], y[train])
        logits = whole.decision_function(x[~train])
        probability = 1 / (1 + np.exp(-rule.logit({"clinical": logits})))
        for level in LEVELS:
            sets = [conformal_set(float(p), scores, level) for p in probability]
            unclear[level].append(np.mean([len(s) != 1 for s in sets]))
            for label, name in LABELS.items():
                own = y[~train] == label
                kept[name, level].append(np.mean([name in s for s, mine in zip(sets, own, strict=True) if mine]))
                counts = 1 / own.sum() + 1 / (y[train] == label).sum()
                errors[name, level] = np.sqrt(level * (1 - level) * counts)
    return {key: (float(np.mean(kept[key])), float(errors[key]), float(np.mean(unclear[key[1]]))) for key in kept}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("source", ["simulated", "real"])
def test_the_set_holds_the_truth_as_often_as_it_says(source: str):
    """Among responders and among non-responders alike; three standard errors of one split are allowed."""
    x, y = simulated(600) if source == "simulated" else real()
    for (name, level), (share, error, unclear) in coverage(x, y, splits=2).items():
        assert abs(share - level) < 3 * error, (name, level)
        assert unclear < 1, "it must be able to say something of somebody"


def test_a_set_grows_with_the_level_and_may_be_empty():
    scores = {"responder": np.linspace(0, 0.4, 50), "non-responder": np.linspace(0, 0.4, 50)}
    assert conformal_set(0.95, scores, 0.8) == ("responder",)
    assert conformal_set(0.03, scores, 0.8) == ("non-responder",)
    assert conformal_set(0.5, scores, 0.8) == (), "no training patient of either outcome was so unclear"
    assert set(conformal_set(0.5, scores, 0.99)) == {"responder", "non-responder"}
    found = p_values(0.95, scores)
    assert found["responder"] > 0.5 > found["non-responder"] > 0


def test_a_signature_keeps_quantiles_of_scores_which_say_the_same():
    """No patient's own score; p-values as of all scores to within the step of five patients."""
    random = np.random.default_rng(3)
    scores = {name: np.sort(random.beta(2, 3, count)) for name, count in (("responder", 145), ("non-responder", 393))}
    arrays = {}
    for name, own in scores.items():
        arrays |= to_quantiles(own, f"conformal.0.{name}")
        inner = arrays[f"conformal.0.{name}"][1:-1]
        assert len(inner) < len(own) / 4
    kept = scores_of_rule(arrays, 0)
    assert {name: len(own) for name, own in kept.items()} == {"responder": 145, "non-responder": 393}
    for probability in np.linspace(0.05, 0.95, 19):
        raw, again = p_values(float(probability), scores), p_values(float(probability), kept)
        assert all(abs(raw[name] - again[name]) < 0.02 for name in raw)


def test_coverage_counts_by_outcome_and_by_size_of_the_set():
    outcome = np.array([1, 1, 0, 0, 0, -1])
    found = {
        "responder": np.array([0.5, 0.1, 0.3, 0.1, 0.1, 0.5]),
        "non-responder": np.array([0.1, 0.5, 0.4, 0.6, 0.1, 0.5]),
    }
    counted = measured_coverage(outcome, found, 0.8)
    assert counted["patients"] == 5
    assert counted["responder"]["coverage"]["value"] == 0.5
    assert counted["non-responder"]["coverage"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert (counted["all"]["patients"], counted["all"]["coverage"]["value"]) == (5, 0.6)
    assert (counted["one_verdict"], counted["both"], counted["none"]) == (0.6, 0.2, 0.2)
    assert measured_coverage(outcome, {name: np.full(6, np.nan) for name in found}, 0.8) is None


def test_a_signature_without_scores_has_no_set():
    assert scores_of_rule({}, 0) is None
