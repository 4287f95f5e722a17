"""Keeping VTK from filling the log with what is meant to be so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import vtk


@contextmanager
def quiet_vtk() -> Iterator[None]:
    """No messages from VTK inside; for steps whose failure shows in what they return."""
    shown, window = vtk.vtkObject.GetGlobalWarningDisplay(), vtk.vtkOutputWindow.GetInstance()
    vtk.vtkObject.GlobalWarningDisplayOff()
    vtk.vtkOutputWindow.SetInstance(vtk.vtkStringOutputWindow())  # plain information does not heed the switch above
    try:
        yield
    finally:
        vtk.vtkOutputWindow.SetInstance(window)
        vtk.vtkObject.SetGlobalWarningDisplay(shown)
