"""``import vtk`` without its 230 libraries that nothing here uses; trame-slicer asks for all of them.

Slicer's own libraries bring the other 130. Loading the rest takes 0.3 s, and on a computer that was just switched on
nearly a second, while the radiologist waits for the first picture.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

_ASKED_FOR = "vtkmodules.vtkInteractionWidgets"  # by trame-slicer, beyond what Slicer's libraries bring


class LeanVtk(types.ModuleType):
    """Stands in for the module ``vtk``: names come from what is loaded already, and any other from all of VTK."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        modules = [module for key, module in sys.modules.items() if key.startswith("vtkmodules.vtk")]
        module = next((m for m in modules if name in vars(m)), None)
        value = getattr(module or importlib.import_module("vtkmodules.all"), name)
        setattr(self, name, value)
        return value


def use_lean_vtk() -> None:
    """Let ``import vtk`` load no more than Slicer does; without effect once ``vtk`` has been imported.

    Call it after ``import slicer``, whose libraries must be loaded before VTK's.

    :raises ImportError: VTK is missing.
    """
    if "vtk" in sys.modules:
        return
    importlib.import_module(_ASKED_FOR)
    import vtkmodules
    from vtkmodules.util import misc, vtkConstants

    lean = LeanVtk("vtk", "VTK's names, see NSCLCResponseLib.workspace.lean_vtk")
    lean.__path__, lean.__version__ = vtkmodules.__path__, vtkmodules.__version__  # as vtk.py does
    lean.calldata_type = misc.calldata_type
    lean.__dict__.update({name: value for name, value in vars(vtkConstants).items() if not name.startswith("_")})
    sys.modules["vtk"] = lean
