"""The worker process speaks at least every two seconds, ends within two when cancelled, and leaves nothing behind.

Only what measures time runs alone. The jobs that are killed simulate patients: that has processes of its own and a
half-written folder as a prediction has, and starts without torch.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from NSCLCResponseSegmentLib.core.errors import DependencyError, JobCancelledError, JobFailedError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.jobs import JobProcess, WarmWorker, wait_for
from support.cli import command

SECONDS_TO_DIE = 2.0
SECONDS_TO_DIE_BESIDE_OTHER_TESTS = 15.0
SECONDS_BETWEEN_LINES = 2.0


def predict_arguments(patient: Path, out: Path, **more: object) -> dict[str, object]:
    return {"ct": str(patient / "ct.nii.gz"), "mask": str(patient / "mask.nii.gz"), "out": str(out), **more}


def wait_until_measuring(job: JobProcess) -> None:
    """Until the job is in its heavy middle, with its own children and a half-written folder."""
    end = time.monotonic() + 120
    while time.monotonic() < end and job.running:
        if any(e["type"] == "progress" and e["value"] >= 0.3 for e in job.poll(timeout=0.2)):
            return
    pytest.fail(f"the job never got to its middle: {job.log}")


def simulating(out: Path, pid: int, levels: int) -> list[psutil.Process]:
    """The processes of a job that simulates patients, once it has written some of the first."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        tree = tree_of(pid)
        if len(tree) > levels and any(path.is_file() for path in out.parent.rglob("*")):
            return tree
        time.sleep(0.05)
    pytest.fail("the job never began to write")


def tree_of(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def assert_all_gone(tree: list[psutil.Process], within: float) -> None:
    _, alive = psutil.wait_procs(tree, timeout=within)
    alive = [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not alive, f"still running: {alive}"


def assert_nothing_left(out: Path) -> None:
    assert not list(out.parent.iterdir()), f"left behind: {list(out.parent.iterdir())}"


@pytest.fixture(scope="module")
def a_worker() -> Iterator[WarmWorker]:
    """Warm from the first prediction on."""
    worker = WarmWorker()
    yield worker
    pid = worker.process().pid
    worker.close()
    assert not psutil.pid_exists(pid)


@pytest.mark.alone
def test_lines_come_at_least_every_two_seconds_and_end_with_the_result(
    a_simulated_patient: Path, tmp_path: Path, a_worker: WarmWorker
):
    job = a_worker.start("predict", predict_arguments(a_simulated_patient, tmp_path / "out"))
    last, gaps, values = time.monotonic(), [], []
    while job.running:
        for event in job.poll(timeout=0.05):
            now = time.monotonic()
            gaps.append(now - last)
            last = now
            values += [event["value"]] if event["type"] == "progress" else []
    assert job.result()["result"]["prediction"]["probability"] == pytest.approx(0.5, abs=0.5)
    assert max(gaps) < SECONDS_BETWEEN_LINES
    assert values == sorted(values), "the bar must never run backwards"


@pytest.mark.alone
def test_a_warm_worker_takes_the_next_job_also_after_a_refusal(
    a_simulated_patient: Path, tmp_path: Path, a_worker: WarmWorker
):
    pid = a_worker.process().pid
    refused = a_worker.start("suv", {"pet": str(tmp_path / "nowhere"), "out": str(tmp_path / "suv.nii.gz")})
    wait_for(refused, 60)
    with pytest.raises(NSCLCResponseError) as caught:
        refused.result()
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    assert "nowhere" in caught.value.message
    arguments = predict_arguments(a_simulated_patient, tmp_path / "out", outputs=["core"], redraws=2)
    job = a_worker.start("predict", arguments)
    wait_for(job, 120)
    assert job.result()["out"] == str(tmp_path / "out")
    assert refused.pid == job.pid == pid
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.alone
def test_cancel_ends_the_whole_tree_leaves_nothing_and_the_next_job_starts_anew(
    a_simulated_patient: Path, tmp_path: Path, a_worker: WarmWorker
):
    job = a_worker.start("predict", predict_arguments(a_simulated_patient, tmp_path / "out"))
    wait_until_measuring(job)
    tree = tree_of(job.pid)
    assert len(tree) >= 2
    began = time.monotonic()
    job.cancel()
    assert_all_gone(tree, SECONDS_TO_DIE)
    assert time.monotonic() - began < SECONDS_TO_DIE
    assert_nothing_left(tmp_path / "out")
    with pytest.raises(JobCancelledError):
        job.result()
    assert a_worker.process().pid != job.pid


@pytest.mark.parametrize("victim", ["supervisor", "inner"])
def test_a_killed_worker_gives_one_sentence_and_leaves_nothing(tmp_path: Path, victim: str):
    worker = WarmWorker()
    out = tmp_path / "out"
    job = worker.start("phantom", {"patients": 50, "seed": 1, "jobs": 2, "out": str(out)})
    tree = simulating(out, job.pid, levels=2)
    os.kill(job.pid if victim == "supervisor" else tree[1].pid, signal.SIGKILL)
    wait_for(job, 5 + SECONDS_TO_DIE_BESIDE_OTHER_TESTS)
    assert_all_gone(tree, SECONDS_TO_DIE_BESIDE_OTHER_TESTS)
    assert_nothing_left(out)
    with pytest.raises(JobFailedError, match=r"ended from outside.*nothing was written"):
        job.result()
    worker.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupting_the_command_ends_its_worker(tmp_path: Path, how: signal.Signals):
    out = tmp_path / "out"
    line = command("phantom", "--patients", 50, "--seed", 1, "--out", out)
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    tree = simulating(out, process.pid, levels=3)
    process.send_signal(how)
    assert_all_gone(tree[1:], SECONDS_TO_DIE_BESIDE_OTHER_TESTS)
    _, said = process.communicate(timeout=SECONDS_TO_DIE_BESIDE_OTHER_TESTS)
    assert_nothing_left(out)
    if how is not signal.SIGKILL:
        assert process.returncode == 130
        assert "Cancelled; nothing was written" in said


def test_a_slicer_that_did_not_find_its_own_python_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(DependencyError, match="PythonSlicer"):
        JobProcess("suv", {})


def test_the_protocol_is_json_lines_even_when_libraries_print(tmp_path: Path):
    job = tmp_path / "job.json"
    arguments = {"pet": "/nowhere", "out": str(tmp_path / "suv.nii.gz")}
    job.write_text(json.dumps({"kind": "suv", "token": "t", "arguments": arguments}))
    done = subprocess.run(
        [sys.executable, "-m", "NSCLCResponseLib.worker", str(job)], capture_output=True, text=True, check=False
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["type"] for e in events if e["type"] != "progress"] == ["started", "error"]
    assert done.returncode == 2
