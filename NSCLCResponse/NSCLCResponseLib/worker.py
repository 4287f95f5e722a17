"""The worker process: runs jobs and speaks in JSON lines (see ``NSCLCResponseSegmentLib.core.jobs``).

``python -m NSCLCResponseLib.worker job.json`` runs one job; ``--serve`` takes jobs as JSON lines on stdin until it is
closed. Either is a light supervisor around the process that does the work. Imports of torch and C extensions hold
Python's lock for seconds; the supervisor keeps the progress lines coming meanwhile (at least one a second), turns a
killed or crashed inner process into one sentence, and ends it when the caller is gone.
"""

from __future__ import annotations

import importlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from NSCLCResponseSegmentLib.core.atomic import discard_partial
from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError
from NSCLCResponseSegmentLib.core.progress import Progress
from NSCLCResponseSegmentLib.core.read_ahead import begin_reading, forget

from .worker_fork import ForkedProcess, can_fork

HEARTBEAT_SECONDS = 1.0

#: kind of job → module with ``run(arguments: dict, context: TaskContext) -> dict``; imported by the inner process only
TASKS = {
    "predict": "NSCLCResponseLib.tasks.predict",
    "segment": "NSCLCResponseLib.tasks.segment",
    "segment_train": "NSCLCResponseLib.tasks.segment_train",
    "models": "NSCLCResponseLib.tasks.models",
    "click": "NSCLCResponseLib.tasks.click",
    "suv": "NSCLCResponseLib.tasks.suv",
    "phantom": "NSCLCResponseLib.tasks.phantom",
    "train": "NSCLCResponseLib.tasks.train",
    "evaluate": "NSCLCResponseLib.tasks.evaluate",
    "cohort_check": "NSCLCResponseLib.tasks.cohort_check",
    "radiomics": "NSCLCResponseLib.tasks.radiomics",
    "lungs": "NSCLCResponseLib.tasks.lungs",
    "read_ct": "NSCLCResponseLib.tasks.read_ct",
}


@dataclass(frozen=True)
class TaskContext:
    """What a task gets besides its arguments.

    :param progress: where to report to.
    :param token: name of this run's unfinished files, for :mod:`NSCLCResponseSegmentLib.core.atomic`.
    """

    progress: Progress
    token: str


_READS_CT_FIRST = ("segment", "predict", "click")

Writer = Callable[[dict[str, Any]], None]

_STARTING = {"type": "progress", "value": 0.0, "text": "Starting"}
_REPORT_IT = "This is a defect of NSCLC Response; please report it with the log."


def _writer(stream: IO[str]) -> Writer:
    lock = threading.Lock()

    def write(event: dict[str, Any]) -> None:
        with lock:
            stream.write(json.dumps(event, allow_nan=False) + "\n")
            stream.flush()

    return write


# ---------------------------------------------------------------- the inner process


def _private_stdout() -> IO[str]:
    """Our own handle of stdout; whatever a library prints goes to stderr and cannot spoil the protocol."""
    private = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return private


def _end_own_group(leader: int) -> None:
    """End this process, and with it the whole group when the group is the job's own (``leader`` leads it)."""
    if hasattr(os, "killpg") and os.getpgid(0) == leader:
        os.killpg(leader, signal.SIGKILL)
    os._exit(1)


def _end_orphans() -> None:
    """End what a dead inner process had started itself, where the group is the job's own; we live on."""
    if hasattr(os, "killpg") and os.getpgid(0) == os.getpid():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(os.getpid(), signal.SIGTERM)


def _said(error: NSCLCResponseError) -> dict[str, Any]:
    return {"message": error.message, "remedy": error.remedy, "exit_code": error.exit_code}


def run_task(job: dict[str, Any], write: Writer) -> None:
    """Do the work of one job and write its outcome."""
    progress = Progress(
        on_progress=lambda value, text: write({"type": "progress", "value": round(value, 4), "text": text}),
        on_warning=lambda text: write({"type": "warning", "text": text}),
    )
    write({"type": "started", "kind": job["kind"], "pid": os.getpid()})
    try:
        if job["kind"] in _READS_CT_FIRST and job["arguments"].get("ct"):
            begin_reading(Path(job["arguments"]["ct"]))
        task = importlib.import_module(TASKS[job["kind"]])
        value = task.run(job["arguments"], TaskContext(progress, job["token"]))
        write({"type": "result", "value": value})
    except NSCLCResponseError as error:
        write({"type": "error", "kind": type(error).__name__, **_said(error)})
    except MemoryError:
        traceback.print_exc()
        remedy = "Close other programs or use a machine with more memory, then try again."
        write({"type": "error", "message": "The computer ran out of memory.", "remedy": remedy, "exit_code": 1})
    except Exception as error:  # noqa: BLE001 the last line of defence: the user gets a sentence, the log the traceback
        traceback.print_exc()
        message = f"An unexpected error stopped '{job['kind']}': {type(error).__name__}: {error}"
        write({"type": "error", "message": message, "remedy": _REPORT_IT, "exit_code": 1})
    finally:
        forget()


