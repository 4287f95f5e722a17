"""The caller's end of one worker process: start it, send it jobs, read its lines, end its whole tree.

Only the standard library is imported at file scope, so that a panel can import this before dependencies are installed.
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
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from .errors import DependencyError

if TYPE_CHECKING:
    import psutil

WORKER_MODULE = "NSCLCResponseLib.worker"
_LOG_LINES_KEPT = 1000
_LOG_LINES_SHOWN = 3


def python_executable() -> str:
    """The interpreter for worker processes: this one, or ``PythonSlicer`` inside the Slicer application.

    :raises DependencyError: Slicer did not find its own, and named none.
    """
    if not sys.executable:
        raise DependencyError(
            "Slicer's own Python, PythonSlicer, was not found, so nothing can be computed.",
            "Start Slicer by its launcher, which puts PythonSlicer on the PATH.",
        )
    executable = Path(sys.executable)
    if "slicer" in executable.name.lower() and not executable.name.lower().startswith("python"):
        name = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
        return str(executable.with_name(name))
    return str(executable)


def worker_environment(threads: int | None = None) -> dict[str, str]:
    """The environment for a worker: this process's own, with both libraries importable and UTF-8 throughout.

    :param threads: how many threads its libraries may use, where several workers share a machine.
    """
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
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "OPENBLAS_NUM_THREADS"):
            environment[name] = str(threads)
    return environment


def _load_psutil() -> None:
    with contextlib.suppress(ImportError):
        import psutil  # noqa: F401


def _wait_until_gone(processes: list[psutil.Process], seconds: float) -> None:
    """Wait until none of them runs; one that has ended but that nobody has collected yet (a zombie) does not run."""
    import psutil

    end = time.monotonic() + seconds
    while processes and time.monotonic() < end:
        try:
            if processes[-1].is_running() and processes[-1].status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.005)
                continue
        except psutil.NoSuchProcess:
            pass
        processes = processes[:-1]


class WorkerProcess:
    """``python -m NSCLCResponseLib.worker --serve`` in a process group of its own; jobs are sent one after another."""

    def __init__(self, threads: int | None = None) -> None:
        #: events as dictionaries, then ``None`` when the process is gone
        self.events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._log: list[str] = []
        try:
            self._process = subprocess.Popen(
                [python_executable(), "-m", WORKER_MODULE, "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="replace",
                env=worker_environment(threads),
                start_new_session=True,  # so that Ctrl-C reaches us first, and the whole group can be ended
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # Windows would open a console
            )
        except OSError as error:
            raise DependencyError(
                f"The worker process cannot be started with {python_executable()}: {error.strerror}.",
                "Install the extension again.",
            ) from error
        self._readers = [
            threading.Thread(target=self._read_events, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_log, args=(self._process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        threading.Thread(target=_load_psutil, daemon=True).start()  # for kill(), while nobody waits

    def _read_events(self, stream: IO[str]) -> None:
        for line in stream:
            try:
                self.events.put(json.loads(line))
            except json.JSONDecodeError:
                self._log.append(line.rstrip())
        self.events.put(None)

    def _read_log(self, stream: IO[str]) -> None:
        for line in stream:
            self._log.append(line.rstrip())
            del self._log[:-_LOG_LINES_KEPT]

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can take another job."""
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """The last lines of the worker's own log."""
        return "\n".join(self._log)

    def send(self, job: dict[str, Any]) -> None:
        """Hand over one job; a worker that is gone shows as the end of :attr:`events`."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """Let the idle worker go; kills it when it does not go by itself."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1.0)
        self.kill()

    def kill(self) -> None:
        """End the whole process tree; returns when it is gone."""
        import psutil  # not at file scope: see above

        tree: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            worker = psutil.Process(self._process.pid)
            tree = [worker, *worker.children(recursive=True)]
        if hasattr(os, "killpg"):
            # also reaches what a supervisor that was killed from outside left behind
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        for process in tree:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        _wait_until_gone([p for p in tree if p.pid != self._process.pid], 1.5)
        for reader in self._readers:
            reader.join(timeout=1.0)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            with contextlib.suppress(OSError):
                stream.close()

    def death_sentence(self) -> str:
        """Why it ended without an outcome, for the user."""
        code = self._process.poll()
        if code is not None and code < 0:
            return (
                f"The worker process was ended from outside (signal {-code}), often because memory ran out;"
                " nothing was written."
            )
        last = " | ".join(line for line in self._log[-_LOG_LINES_SHOWN:] if line)
        return f"The worker process ended without a result (exit code {code}); its last words: {last or 'none'}."
