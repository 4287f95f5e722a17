"""The job behind ``segment-train``: a table of patients to a bundle that ``segment --model`` runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import SimpleITK as sitk

from NSCLCResponseLib.tasks import segment, segment_train
from NSCLCResponseLib.worker import TaskContext
from NSCLCResponseSegmentLib.core.atomic import new_token
from NSCLCResponseSegmentLib.core.bundle_files import open_bundle
from NSCLCResponseSegmentLib.core.errors import CohortError, OutputError, SegmentationError
from NSCLCResponseSegmentLib.core.progress import Progress
from support.drawn_chest import drawn_chest


def context() -> TaskContext:
    return TaskContext(Progress(), new_token())


@pytest.fixture(scope="module")
def a_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five drawn chests, the last with an outline that is not there."""
    folder = tmp_path_factory.mktemp("table")
    lines = ["patient,ct,mask"]
    for number in range(5):
        for image, kind in zip(drawn_chest((14 + 4 * number, 32, 22)), ("ct", "mask"), strict=True):
            sitk.WriteImage(image, str(folder / f"{kind}-{number}.nrrd"))
        lines.append(f"p{number},ct-{number}.nrrd,{'gone' if number == 4 else 'mask'}-{number}.nrrd")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    return folder / "cases.csv"


def test_a_table_becomes_a_bundle_with_what_was_measured(tmp_path: Path, a_table: Path):
    out = tmp_path / "my-model"
    arguments = {"cases": str(a_table), "out": str(out), "trained_on": "drawn chests", "steps": 1}
    result = segment_train.run(arguments, context())
    bundle = open_bundle(out)
    facts = bundle.metadata["nsclc_response"]
    assert (bundle.name, facts["patients"], facts["steps"], list(facts["left_out"])) == ("my-model", 3, 1, ["p4"])
    assert facts["held_out"]["cases"][0]["case"] == result["measured"]["cases"][0]["case"]
    assert f"Dice {result['measured']['dice_mean']:.2f}" in result["summary"]
    with pytest.raises(OutputError, match="already holds"):
        segment_train.run(arguments, context())
    tuned = {**arguments, "out": str(tmp_path / "tuned"), "from_model": str(out), "work": str(tmp_path / "w")}
    segment_train.run(tuned, context())
    assert open_bundle(tmp_path / "tuned").metadata["nsclc_response"]["fine_tuned_from"] == str(out)
    mask = {"ct": str(a_table.parent / "ct-0.nrrd"), "model": str(out), "out": str(tmp_path / "mask.nii.gz")}
    assert segment.run(mask, context())["origin"] == "model my-model"
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
