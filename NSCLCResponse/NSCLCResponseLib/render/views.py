"""Real Slicer views rendered offscreen: three slice views through the tumour and one 3D view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.mrml.quiet import quiet_vtk
from NSCLCResponseSegmentLib.mrml.volumes import MEDIASTINUM_WINDOW

from .aim import add_lung_model, box_ras, coarse_body, inside_points_ras, largest_section_ras
from .opengl import require_opengl

if TYPE_CHECKING:
    from slicer import vtkMRMLScalarVolumeNode
    from trame_slicer.core import SlicerApp
    from trame_slicer.views import AbstractView, ViewLayoutDefinition

    from ..mrml.scene import CaseNodes

ORIENTATIONS = ("Axial", "Coronal", "Sagittal")
PET_SHOWN_SUV = (2.5, 10.0)
_NORMAL_AXIS = {"Axial": 2, "Coronal": 1, "Sagittal": 0}  # the RAS axis that a slice view looks along
_IN_PLANE_AXES = {"Axial": (0, 1), "Coronal": (0, 2), "Sagittal": (1, 2)}
_BODY_MARGIN = 1.06
_PET_OPACITY = 0.5
_PET_COLOURS = "vtkMRMLColorTableNodeIron"  # red to yellow: hot, and unlike white tissue in a lung window
_OUTLINE_PIXELS = 3
_THIN_OUTLINE_PIXELS = 2
_OUTLINE_OVER_MAP = (1.0, 0.95, 0.3)
_CLOSE_UP_MM = 15.0  # around the tumour
_MAP_OPACITY = 0.55
_CLOSENESS = 0.85  # of the distance that would show the whole sphere around what is to be seen
#: of each application; kept apart from its own view manager, whose views may belong to a browser
_VIEWS: WeakKeyDictionary[SlicerApp, dict[str, AbstractView]] = WeakKeyDictionary()
_BACKGROUND = ("#000000", "#10161d")  # bottom, top
_OUTLINE_OVER_PET = (0.1, 0.95, 0.95)  # the tumour's own red would be lost in hot colours


@dataclass(frozen=True)
class Picture:
    """One rendered view.

    :param pixels: (rows, columns, 3), unsigned 8-bit, top row first.
    :param position_mm: where the slice lies on its axis, RAS; ``None`` for 3D.
    :param mm_per_pixel: scale of a slice view; ``None`` for 3D.
    """

    name: str
    pixels: np.ndarray
    position_mm: float | None = None
    mm_per_pixel: float | None = None


def pet_colours(pet: vtkMRMLScalarVolumeNode, steps: int) -> np.ndarray:
    """The colours of :data:`PET_SHOWN_SUV` as the views show them (before mixing with the CT); (steps, 3), 0 to 255."""
    display = pet.GetDisplayNode()
    table = display.GetColorNode().GetLookupTable()
    low, window = display.GetLevel() - display.GetWindow() / 2, display.GetWindow()
    shares = (np.linspace(*PET_SHOWN_SUV, steps) - low) / window
    entries = np.clip(np.round(shares * (table.GetNumberOfTableValues() - 1)), 0, None).astype(int)
    return np.array([[255 * v for v in table.GetTableValue(int(e))[:3]] for e in entries])


def _view(app: SlicerApp, definition: ViewLayoutDefinition, size: tuple[int, int]) -> AbstractView:
    """A view that renders when it is told to, not at each of the 50 events while it is being set up.

    An application's views for pictures are kept, since a camera stays with the first 3D view of a name.
    """
    from trame_slicer.views import NoScheduleRendering, SliceView, ThreeDView, ViewType

    views = _VIEWS.setdefault(app, {})
    tag = definition.singleton_tag
    if tag not in views:
        kind = SliceView if definition.view_type == ViewType.SLICE_VIEW else ThreeDView
        views[tag] = kind(app.scene, app.app_logic, tag, scheduled_render_strategy=NoScheduleRendering())
        views[tag].render_window().SetOffScreenRendering(True)
        views[tag].set_view_properties(definition.properties)
    views[tag].update_size(*size)
    return views[tag]


def close_views(app: SlicerApp) -> None:
    """Let go of an application's views for pictures, when there will be no more of them.

    What VTK calls back into Python keeps a view with its scene and windows for ever: 200 MB with each patient of a
    batch.
    """
    for view in _VIEWS.pop(app, {}).values():
        view.interactor().RemoveAllObservers()
        view._event_observer.SetPythonCallback(_ignore)
        view._displayable_manager_group.RemoveAllObservers()
        view._interactor_observer.SetInteractor(None)
        view._logic.SetMRMLScene(None)
        for logics in (app.app_logic.GetSliceLogics(), app.app_logic.GetViewLogics()):
            logics.RemoveItem(view._logic)
        view.render_window().Finalize()


def _ignore(*_: Any) -> None:
    """Takes the place of a view's own method."""


