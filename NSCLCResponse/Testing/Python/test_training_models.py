"""Selectors, models, Cox models, harmonisation: right against libraries, safe when stored, honest inside folds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from NSCLCResponseLib.core.evaluation import auc
from NSCLCResponseLib.core.harmonise import ComBat, fit_combat
from NSCLCResponseLib.core.models import Pick, Projection, TreeEnsemble, freeze_boosting, freeze_forest
from NSCLCResponseLib.core.presets import TableFit, preset
from NSCLCResponseLib.core.robust_features import keep_robust, read_icc
from NSCLCResponseLib.core.safe_files import load_pipeline, save_pipeline
from NSCLCResponseLib.core.selectors import SELECTORS, rank_features
from NSCLCResponseLib.core.survival_fit import (
    censoring_weights,
    concordance,
    fit_cox,
    partial_likelihood,
    score_test,
)
from NSCLCResponseLib.core.table_models import Target, fit_model
from NSCLCResponseLib.core.training import train
from NSCLCResponseLib.core.training_data import TrainingData
from NSCLCResponseLib.core.training_tables import fit_survival_table, fit_table
from NSCLCResponseSegmentLib.core.errors import CohortError, SettingsError, SignatureError
from NSCLCResponseSegmentLib.core.progress import SILENT


def planted(seed: int, patients: int = 160, features: int = 40) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features of which the first five know a latent variable, the outcome that follows it, and the variable."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=patients)
    x = random.normal(size=(patients, features))
    x[:, :5] += 1.2 * latent[:, None]
    return x, (latent + 0.5 * random.normal(size=patients) > 0.3).astype(int), latent


def timed(latent: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Months that a latent variable lengthens, a third of them censored."""
    random = np.random.default_rng(seed)
    life = random.exponential(8 * np.exp(1.2 * latent))
    seen = random.exponential(25, len(latent))
    return np.minimum(life, seen), life <= seen


# ---------------------------------------------------------------- selectors and models


@pytest.mark.parametrize("selector", [s for s in SELECTORS if s not in ("none", "pca", "lasso+pca")])
def test_each_selector_finds_the_planted_features(selector: str):
    x, y, _ = planted(1)
    order = rank_features(selector, (x - x.mean(axis=0)) / x.std(axis=0), y, 6, 0)
    assert len(set(order[:5].tolist()) & set(range(5))) >= (3 if selector == "mrmr" else 4), order


@pytest.mark.parametrize(
    ("selector", "model"),
    [
        ("lasso+pca", "logistic"),
        ("mrmr", "svm"),
        ("anova", "random_forest"),
        ("lasso", "gradient_boosting"),
        ("pca", "stacking"),
    ],
)
def test_each_model_finds_the_signal_and_opens_again_the_same(selector: str, model: str):
    x, y, _ = planted(2)
    x[np.random.default_rng(0).random(x.shape) < 0.03] = np.nan
    fit = TableFit(keep=(5,), strengths=(0.1,), inner_folds=2, selector=selector, model=model)
    pipeline, chosen = fit_table(x, y, fit, 1)
    assert chosen["model"] == model
    data = save_pipeline(pipeline)
    opened = load_pipeline(data, "model.skops")
    other, truth, _ = planted(3)
    np.testing.assert_array_equal(opened.decision_function(other), pipeline.decision_function(other))
    assert auc(truth, opened.decision_function(other)) > 0.82
    assert save_pipeline(fit_table(x, y, fit, 1)[0]) == data, "the same seed gives the same bytes"


def test_frozen_models_are_scikit_learns_to_the_last_digit():
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    x, y, _ = planted(4)
    other = planted(5)[0]
    forest = RandomForestClassifier(30, min_samples_leaf=4, random_state=0).fit(x, y)
    share = np.clip(forest.predict_proba(other)[:, 1], 0.02, 0.98)
    np.testing.assert_allclose(freeze_forest(forest).decision_function(other), np.log(share / (1 - share)), atol=1e-10)
    boosting = HistGradientBoostingClassifier(max_iter=20, early_stopping=False).fit(x, y)
    np.testing.assert_allclose(
        freeze_boosting(boosting).decision_function(other), boosting.decision_function(other), atol=1e-10
    )


def test_a_linear_model_of_components_is_one_of_features():
    from sklearn.decomposition import PCA

    x, y, _ = planted(6)
    pipeline, _ = fit_table(x, y, TableFit(keep=(4,), strengths=(1.0,), selector="pca", ranks=False, inner_folds=2), 0)
    assert isinstance(pipeline.steps[-2][1], Pick)
    z = pipeline[:-2].transform(x)
    pca = PCA(4, svd_solver="full").fit(z)
    projection = Projection.of(pca.components_, pca.mean_)
    np.testing.assert_allclose(projection.transform(z), pca.transform(z), atol=1e-12)
    model = fit_model("logistic", projection.transform(z), Target(y), {"C": 1.0}, 0)
    np.testing.assert_allclose(
        pipeline.decision_function(x), model.decision_function(projection.transform(z)), atol=1e-9
    )


