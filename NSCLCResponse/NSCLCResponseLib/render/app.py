"""Slicer without its desktop: scene, logics and views from slicer-core and trame-slicer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from NSCLCResponseSegmentLib.core.errors import DependencyError

from .opengl import APT_COMMAND

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp


def new_app() -> SlicerApp:
    """An application with an empty scene; keep it for as long as its scene is used.

    :raises DependencyError: slicer-core, trame-slicer or the system's OpenGL libraries are missing.
    """
    require_slicer()
    from trame_slicer.core import SlicerApp

    return SlicerApp()


def require_slicer() -> None:
    """Load Slicer's libraries.

    :raises DependencyError: slicer-core, trame-slicer or the system's OpenGL libraries are missing.
    """
    try:
        import trame_slicer.core  # noqa: F401
    except ImportError as error:
        raise DependencyError(
            f"Scenes and pictures need Slicer's libraries, which cannot be loaded ({error}).",
            f'Install them with: pip install "trame-slicer[standalone]", and as root: {APT_COMMAND}',
        ) from error
