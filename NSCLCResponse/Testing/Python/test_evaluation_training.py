"""A training ends with its evaluation; a clinical part takes values as a clinician does; leaks are refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from NSCLCResponseLib.core.clinical_fit import fit_clinical, fit_towards_equal
from NSCLCResponseLib.core.evaluation import auc
from NSCLCResponseLib.core.presets import TableFit
from NSCLCResponseLib.core.safe_files import load_pipeline, save_pipeline
from NSCLCResponseLib.core.signature_io import load_signature
from NSCLCResponseSegmentLib.core.resources import resource
from support.cli import nsclc_response
from support.data import shared_data

_ROLES = """\
patient: patient
center: hospital
endpoint: {response: response}
clinical: [age, sex, nlr, tmb_mut_per_mb, pdl1_tps_percent]
split: {column: hospital, train: [A, B], test: [C]}
"""


def write_cohort(folder: Path, leak: bool = False) -> None:
    random = np.random.default_rng(0)
    rows = ["patient,hospital,age,sex,nlr,tmb_mut_per_mb,pdl1_tps_percent,pfs_months,pfs_event,response"]
    for index in range(150):
        latent = random.normal()
        response = int(latent + 0.8 * random.normal() > 0.4)
        pdl1 = "" if random.random() < 0.4 else f"{np.clip(35 + 25 * latent, 0, 100):.0f}"
        nlr = float(np.exp(1.2 - 0.3 * latent + 0.4 * random.normal()))
        tmb = float(np.exp(2 + 0.4 * latent + 0.5 * random.normal()))
        age, months = random.normal(66, 9), random.exponential(8 * np.exp(latent)) + 0.5
        if leak:
            age = 50 + 20 * response + random.normal()
        sex, event = "mf"[index % 2], int(random.random() < 0.8)
        numbers = [f"{age:.1f}", sex, f"{nlr:.2f}", f"{tmb:.1f}", pdl1, f"{months:.2f}", event, response]
        rows.append(",".join(map(str, [f"p{index:03d}", "ABC"[index % 3], *numbers])))
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    (folder / "roles.yaml").write_text(_ROLES)


def test_training_ends_with_measures_controls_report_and_a_card_in_the_signature(tmp_path: Path):
    write_cohort(tmp_path)
    arguments = ("--cohort", tmp_path / "cohort.csv", "--roles", tmp_path / "roles.yaml", "--permutations", 9)
    done = nsclc_response("train", *arguments, "--folds", 3, "--licence", "CC0", "--out", tmp_path / "signature")
    assert done.code == 0, done.err
    assert "Control, labels permuted 9 times" in done.out
    signature = load_signature(tmp_path / "signature")
    assert signature.description["licence"] == "CC0"
    card = (tmp_path / "signature" / "model_card.md").read_text()
    assert signature.description["files"]["clinical.skops"] in card
    metrics = json.loads((tmp_path / "signature.evaluation" / "metrics.json").read_text())
    training, test = metrics["cohorts"]
    assert training["training"]
    assert (training["patients"], test["patients"]) == (100, 50)
    assert test["auc"]["value"] > 0.6
    assert test["survival"]["pfs"]["c_index"]["value"] > 0.55
    assert [entry["center"] for entry in metrics["controls"]["leave_one_center_out"]] == ["A", "B"]
    assert metrics["controls"]["permuted_labels"]["clinical"]["p"] == pytest.approx(0.1)
    rows = list(csv.DictReader((tmp_path / "signature.evaluation" / "predictions.csv").open()))
    assert {row["fold"] for row in rows if row["center"] != "C"} == {"0", "1", "2"}
    assert {row["fold"] for row in rows if row["center"] == "C"} == {""}
    assert (tmp_path / "signature.evaluation" / "report.html").stat().st_size > 100_000


def test_a_column_that_copies_the_outcome_stops_the_training(tmp_path: Path):
    write_cohort(tmp_path, leak=True)
    arguments = ("--cohort", tmp_path / "cohort.csv", "--roles", tmp_path / "roles.yaml")
    done = nsclc_response("train", *arguments, "--out", tmp_path / "signature")
    assert done.code == 2
    assert "age" in done.err
    assert not (tmp_path / "signature").exists()


def test_a_missing_value_becomes_what_the_others_make_likely_and_tails_are_cut():
    random = np.random.default_rng(1)
    names = ["nlr", "tmb_mut_per_mb", "pdl1_tps_percent"]
    latent = random.normal(size=400)
    x = np.stack([np.exp(1 - 0.5 * latent), np.exp(2 + 0.5 * latent), 50 + 15 * latent], axis=1)
    x *= np.exp(0.05 * random.normal(size=x.shape))
    y = (latent + 0.5 * random.normal(size=400) > 0).astype(int)
    holes = random.random(400) < 0.4
    truth = x[:, 2].copy()
    x[holes, 2] = np.nan
    pipeline, chosen = fit_clinical(names, x, y, TableFit(), 0)
    filled = pipeline.steps[0][1].transform(x)
    assert np.corrcoef(filled[holes, 2], truth[holes])[0, 1] > 0.9
    np.testing.assert_array_equal(filled[~holes], x[~holes])
    assert chosen["features_kept"] >= 2
    assert auc(y, pipeline.decision_function(x)) > 0.9
    again = load_pipeline(save_pipeline(pipeline), "clinical.skops")
    rows = np.array([[3.0, 50.0, 60.0], [3.0, 900.0, 60.0], [np.nan] * 3])
    logits = again.decision_function(rows)
    np.testing.assert_array_equal(logits, pipeline.decision_function(rows))
    assert logits[0] == logits[1]  # a TMB beyond 50 mutations/Mb says no more than one of 50
    assert np.isfinite(logits).all()


def test_the_ridge_pulls_known_variables_towards_equal_weights_and_yields_to_data():
    from sklearn.linear_model import LogisticRegression

    random = np.random.default_rng(2)
    names = ["nlr", "tmb_mut_per_mb", "albumin_g_dl", "age", "something_else"]
    x = random.normal(size=(3000, 5))
    y = (random.random(3000) < 1 / (1 + np.exp(-(0.8 * x[:, 0] + 0.8 * x[:, 1] + 0.8 * x[:, 4])))).astype(int)
    tight, _ = fit_towards_equal(names, x, y, 1e-6)
    np.testing.assert_allclose(tight, [-tight[1], tight[1], tight[1], 0, 0], atol=1e-3)
    free, _ = fit_towards_equal(names, x, y, 1e3)  # the data say that NLR goes with response here
    np.testing.assert_allclose(free, [0.8, 0.8, 0, 0, 0.8], atol=0.15)
    unknown = ["a", "b", "c", "d", "e"]
    weights, intercept = fit_towards_equal(unknown, x[:200], y[:200], 0.1)
    plain = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000).fit(x[:200], y[:200])
    np.testing.assert_allclose([*weights, intercept], [*plain.coef_[0], plain.intercept_[0]], atol=1e-4)


def test_the_shipped_clinical_signature_reaches_the_figures_that_are_told_of_it(tmp_path: Path):
    table = shared_data("cohorts", "ici_clinical.csv")
    roles = resource("Evidence", "ici-clinical", "roles.yaml")
    folder = resource("Signatures", "ici-clinical")
    arguments = ("--signature", folder, "--cohort", table, "--roles", roles)
    done = nsclc_response("evaluate", *arguments, "--out", tmp_path / "o")
    assert done.code == 0, done.err
    now = json.loads((tmp_path / "o" / "metrics.json").read_text())["cohorts"][0]
    told = json.loads(resource("Evidence", "ici-clinical", "metrics.json").read_text())["cohorts"][1]
    assert now["patients"] == told["patients"] == 128
    assert now["auc"] == told["auc"]
    single = now["models"]["PD-L1 alone"]
    assert single["auc"]["value"] < single["signature_on_the_same_patients"]["value"]
    assert "538 real patients" in done.out
