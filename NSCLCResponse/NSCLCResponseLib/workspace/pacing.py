"""Events of a mouse come faster than pictures can be made: of each kind only the last one counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable


class Paced:
    """Does what it is given on the event loop, each kind at most once per interval and always the last of its kind.

    >>> paced = Paced(0.04)
    >>> paced("scroll", lambda: view.set_slice_value(12.0))

    :param seconds: the interval.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next: dict[Hashable, Callable[[], None]] = {}
        self._free_at: dict[Hashable, float] = {}

    def __call__(self, kind: Hashable, action: Callable[[], None]) -> None:
        """Do ``action`` as soon as its kind's interval is over, unless another one of the kind comes meanwhile."""
        is_waiting = kind in self._next
        self._next[kind] = action
        if not is_waiting:
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._free_at.get(kind, 0.0)), self._do, kind)

    def _do(self, kind: Hashable) -> None:
        self._free_at[kind] = asyncio.get_running_loop().time() + self._seconds
        self._next.pop(kind)()
