"""Real Slicer views rendered offscreen: three slice views through the tumour and one 3D view."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import SegmentationError

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp

    from ..mrml.scene import CaseNodes

ORIENTATIONS = ("Axial", "Coronal", "Sagittal")
_NORMAL_AXIS = {"Axial": 2, "Coronal": 1, "Sagittal": 0}  # the RAS axis that a slice view looks along
_IN_PLANE_AXES = {"Axial": (0, 1), "Coronal": (0, 2), "Sagittal": (1, 2)}
_BODY_HU = -300.0
_BODY_MARGIN = 1.06
_PET_OPACITY = 0.45
_PET_SHOWN_ABOVE_SUV = 2.5


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


def _inside_points_ras(mask: sitk.Image) -> np.ndarray:
    """RAS coordinates, (n, 3), of all voxels inside."""
    k, j, i = np.nonzero(sitk.GetArrayViewFromImage(mask))
    direction = np.array(mask.GetDirection()).reshape(3, 3)
    index = np.stack([i, j, k], axis=1) * np.array(mask.GetSpacing())
    return (index @ direction.T + np.array(mask.GetOrigin())) * np.array([-1.0, -1.0, 1.0])


def largest_section_ras(mask: sitk.Image) -> tuple[float, float, float]:
    """The RAS positions of the sagittal, coronal and axial planes that cut most of the tumour.

    :raises SegmentationError: the mask is empty.
    """
    points = _inside_points_ras(mask)
    if len(points) == 0:
        raise SegmentationError("There is no tumour to show.", "Outline the tumour first.")
    steps = np.abs(np.array(mask.GetDirection()).reshape(3, 3)) @ np.array(mask.GetSpacing())
    planes = []
    for axis in range(3):
        start = points[:, axis].min()
        counts = np.bincount(np.round((points[:, axis] - start) / steps[axis]).astype(int))
        planes.append(float(start + counts.argmax() * steps[axis]))
    return planes[0], planes[1], planes[2]


def _body_box_ras(ct: sitk.Image, mask: sitk.Image) -> np.ndarray:
    """(2, 3): the corners of the body's box, so that views are not filled with air; always includes the tumour."""
    shrink = [max(1, round(6.0 / s)) for s in ct.GetSpacing()]
    body = sitk.BinaryOpeningByReconstruction(sitk.Shrink(ct, shrink) > _BODY_HU, [2, 2, 1])
    body = sitk.RelabelComponent(sitk.ConnectedComponent(body)) == 1
    points = np.concatenate([_inside_points_ras(body), _inside_points_ras(mask)])
    return np.stack([points.min(axis=0), points.max(axis=0)])


def _lung_model(app: SlicerApp, lungs: sitk.Image) -> None:
    """Faint lungs for orientation in 3D."""
    import vtk
    from slicer import vtkMRMLModelNode

    from NSCLCResponseSegmentLib.mrml.volumes import geometry_matrix, to_vtk_image

    smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(lungs, sitk.sitkFloat32), 3.0)
    surface = vtk.vtkFlyingEdges3D()
    surface.SetInputData(to_vtk_image(smooth))
    surface.SetValue(0, 0.5)
    place = vtk.vtkTransform()
    place.SetMatrix(geometry_matrix(lungs))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetTransform(place)
    placed.SetInputConnection(surface.GetOutputPort())
    placed.Update()
    node = vtkMRMLModelNode()
    node.SetName("Lungs")
    node.SetAndObservePolyData(placed.GetOutput())
    app.scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(0.62, 0.76, 0.88)
    display.SetOpacity(0.2)
    display.SetScalarVisibility(False)
    display.SetBackfaceCulling(False)
    display.SetVisibility2D(False)


def _pixels(view: object) -> np.ndarray:
    import vtk
    from vtk.util.numpy_support import vtk_to_numpy

    view.render()
    view.set_render_blocked(True)  # its picture is taken; later events in the scene must not render it again
    grab = vtk.vtkWindowToImageFilter()
    grab.SetInput(view.render_window())
    grab.ReadFrontBufferOff()
    grab.Update()
    data = grab.GetOutput()
    width, height, _ = data.GetDimensions()
    return vtk_to_numpy(data.GetPointData().GetScalars()).reshape(height, width, -1)[::-1, :, :3].copy()


def _slice_picture(
    app: SlicerApp, nodes: CaseNodes, orientation: str, centre: np.ndarray, box: np.ndarray, size: tuple[int, int]
) -> Picture:
    from trame_slicer.views import ViewLayoutDefinition

    view = app.view_manager.create_view(ViewLayoutDefinition.slice_view(orientation))
    with view.render_blocked():
        view.update_size(*size)
        view.set_background_volume_id(nodes.ct.GetID())
        view.set_foreground_volume_id(nodes.pet.GetID() if nodes.pet else None)
        view.set_foreground_opacity(_PET_OPACITY if nodes.pet else 0.0)
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

    view = app.view_manager.create_view(ViewLayoutDefinition.threed_view(background_color=("#000000", "#10161d")))
    with view.render_blocked():
        view.update_size(*size)
        view.fit_view_to_content()
        camera = view.get_camera_node()
        focus = np.array(camera.GetFocalPoint())
        distance = np.linalg.norm(np.array(camera.GetPosition()) - focus)
        side = 1.0 if centre[0] >= focus[0] else -1.0  # look from the tumour's side, from the front and a little above
        ray = np.array([0.55 * side, 1.0, 0.28])
        camera.SetPosition(*(focus + ray / np.linalg.norm(ray) * distance * 0.92))
        camera.SetViewUp(0, 0, 1)
        view.renderer().ResetCameraClippingRange()
        # peeling needs an alpha plane that offscreen windows of software renderers lack: the lungs would vanish
        view.renderer().SetUseDepthPeeling(False)
    return Picture("3D", _pixels(view))


def render_views(
    app: SlicerApp, case: Case, nodes: CaseNodes, size: tuple[int, int], lungs: sitk.Image | None = None
) -> list[Picture]:
    """Axial, coronal, sagittal and 3D pictures of a case with a tumour mask, each ``size`` (width, height) pixels.

    :param lungs: a (coarse) lung mask for orientation in 3D.
    :raises SegmentationError: the case has no tumour.
    """
    from trame_slicer.views import DirectViewFactory

    app.view_manager.register_factory(DirectViewFactory(do_render_offscreen=True))
    nodes.segmentation.GetDisplayNode().SetVisibility2DFill(False)  # the outline shows what the filling would hide
    if nodes.pet is not None:
        display = nodes.pet.GetDisplayNode()
        display.SetThreshold(_PET_SHOWN_ABOVE_SUV, 1e6)
        display.ApplyThresholdOn()
    if lungs is not None:
        _lung_model(app, lungs)
    centre = np.array(largest_section_ras(case.mask.image))
    box = _body_box_ras(case.ct.image, case.mask.image)
    pictures = [_slice_picture(app, nodes, orientation, centre, box, size) for orientation in ORIENTATIONS]
    return [*pictures, _picture_3d(app, centre, size)]
