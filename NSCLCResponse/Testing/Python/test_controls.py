"""Controls see what they are there to see: noise that passes for signal, volume in disguise, the hospital."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.controls import (
    center_from_features,
    loris_score,
    permuted_labels,
    random_folds,
    single_quantities,
)
from NSCLCResponseLib.core.controls_network import permuted_network
from NSCLCResponseLib.core.controls_run import leave_one_center_out, subset, training_controls
from NSCLCResponseLib.core.controls_shuffled import shuffled_case
from NSCLCResponseLib.core.evaluation import auc, youden_threshold
from NSCLCResponseLib.core.evaluation_cohort import Judged
from NSCLCResponseLib.core.evaluation_outputs import evaluation_summary, metrics_of, write_evaluation
from NSCLCResponseLib.core.evaluation_run import judged_outside, judged_training
from NSCLCResponseLib.core.model_thresholds import at_own_thresholds, markdown_table, published_table
from NSCLCResponseLib.core.patch import PatchSpec
from NSCLCResponseLib.core.presets import preset
from NSCLCResponseLib.core.signature_io import load_signature
from NSCLCResponseLib.core.training import train
from NSCLCResponseLib.core.training_data import TrainingData
from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress
from NSCLCResponseSegmentLib.core.reading import read_case
from NSCLCResponseSegmentLib.core.resources import resource
from support.cli import nsclc_response
from support.small_signature import PATIENTS, SmallSignature


def table_data(x: np.ndarray, y: np.ndarray) -> TrainingData:
    nothing = np.zeros(len(y), dtype=bool)
    names = [f"ct_f{index}" for index in range(x.shape[1])]
    patients = [f"p{index}" for index in range(len(y))]
    return TrainingData(patients, [""] * len(y), y, {"radiomics_ct": (names, x)}, None, nothing, nothing)


def quick_preset():
    whole = preset("default", parts=("radiomics_ct",))
    table = replace(whole.table, keep=(5, 20), strengths=(0.03, 0.3), inner_folds=3)
    return replace(whole, folds=3, nested=False, table=table)


def signal_table(seed: int, strength: float) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.permutation(np.repeat([0, 1], 45))
    x = random.normal(size=(90, 40))
    x[:, :4] += strength * y[:, None]
    return x, y


def test_permuted_labels_tell_signal_from_noise():
    x, y = signal_table(0, 1.0)
    real = permuted_labels(x, y, 0, 19)
    assert real["auc"] > 0.75
    assert real["p"] == pytest.approx(1 / 20)
    assert real["permuted_low"] < 0.5 < real["permuted_high"]
    noise = permuted_labels(signal_table(1, 0.0)[0], y, 0, 19)
    assert noise["permuted_low"] - 0.05 < noise["auc"] < noise["permuted_high"] + 0.1
    assert noise["p"] > 0.05


def test_the_networks_labels_are_permuted_and_finished_draws_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(0)
    y = np.arange(40) % 2
    patches = random.normal(0, 0.3, (40, 4, 8, 8, 8)).astype(np.float32)
    patches[:, :2] += y[:, None, None, None, None] * 0.8
    data = replace(table_data(np.zeros((40, 1)), y), patches=patches, has_patch=np.ones(40, dtype=bool))
    whole = preset("default", epochs=30)
    small = replace(whole.network, features=(4, 8), learning_rate=5e-3, patience=8, pet_dropout=0.0)
    chosen = replace(whole, network=small, patch=PatchSpec(size=8, spacing_mm=6.0))
    texts: list[str] = []
    progress = Progress(on_progress=lambda _value, text: texts.append(text))
    found = permuted_network(data, chosen, 2, tmp_path, progress)
    assert (found["permutations"], found["epochs"], found["folds"]) == (2, 6, 2)
    assert found["auc"] > 0.8 > found["permuted_median"]
    assert found["p"] == pytest.approx(1 / 3, abs=1e-4)
    assert any("draw 2 of 2" in text for text in texts)

    def never(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("NSCLCResponseLib.core.controls_network.train_network", never)
    assert permuted_network(data, chosen, 2, tmp_path, SILENT) == found
    assert permuted_network(data, chosen, 0, tmp_path, SILENT) is None


def test_every_model_is_judged_at_a_threshold_that_its_patients_did_not_shape():
    random = np.random.default_rng(5)
    y, folds = random.integers(0, 2, 60), np.arange(60) % 3
    score = y + random.normal(size=60)
    score[7] = np.nan
    training = Judged("training", [""] * 60, [""] * 60, y, score, y == 1, 0.5, folds, {"other": score})
    outside = replace(training, title="outside", folds=None, outcome=1 - y, models={"other": -score})
    inside, beyond = at_own_thresholds([training, outside])
    known = np.isfinite(score)
    right = 0
    for fold in range(3):
        rows, test = known & (folds != fold), known & (folds == fold)
        right += int(((score[test] >= youden_threshold(y[rows], score[rows])) == (y[test] == 1)).sum())
    assert inside["other"]["accuracy"]["value"] == pytest.approx(right / 59, abs=1e-4)
    called = -score[known] >= youden_threshold(y[known], score[known])
    assert beyond["other"]["sensitivity"]["value"] == pytest.approx(called[y[known] == 0].mean(), abs=1e-4)
    assert at_own_thresholds([outside]) == [{}]
    metrics = metrics_of({"name": "n", "version": "1", "label": "l", "endpoint": {"text": "t"}}, [training], {})
    rows = {"models": {"signature": {"auc": 0.5}}}
    table = markdown_table(metrics["cohorts"][0], rows)
    assert "| signature | 59 |" in table
    assert "| other | 59 |" in table
    assert table.count("not available") == 7, "of 8 cells only the one that was entered is filled"
    assert published_table("kothinti2025")["table"] == "Table 5"
    assert published_table("../kothinti2025") is published_table("default") is None


def test_a_column_that_knows_the_hospital_is_seen():
    x, _ = signal_table(2, 0.0)
    centers = ["A"] * 40 + ["B"] * 45 + ["C"] * 5  # C is too small to ask for
    blind = center_from_features(x, centers)
    x[:40, 7] += 2.5
    seeing = center_from_features(x, centers)
    assert set(seeing["centers"]) == {"A", "B"}
    assert blind["auc"] < 0.7
    assert seeing["auc"] > 0.85
    assert center_from_features(x, ["A"] * 90) is None


def test_single_quantities_have_fixed_directions_and_loris_is_the_published_sum():
    names = ["albumin_g_dl", "nlr", "pdl1_tps_percent", "prior_systemic_therapy", "tmb_mut_per_mb"]
    values = np.array([[4.0, 3.0, 60.0, 1.0, 80.0], [3.0, 40.0, np.nan, 0.0, 5.0]])
    assert loris_score(names, values)[0] == pytest.approx(
        0.0353 * 50 + 0.0111 * 60 - 0.375 + 0.2924 * 4 - 0.0103 * 3 - 1.5593
    )
    assert np.isnan(loris_score(names, values)[1])
    features = {"clinical": (names, values), "radiomics_ct": (["ct_shape_MeshVolume"], np.array([[9.0], [4.0]]))}
    found = single_quantities(features)
    assert found["volume alone (smaller is better)"].tolist() == [-9.0, -4.0]
    assert found["NLR alone (lower is better)"].tolist() == [-3.0, -40.0]
    assert "PD-L1 alone" in found
    assert loris_score(["nlr"], values[:, :1]) is None


def test_shuffled_voxels_keep_values_and_surroundings_and_lose_their_places(some_simulated_patients: Path):
    row = next(csv.DictReader((some_simulated_patients / "cohort.csv").open()))
    paths = {kind: some_simulated_patients / row[kind] for kind in ("ct", "mask")}
    case: Case = read_case(**paths, patient_id="one")
    mixed = shuffled_case(case, "one/1")
    before, after = (sitk.GetArrayFromImage(c.ct.image) for c in (case, mixed))
    inside = sitk.GetArrayFromImage(case.mask.image) > 0
    np.testing.assert_array_equal(np.sort(before[inside]), np.sort(after[inside]))
    np.testing.assert_array_equal(before[~inside], after[~inside])
    assert np.mean(before[inside] == after[inside]) < 0.2
    again = sitk.GetArrayFromImage(shuffled_case(case, "one/1").ct.image)
    np.testing.assert_array_equal(after, again)


def test_a_centre_left_out_is_judged_by_the_others_and_reports_show_it_all(tmp_path: Path):
    x, y = signal_table(3, 1.2)
    data = table_data(x, y)
    data.centers = [("North", "South", "")[i % 3] for i in range(len(y))]
    quick = quick_preset()
    trained = train(data, quick, tmp_path / "work", SILENT)
    left_out = leave_one_center_out(trained, quick, SILENT)
    assert [entry["center"] for entry in left_out] == ["North", "South"]
    assert all(entry["auc"]["value"] > 0.7 for entry in left_out)
    south = subset(data, np.array([c == "South" for c in data.centers]))
    assert south.outcome.tolist() == [v for v, c in zip(y, data.centers, strict=True) if c == "South"]
    found = training_controls(trained, quick, SILENT, permutations=19)
    assert found["permuted_labels"]["radiomics_ct"]["p"] == pytest.approx(0.05)
    judged = judged_training(trained, {})
    assert auc(y, judged.probability) == auc(y, trained.probability)
    assert sorted(set(random_folds(10, 0).tolist())) == [0, 1, 2, 3, 4]


def test_an_outside_cohort_becomes_one_self_contained_report(a_small_signature: SmallSignature, tmp_path: Path):
    out, table = tmp_path / "evaluation", tmp_path / "half.csv"
    folder = a_small_signature.cohort.parent
    head, *lines = a_small_signature.cohort.read_text().splitlines()
    half = [line.replace(f",s{line[1:3]}/", f",{folder}/s{line[1:3]}/") for line in lines[PATIENTS // 2 :]]
    table.write_text("\n".join([head, *half]) + "\n")
    arguments = ("--signature", a_small_signature.folder, "--cohort", table)
    done = nsclc_response("evaluate", *arguments, "--roles", a_small_signature.roles, "--out", out)
    assert done.code == 0, done.err
    assert "Trained on spheres" in done.out
    metrics = json.loads((out / "metrics.json").read_text())
    cohort = metrics["cohorts"][0]
    assert cohort["patients"] == PATIENTS // 2
    assert cohort["auc"]["value"] > 0.8  # the very patients it was trained on
    assert {"CT radiomics alone", "PET radiomics alone", "3D-CNN alone", "clinical values alone", "PD-L1 alone"} <= set(
        cohort["models"]
    )
    assert "volume alone (smaller is better)" in cohort["models"]
    assert metrics["controls"]["shuffled_voxels"]["images"]["patients"] == PATIENTS // 2
    rows = list(csv.DictReader((out / "predictions.csv").open()))
    assert len(rows) == PATIENTS // 2
    assert {"patient", "center", "outcome", "fold", "probability", "CT radiomics alone"} <= set(rows[0])
    page = (out / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 5
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page
    assert "TRIPOD+AI: " in page
    card = (out / "model_card.md").read_text()
    description = json.loads((a_small_signature.folder / "signature.json").read_text())
    for digest in description["files"].values():
        assert digest in card
    lists = list(csv.DictReader((out / "checklists.csv").open()))
    counts = [sum(row["checklist"] == name for row in lists) for name in ("TRIPOD+AI", "CLEAR", "METRICS")]
    assert counts == [52, 58, 30]
    blank = {row["text"] for row in lists if not row["answer"]}
    assert {"Ethical approval", "Funding", "Patient and public involvement"} <= blank


def test_a_cohort_with_next_to_no_responders_gets_counts_and_no_measures(tmp_path: Path):
    signature = load_signature(resource("Signatures", "ici-clinical"))
    names = [v.name for v in signature.clinical_variables]
    data = table_data(np.zeros((6, 1)), np.array([1, 0, 0, 0, 0, 0]))
    data.features = {"clinical": (sorted(names), np.random.default_rng(0).normal(50, 5, (6, len(names))))}
    judged = judged_outside(signature, data, "six patients", {})
    metrics = metrics_of(signature.description, [judged], {})
    assert "auc" not in metrics["cohorts"][0]
    write_evaluation(tmp_path, signature.description, metrics, [judged], {})
    assert "Too few patients" in (tmp_path / "report.html").read_text()
    assert "Too few patients" in evaluation_summary(metrics)[0]