def _pixels(view: AbstractView) -> np.ndarray:
    view.render()
    return pixels_of(view.render_window())


def pixels_of(window: Any) -> np.ndarray:
    """What a render window shows: (rows, columns, 3), unsigned 8-bit, top row first.

    :param window: a ``vtkRenderWindow`` that has been rendered.
    """
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(window)
    grab.ReadFrontBufferOff()
    grab.ShouldRerenderOff()
    grab.Update()
    data = grab.GetOutput()
    width, height, _ = data.GetDimensions()
    return vtk_to_numpy(data.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].copy()


def _slice_picture(
    app: SlicerApp,
    nodes: CaseNodes,
    orientation: str,
    centre: np.ndarray,
    box: np.ndarray,
    size: tuple[int, int],
    foreground: tuple[Any, float],
) -> Picture:
    from trame_slicer.views import ViewLayoutDefinition

    view = _view(app, ViewLayoutDefinition.slice_view(orientation, label=f"Picture{orientation}"), size)
    shown, opacity = foreground
    view.set_background_volume_id(nodes.ct.GetID())
    view.set_foreground_volume_id(shown.GetID() if shown else None)
    view.set_foreground_opacity(opacity if shown else 0.0)
    view.set_orientation(orientation)
    node = view.get_view_node()
    across, up = _IN_PLANE_AXES[orientation]
    middle = box.mean(axis=0)
    middle[_NORMAL_AXIS[orientation]] = centre[_NORMAL_AXIS[orientation]]
    extent = (box[1] - box[0]) * _BODY_MARGIN
    scale = max(extent[across] / size[0], extent[up] / size[1])
    node.SetFieldOfView(scale * size[0], scale * size[1], node.GetFieldOfView()[2])
    node.SetDimensions(size[0], size[1], 1)
    node.JumpSliceByCentering(*middle)
    return Picture(orientation, _pixels(view), float(centre[_NORMAL_AXIS[orientation]]), scale)


def _picture_3d(app: SlicerApp, centre: np.ndarray, size: tuple[int, int]) -> Picture:
    from trame_slicer.views import ViewLayoutDefinition

    view = _view(app, ViewLayoutDefinition.threed_view(name="Picture3D", background_color=_BACKGROUND), size)
    view.set_orientation_marker(view.get_view_node().OrientationMarkerTypeCube)
    view.render()  # surfaces come into the view with its first rendering
    bounds = [0.0] * 6
    view.renderer().ComputeVisiblePropBounds(bounds)
    low, high = np.array(bounds[::2]), np.array(bounds[1::2])
    focus, radius = (low + high) / 2, np.linalg.norm(high - low) / 2
    camera = view.get_camera_node()
    distance = radius / np.sin(np.deg2rad(camera.GetViewAngle() / 2))
    side = 1.0 if centre[0] >= focus[0] else -1.0  # look from the tumour's side, from the front and a little above
    ray = np.array([0.55 * side, 1.0, 0.28])
    camera.SetFocalPoint(*focus)
    camera.SetPosition(*(focus + ray / np.linalg.norm(ray) * distance * _CLOSENESS))
    camera.SetViewUp(0, 0, 1)
    view.renderer().ResetCameraClippingRange()
    # peeling needs an alpha plane that offscreen windows of software renderers lack: the lungs would vanish
    view.renderer().SetUseDepthPeeling(False)
    return Picture("3D", _pixels(view))


