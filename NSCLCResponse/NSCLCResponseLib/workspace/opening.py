"""What opening a case takes before it can be shown; done beside the event loop, so that the page is there at once."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from NSCLCResponseSegmentLib.core.jobs import JobProcess, WarmWorker, follow

from ..core.case_files import CaseFiles
from .lean_vtk import use_lean_vtk

if TYPE_CHECKING:
    import numpy as np
    from trame_slicer.core import SlicerApp

    from NSCLCResponseSegmentLib.core.case import LoadedImage


class CtReading:
    """The CT, read by the worker: loading Slicer's libraries keeps Python busy here for seconds.

    :param folder: where the voxels are written; they stay there for later jobs.
    """

    def __init__(self, worker: WarmWorker, files: CaseFiles, folder: Path) -> None:
        self.path = folder / "ct.nrrd"
        arguments = {"ct": str(files.ct.absolute()), "series": files.series, "out": str(self.path)}
        self._job: JobProcess = worker.start("read_ct", arguments)

    def wait(self) -> tuple[LoadedImage, np.ndarray]:
        """The CT in HU and the corners (2, 3) of the box around the body (RAS mm), when it has been read.

        :raises ImageError: it cannot be used.
        """
        value = follow(self._job)
        import numpy as np

        from ..core.image_handover import take_over

        return take_over(self.path, value), np.array(value["body_ras"])


def load_slicer() -> None:
    """Import Slicer's libraries, which takes longer than reading a CT.

    :raises DependencyError: they are missing.
    """
    with _quick_loading():
        with contextlib.suppress(ImportError):  # require_slicer says what is missing
            # before vtk, whose hundreds of libraries the system's loader would go through for each of Slicer's
            import slicer  # noqa: F401

            use_lean_vtk()
        from ..render.app import require_slicer

        require_slicer()
        from . import flow, views  # noqa: F401


@contextlib.contextmanager
def _quick_loading() -> Iterator[None]:
    """Libraries look their functions up when they are called, and what is imported is not looked through again."""
    lazy = getattr(os, "RTLD_LAZY", 0)  # 0 on Windows, where it is always so
    flags = sys.getdlopenflags() if lazy else 0
    if lazy:
        sys.setdlopenflags(lazy)
    gc.disable()  # it would take an eighth of the time
    try:
        yield
    finally:
        if lazy:
            sys.setdlopenflags(flags)
        gc.freeze()
        gc.enable()


def quiet_app() -> SlicerApp:
    """An application whose errors go to the log and whose warnings about the missing screen go nowhere."""
    import vtk

    from ..render.app import new_app

    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    app = new_app()
    window = vtk.vtkOutputWindow.GetInstance()
    window.SetDisplayModeToNever()

    @vtk.calldata_type(vtk.VTK_STRING)
    def log(_caller: object, _event: str, text: str) -> None:
        logging.getLogger(__name__).error(text.strip())

    window.AddObserver("ErrorEvent", log)
    return app
