"""A child process that shares what this one has imported: on Linux it is there at once, without a new interpreter."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from typing import IO


def can_fork() -> bool:
    """Whether forking is safe: elsewhere system libraries do not survive it, and threads never do."""
    return sys.platform == "linux" and threading.active_count() == 1


class ForkedProcess:
    """Runs ``work`` in a forked process whose stdin and stdout are pipes; as far as needed like ``subprocess.Popen``.

    :param work: returns the exit code.
    """

    def __init__(self, work: Callable[[], int]) -> None:
        theirs_in, ours_in = os.pipe()
        ours_out, theirs_out = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(work, theirs_in, theirs_out, (ours_in, ours_out))
        os.close(theirs_in)
        os.close(theirs_out)
        self.stdin: IO[str] = os.fdopen(ours_in, "w", encoding="utf-8")
        self.stdout: IO[str] = os.fdopen(ours_out, encoding="utf-8")
        self._lock = threading.Lock()
        self._code: int | None = None

    @staticmethod
    def _become(work: Callable[[], int], own_in: int, own_out: int, not_ours: tuple[int, int]) -> None:
        """The child's life; never returns."""
        code = 1
        try:
            for descriptor in not_ours:  # or the end of the parent would never be seen
                os.close(descriptor)
            for descriptor, number in ((own_in, 0), (own_out, 1)):
                os.dup2(descriptor, number)
                os.close(descriptor)
            code = work()
        except BaseException:  # noqa: BLE001 an exception must not run on into the parent's code
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)

    def wait(self) -> int:
        """Wait for its end; the exit code, or minus the signal that ended it."""
        with self._lock:
            if self._code is None:
                self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            return self._code

    def kill(self) -> None:
        """End it at once."""
        if self._code is None:
            os.kill(self.pid, signal.SIGKILL)
