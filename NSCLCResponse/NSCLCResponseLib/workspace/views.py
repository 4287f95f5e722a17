"""The four views of a case: real Slicer views, rendered here and streamed to the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
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
    image_from_volume,
)

from ..render.aim import coarse_body, inside_points_ras

if TYPE_CHECKING:
    from trame_server import Server
    from trame_slicer.core import SlicerApp
    from trame_slicer.views import SliceView

Point = tuple[float, float, float]
AXIAL, CORONAL, SAGITTAL, THREE_D = "Axial", "Coronal", "Sagittal", "ThreeD"
SLICE_VIEWS = (AXIAL, CORONAL, SAGITTAL)
PRESETS = {"lung": LUNG_WINDOW, "mediastinum": MEDIASTINUM_WINDOW, "bone": BONE_WINDOW}
_AXIS_LETTERS = {AXIAL: "IS", CORONAL: "PA", SAGITTAL: "LR"}  # towards minus, towards plus in RAS
_NORMAL_AXIS = {AXIAL: 2, CORONAL: 1, SAGITTAL: 0}  # the RAS axis that a slice view looks along
_IN_PLANE_AXES = {AXIAL: (0, 1), CORONAL: (0, 2), SAGITTAL: (1, 2)}
_BODY_MARGIN = 1.04
_COLOURS = {AXIAL: "#F34A33", CORONAL: "#6DAD4A", SAGITTAL: "#EFD64D"}
_PET_SHOWN_ABOVE_SUV = 2.5
_FPS, _FPS_ELSEWHERE = 25.0, 20.0


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
        from trame_slicer.rca_view import register_rca_factories
        from trame_slicer.views import ViewLayoutDefinition

        self._on_point, self._on_moved = on_point, on_moved
        self._ct = self._pet = None
        self._box = np.zeros((2, 3))
        self._muted: dict[str, bool] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        manager = app.view_manager
        register_rca_factories(
            manager, server, _no_ui, _no_ui, target_fps=_FPS, blur_fps=_FPS_ELSEWHERE, interactive_quality=70
        )
        self.slices: dict[str, SliceView] = {}
        for name in SLICE_VIEWS:
            definition = ViewLayoutDefinition.slice_view(name, color=_COLOURS[name])
            view = manager.create_view(definition)
            view.set_ruler(1, 0)
            view.render_window().SetMultiSamples(0)  # trame-slicer's 8 make a software rendering three times as long
            self._render_when_asked(name, view)
            self.slices[name] = view
            self._watch(name, view)
        self.three_d = manager.create_view(
            ViewLayoutDefinition.threed_view(name=THREE_D, background_color=("#000000", "#10161d"))
        )
        self.three_d.render_window().SetMultiSamples(0)
        manager.set_current_view_ids([*SLICE_VIEWS, THREE_D])
        self._crosshair = app.scene.GetFirstNodeByClass("vtkMRMLCrosshairNode")

    # ---------------------------------------------------------------- what is shown

    def show(self, ct: Any, pet: Any) -> None:
        """Show a case from the middle of the body, in the lung window."""
        self._ct, self._pet = ct, pet
        points = inside_points_ras(coarse_body(image_from_volume(ct)))
        self._box = np.stack([points.min(axis=0), points.max(axis=0)])
        self.set_preset("lung")
        for name, view in self.slices.items():
            view.reset_view()
            self._fit_slice(name)
        self.move_to(tuple(float(v) for v in self._box.mean(axis=0)))
        for name, view in self.slices.items():
            view.modified.connect(lambda _view, name=name: self._on_moved(name))
            self._on_moved(name)

    def set_preset(self, name: str) -> None:
        """``lung``, ``mediastinum`` or ``bone`` on the CT, or ``pet`` alone in inverted grey."""
        alone = name == "pet" and self._pet is not None
        if alone:
            apply_preset(self._pet, PET_GREY)
            self._pet.GetDisplayNode().ApplyThresholdOff()
        else:
            apply_preset(self._ct, PRESETS[name])
            if self._pet is not None:
                apply_preset(self._pet, PET_HOT)
                display = self._pet.GetDisplayNode()
                display.SetThreshold(_PET_SHOWN_ABOVE_SUV, 1e6)
                display.ApplyThresholdOn()
        for view in self.slices.values():
            view.set_background_volume_id((self._pet if alone else self._ct).GetID())
            view.set_foreground_volume_id(None if alone or self._pet is None else self._pet.GetID())

    def set_pet_opacity(self, opacity: float) -> None:
        """How strongly the PET lies over the CT, 0 to 1."""
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
        if self._ct is not None and self.slices[name].render_window().GetSize() != self._sizes.get(name):
            self._fit_slice(name)

    def fit_three_d(self) -> None:
        """Look at everything in 3D from the front and a little from above."""
        self.three_d.fit_view_to_content()
        camera = self.three_d.get_camera_node()
        focus, position = camera.GetFocalPoint(), camera.GetPosition()
        distance = sum((a - b) ** 2 for a, b in zip(focus, position, strict=True)) ** 0.5
        camera.SetPosition(focus[0] + 0.5 * distance, focus[1] + 0.83 * distance, focus[2] + 0.25 * distance)
        camera.SetViewUp(0, 0, 1)
        self.three_d.renderer().ResetCameraClippingRange()
        self.three_d.renderer().SetUseDepthPeeling(False)
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
        """Show another slice of one view."""
        self._render_only(name)
        self.slices[name].set_slice_value(offset_mm)

    def _render_only(self, name: str) -> None:
        """Until this event is over, no other slice view is rendered: MRML asks for it, though nothing changes there."""
        for other in self.slices:
            self._muted[other] = other != name
        asyncio.get_running_loop().call_soon(self._muted.clear)

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
        """The four views side by side as a PNG."""
        from PIL import Image

        pictures = [Image.fromarray(_pixels(view)) for view in (*self.slices.values(), self.three_d)]
        width, height = (max(p.size[axis] for p in pictures) for axis in (0, 1))
        canvas = Image.new("RGB", (2 * width + 4, 2 * height + 4), (40, 46, 54))
        for index, picture in enumerate(pictures):
            canvas.paste(picture, ((index % 2) * (width + 4), (index // 2) * (height + 4)))
        canvas.save(path)
        return path

    # ---------------------------------------------------------------- inside

    def _render_when_asked(self, name: str, view: SliceView) -> None:
        """The streaming strategy of trame-slicer, with a switch."""
        from trame_slicer.views import ScheduledRenderStrategy

        streaming, muted = view._scheduled_render, self._muted

        class Rendering(ScheduledRenderStrategy):
            def schedule_render(self) -> None:
                if not muted.get(name):
                    streaming.schedule_render()

            def did_render(self) -> None:
                streaming.did_render()

        view.set_scheduled_render(Rendering())

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
        for event in ("MouseWheelForwardEvent", "MouseWheelBackwardEvent"):
            view.interactor().AddObserver(event, lambda *_: self._render_only(name), 10.0)
        view.interactor().AddObserver("WindowResizeEvent", lambda *_: self._on_resized(name), -1.0)


def _no_ui(*_: Any) -> None:
    """The page draws what lies over the views itself."""


def _pixels(view: Any) -> Any:
    """(rows, columns, 3), unsigned 8-bit, top row first."""
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    view.render_window().Render()
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(view.render_window())
    grab.ReadFrontBufferOff()
    grab.ShouldRerenderOff()
    grab.Update()
    data = grab.GetOutput()
    width, height, _ = data.GetDimensions()
    return vtk_to_numpy(data.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].copy()
