"""The caller's side of a job: start the worker process, read its lines, cancel it, clean up after it.

All heavy work runs as ``python -m NSCLCResponseLib.worker job.json``. The worker writes one JSON object per line on
stdout: ``started``, ``progress {value, text}``, ``warning {text}``, then one of ``result {value}`` or
``error {message, remedy, exit_code}``; logs go to stderr. Panel, browser workspace, command line and batch all use
:class:`JobProcess`; only the standard library is imported here, so a panel can.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Any

from .atomic import discard_partial, new_token
from .errors import DependencyError, JobCancelledError, JobFailedError, NSCLCResponseError
from .progress import SILENT, Progress

JOB_SCHEMA = "nsclc-response/job/1"
WORKER_MODULE = "NSCLCResponseLib.worker"
_LOG_LINES_SHOWN = 3


def python_executable() -> str:
    """The interpreter for worker processes: this one, or ``PythonSlicer`` inside the Slicer application."""
    executable = Path(sys.executable)
    if "slicer" in executable.name.lower() and not executable.name.lower().startswith("python"):
        name = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
        return str(executable.with_name(name))
    return str(executable)


def worker_environment() -> dict[str, str]:
    """The environment for a worker: this process's own, with both libraries importable and UTF-8 throughout."""
    here = Path(__file__).resolve().parents[2]
    spec = importlib.util.find_spec("NSCLCResponseLib")
    folders = [here]
    if spec is not None and spec.origin:
        folders.append(Path(spec.origin).resolve().parents[1])
    else:  # a checkout or Slicer build tree whose second module is not on the path of this process
        folders.append(here.parent / "NSCLCResponse")
    environment = dict(os.environ)
    paths = [str(f) for f in dict.fromkeys(folders)] + environment.get("PYTHONPATH", "").split(os.pathsep)
    environment["PYTHONPATH"] = os.pathsep.join(p for p in paths if p)
    environment["PYTHONUTF8"] = "1"
    return environment


