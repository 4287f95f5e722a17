"""Training neither leaks nor forgets: no signal stays no signal, a stopped run goes on, a wrong table is told."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from NSCLCResponseLib.core.cohort import read_cohort
from NSCLCResponseLib.core.evaluation import auc, auc_interval, youden_threshold
from NSCLCResponseLib.core.fusion import choose_rule, fit_platt, fit_rules
from NSCLCResponseLib.core.presets import preset
from NSCLCResponseLib.core.roles import read_roles
from NSCLCResponseLib.core.training import train
from NSCLCResponseLib.core.training_data import TrainingData
from NSCLCResponseSegmentLib.core.errors import CohortError, NSCLCResponseError, SettingsError
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress
from support.small_signature import SmallSignature, small_preset

# ---------------------------------------------------------------- no leak, no loss


def table_data(x: np.ndarray, y: np.ndarray) -> TrainingData:
    nothing = np.zeros(len(y), dtype=bool)
    names = [f"ct_f{index}" for index in range(x.shape[1])]
    patients = [f"p{index}" for index in range(len(y))]
    return TrainingData(patients, [""] * len(y), y, {"radiomics_ct": (names, x)}, None, nothing, nothing)


def quick_preset(seed: int, *, nested: bool = True):
    whole = preset("default", parts=("radiomics_ct",), seed=seed)
    table = replace(whole.table, keep=(5, 20), strengths=(0.03, 0.3), inner_folds=3)
    return replace(whole, folds=4, nested=nested, table=table)


def test_without_signal_the_auc_is_a_coin_toss_even_with_selection_among_300_features(tmp_path: Path):
    """And the test could fail: the same selection made once, outside the folds, looks like a strong signature."""
    inside, outside = [], []
    for seed in range(3):
        random = np.random.default_rng(seed)
        x, y = random.normal(size=(100, 300)), random.permutation(np.repeat([0, 1], 50))
        whole = quick_preset(seed, nested=seed == 0)
        quick = replace(whole, table=replace(whole.table, keep=(20,), strengths=(0.1,)))  # nothing to tune: faster
        honest = train(table_data(x, y), quick, tmp_path / f"a{seed}", SILENT)
        inside.append(auc(y, honest.probability))
        picked = np.argsort(-np.abs(np.corrcoef(x.T, y)[-1, :-1]))[:20]
        leaky = train(table_data(x[:, picked], y), replace(quick, nested=False), tmp_path / f"b{seed}", SILENT)
        outside.append(auc(y, leaky.probability))
    assert 0.38 < np.mean(inside) < 0.60, inside  # three cohorts of 100: standard error 0.035, and folds pull below 0.5
    assert np.mean(outside) > 0.75, outside


def test_a_signal_is_found_and_probabilities_are_calibrated(tmp_path: Path):
    random = np.random.default_rng(1)
    latent = random.normal(size=300)
    y = (latent + 0.7 * random.normal(size=300) > 0.4).astype(int)
    x = random.normal(size=(300, 60))
    x[:, :5] = latent[:, None] + random.normal(size=(300, 5))
    x[random.random(x.shape) < 0.05] = np.nan
    trained = train(table_data(x, y), quick_preset(0), tmp_path, SILENT)
    best = auc(y, np.nanmean(x[:, :5], axis=1))  # the best that a linear rule can do, 0.84
    interval = auc_interval(y, trained.probability)
    assert interval.low < best < interval.high, (interval, best)
    assert interval.value > best - 0.07
    assert trained.probability.mean() == pytest.approx(y.mean(), abs=0.03)
    slope, _ = fit_platt(np.log(trained.probability / (1 - trained.probability)), y)
    assert 0.7 < slope < 1.4


def test_no_patient_shapes_the_numbers_that_judge_it(tmp_path: Path):
    """Other features of the patients of one fold change nothing that was fitted without that fold, to the byte."""
    random = np.random.default_rng(2)
    y = np.repeat([0, 1], 40)
    x = random.normal(size=(80, 10)) + y[:, None]
    first = train(table_data(x, y), quick_preset(0), tmp_path / "first", SILENT)
    fold = first.folds == 0
    changed = x.copy()
    changed[fold] += 100.0  # the fold's own features: its logits change, nobody else's may through selection or scaling
    second = train(table_data(changed, y), quick_preset(0), tmp_path / "second", SILENT)
    from NSCLCResponseLib.core.training_fits import Fitter

    fits = [
        Fitter(table_data(values, y), first.folds, quick_preset(0), tmp_path / f"f{index}").fit(
            "radiomics_ct", frozenset([0]), SILENT
        )
        for index, values in enumerate((x, changed))
    ]
    assert fits[0].model_bytes == fits[1].model_bytes
    np.testing.assert_array_equal(first.folds, second.folds)
    assert not np.array_equal(first.oof["radiomics_ct"][fold], second.oof["radiomics_ct"][fold])


# ---------------------------------------------------------------- fusion


def test_a_part_that_knows_nothing_gets_next_to_no_weight_and_a_missing_part_no_hole():
    random = np.random.default_rng(3)
    y = random.integers(0, 2, 400)
    table = {"a": 2.0 * (y - 0.5) + random.normal(size=400), "b": random.normal(size=400)}
    table["b"][:100] = np.nan
    rules = fit_rules(table, y, np.arange(400) % 5)
    both = choose_rule(rules, {"a", "b"})
    assert both.parts == ("a", "b")
    assert abs(both.weights[1]) < 0.25 * both.weights[0]
    assert both.patients == 300
    assert choose_rule(rules, {"a"}).parts == ("a",)
    assert choose_rule(rules, {"c"}) is None


def test_auc_against_counting_pairs():
    random = np.random.default_rng(4)
    y, score = random.integers(0, 2, 60), random.integers(0, 8, 60).astype(float)
    pairs = [(p > n) + 0.5 * (p == n) for p in score[y == 1] for n in score[y == 0]]
    assert auc(y, score) == pytest.approx(np.mean(pairs))
    assert youden_threshold(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.6, 0.9])) == pytest.approx(0.4)


# ---------------------------------------------------------------- stopping and going on

_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from test_training import network_run
network_run(Path({folder!r}), lambda epoch: os.kill(os.getpid(), signal.SIGKILL) if epoch == 2 else None)
"""


