"""One job at a time: started, asked for its lines between everything else that the page needs, cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from NSCLCResponseSegmentLib.core.errors import JobCancelledError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.jobs import JobProcess
from NSCLCResponseSegmentLib.core.time_left import TimeLeft

_POLL_SECONDS = 0.1
_RUNNING: set[asyncio.Future] = set()  # the event loop itself keeps no hold on its tasks


def in_background(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Future:
    """Let a coroutine go on by itself."""
    task = asyncio.ensure_future(coroutine)
    _RUNNING.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Future) -> None:
    _RUNNING.discard(task)
    if not task.cancelled() and task.exception() is not None:
        logging.getLogger(__name__).error("A step of the workspace failed.", exc_info=task.exception())


class JobRunner:
    """Runs jobs of the worker without ever holding up the event loop for longer than their start and end need.

    :param show: called with the job's name (empty when it ended), percent and text.
    :param tell: called with a sentence for the user and whether it is an error.
    """

    def __init__(self, show: Callable[[str, int, str], None], tell: Callable[[str, bool], None]) -> None:
        self._show, self._tell = show, tell
        self._job: JobProcess | None = None
        self._name = ""
        self._is_cancelled = False
        self._beside: list[JobProcess] = []

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return bool(self._name)

    async def run(
        self,
        name: str,
        start: Callable[[], JobProcess],
        finish: Callable[[Any], None],
        fetch: Callable[[Any], None] = lambda _job: None,
    ) -> None:
        """Start a job, follow it to its end, and hand it to ``finish``, which may raise what the user is told.

        :param start: called in another thread; it only reads the scene.
        :param fetch: called in another thread before ``finish``, to read the files of a job; no scene.
        """
        if self.running:
            return
        self._name, self._is_cancelled = name, False
        self._tell("", False)  # what was said of the job before would be taken for this one's
        self._show(name, 0, "Starting")
        loop = asyncio.get_running_loop()
        try:
            self._job = await loop.run_in_executor(None, start)  # writes images, which takes a while
            await self._follow(self._job, TimeLeft())
            self._show(name, 100, "Showing the result")
            await loop.run_in_executor(None, fetch, self._job)
            finish(self._job)
        except JobCancelledError:
            self._tell("Cancelled; nothing was changed.", False)
        except NSCLCResponseError as error:
            self._tell(str(error), True)
        finally:
            self._job, self._name = None, ""
            self._show("", 0, "")

    async def _follow(self, job: JobProcess, clock: TimeLeft) -> None:
        loop = asyncio.get_running_loop()
        while job.running:
            if self._is_cancelled:
                self._show(self._name, 100, "Cancelling")
                await loop.run_in_executor(None, job.cancel)
                return
            for event in job.poll():
                if event["type"] == "progress":
                    left = clock.words(event["value"])
                    text = f"{event['text']} ({left})" if left else event["text"]
                    self._show(self._name, round(100 * event["value"]), text)
                elif event["type"] == "warning" and self._name != "predict":  # a prediction keeps its own notes
                    self._tell(event["text"], False)
            await asyncio.sleep(_POLL_SECONDS)

    def cancel(self) -> None:
        """End the job under way; nothing of it is kept."""
        self._is_cancelled = True

    def beside(self, job: JobProcess) -> None:
        """A job that nobody waits for; ended with the program."""
        self._beside.append(job)

    def close(self) -> None:
        """End what runs, at the end of the program."""
        for job in (self._job, *self._beside):
            if job is not None:
                job.cancel()
