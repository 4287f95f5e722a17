"""Tasks side by side in forked processes, which inherit the images instead of being sent them."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from NSCLCResponseSegmentLib.core.errors import JobFailedError

Task = Callable[[], Any]


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def can_fork() -> bool:
    """Whether forking is safe here: Linux. macOS' system libraries do not survive it, Windows has none."""
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def side_by_side(
    tasks: Sequence[Task], workers: int | None = None, meanwhile: Task | None = None
) -> Iterator[tuple[int, Any]]:
    """Run tasks and yield ``(index, result)`` as they finish; results must be picklable, tasks need not be.

    Where forking is not safe, or one worker is wanted, they run here, one after another.

    :param workers: number of processes; by default one for each core.
    :param meanwhile: done here while they work; its result is dropped.
    :raises JobFailedError: a process was killed, often because memory ran out.
    """
    count = min(workers or usable_cores(), len(tasks))
    if count <= 1 or not can_fork():
        if meanwhile is not None:
            meanwhile()
        for index, task in enumerate(tasks):
            with _one_blas_thread():  # the matrices are small: a second thread would mostly wait
                result = task()
            yield index, result
        return
    context = multiprocessing.get_context("fork")
    next_index = context.Value("i", 0)
    crew = [_start(context, tasks, next_index) for _ in range(count)]
    try:
        if meanwhile is not None:
            meanwhile()
        yield from _gather([connection for _, connection in crew], len(tasks))
    finally:
        for process, connection in crew:
            connection.close()
            process.terminate()
            process.join()


def _start(context: Any, tasks: Sequence[Task], next_index: Any) -> tuple[Any, Connection]:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(tasks, next_index, sender), daemon=True)
    process.start()
    sender.close()
    return process, receiver


def _gather(open_connections: list[Connection], expected: int) -> Iterator[tuple[int, Any]]:
    received = 0
    while received < expected:
        if not open_connections:
            raise JobFailedError(
                "A helper process of the feature extraction ended early, often because memory ran out.",
                "Close other programs, then try again.",
            )
        for connection in wait(open_connections):
            try:
                index, result, error = connection.recv()
            except EOFError:
                open_connections.remove(connection)
                continue
            if error is not None:
                raise error
            received += 1
            yield index, result


def _work(tasks: Sequence[Task], next_index: Any, sender: Connection) -> None:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)  # the other cores are busy with our sisters
    with _one_blas_thread():
        while True:
            with next_index.get_lock():
                index = next_index.value
                next_index.value += 1
            if index >= len(tasks):
                break
            try:
                message = (index, tasks[index](), None)
            except Exception as error:  # noqa: BLE001 raised again on the other side
                message = (index, None, error)
            try:
                sender.send(message)
            except OSError:  # nobody listens any more
                break
    sender.close()


def _one_blas_thread() -> contextlib.AbstractContextManager[Any]:
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1)
