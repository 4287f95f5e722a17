"""One progress interface for panel, browser, command line and batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

ProgressSink = Callable[[float, str], None]
WarningSink = Callable[[str], None]


def _ignore_progress(value: float, text: str) -> None:
    del value, text


def _ignore_warning(text: str) -> None:
    del text


@dataclass(frozen=True)
class Progress:
    """Tells whoever waits how far the work is; cheap enough to be called in every loop.

    :param on_progress: receives the overall fraction done (0 to 1) and a short text in the present tense.
    :param on_warning: receives one sentence that the user should see with the result.
    :param start: overall fraction at which this part of the work begins.
    :param end: overall fraction at which this part of the work ends.
    """

    on_progress: ProgressSink = _ignore_progress
    on_warning: WarningSink = _ignore_warning
    start: float = 0.0
    end: float = 1.0

    def report(self, value: float, text: str) -> None:
        """Say that the fraction ``value`` (0 to 1) of this part is done and what happens now."""
        value = min(max(value, 0.0), 1.0)
        self.on_progress(self.start + value * (self.end - self.start), text)

    def warn(self, text: str) -> None:
        """Pass one sentence on to the user; it also belongs in the result's ``warnings``."""
        self.on_warning(text)

    def part(self, start: float, end: float) -> Progress:
        """A progress whose 0 to 1 covers ``start`` to ``end`` of this one."""
        width = self.end - self.start
        return Progress(self.on_progress, self.on_warning, self.start + start * width, self.start + end * width)


SILENT = Progress()
