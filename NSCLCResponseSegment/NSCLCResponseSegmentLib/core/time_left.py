"""How long it still takes, in words; the same in panel, browser, command line and batch."""

from __future__ import annotations

import time
from collections import deque

_MIN_FRACTION = 0.03
_MIN_SECONDS = 1.5
_RECENT_SECONDS, _RECENT_SHARE = 30.0, 0.3  # the pace is that of the last 30 s or the last 30 % of the time


class TimeLeft:
    """Estimates the time left from the fraction done, by the recent pace.

    Not by the pace since the start: a run that goes on after a stop finds its first half done in a moment.

    >>> clock = TimeLeft()
    >>> clock.words(0.5)
    ''
    """

    def __init__(self) -> None:
        self._known: deque[tuple[float, float]] = deque([(time.monotonic(), 0.0)])  # (time, fraction) as told
        self._started = self._known[0][0]

    def seconds(self, fraction: float) -> float | None:
        """Seconds left, or ``None`` while it is too early to say.

        :param fraction: how much is done, 0 to 1.
        """
        now = time.monotonic()
        recent = max(_RECENT_SECONDS, _RECENT_SHARE * (now - self._started))
        while len(self._known) > 1 and (self._known[1][0] <= now - recent):
            self._known.popleft()
        began, done = self._known[0]
        if fraction <= self._known[-1][1]:  # nothing new, or a step that begins again
            began, done = (self._started, 0.0) if fraction <= done else (began, done)
        else:
            self._known.append((now, fraction))
        if fraction < _MIN_FRACTION or now - self._started < _MIN_SECONDS or now <= began:
            return None
        return (now - began) * (1.0 - fraction) / (fraction - done)

    def words(self, fraction: float) -> str:
        """``about 40 s left``, or nothing while it is too early to say."""
        left = self.seconds(fraction)
        if left is None:
            return ""
        if left > 5400:
            return f"about {left / 3600:.1f} h left"
        if left > 90:
            return f"about {left / 60:.0f} min left"
        return f"about {max(round(left / 5) * 5, 1) if left > 10 else max(round(left), 1)} s left"
