"""Runs the command line as a user does: another process, its exit code and what it printed."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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