def _dress(nodes: CaseNodes) -> None:
    """Display of the nodes that suits a still picture."""
    segmentation = nodes.segmentation.GetDisplayNode()
    segmentation.SetVisibility2DFill(False)  # the outline shows what the filling would hide
    segmentation.SetSliceIntersectionThickness(_OUTLINE_PIXELS)
    if nodes.pet is None:
        return
    display = nodes.pet.GetDisplayNode()
    display.SetAndObserveColorNodeID(_PET_COLOURS)
    display.AutoWindowLevelOff()
    display.SetWindowLevel(PET_SHOWN_SUV[1], PET_SHOWN_SUV[1] / 2)
    display.SetThreshold(PET_SHOWN_SUV[0], 1e6)
    display.ApplyThresholdOn()
    ids = nodes.segmentation.GetSegmentation().GetSegmentIDs()
    for segment_id in ids:
        segmentation.SetSegmentOverrideColor(segment_id, *_OUTLINE_OVER_PET)


def render_views(
    app: SlicerApp, case: Case, nodes: CaseNodes, size: tuple[int, int], lungs: sitk.Image | None = None
) -> list[Picture]:
    """Axial, coronal, sagittal and 3D pictures of a case with a tumour mask, each ``size`` (width, height) pixels.

    :param lungs: a (coarse) lung mask for orientation in 3D.
    :raises SegmentationError: the case has no tumour.
    :raises DependencyError: there is nothing to render with.
    """
    require_opengl()
    body = coarse_body(case.ct.image)
    centre = np.array(largest_section_ras(case.mask.image))
    box = box_ras(body, case.mask.image)
    with quiet_vtk():
        _dress(nodes)
        over = (nodes.pet, _PET_OPACITY)
        pictures = [_slice_picture(app, nodes, orientation, centre, box, size, over) for orientation in ORIENTATIONS]
        model = add_lung_model(app.scene, lungs, body) if lungs is not None else None
        pictures.append(_picture_3d(app, centre, size))
        if model is not None:
            app.scene.RemoveNode(model)
    return pictures


def render_map_views(app: SlicerApp, case: Case, nodes: CaseNodes, size: tuple[int, int]) -> list[Picture]:
    """The three slice views close to the tumour with the 3D-CNN's map over the CT; none without a map.

    To be called after :func:`render_views`, whose views it uses.
    """
    if nodes.network_map is None:
        return []
    centre = np.array(largest_section_ras(case.mask.image))
    points = inside_points_ras(case.mask.image)
    box = np.stack([points.min(axis=0) - _CLOSE_UP_MM, points.max(axis=0) + _CLOSE_UP_MM])
    over = (nodes.network_map, _MAP_OPACITY)
    with quiet_vtk():
        segmentation = nodes.segmentation.GetDisplayNode()
        segmentation.SetSliceIntersectionThickness(_THIN_OUTLINE_PIXELS)
        for segment_id in nodes.segmentation.GetSegmentation().GetSegmentIDs():
            segmentation.SetSegmentOverrideColor(segment_id, *_OUTLINE_OVER_MAP)
        display = nodes.ct.GetDisplayNode()
        before = display.GetWindow(), display.GetLevel()
        display.SetWindowLevel(MEDIASTINUM_WINDOW.window, MEDIASTINUM_WINDOW.level)  # shows what is within a tumour
        pictures = [_slice_picture(app, nodes, orientation, centre, box, size, over) for orientation in ORIENTATIONS]
        display.SetWindowLevel(*before)
        return pictures
