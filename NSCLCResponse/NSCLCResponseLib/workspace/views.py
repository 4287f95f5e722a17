"""The four views of a case: real Slicer views, rendered here and streamed to the page."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from NSCLCResponseSegmentLib.mrml.volumes import (
    BONE_WINDOW,
    LUNG_WINDOW,
    MEDIASTINUM_WINDOW,
    PET_GREY,
    PET_HOT,
    apply_preset,
)

from .layout import AXIAL, CORONAL, SAGITTAL, SLICE_VIEWS, THREE_D, Point
from .pacing import Paced, Turns
from .picture import write_picture
from .streaming import LIKELY_SIZE, register_views, render_when_allowed

if TYPE_CHECKING:
    from trame_server import Server
    from trame_slicer.core import SlicerApp
    from trame_slicer.views import SliceView, ViewLayoutDefinition

_WINDOWS = {"lung": LUNG_WINDOW, "mediastinum": MEDIASTINUM_WINDOW, "bone": BONE_WINDOW}
_AXIS_LETTERS = {AXIAL: "IS", CORONAL: "PA", SAGITTAL: "LR"}  # towards minus, towards plus in RAS
_NORMAL_AXIS = {AXIAL: 2, CORONAL: 1, SAGITTAL: 0}  # the RAS axis that a slice view looks along
_IN_PLANE_AXES = {AXIAL: (0, 1), CORONAL: (0, 2), SAGITTAL: (1, 2)}
_BODY_MARGIN = 1.04
_COLOURS = {AXIAL: "#F34A33", CORONAL: "#6DAD4A", SAGITTAL: "#EFD64D"}
_PET_SHOWN_ABOVE_SUV = 2.5
_STEP_SECONDS = 0.04  # slices, cross-hair and map follow the mouse at most this often
_WORDS_SECONDS = 0.1
_ANSWER_SECONDS = 0.005  # between the pictures of two views
_SENT_SECONDS = 0.4  # from a view's rendering until its picture is seen in the page
_FROM = (0.5, 0.83, 0.25)  # where the camera in 3D stands, seen from the body: RAS
_YELLOW = 2  # of Slicer's colours of rulers


class FourViews:
    """Axial, coronal, sagittal and 3D view of one CT, with a PET over it if there is one.

    :param on_point: called with the view's name and a point (RAS mm) while the left button is down in a slice view.
    :param on_moved: called after a slice view shows another slice.
    """

    def __init__(
        self,
        app: SlicerApp,
        server: Server,
        *,
        on_point: Callable[[str, Point, bool], None],
        on_moved: Callable[[str], None],
    ) -> None:
        from trame_slicer.views import ViewLayoutDefinition

        self._on_point, self._on_moved = on_point, on_moved
        self._ct = self._pet = self._map = None
        self._overlay, self._is_pet_alone = "pet", False
        self._box = np.zeros((2, 3))
        self._muted: set[str] = set()
        self._is_open, self._sized = False, set()
        self._unseen = {*SLICE_VIEWS, THREE_D}
        self._all_seen = asyncio.Event()
        self._sizes: dict[str, tuple[int, int]] = {}
        self._steps: dict[str, int] = {}
        self._paced, self._paced_words = Paced(_STEP_SECONDS), Paced(_WORDS_SECONDS)
        self._turns = Turns(_ANSWER_SECONDS)
        manager = self._manager = app.view_manager
        register_views(manager, server)
        self.slices: dict[str, SliceView] = {}
        for name in SLICE_VIEWS:
            definition = ViewLayoutDefinition.slice_view(name, color=_COLOURS[name])
            view = self._created(name, definition)
            view.set_ruler(1, _YELLOW)  # white would be lost on fat and bone
            view.render_window().SetSize(*LIKELY_SIZE)
            self.slices[name] = view
            self._watch(name, view)
        definition = ViewLayoutDefinition.threed_view(name=THREE_D, background_color=("#000000", "#10161d"))
        self.three_d = self._created(THREE_D, definition)
        node = self.three_d.get_view_node()
        self.three_d.set_orientation_marker(node.OrientationMarkerTypeCube, node.OrientationMarkerSizeSmall)
        manager.set_current_view_ids([*SLICE_VIEWS, THREE_D])
        self._crosshair = app.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")

    # ---------------------------------------------------------------- what is shown

    def show_ct(self, ct: Any, body_ras: np.ndarray) -> None:
        """Show a CT from the middle of the body, in the lung window.

        :param body_ras: (2, 3), the corners of the box around the body (RAS mm).
        """
        self._ct, self._box = ct, np.asarray(body_ras, float)
        self.set_preset("lung")
        for name, view in self.slices.items():
            view.reset_view()
            self._fit_slice(name)
        self.move_to(tuple(float(v) for v in self._box.mean(axis=0)))
        for name, view in self.slices.items():
            view.modified.connect(lambda _view, name=name: self._tell_moved(name))
            self._on_moved(name)
        self._is_open = True
        for view in (*self.slices.values(), self.three_d):
            view.schedule_render()

    async def wait_until_seen(self, seconds: float) -> None:
        """Wait until each view has its picture in the page, at most ``seconds``: there may be no page yet."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._all_seen.wait(), seconds)
            await asyncio.sleep(_SENT_SECONDS)

    def show_pet(self, pet: Any) -> None:
        """Lay a PET over the CT."""
        self._pet = pet
        apply_preset(pet, PET_HOT)
        self._show_layers()

    def show_map(self, volume: Any) -> None:
        """What the overlay ``map`` shows: a volume with its own colours, or ``None``."""
        self._map = volume
        self._show_layers()

    def set_preset(self, name: str) -> None:
        """``lung``, ``mediastinum`` or ``bone`` on the CT, or ``pet`` alone in inverted grey."""
        self._is_pet_alone = name == "pet" and self._pet is not None
        if not self._is_pet_alone:
            apply_preset(self._ct, _WINDOWS[name])
        self._show_layers()

    def set_overlay(self, name: str) -> None:
        """What lies over the CT: ``pet``, ``map`` or ``none``; nothing where the case has no such volume."""
        self._overlay = name
        self._show_layers()

    def _show_layers(self) -> None:
        alone = self._is_pet_alone
        if self._pet is not None:
            apply_preset(self._pet, PET_GREY if alone else PET_HOT)
            display = self._pet.GetDisplayNode()
            display.SetThreshold(_PET_SHOWN_ABOVE_SUV, 1e6)
            display.SetApplyThreshold(not alone)
        over = None if alone else {"pet": self._pet, "map": self._map}.get(self._overlay)
        for view in self.slices.values():
            view.set_background_volume_id((self._pet if alone else self._ct).GetID())
            view.set_foreground_volume_id(over.GetID() if over is not None else None)

    def set_overlay_opacity(self, opacity: float) -> None:
        """How strongly PET or map lie over the CT, 0 to 1."""
        for view in self.slices.values():
            view.set_foreground_opacity(opacity)

    def set_crosshair(self, *, is_shown: bool) -> None:
        """Show or hide the cross-hair."""
        node = self._crosshair
        node.SetCrosshairMode(node.ShowBasic if is_shown else node.NoCrosshair)

    def fit(self) -> None:
        """The whole body in each view."""
        for name in SLICE_VIEWS:
            self._fit_slice(name)
        self.fit_three_d()

    def _fit_slice(self, name: str) -> None:
        """The body's box fills the view, whatever its size; the slice stays."""
        view = self.slices[name]
        size = self._sizes[name] = view.render_window().GetSize()
        node = view.get_view_node()
        across, up = _IN_PLANE_AXES[name]
        extent = (self._box[1] - self._box[0]) * _BODY_MARGIN
        scale = max(extent[across] / size[0], extent[up] / size[1])
        centre = self._box.mean(axis=0)
        centre[_NORMAL_AXIS[name]] = self._place(name)
        node.SetFieldOfView(scale * size[0], scale * size[1], node.GetFieldOfView()[2])
        node.SetDimensions(*size, 1)
        node.JumpSliceByCentering(*centre)
        view.schedule_render()

    def _place(self, name: str) -> float:
        """Where a view's slice lies on the axis that it looks along (RAS mm)."""
        return self.slices[name].get_view_node().GetSliceToRAS().GetElement(_NORMAL_AXIS[name], 3)

    def _on_resized(self, name: str) -> None:
        """Another size of the page; a reload with the same size keeps zoom and pan."""
        self._sized.add(name)
        view = self.slices.get(name)
        if view is not None and self._ct is not None and view.render_window().GetSize() != self._sizes.get(name):
            self._fit_slice(name)

    def fit_three_d(self) -> None:
        """Look at tumour and lungs in 3D from the front and a little from above."""
        from vtk import vtkBoundingBox

        renderer = self.three_d.renderer()
        box = vtkBoundingBox(self._box.T.ravel().tolist())
        models = [prop for prop in renderer.GetViewProps() if prop.IsA("vtkActor") and prop.GetVisibility()]
        shown = [bounds for bounds in (model.GetBounds() for model in models) if bounds and bounds[0] <= bounds[1]]
        if shown:  # the cross-hair is none of them: it has one size on the screen, and in a small view dwarfs the body
            box.Reset()
            for bounds in shown:
                box.AddBounds(bounds)
        centre, bounds = [0.0] * 3, [0.0] * 6
        box.GetCenter(centre)
        box.GetBounds(bounds)
        camera = renderer.GetActiveCamera()
        camera.SetFocalPoint(centre)
        camera.SetPosition(*np.add(centre, _FROM))
        camera.SetViewUp(0, 0, 1)
        renderer.ResetCamera(bounds)
        renderer.SetUseDepthPeeling(False)
        self.three_d.schedule_render()

    # ---------------------------------------------------------------- where

    def move_to(self, point: Point, *, except_for: str = "") -> None:
        """All slice views to the slice through ``point`` (RAS mm), and the cross-hair onto it."""
        for name, view in self.slices.items():
            if name != except_for:
                node = view.get_view_node()
                node.JumpSliceByOffsetting(*point)
        self._crosshair.SetCrosshairRAS(*point)

    def set_offset(self, name: str, offset_mm: float) -> None:
        """Show another slice of one view; only that one is rendered, though MRML asks all of them to."""
        self._muted.update(other for other in (*SLICE_VIEWS, THREE_D) if other != name)
        try:
            self.slices[name].set_slice_value(offset_mm)
        finally:
            self._muted.clear()

    def scroll_to(self, name: str, offset_mm: float) -> None:
        """As :meth:`set_offset`, for a slider that is being dragged: of several in between, the last counts."""
        self._paced(f"offset {name}", lambda: self.set_offset(name, offset_mm))

    def follow(self, point: Point, *, except_for: str = "") -> None:
        """As :meth:`move_to`, for a mouse that is being dragged."""
        self._paced("follow", lambda: self.move_to(point, except_for=except_for))

    def scroll(self, name: str, steps: int) -> None:
        """The wheel: steps are added up, and taken at once when the time for a picture has come."""
        self._steps[name] = self._steps.get(name, 0) + steps
        self._paced(f"steps {name}", lambda: self._take_steps(name))

    def _take_steps(self, name: str) -> None:
        view, steps = self.slices[name], self._steps.pop(name, 0)
        low, high = view.get_slice_range()
        self.set_offset(name, min(max(view.get_slice_value() + steps * view.get_slice_step(), low), high))

    def _tell_moved(self, name: str) -> None:
        self._paced_words(name, lambda: self._on_moved(name))

    def position(self, name: str) -> dict[str, Any]:
        """Range, step and value of a view's slice (mm), and the value in words."""
        view = self.slices[name]
        low, high = view.get_slice_range()
        value = view.get_slice_value()
        place = self._place(name)
        letter = _AXIS_LETTERS[name][place >= 0]
        return {
            "minimum": round(low, 3),
            "maximum": round(high, 3),
            "step": round(view.get_slice_step(), 4),
            "value": round(value, 3),
            "words": f"{letter} {abs(place):.1f} mm",
        }

    # ---------------------------------------------------------------- pictures

    def picture(self, path: Path) -> Path:
        """The four views side by side as a PNG, with the letters that the page lays over them."""
        words = {name: f"{name}, {self.position(name)['words']}" for name in SLICE_VIEWS}
        windows = {name: view.render_window() for name, view in (*self.slices.items(), (THREE_D, self.three_d))}
        return write_picture(windows, words, path)

    # ---------------------------------------------------------------- inside

    def _created(self, name: str, definition: ViewLayoutDefinition) -> Any:
        view = self._manager.create_view(definition)
        render_when_allowed(view, partial(self._may_render, name), self._turns)
        _ignore_keys(view.interactor())
        view.interactor().AddObserver("WindowResizeEvent", lambda *_: self._on_resized(name), -1.0)
        view.render_window().AddObserver("EndEvent", lambda *_: self._on_rendered(name))
        return view

    def _may_render(self, name: str) -> bool:
        """Nobody sees a picture before the CT is there and the page has told the view's size."""
        return self._is_open and name in self._sized and name not in self._muted

    def _on_rendered(self, name: str) -> None:
        if self._is_open and name in self._sized:
            self._unseen.discard(name)
            if not self._unseen:
                self._all_seen.set()

    def _watch(self, name: str, view: SliceView) -> None:
        """Tell points under the left button; the views' own reactions to it stay as they are."""
        pressed = {"is": False}

        def tell(caller: Any, event: str) -> None:
            if event == "LeftButtonReleaseEvent":
                pressed["is"] = False
                return
            is_press = event == "LeftButtonPressEvent"
            if is_press:
                pressed["is"] = not (caller.GetShiftKey() or caller.GetControlKey() or caller.GetAltKey())
            if pressed["is"]:
                x, y = caller.GetEventPosition()
                ras = view.get_view_node().GetXYToRAS().MultiplyPoint((x, y, 0.0, 1.0))[:3]
                self._on_point(name, tuple(ras), is_press)

        for event in ("LeftButtonPressEvent", "MouseMoveEvent", "LeftButtonReleaseEvent"):
            view.interactor().AddObserver(event, tell, 10.0)


def _ignore_keys(interactor: Any) -> None:
    """Keys are the page's own: with the mouse over a view, VTK's 3 makes a picture for red and green glasses."""

    def ignore(event: str) -> None:
        tag = interactor.AddObserver(event, lambda *_: command.SetAbortFlag(1), 100.0)
        command = interactor.GetCommand(tag)

    ignore("KeyPressEvent")
    ignore("CharEvent")
