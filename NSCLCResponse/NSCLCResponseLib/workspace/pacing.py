"""Events of a mouse come faster than pictures can be made: of each kind only the last counts; pictures take turns."""

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


class Turns:
    """Lets one thing begin at a time on the event loop; between two, the loop has time for what the page asks.

    Without it the pictures of all views are made in one go after a change, and the page waits for all of them.

    :param seconds: between two.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[Callable[[], None], None] = {}  # in the order of asking, each once
        self._pump: asyncio.Future | None = None

    def __call__(self, begin: Callable[[], None]) -> None:
        """Call ``begin`` when its turn has come; asked for twice meanwhile, once."""
        self._waiting[begin] = None
        if self._pump is None:
            self._pump = asyncio.ensure_future(self._take_turns())

    async def _take_turns(self) -> None:
        try:
            while self._waiting:
                begin = next(iter(self._waiting))
                del self._waiting[begin]
                begin()
                for _ in range(2):  # what it woke has run then
                    await asyncio.sleep(0)
                await asyncio.sleep(self._seconds)
        finally:
            self._pump = None