@pytest.fixture(scope="module")
def a_forest() -> bytes:
    x, y, _ = planted(7)
    return save_pipeline(fit_table(x, y, TableFit(keep=(5,), inner_folds=2, model="random_forest"), 0)[0])


@pytest.mark.parametrize("change", ["loop", "outside", "column", "length"])
def test_forged_trees_are_refused(change: str, a_forest: bytes):
    x = planted(7)[0]
    pipeline = load_pipeline(a_forest, "model.skops")
    trees: TreeEnsemble = pipeline.steps[-1][1]
    if change == "loop":
        trees.left[1] = 0  # a child before its parent: walking down would never end
    elif change == "outside":
        trees.right[0] = 10**9
    elif change == "column":
        trees.feature[0] = 10**6
    else:
        trees.value = trees.value[:-1]
    opened = load_pipeline(save_pipeline(pipeline), "model.skops")
    with pytest.raises(SignatureError, match="no valid set of trees"):
        opened.decision_function(x)


def test_unknown_names_are_told_before_anything_is_measured():
    for choice, words in ((({"selector": "magic"}), "magic"), (({"model": "oracle"}), "oracle")):
        with pytest.raises(SettingsError, match=words):
            preset("default", **choice)
    assert preset("kothinti2025", model="svm").table.model == "svm"
    with pytest.raises(SettingsError, match="for a time to an event"):
        fit_survival_table(np.zeros((9, 2)), np.ones(9), np.ones(9, dtype=bool), TableFit(model="svm"), 0)


def test_the_papers_preset_is_what_the_paper_says():
    chosen = preset("kothinti2025")
    network = chosen.network
    assert (network.optimiser, network.learning_rate, network.batch, network.epochs) == ("adam", 0.001, 32, 100)
    assert (network.kind, network.patience, network.flips) == ("plain", 0, False)
    assert (chosen.folds, chosen.nested, chosen.compare) == (5, False, ("logistic", "random_forest"))
    assert chosen.table.selector == "lasso+pca"
    assert chosen.holdout > 0


# ---------------------------------------------------------------- time to an event


def test_cox_models_agree_with_lifelines():
    import pandas as pd
    from lifelines import CoxPHFitter

    x, _, latent = planted(8, patients=120, features=6)
    time, event = timed(latent, 8)
    frame = pd.DataFrame(x).assign(time=time, event=event)
    for penalty, ratio in ((0.1, 0.0), (0.1, 0.5)):
        theirs = CoxPHFitter(penalizer=penalty, l1_ratio=ratio).fit(frame, "time", "event").params_.to_numpy()
        ours = fit_cox(x / x.std(axis=0), time, event, penalty, ratio) / x.std(axis=0)
        np.testing.assert_allclose(ours, theirs, atol=0.02)
    assert concordance(-(x @ ours), time, event) == pytest.approx(concordance(-(x @ theirs), time, event), abs=0.01)


def test_the_gradient_of_the_partial_likelihood_with_ties():
    random = np.random.default_rng(9)
    time, event = np.ceil(random.exponential(4, 30)), random.random(30) < 0.7
    score = random.normal(size=30)
    _, gradient = partial_likelihood(score, time, event)
    for index in range(30):
        step = np.zeros(30)
        step[index] = 1e-5
        up, down = (partial_likelihood(score + sign * step, time, event)[0] for sign in (1, -1))
        assert gradient[index] == pytest.approx((up - down) / 2e-5, abs=1e-6)
    two = (random.random(30) < 0.5).astype(float)
    from lifelines.statistics import logrank_test

    whole = np.arange(30) + 1.0  # without ties the score test is the log-rank test
    test = logrank_test(whole[two == 1], whole[two == 0], event[two == 1], event[two == 0])
    assert score_test(two[:, None], whole, event)[0] ** 2 == pytest.approx(test.test_statistic, rel=1e-6)


def test_weights_for_censoring_stand_for_everybody():
    random = np.random.default_rng(10)
    life, seen = random.exponential(10, 4000), random.exponential(15, 4000)
    time, event = np.minimum(life, seen), life <= seen
    weights = censoring_weights(time, event, 6.0)
    assert np.all(weights[(time < 6) & ~event] == 0)
    assert weights[time >= 6].sum() / 4000 == pytest.approx(np.mean(life >= 6), abs=0.03)
    assert weights.sum() / 4000 == pytest.approx(1.0, abs=0.03)


def survival_data(x: np.ndarray, time: np.ndarray, event: np.ndarray, months: float = 12.0) -> TrainingData:
    outcome = np.where(time >= months, 1, np.where(event, 0, -1))
    nothing = np.zeros(len(time), dtype=bool)
    names = [f"f{index}" for index in range(x.shape[1])]
    patients = [f"p{index}" for index in range(len(time))]
    features = {"radiomics_table": (names, x[:, :-2]), "clinical": (names[-2:], x[:, -2:])}
    features["radiomics_table"] = (names[:-2], x[:, :-2])
    centers = [""] * len(time)
    return TrainingData(
        patients, centers, outcome, features, None, nothing, nothing, time=time, event=event, months=months
    )


def quick(seed: int = 0):
    whole = preset("default", parts=("radiomics_table", "clinical"), seed=seed)
    return replace(whole, folds=3, table=replace(whole.table, keep=(5,), inner_folds=2))