def run_inner() -> int:
    """Do the jobs that come on stdin, one after another; ends with stdin, even in the middle of a job."""
    write = _writer(_private_stdout())
    supervisor = os.getppid()
    jobs: queue.Queue[str | None] = queue.Queue()
    busy = threading.Event()

    def read() -> None:
        for line in os.fdopen(os.dup(0), encoding="utf-8"):
            busy.set()
            jobs.put(line)
        jobs.put(None)
        if busy.is_set():
            _end_own_group(supervisor)

    threading.Thread(target=read, daemon=True).start()
    while (line := jobs.get()) is not None:
        run_task(json.loads(line), write)
        if jobs.empty():
            busy.clear()
    return 0


# ---------------------------------------------------------------- the supervisor


def _start_inner() -> subprocess.Popen[str] | ForkedProcess:
    if can_fork():
        return ForkedProcess(run_inner)
    return subprocess.Popen(
        [sys.executable, "-m", "NSCLCResponseLib.worker", "--inner"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


class Supervisor:
    """Relays between the caller and the inner process, with a heartbeat, and outlives neither."""

    def __init__(self) -> None:
        self._job: dict[str, Any] | None = None
        self._inner = _start_inner()  # first: what is opened after it, it does not hold open
        self._write = _writer(os.fdopen(os.dup(1), "w", encoding="utf-8"))

    def send(self, line: str) -> None:
        """Hand one job, a line of JSON, to the inner process."""
        self._job = json.loads(line)
        self._inner.stdin.write(json.dumps(self._job) + "\n")
        self._inner.stdin.flush()

    def serve_stdin(self) -> None:
        """Pass jobs on from stdin in the background; when the caller closes it, all ends."""

        def read() -> None:
            for line in sys.stdin:
                self.send(line)
            if self._job is None:
                self._inner.stdin.close()
                return
            self._inner.kill()
            self._inner.wait()
            self._discard()
            _end_own_group(os.getpid())

        threading.Thread(target=read, daemon=True).start()

    def _discard(self) -> None:
        if self._job and self._job["arguments"].get("out"):
            discard_partial(Path(self._job["arguments"]["out"]), self._job["token"])

    def relay(self, *, one_job: bool) -> int:
        """Pass the inner process's lines on until it ends, or after one outcome; returns the exit code."""
        lines: queue.Queue[str | None] = queue.Queue()

        def read() -> None:
            for line in self._inner.stdout:
                lines.put(line)
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        last, since = _STARTING, time.monotonic()
        while True:
            try:
                line = lines.get(timeout=HEARTBEAT_SECONDS)
            except queue.Empty:
                if self._job is not None:
                    self._write({**last, "seconds": round(time.monotonic() - since)})
                continue
            if line is None:
                return self._inner_is_gone()
            event = json.loads(line)
            is_outcome = event["type"] in ("result", "error")
            if is_outcome:
                self._job = None
            self._write(event)
            if is_outcome and one_job:
                self._inner.stdin.close()
                self._inner.wait()
                return event.get("exit_code", 0)
            if event["type"] in ("started", "progress"):
                last, since = (event if event["type"] == "progress" else _STARTING), time.monotonic()

    def _inner_is_gone(self) -> int:
        code = self._inner.wait()
        _end_orphans()  # before the folder goes, or they would write into it again
        if self._job is None:
            return code
        self._discard()
        self._write(_death_event(code))
        return 1


def _death_event(code: int) -> dict[str, Any]:
    if code < 0:
        name = signal.Signals(-code).name
        message = (
            f"The worker process was ended from outside ({name}), often because memory ran out; nothing was written."
        )
        remedy = "Close other programs, then try again."
    else:
        message = f"The worker process ended without a result (exit code {code})."
        remedy = _REPORT_IT
    return {"type": "error", "message": message, "remedy": remedy, "exit_code": 1}


def main(argv: list[str] | None = None) -> int:
    """Entry point: ``job.json`` or ``--serve``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == ["--inner"]:
        return run_inner()
    if len(arguments) != 1 or (arguments[0].startswith("-") and arguments[0] != "--serve"):
        sys.stderr.write("usage: python -m NSCLCResponseLib.worker (job.json | --serve)\n")
        return 2
    supervisor = Supervisor()
    if arguments[0] == "--serve":
        supervisor.serve_stdin()
        return supervisor.relay(one_job=False)
    supervisor.send(Path(arguments[0]).read_text(encoding="utf-8"))
    return supervisor.relay(one_job=True)


if __name__ == "__main__":
    sys.exit(main())