def network_run(folder: Path, on_epoch=lambda _: None):
    """Train a tiny network on fixed patches for four epochs."""
    from NSCLCResponseLib.core.training_network import train_network

    chosen = small_preset()
    random = np.random.default_rng(0)
    patches = random.random((20, chosen.patch.channels, 12, 12, 12)).astype(np.float32)
    fit = replace(chosen.network, epochs=4)
    checkpoint = folder / "net.checkpoint"
    return train_network(patches, np.arange(20) % 2, chosen.patch, fit, 5, checkpoint, on_epoch)


def test_a_killed_network_goes_on_at_the_last_epoch_and_ends_the_same(tmp_path: Path):
    import torch

    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    path = [str(Path(__file__).parent), *sys.path]
    code = _KILLED.format(path=path, folder=str(tmp_path / "killed"))
    done = subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    assert done.returncode == -signal.SIGKILL
    epochs: list[int] = []
    resumed = network_run(tmp_path / "killed", epochs.append)
    assert epochs == [3, 4]
    whole = network_run(tmp_path / "whole")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_rerun_fits_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    random = np.random.default_rng(6)
    y = np.repeat([0, 1], 30)
    data = table_data(random.normal(size=(60, 4)) + y[:, None], y)
    first = train(data, quick_preset(0), tmp_path, SILENT)

    def never(*_: object) -> None:
        raise AssertionError("fitted again")

    monkeypatch.setattr("NSCLCResponseLib.core.training_fits.fit_table", never)
    np.testing.assert_array_equal(train(data, quick_preset(0), tmp_path, SILENT).probability, first.probability)


def test_a_patient_whose_images_cannot_be_read_does_not_stop_the_others(
    a_small_signature: SmallSignature, tmp_path: Path
):
    from NSCLCResponseLib.core.training_data import collect

    text = a_small_signature.cohort.read_text().replace("s03/ct.nii.gz", "s03/gone.nii.gz")
    lines = [line for line in text.splitlines() if line.split(",")[0] in ("patient", "s02", "s03")]
    folder = a_small_signature.cohort.parent
    lines = [line.replace("s0", f"{folder}/s0").replace(f"{folder}/s0", "s0", 1) for line in lines]
    (tmp_path / "two.csv").write_text("\n".join(lines))
    cohort = read_cohort(tmp_path / "two.csv", read_roles(a_small_signature.roles))
    warnings: list[str] = []
    parts = ("radiomics_ct", "clinical")
    settings = a_small_signature.settings
    data = collect(cohort, parts, settings, small_preset().patch, tmp_path, Progress(on_warning=warnings.append))
    assert list(data.problems) == ["s03"]
    assert "gone.nii.gz" in warnings[0]
    assert data.available("radiomics_ct").tolist() == [True, False]
    assert data.available("clinical").tolist() == [True, True]