def test_training_on_a_time_to_an_event_finds_the_signal_and_calibrates(tmp_path: Path):
    x, _, latent = planted(11, patients=180, features=12)
    time, event = timed(latent, 11)
    trained = train(survival_data(x, time, event), quick(), tmp_path, SILENT)
    whole = trained.performance[0]
    best = concordance(latent, time, event)
    assert whole["c_index"]["value"] > best - 0.08
    assert whole["c_index"]["low"] < whole["c_index"]["value"] < whole["c_index"]["high"]
    weights = censoring_weights(time, event, 12.0)
    assert trained.probability.mean() == pytest.approx(weights[time >= 12].sum() / weights.sum(), abs=0.05)
    blind = np.random.default_rng(12).permutation(len(time))
    shuffled = train(survival_data(x, time[blind], event[blind]), quick(), tmp_path / "none", SILENT)
    assert 0.40 < shuffled.performance[0]["c_index"]["value"] < 0.58


def test_boosted_trees_on_a_time_to_an_event():
    x, _, latent = planted(13)
    time, event = timed(latent, 13)
    fit = TableFit(keep=(5,), model="gradient_boosting", inner_folds=2)
    pipeline, _ = fit_survival_table(x, time, event, fit, 0)
    opened = load_pipeline(save_pipeline(pipeline), "model.skops")
    other, _, hidden = planted(14)
    assert np.corrcoef(opened.decision_function(other), hidden)[0, 1] > 0.7, "larger means a longer time"


# ---------------------------------------------------------------- centres and robust features


def two_centres(seed: int = 15) -> tuple[np.ndarray, list[str], np.ndarray]:
    random = np.random.default_rng(seed)
    signal = random.normal(size=200)
    x = random.normal(size=(200, 12)) + signal[:, None]
    centers = ["A" if i % 2 else "B" for i in range(200)]
    second = np.array([c == "B" for c in centers])
    x[second] = 3.0 * x[second] + np.linspace(5, 9, 12)
    x[random.random(x.shape) < 0.02] = np.nan
    return x, centers, signal


def test_combat_takes_out_the_centre_and_leaves_the_patient():
    x, centers, signal = two_centres()
    second = np.array([c == "B" for c in centers])
    combat = fit_combat(x[:150], centers[:150])
    moved = combat.transform(x[150:], centers[150:])  # patients that it was not fitted on
    held = second[150:]
    gap = np.abs(np.nanmean(moved[held], axis=0) - np.nanmean(moved[~held], axis=0)) / np.nanstd(moved, axis=0)
    before = np.abs(np.nanmean(x[second], axis=0) - np.nanmean(x[~second], axis=0)) / np.nanstd(x, axis=0)
    assert gap.max() < 0.6 < before.min()
    ratio = np.nanstd(moved[held], axis=0) / np.nanstd(moved[~held], axis=0)
    assert np.all((ratio > 0.6) & (ratio < 1.6))
    assert np.corrcoef(np.nanmean(moved, axis=1), signal[150:])[0, 1] > 0.9
    np.testing.assert_array_equal(np.isnan(moved), np.isnan(x[150:]))


def test_combat_refuses_strangers_unless_there_is_a_reference():
    x, centers, _ = two_centres()
    with pytest.raises(SignatureError, match="C is unknown"):
        fit_combat(x, centers).transform(x[:2], ["A", "C"])
    combat = fit_combat(x, centers, reference="A")
    np.testing.assert_array_equal(combat.transform(x[:4], ["A", "C", "", "A"]), x[:4])
    arrays = combat.to_arrays("combat.x")
    again = ComBat.from_arrays("combat.x", arrays, 12)
    np.testing.assert_array_equal(again.transform(x, centers), combat.transform(x, centers))
    assert not np.array_equal(np.nan_to_num(combat.transform(x, centers)), np.nan_to_num(x))
    with pytest.raises(CohortError, match="reference centre"):
        fit_combat(x, centers, reference="Z")
    with pytest.raises(CohortError, match="two centres"):
        fit_combat(x, ["A"] * 200)


def test_only_features_with_a_good_icc_stay(tmp_path: Path):
    (tmp_path / "icc.csv").write_text("feature,icc,low,high\nct_a,0.9,0.8,0.95\nct_b,0.9,0.5,0.95\nct_c,,,\n")
    icc = read_icc(tmp_path / "icc.csv")
    nothing = np.zeros(2, dtype=bool)
    features = {
        "radiomics_ct": (["ct_a", "ct_b", "ct_c", "ct_d"], np.zeros((2, 4))),
        "clinical": (["age"], np.ones((2, 1))),
    }
    data = TrainingData(["p", "q"], ["", ""], np.array([0, 1]), features, None, nothing, nothing)
    kept = keep_robust(data, icc, 0.75, SILENT)
    assert kept.features["radiomics_ct"][0] == ["ct_a"]
    assert kept.features["clinical"][0] == ["age"]
    with pytest.raises(SettingsError, match="No feature"):
        keep_robust(data, icc, 0.99, SILENT)
