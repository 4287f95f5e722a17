"""Runs the command line as a user does: another process, its exit code and what it printed."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from NSCLCResponseSegmentLib.core.jobs import WarmWorker, follow
from NSCLCResponseSegmentLib.core.progress import Progress

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """The last line on stderr: what a user reads when something is wrong."""
        lines = [line for line in self.err.splitlines() if line.strip()]
        return lines[-1] if lines else ""


def command(*arguments: object) -> list[str]:
    """The command line of ``nsclc-response ARGUMENTS`` with this interpreter."""
    return [sys.executable, "-m", "NSCLCResponseLib", *map(str, arguments)]


def nsclc_response(*arguments: object, timeout: float = 300) -> Finished:
    """Run ``nsclc-response ARGUMENTS`` to its end."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=timeout, check=False, cwd=ROOT)
    return Finished(done.returncode, done.stdout, done.stderr)


def nsclc_response_warm(worker: WarmWorker, *arguments: object) -> Finished:
    """The same command in this process, its job in a worker that is kept warm: libraries are loaded once."""
    from NSCLCResponseLib.cli import console, main

    def run_job(kind: str, values: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        return follow(worker.start(kind, values), progress)

    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(console, "run_job", run_job),
        mock.patch.object(main, "listen_for_interrupts"),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main.main([str(a) for a in arguments])
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
    return Finished(code, out.getvalue(), err.getvalue())