# ---------------------------------------------------------------- tables and roles


def write(folder: Path, roles: str, table: str) -> tuple[Path, Path]:
    (folder / "roles.yaml").write_text(roles, encoding="utf-8")
    (folder / "cohort.csv").write_text(table, encoding="utf-8")
    return folder / "cohort.csv", folder / "roles.yaml"


def read(folder: Path, roles: str, table: str):
    cohort_path, roles_path = write(folder, roles, table)
    return read_cohort(cohort_path, read_roles(roles_path))


@pytest.mark.parametrize(
    ("roles", "words"),
    [
        ("patient: p\n", ("'endpoint' is missing",)),
        ("patient: p\nendpoint: {response: r}\ncolour: c\n", ("line 3", "'colour' is not a role")),
        ("patient: p\nendpoint: {death: r}\n", ("line 2", "neither a response nor a time")),
        ("patient: [p\n", ("not valid YAML",)),
        ("patient: p\nendpoint: {response: r}\nclinical: 3\n", ("line 3", "list of columns")),
    ],
)
def test_a_wrong_roles_file_names_line_and_key(tmp_path: Path, roles: str, words: tuple[str, ...]):
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, roles, "p,r\na,1\n")
    assert "roles.yaml" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("p,x\na,1\n", ("no column r",)),
        ("p,r\na,1\nb,0\na,0\n", ("patient a", "rows 2 and 4")),
        ("p,r\na,maybe\n", ("row 2", "'maybe'", "not a number")),
        ("p,r\na,2\n", ("row 2", "r is 2")),
        ("p,r,age\na,1,900\n", ("row 2", "age cannot be 900")),
    ],
)
def test_a_wrong_table_names_row_and_column(tmp_path: Path, table: str, words: tuple[str, ...]):
    roles = "patient: p\nendpoint: {response: r}\n" + ("clinical: [age]\n" if "age" in table else "")
    with pytest.raises(CohortError) as caught:
        read(tmp_path, roles, table)
    for word in words:
        assert word in str(caught.value)


def test_durable_benefit_of_somebody_censored_early_is_unknown(tmp_path: Path):
    roles = "patient: p\nendpoint: {durable_benefit: {time: pfs, event: e, months: 6}}\n"
    cohort = read(tmp_path, roles, "p;pfs;e\na;7;0\nb;3;1\nc;3;0\nd;9;1\n")
    assert [p.outcome for p in cohort.patients] == [1, 0, None, 1]
    assert [p.name for p in cohort.with_outcome().patients] == ["a", "b", "d"]


def test_a_split_keeps_sides_apart_and_leaves_others_out(tmp_path: Path):
    roles = "patient: p\nendpoint: {response: r}\nsplit: {column: c, train: [A], test: [B]}\n"
    cohort = read(tmp_path, roles, "p,r,c\n007,1,A\n8,0,B\n9,1,C\n")
    assert [p.name for p in cohort.of_group("train").patients] == ["007"]
    assert [p.name for p in cohort.of_group("test").patients] == ["8"]


def test_too_few_patients_are_refused(tmp_path: Path):
    y = np.array([0] * 30 + [1] * 5)
    x = np.random.default_rng(0).normal(size=(35, 3))
    with pytest.raises(NSCLCResponseError, match="only 5 patients of the rarer outcome"):
        train(table_data(x, y), quick_preset(0), tmp_path, SILENT)
    few = np.array([0, 1] * 8 + [0] * 19)  # 8 are enough for a rule, but not on the training side of every fold
    with pytest.raises(NSCLCResponseError, match=r"only 8 patients of the rarer outcome; 4-fold .* needs 11"):
        train(table_data(x, few), quick_preset(0), tmp_path, SILENT)
    data = table_data(x, np.array([0, 1] * 17 + [0]))
    data.features["radiomics_ct"][1][6:] = np.nan  # enough patients, but too few with the only part
    with pytest.raises(NSCLCResponseError, match="No part of the signature has enough patients"):
        train(data, quick_preset(0), tmp_path, SILENT)
