"""The worker process speaks at least every two seconds, ends within two when cancelled, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from NSCLCResponseSegmentLib.core.errors import JobCancelledError, JobFailedError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.jobs import JobProcess, WarmWorker, wait_for
from support.cli import command

SECONDS_TO_DIE = 2.0

pytestmark = pytest.mark.alone


def predict_arguments(patient: Path, out: Path) -> dict[str, object]:
    return {"ct": str(patient / "ct.nii.gz"), "mask": str(patient / "mask.nii.gz"), "out": str(out)}


def wait_until_measuring(job: JobProcess) -> None:
    """Until the job is in its heavy middle, with its own children and a half-written folder."""
    end = time.monotonic() + 120
    while time.monotonic() < end and job.running:
        if any(e["type"] == "progress" and e["value"] >= 0.3 for e in job.poll(timeout=0.2)):
            return
    pytest.fail(f"the job never got to its middle: {job.log}")


def tree_of(pid: int) -> list[psutil.Process]:
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def assert_all_gone(tree: list[psutil.Process], within: float) -> None:
    _, alive = psutil.wait_procs(tree, timeout=within)
    alive = [p for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not alive, f"still running: {alive}"


def assert_nothing_left(out: Path) -> None:
    assert not list(out.parent.iterdir()), f"left behind: {list(out.parent.iterdir())}"


def test_lines_come_at_least_every_two_seconds_and_end_with_the_result(a_simulated_patient: Path, tmp_path: Path):
    job = JobProcess("predict", predict_arguments(a_simulated_patient, tmp_path / "out"))
    last, gaps, values = time.monotonic(), [], []
    while job.running:
        for event in job.poll(timeout=0.05):
            now = time.monotonic()
            gaps.append(now - last)
            last = now
            values += [event["value"]] if event["type"] == "progress" else []
    assert job.result()["result"]["prediction"]["probability"] == pytest.approx(0.5, abs=0.5)
    assert max(gaps) < 2.0
    assert values == sorted(values), "the bar must never run backwards"


def test_cancel_ends_the_whole_tree_and_leaves_nothing(a_simulated_patient: Path, tmp_path: Path):
    job = JobProcess("predict", predict_arguments(a_simulated_patient, tmp_path / "out"))
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


@pytest.mark.parametrize("victim", ["supervisor", "inner"])
def test_a_killed_worker_gives_one_sentence_and_leaves_nothing(a_simulated_patient: Path, tmp_path: Path, victim: str):
    job = JobProcess("predict", predict_arguments(a_simulated_patient, tmp_path / "out"))
    wait_until_measuring(job)
    tree = tree_of(job.pid)
    os.kill(job.pid if victim == "supervisor" else tree[1].pid, signal.SIGKILL)
    wait_for(job, 5)
    assert_all_gone(tree, SECONDS_TO_DIE)
    assert_nothing_left(tmp_path / "out")
    with pytest.raises(JobFailedError, match=r"ended from outside.*nothing was written"):
        job.result()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupting_the_command_ends_its_worker(a_simulated_patient: Path, tmp_path: Path, how: signal.Signals):
    arguments = predict_arguments(a_simulated_patient, tmp_path / "out")
    line = command("predict", *(part for name, value in arguments.items() for part in (f"--{name}", value)))
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True)
    seen = ""
    while " 30% " not in f" {seen} " and process.poll() is None:
        seen = process.stderr.readline()
    tree = tree_of(process.pid)
    assert len(tree) >= 3, "command, supervisor and inner process"
    process.send_signal(how)
    assert_all_gone(tree[1:], SECONDS_TO_DIE)
    code = process.wait(timeout=10)
    assert_nothing_left(tmp_path / "out")
    if how is not signal.SIGKILL:
        assert code == 130
        assert "Cancelled; nothing was written" in process.stderr.read()
    process.stderr.close()


def test_a_refused_input_is_an_error_line_with_a_remedy(tmp_path: Path):
    job = JobProcess("suv", {"pet": str(tmp_path / "nowhere"), "out": str(tmp_path / "suv.nii.gz")})
    wait_for(job, 60)
    with pytest.raises(NSCLCResponseError) as caught:
        job.result()
    assert caught.value.exit_code == 2
    assert "nowhere" in caught.value.message


def test_the_protocol_is_json_lines_even_when_libraries_print(tmp_path: Path):
    import json

    job = tmp_path / "job.json"
    arguments = {"pet": "/nowhere", "out": str(tmp_path / "suv.nii.gz")}
    job.write_text(json.dumps({"kind": "suv", "token": "t", "arguments": arguments}))
    done = subprocess.run(
        [sys.executable, "-m", "NSCLCResponseLib.worker", str(job)], capture_output=True, text=True, check=False
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["type"] for e in events if e["type"] != "progress"] == ["started", "error"]
    assert done.returncode == 2


def test_a_warm_worker_takes_jobs_one_after_another_and_starts_anew_after_a_cancel(
    a_simulated_patient: Path, tmp_path: Path
):
    worker = WarmWorker()
    first = worker.start("predict", predict_arguments(a_simulated_patient, tmp_path / "a"))
    wait_for(first, 120)
    began = time.monotonic()
    second = worker.start("predict", predict_arguments(a_simulated_patient, tmp_path / "b"))
    assert second.pid == first.pid
    wait_for(second, 120)
    print(f"second prediction in a warm worker: {time.monotonic() - began:.1f} s")
    assert first.result()["result"]["prediction"] == second.result()["result"]["prediction"]
    third = worker.start("predict", predict_arguments(a_simulated_patient, tmp_path / "c"))
    wait_until_measuring(third)
    third.cancel()
    fourth = worker.start("suv", {"pet": str(tmp_path / "nowhere"), "out": str(tmp_path / "suv.nii.gz")})
    assert fourth.pid != first.pid
    wait_for(fourth, 60)
    worker.close()
    assert not psutil.pid_exists(fourth.pid)
    assert {p.name for p in tmp_path.iterdir()} == {"a", "b"}
