"""MRML volumes from and to SimpleITK images. SimpleITK is LPS, MRML is RAS; arrays are (z, y, x) in both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
import vtk
from slicer import vtkMRMLScalarVolumeDisplayNode, vtkMRMLScalarVolumeNode, vtkMRMLScene
from vtk.util.numpy_support import get_vtk_array_type, numpy_to_vtk, vtk_to_numpy

from ..core.errors import ImageError

_RIGHT_ANGLE_TOLERANCE = 1e-3  # 0.06 degrees: what rounded direction cosines in files amount to
_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0])


@dataclass(frozen=True)
class WindowPreset:
    """A window for a slice view; ``color_node_id`` is one of Slicer's default colour nodes."""

    window: float
    level: float
    color_node_id: str = "vtkMRMLColorTableNodeGrey"


LUNG_WINDOW = WindowPreset(1500, -600)
MEDIASTINUM_WINDOW = WindowPreset(400, 40)
BONE_WINDOW = WindowPreset(1800, 400)
PET_GREY = WindowPreset(10, 5, "vtkMRMLColorTableNodeInvertedGrey")
PET_HOT = WindowPreset(10, 5, "vtkMRMLPETProceduralColorNodePET-Heat")


def geometry_matrix(image: sitk.Image) -> vtk.vtkMatrix4x4:
    """The matrix from voxel indices (i, j, k) to RAS millimetres."""
    direction = np.array(image.GetDirection()).reshape(3, 3)
    ijk_to_ras = np.eye(4)
    ijk_to_ras[:3, :3] = _LPS_TO_RAS @ direction @ np.diag(image.GetSpacing())
    ijk_to_ras[:3, 3] = _LPS_TO_RAS @ np.array(image.GetOrigin())
    matrix = vtk.vtkMatrix4x4()
    matrix.DeepCopy(ijk_to_ras.ravel())
    return matrix


def to_vtk_image(image: sitk.Image) -> vtk.vtkImageData:
    """The voxels without geometry (origin 0, spacing 1), as MRML nodes hold them."""
    array = sitk.GetArrayViewFromImage(image)
    data = vtk.vtkImageData()
    data.SetDimensions(*image.GetSize())
    scalars = numpy_to_vtk(array.ravel(), deep=True, array_type=get_vtk_array_type(array.dtype))
    scalars.SetName("ImageScalars")
    data.GetPointData().SetScalars(scalars)
    return data


def volume_from_image(
    scene: vtkMRMLScene,
    image: sitk.Image,
    name: str,
    preset: WindowPreset | None = None,
    instance_uids: Sequence[str] = (),
) -> vtkMRMLScalarVolumeNode:
    """Add a scalar volume with the image's voxels and geometry, and a display node.

    :param preset: window for the slice views; automatic without one.
    :param instance_uids: DICOM SOP instance UIDs in slice order, kept so that exports can refer to them.
    """
    node = vtkMRMLScalarVolumeNode()
    node.SetName(scene.GenerateUniqueName(name))
    node.SetIJKToRASMatrix(geometry_matrix(image))
    node.SetAndObserveImageData(to_vtk_image(image))
    if instance_uids:
        node.SetAttribute("DICOM.instanceUIDs", " ".join(instance_uids))
    scene.AddNode(node)
    if preset is not None:
        _add_display_node(node)
        apply_preset(node, preset)
    else:
        node.CreateDefaultDisplayNodes()
    return node


def _add_display_node(node: vtkMRMLScalarVolumeNode) -> None:
    """As CreateDefaultDisplayNodes, without the histogram for an automatic window (half a second on a chest CT)."""
    display = vtkMRMLScalarVolumeDisplayNode()
    display.AutoWindowLevelOff()
    node.GetScene().AddNode(display)
    display.SetDefaultColorMap()
    node.SetAndObserveDisplayNodeID(display.GetID())


def apply_preset(node: vtkMRMLScalarVolumeNode, preset: WindowPreset) -> None:
    """Set window, level and colours of a volume."""
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(preset.window, preset.level)
    if node.GetScene().GetNodeByID(preset.color_node_id) is not None:
        display.SetAndObserveColorNodeID(preset.color_node_id)


def image_from_volume(node: Any) -> sitk.Image:
    """A volume node's voxels with their place in the world, in LPS.

    :raises ImageError: the node is empty, has several components, lies under a transform, or is sheared.
    """
    data = node.GetImageData()
    if data is None or data.GetPointData().GetScalars() is None:
        raise ImageError(f"The volume '{node.GetName()}' is empty.", "Load an image into it.")
    if data.GetNumberOfScalarComponents() != 1:
        raise ImageError(f"The volume '{node.GetName()}' is a colour image.", "Choose a CT or PET volume.")
    if node.GetParentTransformNode() is not None:
        raise ImageError(
            f"The volume '{node.GetName()}' lies under the transform '{node.GetParentTransformNode().GetName()}'.",
            "Harden the transform first.",
        )
    array = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])
    image = sitk.GetImageFromArray(array)
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return with_geometry(image, matrix)


def with_geometry(image: sitk.Image, ijk_to_ras: vtk.vtkMatrix4x4) -> sitk.Image:
    """Give ``image`` the place in LPS that ``ijk_to_ras`` says.

    :raises ImageError: the axes are not at right angles, as after a hardened shear; no image file can hold that.
    """
    values = np.array([[ijk_to_ras.GetElement(r, c) for c in range(4)] for r in range(4)])
    lps = _LPS_TO_RAS @ values[:3, :3]
    spacing = np.linalg.norm(lps, axis=0)
    axes = lps / spacing
    if np.abs(axes.T @ axes - np.eye(3)).max() > _RIGHT_ANGLE_TOLERANCE:
        raise ImageError("The image's axes are not at right angles.", "Resample it onto a regular grid first.")
    image.SetSpacing([float(s) for s in spacing])
    image.SetDirection([float(v) for v in axes.ravel()])
    image.SetOrigin([float(v) for v in _LPS_TO_RAS @ values[:3, 3]])
    return image
