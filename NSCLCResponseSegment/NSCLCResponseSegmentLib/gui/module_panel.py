"""What both panels have in common: the ``.ui`` file, the parameter node and the life cycle of a module widget."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import qt
import slicer
import vtk
from slicer.util import VTKObservationMixin

from .shortcuts import Shortcuts

_SETTLED_MS = 300  # nothing was added to the scene for so long: loading is over
_SELECTOR_PIXELS = 120  # at least; what does not fit is left out of the middle of the name


class ModulePanel(VTKObservationMixin):
    """Base of the panels. Subclasses fill :meth:`connect_widgets`, :meth:`choose_defaults` and :meth:`update`.

    :param uiPath: the ``.ui`` file; its top-level widget is a ``qMRMLWidget``.
    :param logic: the module's ``ScriptedLoadableModuleLogic``, for ``getParameterNode()``.
    :param isEntered: whether the module is shown now.
    """

    def __init__(self, uiPath: str, logic: Any, isEntered: Callable[[], bool]) -> None:
        VTKObservationMixin.__init__(self)
        self.logic = logic
        self.is_entered = isEntered
        self.parameters: Any = None
        self._gui_tag: int | None = None
        self.widget = slicer.util.loadUI(uiPath)
        self.ui = slicer.util.childWidgetVariables(self.widget)
        # Not all: parts of Slicer's own widgets come and go, and one that is gone raises when it is asked for anything.
        choices = {name: w for name, w in vars(self.ui).items() if w.property("SlicerParameterName")}
        self._choices = SimpleNamespace(**choices)
        for selector in (w for w in choices.values() if isinstance(w, slicer.qMRMLNodeComboBox)):
            # else a long series name makes the panel wider than its place, which has no horizontal scroll bar
            selector.setMinimumWidth(_SELECTOR_PIXELS)
        self.widget.setMRMLScene(slicer.mrmlScene)
        self.connect_widgets()
        self._shortcuts = Shortcuts(self.shortcuts())
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self.on_scene_start_close)
        self.addObserver(scene, scene.EndCloseEvent, self.on_scene_end_close)
        self.addObserver(scene, scene.StartImportEvent, self.on_scene_start_import)
        self.addObserver(scene, scene.EndImportEvent, self.on_scene_end_import)
        self.addObserver(scene, scene.NodeAddedEvent, self._on_node_added)
        self._settling = qt.QTimer()
        self._settling.setSingleShot(True)
        self._settling.setInterval(_SETTLED_MS)
        self._settling.connect("timeout()", self._on_scene_settled)
        if isEntered():  # Slicer's reload makes a new panel in a module that is shown, and does not enter it again
            self.enter()
        else:
            self.initialize_parameter_node()

    # ---------------------------------------------------------------- for subclasses

    def connect_widgets(self) -> None:
        """Connect signals, make helpers; called once."""

    def shortcuts(self) -> dict[str, Callable[[], None]]:
        """Key sequences that work while the module is shown, and what they do."""
        return {}

    def choose_defaults(self) -> None:
        """Preselect what saves the user clicks; called when the panel is shown, and after something was loaded."""

    def update(self) -> None:
        """Bring the widgets in line with :attr:`parameters` and the scene; called after each change."""

    # ---------------------------------------------------------------- life cycle

    def cleanup(self) -> None:
        """The widget is about to be destroyed."""
        self._settling.stop()
        self._shortcuts.uninstall()
        self.set_parameter_node(None)
        self.removeObservers()

    def enter(self) -> None:
        """The module is shown."""
        self._shortcuts.install()
        self.initialize_parameter_node()

    def exit(self) -> None:
        """Another module is shown: react to nothing until the user is back."""
        self._shortcuts.uninstall()
        self.set_parameter_node(None)

    def on_scene_start_close(self, _caller: Any = None, _event: Any = None) -> None:
        """The parameter node is about to vanish."""
        self.set_parameter_node(None)

    def on_scene_end_close(self, _caller: Any = None, _event: Any = None) -> None:
        """A new, empty scene."""
        if self.is_entered():
            self.initialize_parameter_node()
        self.update()

    def on_scene_start_import(self, _caller: Any = None, _event: Any = None) -> None:
        """A scene is loaded: its choices fill our parameter node before the widgets know its images.

        A widget that is still connected then would choose nothing, and might say so to the parameter node.
        """
        self.set_parameter_node(None)

    def on_scene_end_import(self, _caller: Any = None, _event: Any = None) -> None:
        """A scene was loaded: its parameter node, if any, replaces ours."""
        if self.is_entered():
            self.initialize_parameter_node()

    def _on_node_added(self, _caller: Any = None, _event: Any = None) -> None:
        self._settling.start()

    def _on_scene_settled(self) -> None:
        if self.parameters is not None and self.is_entered():
            self.choose_defaults()

    # ---------------------------------------------------------------- parameter node

    def initialize_parameter_node(self) -> None:
        """Take the parameter node of the current scene, made if there is none."""
        self.set_parameter_node(self.logic.getParameterNode())

    def set_parameter_node(self, parameters: Any) -> None:
        """Connect ``parameters`` (or nothing) to the widgets and observe it."""
        if self.parameters is not None:
            self.parameters.disconnectGui(self._gui_tag)
            self._gui_tag = None
            self.removeObserver(
                self.parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_parameters_modified
            )
        self.parameters = parameters
        if parameters is not None:
            self.choose_defaults()
            self._gui_tag = parameters.connectGui(self._choices)
            self.addObserver(parameters.parameterNode, vtk.vtkCommand.ModifiedEvent, self._on_parameters_modified)
            self.update()

    def _on_parameters_modified(self, _caller: Any = None, _event: Any = None) -> None:
        if self.parameters is not None:
            self.update()
