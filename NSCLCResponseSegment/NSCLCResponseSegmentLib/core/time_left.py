"""How long it still takes, in words; the same in panel, browser and batch."""

from __future__ import annotations

import time

_MIN_FRACTION = 0.03
_MIN_SECONDS = 1.5


class TimeLeft:
    """Estimates the time left from the fraction done, by the pace so far.

    >>> clock = TimeLeft()
    >>> clock.words(0.5)
    ''
    """

    def __init__(self) -> None:
        self._started = time.monotonic()

    def seconds(self, fraction: float) -> float | None:
        """Seconds left, or ``None`` while it is too early to say.

        :param fraction: how much is done, 0 to 1.
        """
        elapsed = time.monotonic() - self._started
        if fraction < _MIN_FRACTION or elapsed < _MIN_SECONDS:
            return None
        return elapsed * (1.0 - fraction) / fraction

    def words(self, fraction: float) -> str:
        """``about 40 s left``, or nothing while it is too early to say."""
        left = self.seconds(fraction)
        if left is None:
            return ""
        if left > 90:
            return f"about {left / 60:.0f} min left"
        return f"about {max(round(left / 5) * 5, 1) if left > 10 else max(round(left), 1)} s left"
