"""Writing aside and renaming: a result is complete or absent, and what was there before is never lost half-way."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError


def new_token() -> str:
    """A name for one run's unfinished files, so that whoever started the run can remove them if it is killed."""
    return secrets.token_hex(6)


def partial_path(target: Path, token: str) -> Path:
    """Where the unfinished ``target`` lies: its sibling, hence on the same disk, hence renamed in one step."""
    return target.with_name(f".{target.name}.partial-{token}")


def discard_partial(target: Path, token: str) -> None:
    """Remove what a killed run left unfinished."""
    path = partial_path(target, token)
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):  # a read-only disk refuses even to remove what is not there
            path.unlink(missing_ok=True)


def discard_leftovers(*folders: Path) -> None:
    """Remove what killed runs left unfinished in folders that one run at a time works in."""
    for folder in folders:
        for path in folder.glob(".*.partial-*"):
            shutil.rmtree(path, ignore_errors=True)


def explain_os_error(error: OSError, target: Path) -> OutputError:
    """The user's sentence for an ``OSError`` met while writing ``target``."""
    reasons = {
        errno.ENOSPC: ("the disk is full", "Free some space or choose another folder."),
        errno.EDQUOT: ("your disk quota is used up", "Free some space or choose another folder."),
        errno.EROFS: ("the disk is read-only", "Choose a folder that you may write to."),
        errno.EACCES: ("you may not write there", "Choose a folder that you may write to."),
        errno.EPERM: ("you may not write there", "Choose a folder that you may write to."),
        errno.ENOTDIR: ("a part of that path is a file, not a folder", "Choose another folder."),
        errno.ENAMETOOLONG: ("that name is too long", "Choose a shorter one."),
    }
    reason, remedy = reasons.get(error.errno or 0, (error.strerror or str(error), "Choose another place."))
    return OutputError(f"{target} cannot be written: {reason}.", remedy)


def _require_writable(folder: Path, target: Path) -> None:
    """Ask the system rather than the mode bits: a root user may write everywhere except on a read-only disk."""
    if not os.access(folder, os.W_OK):
        is_read_only = hasattr(os, "statvfs") and os.statvfs(folder).f_flag & os.ST_RDONLY
        raise explain_os_error(OSError(errno.EROFS if is_read_only else errno.EACCES, ""), target)


def require_space(target: Path, needed: int) -> None:
    """Refuse before any work when the disk of ``target`` has fewer than ``needed`` bytes free.

    Writers of images and scenes do not all report a full disk, hence the look ahead.

    :raises OutputError: there is not enough room, or writing is not allowed.
    """
    folder = next(parent for parent in (target, *target.parents) if parent.is_dir())
    _require_writable(folder, target)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise OutputError(
            f"{target} cannot be written: the disk is full"
            f" ({free / 1e6:.0f} MB free, about {needed / 1e6:.0f} MB needed).",
            "Free some space or choose another folder.",
        )


def _make_parent(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise explain_os_error(error, target) from error
    _require_writable(target.parent, target)


def _is_filled(folder: Path) -> bool:
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


@contextlib.contextmanager
def staged_folder(target: Path, *, overwrite: bool = False, token: str | None = None) -> Iterator[Path]:
    """A new folder to write into, which becomes ``target`` when the block ends well and vanishes when it does not.

    :param target: the folder that the user asked for; its parents are made.
    :param overwrite: replace a folder that already holds something; otherwise that is refused before any work.
    :param token: name of this run's unfinished files (see :func:`new_token`).
    :raises OutputError: the folder is not empty, read-only, or the disk is full.
    """
    if _is_filled(target) and not overwrite:
        raise OutputError(f"{target} already holds results.", "Choose another folder, or add --overwrite.")
    if target.exists() and not target.is_dir():
        raise OutputError(f"{target} is a file, not a folder.", "Choose another name for the results' folder.")
    if target.is_dir():
        _require_writable(target, target)
    _make_parent(target)
    token = token or new_token()
    aside = partial_path(target, token)
    try:
        aside.mkdir()
        yield aside
        _swap_in(aside, target, token)
    except OSError as error:
        raise explain_os_error(error, target) from error
    finally:
        if aside.exists():
            shutil.rmtree(aside, ignore_errors=True)


def _swap_in(aside: Path, target: Path, token: str) -> None:
    previous = target.with_name(f".{target.name}.replaced-{token}")
    if target.exists():
        target.rename(previous)
    try:
        aside.rename(target)
    except OSError:
        if previous.exists():
            previous.rename(target)
        raise
    if previous.exists():
        shutil.rmtree(previous, ignore_errors=True)


@contextlib.contextmanager
def staged_file(target: Path, *, overwrite: bool = True, token: str | None = None) -> Iterator[Path]:
    """A path to write one file to, which replaces ``target`` when the block ends well.

    The temporary name keeps the target's suffixes, since writers choose the format by them.

    :raises OutputError: the file exists and ``overwrite`` is false, or the place is read-only or full.
    """
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already.", "Choose another name, or add --overwrite.")
    if target.is_dir():
        raise OutputError(f"{target} is a folder, not a file.", "Give the name of a file.")
    _make_parent(target)
    folder = partial_path(target, token or new_token())
    try:
        folder.mkdir()
        aside = folder / target.name
        yield aside
        aside.replace(target)
    except OSError as error:
        raise explain_os_error(error, target) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
