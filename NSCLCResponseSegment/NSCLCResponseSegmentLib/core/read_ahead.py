"""Begins to read an image file while the rest of the program is still being loaded, which takes as long.

Nothing but the standard library is imported at file scope: the libraries are what there is to wait for.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import SimpleITK as sitk

_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")  # formats whose reading needs nothing but the file
_begun: dict[Path, Future[sitk.Image | None]] = {}


def begin_reading(path: Path) -> None:
    """Read a file on another thread, if it is one of the research formats; :func:`take` gives the image.

    What was begun before and not taken is forgotten.
    """
    forget()
    if not path.name.lower().endswith(_SUFFIXES) or not path.is_file():
        return
    future: Future[sitk.Image | None] = Future()
    _begun[path] = future

    def read() -> None:
        try:
            from .errors import ImageError
            from .volume_files import read_any

            future.set_result(read_any(path, ImageError))
        except BaseException:  # noqa: BLE001 whoever takes it reads the file again, and meets and says what is wrong
            future.set_result(None)

    threading.Thread(target=read, daemon=True).start()


def take(path: Path) -> sitk.Image | None:
    """The image that was begun to be read, once; ``None`` when none was, or when it could not be read."""
    future = _begun.pop(path, None)
    return future.result() if future is not None else None


def forget() -> None:
    """Let go of an image that nobody took."""
    _begun.clear()
