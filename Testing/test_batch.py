"""Many patients: failures are rows, a rerun does only what is missing, a killed worker loses nothing."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.batch_cases import read_cases
from NSCLCResponseSegmentLib.core.errors import CohortError
from support.cli import command, nsclc_response


def rows_of(out: Path) -> dict[str, dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8", newline="") as stream:
        return {row["patient"]: row for row in csv.DictReader(stream)}


@pytest.fixture
def a_table(some_simulated_patients: Path, tmp_path: Path) -> Path:
    """Three patients, the second with an empty mask."""
    patients = some_simulated_patients / "patients"
    mask = sitk.ReadImage(str(patients / "sim-0001" / "mask.nii.gz"))
    sitk.WriteImage(mask * 0, str(tmp_path / "empty.nii.gz"))
    lines = ["patient,ct,mask,age"]
    lines += [f"{n},{patients / n / 'ct.nii.gz'},{patients / n / 'mask.nii.gz'},60" for n in ("sim-0001", "sim-0002")]
    lines.insert(2, f"without tumour,{patients / 'sim-0001' / 'ct.nii.gz'},empty.nii.gz,60")
    (tmp_path / "cases.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path / "cases.csv"


def _interrupt_after_the_first(arguments: list[object], out: Path) -> None:
    """Ctrl-C keeps what is finished, ends all processes, and leaves nothing half done."""
    process = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True)
    seen = ""
    while "sim-0001: done" not in seen and process.poll() is None:
        seen = process.stderr.readline()
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == 130
    process.stderr.close()
    gone, alive = psutil.wait_procs(children, timeout=5)
    assert gone
    assert not alive
    assert (out / "sim-0001" / "result.json").exists()
    assert not (out / "sim-0002").exists()
    assert not [path for path in out.iterdir() if ".partial-" in path.name]


def test_a_rerun_does_what_is_missing_and_a_failure_is_a_row(a_table: Path, tmp_path: Path):
    out = tmp_path / "out"
    arguments = ["batch", "--cases", a_table, "--out", out, "--workers", 1, "--contours", 1]
    _interrupt_after_the_first(arguments, out)
    stamp = (out / "sim-0001" / "result.json").stat().st_mtime_ns

    second = nsclc_response(*arguments)
    assert second.code == 1, second.err
    assert "1 were there" in second.out
    assert (out / "sim-0001" / "result.json").stat().st_mtime_ns == stamp
    rows = rows_of(out)
    assert {name: row["status"] for name, row in rows.items()} == {
        "sim-0001": "done",
        "without tumour": "failed",
        "sim-0002": "done",
    }
    assert "empty" in rows["without tumour"]["reason"]
    single = json.loads((out / "sim-0002" / "result.json").read_text(encoding="utf-8"))
    assert float(rows["sim-0002"]["probability"]) == pytest.approx(single["prediction"]["probability"], abs=1e-4)
    html = (out / "summary.html").read_text(encoding="utf-8")
    assert html.count("data:image/jpeg") == 2
    assert "Failed: " in html


def test_a_cluster_loses_nothing_when_a_worker_is_killed(some_simulated_patients: Path, tmp_path: Path):
    """Two Dask workers; one is killed while it predicts."""
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        line = ["-m", "NSCLCResponseLib", "batch", "--scheduler", cluster.scheduler_address]
        line += [
            "--cases",
            str(some_simulated_patients / "patients"),
            "--out",
            str(tmp_path / "out"),
            "--contours",
            "1",
        ]
        process = subprocess.Popen([sys.executable, *line], stderr=subprocess.DEVNULL)
        victim = None
        end = time.monotonic() + 60
        while victim is None and time.monotonic() < end:
            time.sleep(0.2)
            for nanny in cluster.workers.values():
                worker = psutil.Process(nanny.pid)
                if any("NSCLCResponseLib.worker" in child.cmdline() for child in worker.children(recursive=True)):
                    victim = worker
        assert victim is not None, "no worker began a patient"
        victim.kill()
        assert process.wait(timeout=300) == 0
    assert {row["status"] for row in rows_of(tmp_path / "out").values()} == {"done"}


def test_tables_that_cannot_be_used_are_refused_in_words(tmp_path: Path):
    (tmp_path / "a.csv").write_text("patient,scan\nx,y\n")
    with pytest.raises(CohortError, match="no column ct"):
        read_cases(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text("patient,ct\nx,a.nii\nX,b.nii\n")
    with pytest.raises(CohortError, match="twice"):
        read_cases(tmp_path / "b.csv")
    with pytest.raises(CohortError, match="does not exist"):
        read_cases(tmp_path / "nowhere")
    (tmp_path / "c.csv").write_text('patient,ct,click_ras\nx,a.nii,"1 2"\n')
    with pytest.raises(CohortError, match="not a point"):
        read_cases(tmp_path / "c.csv")
