"""Whether pictures can be rendered here at all, asked before VTK would end the process."""

from __future__ import annotations

import ctypes

from NSCLCResponseSegmentLib.core.errors import DependencyError
from NSCLCResponseSegmentLib.mrml.quiet import quiet_vtk

APT_COMMAND = "apt-get install -y libegl1 libgl1 libopengl0 libosmesa6 libgl1-mesa-dri"
_OSMESA_NAMES = ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")


def require_opengl() -> str:
    """The kind of window that VTK renders into without a screen, e.g. ``vtkEGLRenderWindow``.

    VTK tries X, then EGL, then OSMesa, and takes OSMesa without looking whether it is there; the first rendering would
    then end the process without a word.

    :raises DependencyError: neither a screen nor EGL nor OSMesa can be used; the remedy is the command.
    """
    import vtk

    with quiet_vtk():
        kind = vtk.vtkRenderWindow().GetClassName()
    if kind == "vtkOSOpenGLRenderWindow" and not any(_loads(name) for name in _OSMESA_NAMES):
        raise DependencyError(
            "Pictures cannot be rendered: neither EGL nor OSMesa works on this computer.",
            f"Install them as root with: {APT_COMMAND}",
        )
    return kind


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True
