"""The caller's side of a job: start it, read its events, cancel it, clean up after it.

All heavy work runs in ``python -m NSCLCResponseLib.worker``. The worker writes one JSON object per line on stdout:
``started``, ``progress {value, text}``, ``warning {text}``, then one of ``result {value}`` or
``error {kind, message, remedy, exit_code}``; logs go to stderr. Panel, browser workspace, command line and batch all
use :class:`JobProcess`, or :class:`WarmWorker` where the seconds to import torch should be spent once.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import errors
from .atomic import discard_partial, new_token
from .errors import JobCancelledError, JobFailedError, NSCLCResponseError
from .progress import SILENT, Progress
from .worker_process import WorkerProcess

JOB_SCHEMA = "nsclc-response/job/1"


class JobProcess:
    """One job, by default in a process tree of its own.

    >>> job = JobProcess("predict", {"ct": "/data/ct", "out": "/data/result"})
    >>> while job.running:
    ...     for event in job.poll(timeout=0.1):
    ...         print(event)
    >>> job.result()

    :param kind: name of a task, see ``NSCLCResponseLib.worker.TASKS``.
    :param arguments: JSON values only; ``out`` names the file or folder that the job makes, if it makes one.
    :param worker: an idle worker that stays for later jobs; without it one is started and ended with the job.
    """

    def __init__(self, kind: str, arguments: Mapping[str, Any], worker: WorkerProcess | None = None) -> None:
        self.kind = kind
        self.arguments = dict(arguments)
        self.token = new_token()
        self._outcome: dict[str, Any] | None = None
        self._death = ""
        self._cancelled = False
        self._ended = False
        self._keep_worker = worker is not None
        self._worker = worker or WorkerProcess()
        self._worker.send({"schema": JOB_SCHEMA, "kind": kind, "token": self.token, "arguments": self.arguments})

    @property
    def running(self) -> bool:
        """Whether the outcome is still open; call :meth:`poll` to let it move on."""
        return not self._ended

    @property
    def pid(self) -> int:
        """Process id of the worker."""
        return self._worker.pid

    @property
    def log(self) -> str:
        """The last lines of the worker's own log."""
        return self._worker.log

    def poll(self, timeout: float = 0.0) -> list[dict[str, Any]]:
        """The events since the last call; waits up to ``timeout`` seconds for the first."""
        events: list[dict[str, Any]] = []
        wait = timeout
        while not self._ended:
            try:
                event = self._worker.events.get(block=wait > 0, timeout=wait or None)
            except queue.Empty:
                break
            wait = 0.0
            if event is None:
                self._end()
                break
            events.append(event)
            if event.get("type") in ("result", "error"):
                self._outcome = event
                self._end()
        return events

    def _end(self) -> None:
        if self._outcome is None or not self._worker.alive:
            self._worker.kill()  # a worker that was killed may leave children behind
            self._death = self._worker.death_sentence()
        elif not self._keep_worker:
            self._worker.kill()  # its work is done and renamed; unloading torch politely would take seconds
        if (self._outcome or {}).get("type") != "result" and self.arguments.get("out"):
            discard_partial(Path(self.arguments["out"]), self.token)
        self._ended = True

    def cancel(self) -> None:
        """End the whole process tree and remove what it left unfinished; returns when that is done."""
        if self._ended:
            return
        self._cancelled = True
        self._worker.kill()
        self._end()

    def result(self) -> dict[str, Any]:
        """What the task returned.

        :raises JobCancelledError: :meth:`cancel` was called.
        :raises NSCLCResponseError: the task refused its input; ``exit_code`` is 2.
        :raises JobFailedError: the worker died or met a defect of ours.
        """
        if not self._ended:
            message = "the job is still running; poll() until it is not"
            raise RuntimeError(message)
        if self._cancelled:
            raise JobCancelledError
        outcome = self._outcome
        if outcome is None:
            raise JobFailedError(self._death, "Close other programs, then try again.")
        if outcome["type"] == "result":
            return outcome["value"]
        raise _error_of(outcome)


def _error_of(outcome: Mapping[str, Any]) -> NSCLCResponseError:
    """The error that the worker met, of the same class where it is one of ours."""
    if outcome.get("exit_code") != 2:
        return JobFailedError(outcome["message"], outcome.get("remedy", ""))
    kind = getattr(errors, str(outcome.get("kind")), NSCLCResponseError)
    is_ours = isinstance(kind, type) and issubclass(kind, NSCLCResponseError)
    return (kind if is_ours else NSCLCResponseError)(outcome["message"], outcome.get("remedy", ""))


class WarmWorker:
    """Keeps one worker process between jobs, so that torch and models are loaded once; starts anew after a cancel.

    :param threads: how many threads its libraries may use, where several workers share a machine.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads
        self._worker: WorkerProcess | None = None

    def process(self) -> WorkerProcess:
        """The worker for the next job; the one before must have ended."""
        if self._worker is None or not self._worker.alive:
            self._worker = WorkerProcess(self._threads)
        return self._worker

    def start(self, kind: str, arguments: Mapping[str, Any]) -> JobProcess:
        """Start a job; the one before must have ended."""
        return JobProcess(kind, arguments, self.process())

    def close(self) -> None:
        """Let the worker go."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None


def follow(
    job: JobProcess, progress: Progress = SILENT, should_cancel: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Wait for a job, pass its progress on, and return its result.

    ``KeyboardInterrupt`` or ``should_cancel() == True`` ends the process tree within two seconds.

    :raises NSCLCResponseError: as :meth:`JobProcess.result`.
    """
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


def run_job(
    kind: str,
    arguments: Mapping[str, Any],
    progress: Progress = SILENT,
    should_cancel: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Run one job to its end and return its result: :func:`follow` for a new :class:`JobProcess`."""
    return follow(JobProcess(kind, arguments), progress, should_cancel)


def wait_for(job: JobProcess, seconds: float) -> None:
    """Wait until the job ends, at most ``seconds``; for tests and scripts.

    :raises TimeoutError: it is still running.
    """
    end = time.monotonic() + seconds
    while job.running:
        job.poll(timeout=0.1)
        if time.monotonic() > end:
            message = f"{job.kind} is still running after {seconds} s"
            raise TimeoutError(message)
