"""The worker process: runs one job and speaks in JSON lines (see ``NSCLCResponseSegmentLib.core.jobs``).

``python -m NSCLCResponseLib.worker job.json`` is a light supervisor around the process that does the work. Imports of
torch and C extensions hold Python's lock for seconds; the supervisor keeps the progress lines coming meanwhile (at
least one a second), turns a killed or crashed inner process into one sentence, and ends it when the caller is gone.
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

HEARTBEAT_SECONDS = 1.0

#: kind of job → module with ``run(arguments: dict, context: TaskContext) -> dict``; imported by the inner process only
TASKS = {
    "predict": "NSCLCResponseLib.tasks.predict",
    "segment": "NSCLCResponseLib.tasks.segment",
    "suv": "NSCLCResponseLib.tasks.suv",
    "phantom": "NSCLCResponseLib.tasks.phantom",
    "train": "NSCLCResponseLib.tasks.train",
    "radiomics": "NSCLCResponseLib.tasks.radiomics",
}


@dataclass(frozen=True)
class TaskContext:
    """What a task gets besides its arguments.

    :param progress: where to report to.
    :param token: name of this run's unfinished files, for :mod:`NSCLCResponseSegmentLib.core.atomic`.
    """

    progress: Progress
    token: str


def _writer(stream: IO[str]) -> Callable[[dict[str, Any]], None]:
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


def _on_stdin_closed(action: Callable[[], None]) -> None:
    """Call ``action`` when the process that started us is gone."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        action()

    threading.Thread(target=watch, daemon=True).start()


def _end_own_group(leader: int) -> None:
    """End this process, and with it the whole group when the group is the job's own (``leader`` leads it)."""
    if hasattr(os, "killpg") and os.getpgid(0) == leader:
        os.killpg(leader, signal.SIGKILL)
    os._exit(1)


def run_inner(job_file: str) -> int:
    """Do the work of one job; returns the exit code."""
    write = _writer(_private_stdout())
    supervisor = os.getppid()
    _on_stdin_closed(lambda: _end_own_group(supervisor))
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))
    write({"type": "started", "kind": job["kind"], "pid": os.getpid()})
    progress = Progress(
        on_progress=lambda value, text: write({"type": "progress", "value": round(value, 4), "text": text}),
        on_warning=lambda text: write({"type": "warning", "text": text}),
    )
    try:
        task = importlib.import_module(TASKS[job["kind"]])
        value = task.run(job["arguments"], TaskContext(progress, job["token"]))
        write({"type": "result", "value": value})
    except NSCLCResponseError as error:
        write({"type": "error", "message": error.message, "remedy": error.remedy, "exit_code": error.exit_code})
        return error.exit_code
    except MemoryError:
        traceback.print_exc()
        remedy = "Close other programs or use a machine with more memory, then try again."
        write({"type": "error", "message": "The computer ran out of memory.", "remedy": remedy, "exit_code": 1})
        return 1
    except Exception as error:  # noqa: BLE001 the last line of defence: the user gets a sentence, the log the traceback
        traceback.print_exc()
        message = f"An unexpected error stopped '{job['kind']}': {type(error).__name__}: {error}"
        remedy = "This is a defect of NSCLC Response; please report it with the log."
        write({"type": "error", "message": message, "remedy": remedy, "exit_code": 1})
        return 1
    return 0


# ---------------------------------------------------------------- the supervisor


def _relay(inner: subprocess.Popen[str], write: Callable[[dict[str, Any]], None]) -> bool:
    """Pass the inner process's lines on, with a heartbeat in between; true when it gave an outcome."""
    lines: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        for line in inner.stdout:
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    last = {"type": "progress", "value": 0.0, "text": "Starting"}
    since = time.monotonic()
    while True:
        try:
            line = lines.get(timeout=HEARTBEAT_SECONDS)
        except queue.Empty:
            write({**last, "seconds": round(time.monotonic() - since)})
            continue
        if line is None:
            return False
        event = json.loads(line)
        write(event)
        if event["type"] == "progress":
            last, since = event, time.monotonic()
        elif event["type"] in ("result", "error"):
            inner.wait()
            return True


def _death_event(code: int) -> dict[str, Any]:
    if code < 0:
        name = signal.Signals(-code).name
        message = f"The worker process was ended from outside ({name}), often because memory ran out; nothing was written."
        remedy = "Close other programs, then try again."
    else:
        message = f"The worker process ended without a result (exit code {code})."
        remedy = "This is a defect of NSCLC Response; please report it with the log."
    return {"type": "error", "message": message, "remedy": remedy, "exit_code": 1}


def supervise(job_file: str, *, watch_stdin: bool) -> int:
    """Run the inner process and pass its lines on; returns the exit code."""
    write = _writer(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    inner = subprocess.Popen(
        [sys.executable, "-m", "NSCLCResponseLib.worker", "--inner", job_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    job = json.loads(Path(job_file).read_text(encoding="utf-8"))

    def caller_is_gone() -> None:
        inner.kill()
        inner.wait()
        if job["arguments"].get("out"):
            discard_partial(Path(job["arguments"]["out"]), job["token"])
        _end_own_group(os.getpid())

    if watch_stdin:
        _on_stdin_closed(caller_is_gone)
    has_outcome = _relay(inner, write)
    code = inner.wait()
    if not has_outcome:
        if job["arguments"].get("out"):
            discard_partial(Path(job["arguments"]["out"]), job["token"])
        write(_death_event(code))
        return 1
    return code


def main(argv: list[str] | None = None) -> int:
    """Entry point: ``[--watch-stdin] job.json``."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[-1].startswith("-"):
        sys.stderr.write("usage: python -m NSCLCResponseLib.worker [--watch-stdin] job.json\n")
        return 2
    if arguments[0] == "--inner":
        return run_inner(arguments[-1])
    return supervise(arguments[-1], watch_stdin="--watch-stdin" in arguments)


if __name__ == "__main__":
    sys.exit(main())
