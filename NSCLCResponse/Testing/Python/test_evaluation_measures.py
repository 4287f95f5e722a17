"""Measures of evaluation against scikit-learn, lifelines, statsmodels-like references and published examples."""

from __future__ import annotations

import numpy as np
import pytest

from NSCLCResponseLib.core.calibration import calibration, decision_curve, wilson
from NSCLCResponseLib.core.delong import delong_covariance, delong_interval, delong_test
from NSCLCResponseLib.core.evaluation import auc
from NSCLCResponseLib.core.evaluation_cohort import Judged, at_threshold, evaluate, roc_points, selection_stability
from NSCLCResponseLib.core.survival_measures import kaplan_meier, log_rank, survival_measures, time_dependent_auc


def scores(count: int, seed: int, strength: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.integers(0, 2, count)
    return y, np.round(strength * y + random.normal(size=count), 1)  # rounded: with ties


def placements_covariance(y: np.ndarray, score: np.ndarray) -> float:
    """DeLong's variance as the 1988 paper writes it, pair by pair."""
    positive, negative = score[y == 1], score[y == 0]
    wins = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    return wins.mean(axis=1).var(ddof=1) / len(positive) + wins.mean(axis=0).var(ddof=1) / len(negative)


def test_delong_equals_the_papers_pairwise_sums_and_covers_the_truth():
    y, score = scores(80, 0)
    areas, covariance = delong_covariance(y, score)
    assert areas[0] == pytest.approx(auc(y, score), abs=1e-12)
    assert covariance[0, 0] == pytest.approx(placements_covariance(y, score), rel=1e-9)
    true = 0.7602  # of two normals one standard deviation apart: Phi(1 / sqrt(2))
    intervals = [delong_interval(*scores(120, seed)) for seed in range(200)]
    assert 0.91 < np.mean([i.low <= true <= i.high for i in intervals]) < 0.99


def test_delong_test_holds_its_level_and_sees_a_difference():
    random = np.random.default_rng(1)
    small = []
    for _ in range(200):
        y = random.integers(0, 2, 100)
        latent = y + random.normal(size=100)
        small.append(delong_test(y, latent + random.normal(size=100), latent + random.normal(size=100))[1] < 0.05)
    assert np.mean(small) < 0.10
    y, good = scores(300, 2, 2.0)
    difference, p = delong_test(y, good, random.normal(size=300))
    assert difference > 0.3
    assert p < 1e-6
    assert delong_test(y, good, good)[1] == 1.0


def test_measures_at_the_threshold_are_scikit_learns():
    from sklearn import metrics

    y, score = scores(90, 3)
    called = score > 0.4
    found = at_threshold(y, called)
    expected = {
        "accuracy": metrics.accuracy_score(y, called),
        "sensitivity": metrics.recall_score(y, called),
        "specificity": metrics.recall_score(1 - y, ~called),
        "ppv": metrics.precision_score(y, called),
        "npv": metrics.precision_score(1 - y, ~called),
    }
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-4), name
        assert found[name]["low"] < value < found[name]["high"]
    assert found["f1"] == pytest.approx(metrics.f1_score(y, called), abs=1e-4)
    assert list(found["confusion"].values()) == metrics.confusion_matrix(y, called)[::-1, ::-1].T.ravel().tolist()
    fpr, tpr, _ = metrics.roc_curve(y, score, drop_intermediate=False)
    points = roc_points(y, score)
    np.testing.assert_allclose(points["false_positive_rate"], fpr, atol=1e-4)
    np.testing.assert_allclose(points["true_positive_rate"], tpr, atol=1e-4)
    ten = wilson(8, 10)  # Newcombe 1998, example: 0.490 to 0.943
    assert (ten.low, ten.high) == (pytest.approx(0.490, abs=1e-3), pytest.approx(0.943, abs=1e-3))


def test_calibration_recovers_a_known_distortion_and_agrees_with_scikit_learn():
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import brier_score_loss

    random = np.random.default_rng(4)
    logit = random.normal(size=4000)
    y = (random.random(4000) < 1 / (1 + np.exp(-logit))).astype(int)
    extreme = 1 / (1 + np.exp(-(2 * logit + 0.5)))  # twice too sure, and too high
    found = calibration(y, extreme)
    assert found["slope"]["low"] < 0.5 < found["slope"]["high"]
    assert found["intercept"]["high"] < 0
    reference = LogisticRegression(C=1e9, tol=1e-10).fit((2 * logit + 0.5)[:, None], y)
    assert found["slope"]["value"] == pytest.approx(reference.coef_[0, 0], abs=1e-3)
    assert found["brier"] == pytest.approx(brier_score_loss(y, extreme), abs=1e-4)
    good = calibration(y, 1 / (1 + np.exp(-logit)))
    assert good["slope"]["low"] < 1 < good["slope"]["high"]
    assert good["intercept"]["low"] < 0 < good["intercept"]["high"]
    assert all(g["rate"]["low"] - 0.02 < g["probability"] < g["rate"]["high"] + 0.02 for g in good["groups"])
    assert calibration(y, np.full(4000, 0.5))["slope"] is None