class JobProcess:
    """One job in its own process tree.

    >>> job = JobProcess("predict", {"ct": "/data/ct", "out": "/data/result"})
    >>> while job.running:
    ...     for event in job.poll():
    ...         print(event)
    >>> job.result()

    :param kind: name of a task, see ``NSCLCResponseLib.worker.TASKS``.
    :param arguments: JSON values only; ``out`` names the file or folder that the job makes, if it makes one.
    """

    def __init__(self, kind: str, arguments: Mapping[str, Any]) -> None:
        self.kind = kind
        self.arguments = dict(arguments)
        self.token = new_token()
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._log: list[str] = []
        self._outcome: dict[str, Any] | None = None
        self._cancelled = False
        self._ended = False
        self._folder = tempfile.TemporaryDirectory(prefix="nsclc-response-job-", ignore_cleanup_errors=True)
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        job_file = Path(self._folder.name) / "job.json"
        job = {"schema": JOB_SCHEMA, "kind": self.kind, "token": self.token, "arguments": self.arguments}
        job_file.write_text(json.dumps(job), encoding="utf-8")
        try:
            process = subprocess.Popen(
                [python_executable(), "-m", WORKER_MODULE, "--watch-stdin", str(job_file)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=worker_environment(),
                start_new_session=True,  # so that Ctrl-C reaches us first, and the whole group can be ended
            )
        except OSError as error:
            raise DependencyError(
                f"The worker process cannot be started with {python_executable()}: {error.strerror}.",
                "Install the extension again.",
            ) from error
        threading.Thread(target=self._read_events, args=(process.stdout,), daemon=True).start()
        threading.Thread(target=self._read_log, args=(process.stderr,), daemon=True).start()
        return process

    def _read_events(self, stream: IO[str]) -> None:
        for line in stream:
            try:
                event = json.loads(line)
            except json.JSONDecodeError:
                self._log.append(line.rstrip())
                continue
            self._events.put(event)
        self._events.put(None)

    def _read_log(self, stream: IO[str]) -> None:
        for line in stream:
            self._log.append(line.rstrip())
            del self._log[:-1000]

    @property
    def running(self) -> bool:
        """Whether the outcome is still open."""
        return not self._ended

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._process.pid

    @property
    def log(self) -> str:
        """The last lines of the worker's own log."""
        return "\n".join(self._log)

    def poll(self, timeout: float = 0.0) -> list[dict[str, Any]]:
        """The events since the last call; waits up to ``timeout`` seconds for the first."""
        events: list[dict[str, Any]] = []
        wait = timeout
        while not self._ended:
            try:
                event = self._events.get(block=wait > 0, timeout=wait or None)
            except queue.Empty:
                break
            wait = 0.0
            if event is None:
                self._finish()
                break
            if event.get("type") in ("result", "error"):
                self._outcome = event
            events.append(event)
        return events

    def _finish(self) -> None:
        self._process.wait()
        self._kill_tree()  # a worker that was killed may leave children behind
        self._clean()

    def _clean(self) -> None:
        self._ended = True
        if (self._outcome or {}).get("type") != "result" and self.arguments.get("out"):
            discard_partial(Path(self.arguments["out"]), self.token)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                stream.close()
        self._folder.cleanup()

    def cancel(self) -> None:
        """End the whole process tree and remove what it left unfinished; returns when that is done."""
        if self._ended:
            return
        self._cancelled = True
        self._kill_tree()
        self._process.wait()
        self._clean()

    def _kill_tree(self) -> None:
        import psutil  # not at file scope: panels import this module before dependencies are installed

        tree: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            worker = psutil.Process(self._process.pid)
            tree = [worker, *worker.children(recursive=True)]
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs([p for p in tree if p.pid != self._process.pid], timeout=1.5)

    def result(self) -> dict[str, Any]:
        """What the task returned.

        :raises JobCancelledError: :meth:`cancel` was called.
        :raises NSCLCResponseError: the task refused its input; ``exit_code`` is 2.
        :raises JobFailedError: the worker died or met a defect of ours.
        """
        if not self._ended:
            raise RuntimeError("the job is still running; wait for it first")
        if self._cancelled:
            raise JobCancelledError
        outcome = self._outcome
        if outcome is None:
            raise JobFailedError(self._death_sentence(), "Close other programs, then try again.")
        if outcome["type"] == "result":
            return outcome["value"]
        error = NSCLCResponseError if outcome.get("exit_code") == 2 else JobFailedError
        raise error(outcome["message"], outcome.get("remedy", ""))

    def _death_sentence(self) -> str:
        code = self._process.returncode
        if code is not None and code < 0:
            return (
                f"The worker process was ended from outside (signal {-code}), often because memory ran out;"
                " nothing was written."
            )
        last = " | ".join(line for line in self._log[-_LOG_LINES_SHOWN:] if line)
        return f"The worker process ended without a result (exit code {code}); its last words: {last or 'none'}."


def run_job(
    kind: str,
    arguments: Mapping[str, Any],
    progress: Progress = SILENT,
    should_cancel: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Run one job to its end and return its result; the blocking form for command line and scripts.

    ``KeyboardInterrupt`` or ``should_cancel() == True`` ends the process tree within two seconds.

    :raises NSCLCResponseError: as :meth:`JobProcess.result`.
    """
    job = JobProcess(kind, arguments)
    try:
        while job.running:
            for event in job.poll(timeout=0.1):
                if event["type"] == "progress":
                    progress.report(event["value"], event["text"])
                elif event["type"] == "warning":
                    progress.warn(event["text"])
            if should_cancel():
                job.cancel()
    except KeyboardInterrupt:
        job.cancel()
    finally:
        if job.running:
            job.cancel()
    return job.result()


def wait_for(job: JobProcess, seconds: float) -> None:
    """Wait until the job ends, at most ``seconds``; for tests and scripts.

    :raises TimeoutError: it is still running.
    """
    end = time.monotonic() + seconds
    while job.running:
        job.poll(timeout=0.1)
        if time.monotonic() > end:
            raise TimeoutError(f"{job.kind} is still running after {seconds} s")
