"""What opening a case takes before it can be shown; done beside the event loop, so that the page is there at once."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp

    from NSCLCResponseSegmentLib.core.case import LoadedImage


def read_images(ct: Path, series: str) -> LoadedImage:
    """The CT in HU. :raises ImageError: it cannot be used."""
    from NSCLCResponseSegmentLib.core.reading import read_ct

    return read_ct(ct, series)


def load_slicer() -> None:
    """Import Slicer's libraries, which takes longer than reading a CT.

    :raises DependencyError: they are missing.
    """
    from ..render.app import require_slicer

    require_slicer()
    from . import flow, views  # noqa: F401


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
