"""Many patients, one result folder each: resumable, in parallel, failures as rows.

One machine by default, with warm workers side by side; or a Dask cluster, whose scheduler runs a patient again
elsewhere when its machine goes away.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.atomic import staged_file
from NSCLCResponseSegmentLib.core.errors import DependencyError, JobCancelledError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.jobs import WarmWorker, follow, run_job
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .batch_cases import BatchCase

_CASES_PER_WORKER = 50  # then a fresh process: libraries that leak cannot fill the memory of a long batch


@dataclass(frozen=True)
class BatchRow:
    """What became of one patient."""

    patient: str
    folder: str
    status: str  # "done", "failed"
    reason: str = ""
    seconds: float = 0.0
    result: Mapping[str, Any] | None = None
    was_there: bool = False


def fingerprint(arguments: Mapping[str, Any], signature_sha256: str) -> dict[str, Any]:
    """What a finished result must match to be kept on a rerun: arguments, signature, size and time of the inputs."""
    stamps = {}
    for role in ("ct", "pet", "mask"):
        if arguments.get(role):
            with contextlib.suppress(OSError):
                status = Path(arguments[role]).stat()
                stamps[role] = [status.st_size, status.st_mtime_ns]
    return {"arguments": dict(arguments), "signature_sha256": signature_sha256, "stamps": stamps}


def finished_row(case: BatchCase, out: Path, expected: Mapping[str, Any]) -> BatchRow | None:
    """The row of a patient whose result is there and still fits the inputs."""
    folder = out / case.folder_name
    try:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        known = json.loads((folder / "batch.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    if known["fingerprint"] != expected:
        return None
    return BatchRow(case.patient, case.folder_name, "done", "", known["seconds"], result, was_there=True)


class LocalRunner:
    """Runs patients in warm workers on this machine.

    :param workers: processes side by side; each may use its share of the cores.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers)
        self._threads = max(1, (os.cpu_count() or 1) // workers)
        self._local = threading.local()
        self._all: list[WarmWorker] = []
        self._cancelled = threading.Event()

    def submit(self, arguments: Mapping[str, Any]) -> Future:
        """Run ``predict`` with ``arguments``."""
        return self._pool.submit(self._run, dict(arguments))

    def _run(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if self._cancelled.is_set():
            raise JobCancelledError
        used = getattr(self._local, "used", 0)
        if not hasattr(self._local, "worker") or used >= _CASES_PER_WORKER:
            if hasattr(self._local, "worker"):
                self._local.worker.close()
            self._local.worker, used = WarmWorker(self._threads), 0
            self._all.append(self._local.worker)
        self._local.used = used + 1
        return follow(self._local.worker.start("predict", arguments), should_cancel=self._cancelled.is_set)

    def close(self) -> None:
        """Stop everything; running patients are cancelled."""
        self._cancelled.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        with ThreadPoolExecutor(max(1, len(self._all))) as pool:  # each takes a second to go
            list(pool.map(WarmWorker.close, self._all))


class DaskRunner:
    """Runs patients on a Dask cluster; every machine sees the same paths.

    :param address: of the scheduler, like ``tcp://host:8786``.
    :raises DependencyError: ``distributed`` is missing or the scheduler does not answer.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise DependencyError("Dask is not installed.", 'Install it with: pip install "distributed"') from error
        try:
            self._client = Client(address, timeout="10s", name="nsclc-response batch")
        except (OSError, TimeoutError, ValueError) as error:
            raise DependencyError(
                f"No Dask scheduler answers at {address}.",
                "Start one with 'dask scheduler' and its workers with 'dask worker ADDRESS'.",
            ) from error
        self._executor = self._client.get_executor(pure=False, retries=2)

    def submit(self, arguments: Mapping[str, Any]) -> Future:
        """Run ``predict`` with ``arguments`` somewhere on the cluster; twice more when a machine is lost."""
        return self._executor.submit(run_job, "predict", dict(arguments))

    def close(self) -> None:
        """Leave the cluster; running patients are cancelled."""
        self._client.close()


def run_batch(
    cases: list[BatchCase],
    out: Path,
    runner: LocalRunner | DaskRunner,
    *,
    signature: str,
    signature_sha256: str,
    progress: Progress = SILENT,
) -> Iterator[BatchRow]:
    """Yield each patient's row as it becomes known: those that are there already first, then the others as they end."""
    waiting: dict[Future, tuple[BatchCase, dict[str, Any]]] = {}
    done = 0
    for case in cases:
        expected = fingerprint(case.arguments, signature_sha256)
        row = finished_row(case, out, expected)
        if row is not None:
            done += 1
            yield row
            continue
        arguments = {**case.arguments, "signature": signature, "out": str(out / case.folder_name), "overwrite": True}
        waiting[runner.submit(arguments)] = (case, expected)
    total = len(cases)
    while waiting:
        finished, _ = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
        for future in finished:
            case, expected = waiting.pop(future)
            row = _row(case, future, out, expected)
            done += 1
            yield row
        progress.report(done / total, f"{done} of {total} patients")


def _row(case: BatchCase, future: Future, out: Path, expected: dict[str, Any]) -> BatchRow:
    try:
        result = future.result()["result"]
    except NSCLCResponseError as error:
        return BatchRow(case.patient, case.folder_name, "failed", str(error))
    steps = result["timings_seconds"].items()
    seconds = round(sum(value for name, value in steps if ":" not in name), 2)  # "predict: cnn" is part of "predict"
    with staged_file(out / case.folder_name / "batch.json") as path:
        path.write_text(json.dumps({"fingerprint": expected, "seconds": seconds}, indent=1), encoding="utf-8")
    return BatchRow(case.patient, case.folder_name, "done", "", seconds, result)
