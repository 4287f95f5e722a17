"""Progress on a terminal: a bar with time left; plain lines when stderr is a file."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any

from NSCLCResponseSegmentLib.core.jobs import run_job
from NSCLCResponseSegmentLib.core.progress import Progress
from NSCLCResponseSegmentLib.core.time_left import TimeLeft

_BAR_WIDTH = 24
_PLAIN_LINE_EVERY_SECONDS = 10.0
_interrupted: list[int] = []  # signals that came


def listen_for_interrupts() -> None:
    """Ctrl-C, and SIGTERM (a batch system's way to cancel), end the command.

    Python loses a KeyboardInterrupt that falls into a callback of its own, such as one of an import; therefore the next
    report of progress raises it again.
    """
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell has told us to ignore it
        signal.signal(signal.SIGINT, _interrupt)


def _interrupt(signum: int, frame: object) -> None:
    del frame
    _interrupted.append(signum)
    raise KeyboardInterrupt


class ConsoleProgress:
    """Draws :class:`Progress` on stderr and keeps the warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self._clock = TimeLeft()
        self._is_terminal = sys.stderr.isatty()
        self._last_plain = ("", 0.0)
        self.progress = Progress(self._draw, self._warn)

    def _draw(self, value: float, text: str) -> None:
        if _interrupted:
            raise KeyboardInterrupt
        if not self._is_terminal:
            now = time.monotonic()
            last_text, last_time = self._last_plain
            if text != last_text or now - last_time > _PLAIN_LINE_EVERY_SECONDS:
                left = self._clock.words(value)
                sys.stderr.write(f"{value:4.0%} {text}{', ' + left if left else ''}\n")
                self._last_plain = (text, now)
            return
        done = round(value * _BAR_WIDTH)
        line = f"{'█' * done}{'░' * (_BAR_WIDTH - done)} {value:4.0%} {text}  {self._clock.words(value)}"
        sys.stderr.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        sys.stderr.flush()

    def _warn(self, text: str) -> None:
        self.warnings.append(text)
        self.clear()
        sys.stderr.write(f"Note: {text}\n")

    def clear(self) -> None:
        """Remove the bar so that text can be printed."""
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")


def run_with_bar(kind: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run a job in the worker with a bar on stderr.

    :raises NSCLCResponseError: see :meth:`NSCLCResponseSegmentLib.core.jobs.JobProcess.result`.
    """
    console = ConsoleProgress()
    try:
        return run_job(kind, arguments, console.progress)
    finally:
        console.clear()
