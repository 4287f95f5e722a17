"""Starting a job without holding up the application: its images are copied and written in a thread."""

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
    """

    def __init__(self, make: Callable[[], Job]) -> None:
        self._make = make
        self._job: Job | None = None
        self._error: Exception | None = None
        self._cancelled = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._job = self._make()
        except Exception as error:  # noqa: BLE001 raised again by started(), in the main thread
            self._error = error

    @property
    def running(self) -> bool:
        """Whether the outcome is still open."""
        if self._thread.is_alive():
            return True
        return self._job is not None and self._job.running

    def poll(self) -> list[dict]:
        """The job's events since the last call."""
        if self._thread.is_alive():
            self._thread.join(_YIELD_SECONDS)
            return []
        return self._job.poll() if self._job is not None else []

    def cancel(self) -> None:
        """End it; returns when that is done."""
        self._cancelled = True
        self._thread.join()
        if self._job is not None:
            self._job.cancel()

    def started(self) -> Job:
        """The job itself.

        :raises NSCLCResponseError: it could not be started, or was cancelled before.
        """
        if self._job is None:
            raise JobCancelledError if self._cancelled else self._error
        return self._job
