"""The 3D-CNN stops early, learns from times, trains in several processes; whole runs stop, go on, and open again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from NSCLCResponseLib.core.cohort import read_cohort
from NSCLCResponseLib.core.holdout import judge
from NSCLCResponseLib.core.network import NetworkSpec, build_network, count_parameters
from NSCLCResponseLib.core.patch import PatchSpec
from NSCLCResponseLib.core.presets import NetworkFit, preset
from NSCLCResponseLib.core.roles import read_roles
from NSCLCResponseLib.core.signature_io import load_signature
from NSCLCResponseLib.core.signature_write import write_signature
from NSCLCResponseLib.core.training import train
from NSCLCResponseLib.core.training_data import collect
from NSCLCResponseLib.core.training_describe import Naming, build
from NSCLCResponseLib.core.training_network import Labels, train_network
from NSCLCResponseSegmentLib.core.progress import SILENT

PATCH = PatchSpec(size=8, spacing_mm=6.0)
TINY = NetworkFit(epochs=12, batch=8, features=(4, 8), learning_rate=5e-3, kind="plain", optimiser="adam", flips=False)


def bright_and_dark(patients: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Patches that are brighter in responders."""
    random = np.random.default_rng(0)
    outcome = np.arange(patients) % 2
    patches = random.normal(0, 0.3, (patients, PATCH.channels, 8, 8, 8)).astype(np.float32)
    patches[:, :2] += outcome[:, None, None, None, None] * 0.8
    patches[:, -1] = 1.0
    return patches, outcome


def logits(network, patches: np.ndarray) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return network(torch.from_numpy(patches)).numpy()


def test_the_plain_network_learns_and_counts_its_parameters():
    patches, outcome = bright_and_dark()
    network = train_network(patches, outcome, PATCH, TINY, 0)
    scores = logits(network, patches)
    assert scores[outcome == 1].mean() > scores[outcome == 0].mean() + 1.0
    assert network.epochs == 12
    for kind in ("plain", "pooled"):
        spec = NetworkSpec(4, (4, 8), kind=kind)
        built = sum(t.numel() for t in build_network(spec).state_dict().values())
        assert built <= count_parameters(spec) <= built * 1.2
    assert NetworkSpec.from_json({"in_channels": 4, "features": [4]}).kind == "pooled", "as older signatures have it"


def test_training_stops_when_the_inner_fold_gains_nothing_more():
    patches, outcome = bright_and_dark()
    noise = np.random.default_rng(1).permutation(outcome)
    epochs: list[int] = []
    fit = replace(TINY, epochs=60, patience=3)
    network = train_network(patches, noise, PATCH, fit, 0, on_epoch=epochs.append)
    assert len(epochs) < 60
    assert network.epochs == len(epochs) - 3, "the best epoch is kept"


def test_the_network_learns_times():
    patches, outcome = bright_and_dark()
    random = np.random.default_rng(2)
    time = random.exponential(4 + 20 * outcome)
    labels = Labels(outcome, time, np.ones(len(time), dtype=bool))
    scores = logits(train_network(patches, labels, PATCH, TINY, 0), patches)
    assert np.corrcoef(scores, outcome)[0, 1] > 0.5, "a larger logit means a longer time"


_SHARED = """
import sys
sys.path[:0] = {path!r}
from test_training_network import TINY, PATCH, bright_and_dark, train_network
from NSCLCResponseLib.core import ranks
from NSCLCResponseLib.core.network import weights_to_bytes
from pathlib import Path
ranks.start()
patches, outcome = bright_and_dark()
folder = Path({folder!r})
fit = __import__("dataclasses").replace(TINY, epochs=6, patience=4)
network = train_network(patches, outcome, PATCH, fit, 0, folder / "one.checkpoint")
(folder / f"weights{{ranks.rank()}}").write_bytes(weights_to_bytes(network))
"""


def test_two_processes_train_one_network(tmp_path: Path):
    path = [str(Path(__file__).parent), *sys.path]
    script = tmp_path / "shared.py"
    script.write_text(_SHARED.format(path=path, folder=str(tmp_path)))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr[-2000:]
    from safetensors.torch import load

    first, second = (load((tmp_path / f"weights{rank}").read_bytes()) for rank in (0, 1))
    trained = [name for name in first if "running" not in name and "num_batches" not in name]
    for name in trained:
        np.testing.assert_array_equal(first[name].numpy(), second[name].numpy(), err_msg=name)


# ---------------------------------------------------------------- whole runs on a table


