"""A job that does not hold up the application: its images are written, and its results read, in a thread."""

import threading
from collections.abc import Callable
from typing import Protocol

from ..core.errors import JobCancelledError

# Slicer's event loop keeps Python's lock; other Python threads run only while it waits here.
_YIELD_SECONDS = 0.02


class Job(Protocol):
    """What is needed of :class:`NSCLCResponseSegmentLib.core.jobs.JobProcess`."""

    @property
    def running(self) -> bool: ...

    def poll(self, timeout: float = 0.0) -> list[dict]: ...

    def cancel(self) -> None: ...


class StartingJob:
    """A job from the moment the user asked for it.

    :param make: starts the job; called in a thread, so it may read nodes of the scene but change none.
    :param fetch: reads the results of the job that ended, well or badly; called in a thread, touches no scene.
    """

    def __init__(self, make: Callable[[], Job], fetch: Callable[[Job], None] | None = None) -> None:
        self._make, self._fetch = make, fetch
        self._is_fetching = False
        self._job: Job | None = None
        self._error: Exception | None = None
        self._cancelled = False
        self._thread = self._in_thread(self._start)

    def _in_thread(self, step: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=self._run, args=(step,), daemon=True)
        thread.start()
        return thread

    def _run(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 raised again by started(), in the main thread
            self._error = error

    def _start(self) -> None:
        self._job = self._make()

    @property
    def running(self) -> bool:
        """Whether the outcome is still open."""
        if self._thread.is_alive():
            return True
        if self._job is None:
            return False
        return self._job.running or (self._fetch is not None and not self._is_fetching)

    def poll(self) -> list[dict]:
        """The job's events since the last call."""
        if self._thread.is_alive():
            self._thread.join(_YIELD_SECONDS)
            return []
        if self._job is None:
            return []
        events = self._job.poll()
        if not self._job.running and self._fetch is not None and not self._is_fetching:
            self._is_fetching = True
            self._thread = self._in_thread(lambda: self._fetch(self._job))
        return events

    def cancel(self) -> None:
        """End it; returns when that is done."""
        self._cancelled = True
        self._thread.join()
        if self._job is not None:
            self._job.cancel()

    def started(self) -> Job:
        """The job itself.

        :raises NSCLCResponseError: it could not be started, or was cancelled before, or ended badly.
        """
        if self._cancelled and (self._job is None or self._is_fetching):
            raise JobCancelledError
        if self._error is not None:
            raise self._error
        return self._job
