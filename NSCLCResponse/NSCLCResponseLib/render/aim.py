"""Where the tumour and the body lie, and the lungs as a surface: what the views are aimed by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.errors import SegmentationError
from NSCLCResponseSegmentLib.core.lesions import label_lesions

if TYPE_CHECKING:
    from slicer import vtkMRMLModelNode, vtkMRMLScene

_BODY_HU = -300.0
_COARSE_MM = 6.0
_OPENING_MM = 9.0  # radius: blankets and the walls of tables are thinner, the chest wall is not
_LUNG_SHARE_WITHIN = 0.6
_LUNG_SMOOTHING_MM = 3.0
_LUNG_COLOUR, _LUNG_OPACITY = (0.62, 0.76, 0.88), 0.2


def inside_points_ras(mask: sitk.Image) -> np.ndarray:
    """RAS coordinates, (n, 3), of all voxels inside."""
    k, j, i = np.nonzero(sitk.GetArrayViewFromImage(mask))
    direction = np.array(mask.GetDirection()).reshape(3, 3)
    index = np.stack([i, j, k], axis=1) * np.array(mask.GetSpacing())
    return (index @ direction.T + np.array(mask.GetOrigin())) * np.array([-1.0, -1.0, 1.0])


def largest_section_ras(mask: sitk.Image) -> tuple[float, float, float]:
    """The RAS positions of the sagittal, coronal and axial planes that cut most of the largest lesion.

    :raises SegmentationError: the mask is empty.
    """
    lesion = _largest_lesion(mask)
    points = inside_points_ras(lesion)
    steps = np.abs(np.array(mask.GetDirection()).reshape(3, 3)) @ np.array(mask.GetSpacing())
    planes = []
    for axis in range(3):
        start = points[:, axis].min()
        counts = np.bincount(np.round((points[:, axis] - start) / steps[axis]).astype(int))
        planes.append(float(start + counts.argmax() * steps[axis]))
    return planes[0], planes[1], planes[2]


def _largest_lesion(mask: sitk.Image) -> sitk.Image:
    inside = np.argwhere(sitk.GetArrayViewFromImage(mask))
    if not len(inside):
        raise SegmentationError("There is no tumour to show.", "Outline the tumour first.")
    first, last = inside.min(axis=0)[::-1], inside.max(axis=0)[::-1]
    part = sitk.RegionOfInterest(mask, (last - first + 1).tolist(), first.tolist())
    labelled, _ = label_lesions(part)
    return labelled == 1


def coarse_body(ct: sitk.Image) -> sitk.Image:
    """The soft tissue of the patient without table and clothes, on an LPS grid of about 6 mm; 0 or 1.

    The whole image where nothing as large as a body is in it.
    """
    shrink = [max(1, round(_COARSE_MM / s)) for s in ct.GetSpacing()]
    solid = sitk.DICOMOrient(sitk.Shrink(ct, shrink), "LPS") > _BODY_HU
    radius = [int(_OPENING_MM / s) for s in solid.GetSpacing()]
    opened = sitk.BinaryMorphologicalOpening(solid, radius)
    if not sitk.GetArrayViewFromImage(opened).any():
        return solid * 0 + 1
    return sitk.RelabelComponent(sitk.ConnectedComponent(opened)) == 1


def body_box_ras(ct: sitk.Image) -> np.ndarray:
    """(2, 3): the corners of the box around :func:`coarse_body` of a CT in HU (RAS mm)."""
    points = inside_points_ras(coarse_body(ct))
    return np.stack([points.min(axis=0), points.max(axis=0)])


def box_ras(body: sitk.Image, mask: sitk.Image) -> np.ndarray:
    """(2, 3): the corners of the box around body and tumour, so that views are not filled with air."""
    points = np.concatenate([inside_points_ras(body), inside_points_ras(mask)])
    return np.stack([points.min(axis=0), points.max(axis=0)])


def lungs_within(lungs: sitk.Image, body: sitk.Image) -> sitk.Image:
    """The parts of a lung mask that lie mostly within the convex outline of the body's slices; a hollow table does not.

    :param body: as :func:`coarse_body`.
    """
    from scipy import ndimage

    convex = np.stack([_convex(plane) for plane in sitk.GetArrayViewFromImage(body)])
    hull = sitk.GetImageFromArray(convex.astype(np.uint8))
    hull.CopyInformation(body)
    within = sitk.Resample(hull, lungs, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    pieces, count = ndimage.label(sitk.GetArrayViewFromImage(lungs))
    shares = np.asarray(ndimage.mean(sitk.GetArrayViewFromImage(within), pieces, np.arange(1, count + 1)))
    kept = np.isin(pieces, 1 + np.flatnonzero(shares > _LUNG_SHARE_WITHIN))
    image = sitk.GetImageFromArray(kept.astype(np.uint8))
    image.CopyInformation(lungs)
    return image


def _convex(plane: np.ndarray) -> np.ndarray:
    """The convex hull of what is not 0, filled; nothing when that is no area."""
    from scipy.spatial import ConvexHull, QhullError

    points = np.argwhere(plane)
    try:
        sides = ConvexHull(points).equations
    except (QhullError, ValueError):
        return np.zeros(plane.shape, bool)
    grid = np.indices(plane.shape).reshape(2, -1)
    return (sides[:, :2] @ grid + sides[:, 2:] <= 1e-6).all(axis=0).reshape(plane.shape)


def add_lung_model(scene: vtkMRMLScene, lungs: sitk.Image, body: sitk.Image) -> vtkMRMLModelNode:
    """Faint lungs for orientation in 3D; ``body`` as :func:`coarse_body`."""
    return add_lung_surface(scene, smooth_lungs(lungs_within(lungs, body)))


def smooth_lungs(lungs: sitk.Image, spacing_mm: float = 0.0) -> sitk.Image:
    """:func:`lungs_within` without steps: 32-bit float, 0.5 at the surface.

    :param spacing_mm: of the grid; that of ``lungs`` without it. A wide one makes a surface that is drawn quickly.
    """
    smooth = sitk.SmoothingRecursiveGaussian(sitk.Cast(lungs, sitk.sitkFloat32), _LUNG_SMOOTHING_MM)
    if not spacing_mm:
        return smooth
    extent = [n * step for n, step in zip(smooth.GetSize(), smooth.GetSpacing(), strict=True)]
    size = [max(1, math.ceil(length / spacing_mm)) for length in extent]
    return sitk.Resample(
        smooth,
        size,
        outputOrigin=smooth.GetOrigin(),
        outputSpacing=[spacing_mm] * 3,
        outputDirection=smooth.GetDirection(),
    )


def add_lung_surface(scene: vtkMRMLScene, smooth: sitk.Image) -> vtkMRMLModelNode:
    """The surface of :func:`smooth_lungs` as a model."""
    import vtk
    from slicer import vtkMRMLModelNode

    from NSCLCResponseSegmentLib.mrml.volumes import geometry_matrix, to_vtk_image

    surface = vtk.vtkFlyingEdges3D()
    surface.SetInputData(to_vtk_image(smooth))
    surface.SetValue(0, 0.5)
    place = vtk.vtkTransform()
    place.SetMatrix(geometry_matrix(smooth))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetTransform(place)
    placed.SetInputConnection(surface.GetOutputPort())
    placed.Update()
    node = vtkMRMLModelNode()
    node.SetName("Lungs")
    node.SetAndObservePolyData(placed.GetOutput())
    scene.AddNode(node)
    node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    display.SetColor(*_LUNG_COLOUR)
    display.SetOpacity(_LUNG_OPACITY)
    display.SetScalarVisibility(False)
    display.SetBackfaceCulling(False)
    display.SetVisibility2D(False)
    return node