def write_table(folder: Path, endpoint: str) -> tuple[Path, Path]:
    random = np.random.default_rng(5)
    latent = random.normal(size=90)
    life, seen = random.exponential(8 * np.exp(1.5 * latent)), random.exponential(40, 90)
    rows = ["patient,site,response,pfs,event,age,stage," + ",".join(f"rad_{i}" for i in range(6))]
    for i in range(90):
        features = latent[i] + random.normal(size=6) + 3.0 * (i % 3 == 0)
        first = [f"p{i}", "AB"[i % 3 == 0], str(int(latent[i] > 0.2)), f"{min(life[i], seen[i]):.3f}"]
        more = [str(int(life[i] <= seen[i])), f"{random.normal(65, 8):.1f}", ["III", "IV"][i % 2]]
        rows.append(",".join([*first, *more, *(f"{v:.4f}" for v in features)]))
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    (folder / "roles.yaml").write_text(
        f"patient: patient\ncenter: site\nendpoint: {endpoint}\nclinical: [age, stage]\n"
        "coding: {stage: {III: 3, IV: 4}}\nradiomics: {prefix: [rad_]}\nsimulated: true\n"
    )
    return folder / "table.csv", folder / "roles.yaml"


def quick(**table: str):
    whole = preset("default", parts=("radiomics_table", "clinical"), **table)
    return replace(whole, folds=3, table=replace(whole.table, keep=(3,), strengths=(0.1,), inner_folds=2))


@pytest.mark.parametrize(
    ("endpoint", "options"),
    [
        ("{response: response}", {"model": "random_forest", "harmonise": "combat", "reference": "A"}),
        ("{time: pfs, event: event, months: 6}", {}),
    ],
)
def test_a_signature_of_a_table_opens_again_and_says_the_same(tmp_path: Path, endpoint: str, options: dict):
    table, roles = write_table(tmp_path, endpoint)
    cohort = read_cohort(table, read_roles(roles))
    chosen = quick(**options)
    data = collect(cohort, chosen.parts, {}, chosen.patch, tmp_path, SILENT)
    trained = train(data, chosen, tmp_path, SILENT)
    assert trained.performance[0]["auc"]["value"] > 0.6
    description, files = build(trained, cohort, chosen, Naming("table", label="Ours."), {})
    (tmp_path / "signature").mkdir()
    write_signature(tmp_path / "signature", description, files)
    signature = load_signature(tmp_path / "signature")
    assert "simulated patients" in signature.label
    assert description["inputs"]["ct"] == "unused"
    stage = next(v for v in signature.clinical_variables if v.name == "stage")
    assert stage.parse("IV") == 4.0
    for part in signature.feature_parts:
        x = data.features[part.name][1]
        here = trained.fits[part.name].logits[part.name]
        np.testing.assert_allclose(part.logits(x, data.centers), here)
    entries, columns = judge(signature, data, "the same patients")
    assert np.isfinite(columns["probability"]).all()
    assert ("c_index" in entries[0]) == data.is_survival
    names, x = data.features["radiomics_table"]
    part = signature.feature_part("radiomics_table")
    first = dict(zip(names, x[1], strict=True))
    if options:
        assert not part.is_linear
        assert part.contributions(first) == []
        assert part.combat is not None
        assert part.logit(first) == pytest.approx(part.logits(x[1:2], ["A"])[0]), "an unknown centre counts as A"
    else:
        assert part.is_linear
        total = sum(c.contribution for c in part.contributions(first))
        others = part.pipeline.steps[-1][1].decision_function(part.means[None])[0]
        assert total + others == pytest.approx(part.logit(first))
        assert description["performance"][0]["c_index"]["value"] > 0.6


def test_ctrl_c_keeps_finished_fits_and_a_rerun_makes_only_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from NSCLCResponseLib.core import training_fits

    table, roles = write_table(tmp_path, "{response: response}")
    cohort = read_cohort(table, read_roles(roles))
    chosen = replace(quick(), parts=("radiomics_table",))
    data = collect(cohort, chosen.parts, {}, chosen.patch, tmp_path, SILENT)
    whole, calls = training_fits.fit_table, []

    def interrupted(*arguments: object):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(training_fits, "fit_table", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(data, chosen, tmp_path, SILENT)
    resumed = train(data, chosen, tmp_path, SILENT)
    assert len(calls) - 4 == 7 - 3, "of 3 single folds, 3 pairs and the final fit, three were finished"
    monkeypatch.setattr(training_fits, "fit_table", whole)
    again = train(data, chosen, tmp_path / "elsewhere", SILENT)
    np.testing.assert_array_equal(resumed.probability, again.probability)


def test_models_beside_the_signature_are_judged_in_the_same_folds(tmp_path: Path):
    table, roles = write_table(tmp_path, "{response: response}")
    cohort = read_cohort(table, read_roles(roles))
    chosen = replace(quick(), compare=("logistic", "random_forest"))
    data = collect(cohort, chosen.parts, {}, chosen.patch, tmp_path, SILENT)
    trained = train(data, chosen, tmp_path, SILENT)
    assert set(trained.comparison) == {"logistic", "random_forest"}
    for compared in trained.comparison.values():
        probability, measured = compared.judge(data, 0)
        assert np.isfinite(compared.probability).all()
        assert measured["auc"]["value"] > 0.7, "on patients that the model knows"
        assert not np.array_equal(probability, compared.probability), "out of fold is another model"