def test_net_benefit_by_hand():
    y, p = np.array([1, 1, 0, 0, 0]), np.array([0.9, 0.3, 0.6, 0.2, 0.1])
    curve = decision_curve(y, p)
    at_half, at_quarter = curve["threshold"].index(0.5), curve["threshold"].index(0.25)
    assert curve["model"][at_half] == pytest.approx(1 / 5 - 1 / 5)
    assert curve["model"][at_quarter] == pytest.approx(2 / 5 - 1 / 5 / 3, abs=1e-5)
    assert curve["all"][at_quarter] == pytest.approx(0.4 - 0.6 / 3, abs=1e-5)


def test_survival_of_a_published_trial():
    """Freireich 1963 (6-MP against placebo): medians 23 and 8 weeks, log-rank chi² 16.79, Cox 1.572 (Efron)."""
    six = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35]
    six_event = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    placebo = [1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23]
    time = np.array(six + placebo, dtype=float)
    event = np.array(six_event + [1] * 21, dtype=bool)
    treated = np.arange(42) < 21
    assert kaplan_meier(time[treated], event[treated])["median_months"] == 23
    assert kaplan_meier(time[~treated], event[~treated])["median_months"] == 8
    assert log_rank(time, event, treated) == pytest.approx(4.17e-5, rel=0.01)
    found = survival_measures(time, event, treated.astype(float), treated)
    assert found["hazard_ratio"]["value"] == pytest.approx(np.exp(-1.572), abs=0.001)  # ties as Efron
    assert found["groups"][0]["at_risk"] == {"months": [0, 6, 12, 18, 24, 30], "patients": [21, 21, 12, 9, 5, 4]}


def test_auc_in_time_is_right_in_spite_of_censoring():
    random = np.random.default_rng(5)
    score = random.normal(size=3000)
    death = random.exponential(12 * np.exp(0.8 * score))
    truth = auc((death >= 12).astype(int), score)
    lost = random.exponential(15 * np.exp(0.5 * score))  # those lost early are not those lost late, on purpose mild
    lost = np.where(random.random(3000) < 0.5, random.exponential(20, 3000), lost + 30)
    time, event = np.minimum(death, lost), death <= lost
    found = time_dependent_auc(time, event, score, 12.0)
    assert found["auc"] == pytest.approx(truth, abs=0.015)
    assert time_dependent_auc(time, np.zeros(3000, dtype=bool), score, 12.0) is None


def test_stability_of_selection_at_its_landmarks():
    same = np.tile(np.arange(20) < 5, (6, 1))
    assert selection_stability(same)["value"] == 1.0
    random = np.random.default_rng(6)
    drawn = np.stack([np.isin(np.arange(200), random.choice(200, 20, replace=False)) for _ in range(30)])
    chance = selection_stability(drawn)
    assert chance["low"] < 0.02
    assert abs(chance["value"]) < 0.03
    assert selection_stability(np.ones((3, 4), dtype=bool)) is None


def test_a_whole_evaluation_names_models_groups_and_what_is_too_small():
    random = np.random.default_rng(7)
    y = np.repeat([0, 1], 60)
    logit = y + random.normal(size=120) - 0.5
    p = 1 / (1 + np.exp(-logit))
    pdl1 = np.where(random.random(120) < 0.4, np.nan, 30 * y + random.normal(30, 30, 120))
    clinical = {"sex": random.integers(0, 2, 120).astype(float), "age": random.normal(65, 8, 120)}
    outcome = y.copy()
    outcome[:3] = -1
    judged = Judged("some", [f"p{i}" for i in range(120)], ["A"] * 117 + ["B"] * 3, outcome, p, p > 0.5, 0.5)
    judged.models |= {"PD-L1 alone": pdl1, "a constant": np.full(120, 0.3)}
    judged.clinical |= clinical
    found = evaluate(judged)
    assert found["patients"] == 117
    assert found["without_outcome"] == 3
    assert found["auc"]["value"] == pytest.approx(auc(y[3:], p[3:]), abs=1e-4)
    both = found["models"]["PD-L1 alone"]
    assert both["patients"] == int((np.isfinite(pdl1) & (outcome >= 0)).sum())
    expected = both["signature_on_the_same_patients"]["value"] - both["auc"]["value"]
    assert both["signature_minus_this"] == pytest.approx(expected, abs=2e-4)
    assert found["models"]["a constant"] == {"patients": 117, "note": "it says the same of every patient"}
    groups = {(g["by"], g["group"]): g for g in found["subgroups"]}
    assert groups["centre", "B"]["patients"] == 3
    assert "auc" not in groups["centre", "B"]
    assert groups["sex", "male"]["auc"]["low"] < groups["sex", "male"]["auc"]["high"]
    ages = [g["patients"] for (by, _), g in groups.items() if by == "age"]
    assert sum(ages) == 117
