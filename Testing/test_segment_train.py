"""The job behind ``segment-train``: a table of patients to a bundle that ``segment --model`` runs."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
import SimpleITK as sitk
import torch

from NSCLCResponseLib.tasks import segment, segment_train
from NSCLCResponseLib.tasks.segment_train import _plan
from NSCLCResponseLib.worker import TaskContext
from NSCLCResponseSegmentLib.core.atomic import new_token
from NSCLCResponseSegmentLib.core.bundle_files import open_bundle
from NSCLCResponseSegmentLib.core.bundle_training import build_network
from NSCLCResponseSegmentLib.core.errors import CohortError, OutputError, SegmentationError, SettingsError
from NSCLCResponseSegmentLib.core.progress import Progress
from support.cli import command
from support.drawn_chest import drawn_chest

SECONDS_TO_DIE = 15  # 2 on a machine that does nothing else


def context() -> TaskContext:
    return TaskContext(Progress(), new_token())


@pytest.fixture(scope="module")
def a_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five drawn chests, the last with an outline that is not there."""
    folder = tmp_path_factory.mktemp("table")
    lines = ["patient,ct,mask"]
    for number in range(5):
        for image, kind in zip(drawn_chest((14 + 4 * number, 32, 22)), ("ct", "mask"), strict=True):
            image.SetSpacing((3.0, 3.0, 3.0))  # a small chest: few windows of 160 mm
            sitk.WriteImage(image, str(folder / f"{kind}-{number}.nrrd"))
        lines.append(f"p{number},ct-{number}.nrrd,{'gone' if number == 4 else 'mask'}-{number}.nrrd")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    return folder / "cases.csv"


def cancelled_in_the_middle(table: Path, out: Path) -> int:
    """Start the command, interrupt it when it trains; returns the step that was kept."""
    checkpoint = out.with_name("my-model.work") / "checkpoint.pt"
    line = command("segment-train", "--cases", table, "--out", out, "--trained-on", "drawn chests", "--steps", 100_000)
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    end = time.monotonic() + 600
    while not checkpoint.is_file() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    tree = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=SECONDS_TO_DIE)
    assert not psutil.wait_procs(tree, timeout=SECONDS_TO_DIE)[1]
    assert process.returncode == 130, said
    assert "no model was written" in said
    assert sorted(p.name for p in out.parent.iterdir()) == ["my-model.work"]
    return torch.load(checkpoint, weights_only=True)["state"]["step"]


def test_a_table_becomes_a_bundle_even_after_it_was_cancelled(tmp_path: Path, a_table: Path):
    out = tmp_path / "my-model"
    step = cancelled_in_the_middle(a_table, out)
    made = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "my-model.work" / "cases").iterdir()}
    assert sorted(made) == ["p0.npz", "p1.npz", "p2.npz", "p3.npz"]
    arguments = {"cases": str(a_table), "out": str(out), "trained_on": "drawn chests", "steps": step + 1}
    with pytest.raises(SettingsError, match="another seed"):
        segment_train.run({**arguments, "seed": 2}, context())
    result = segment_train.run(arguments, context())
    assert made == {p.name: p.stat().st_mtime_ns for p in (tmp_path / "my-model.work" / "cases").iterdir()}
    bundle = open_bundle(out)
    facts = bundle.metadata["nsclc_response"]
    assert (bundle.name, facts["patients"], facts["steps"]) == ("my-model", 3, step + 1)
    assert list(facts["left_out"]) == ["p4"]
    assert facts["held_out"]["cases"][0]["case"] == result["measured"]["cases"][0]["case"]
    assert f"Dice {result['measured']['dice_mean']:.2f}" in result["summary"]
    with pytest.raises(OutputError, match="already holds"):
        segment_train.run(arguments, context())
    mask = {"ct": str(a_table.parent / "ct-0.nrrd"), "model": str(out), "out": str(tmp_path / "mask.nii.gz")}
    assert segment.run(mask, context())["origin"] == "model my-model"
    assert _plan({**arguments, "from_model": str(out)}).start_from.keys() == build_network().state_dict().keys()
    (out / "models" / "model.pt").write_bytes(b"changed")
    with pytest.raises(SegmentationError, match="SHA-256 differs"):
        segment.run({**mask, "overwrite": True}, context())
    assert json.loads((out / "sha256.json").read_text()).keys() >= {"models/model.pt"}


def test_a_table_without_outlines_is_refused(tmp_path: Path, a_table: Path):
    table = a_table.with_name("bare.csv")
    table.write_text("patient,ct\np0,ct-0.nrrd\n")
    arguments = {"cases": str(table), "out": str(tmp_path / "m"), "trained_on": "x"}
    with pytest.raises(CohortError, match="has no outline"):
        segment_train.run(arguments, context())
