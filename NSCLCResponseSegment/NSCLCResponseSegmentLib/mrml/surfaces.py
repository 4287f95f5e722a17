"""Outlines as surfaces (STL), made by VTK."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ..core.errors import MaskError, OutputError

_BLUR_MM = 1.0  # standard deviation


def write_surface(labels: sitk.Image, path: Path) -> None:
    """Write the surface of all labels together as binary STL.

    Flying edges (Schroeder 2015) at one half of the slightly blurred mask, which rounds the voxels' steps but hardly
    moves the surface: a ball of 12 mm keeps its volume to a few per cent. Points are LPS millimetres, which the header
    says in the way that 3D Slicer reads and writes.

    :param labels: 3-D, not 0 is inside.
    :raises MaskError: nothing is inside.
    :raises OutputError: the file cannot be written.
    """
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D
    from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter
    from vtkmodules.vtkIOGeometry import vtkSTLWriter

    soft = sitk.DiscreteGaussian(_cropped(labels), (_BLUR_MM**2,) * 3)
    edges = vtkFlyingEdges3D()
    edges.SetInputData(_index_image(soft))
    edges.SetValue(0, 0.5)
    place = vtkTransformPolyDataFilter()
    place.SetInputConnection(edges.GetOutputPort())
    place.SetTransform(_to_lps(soft))
    writer = vtkSTLWriter()
    writer.SetInputConnection(place.GetOutputPort())
    writer.SetFileName(str(path))
    writer.SetFileTypeToBinary()
    writer.SetHeader("SPACE=LPS")
    if not writer.Write():
        raise OutputError(f"{path} cannot be written.", "Check that the disk is not full.")


def _cropped(labels: sitk.Image) -> sitk.Image:
    """The bounding box of all labels as 0.0/1.0, with empty voxels around so that the surface closes."""
    binary = sitk.Cast(sitk.NotEqual(labels, 0), sitk.sitkUInt8)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputePerimeterOff()
    statistics.Execute(binary)
    if not statistics.HasLabel(1):
        raise MaskError("The outline is empty, so it has no surface.", "Outline the tumour first.")
    box = statistics.GetBoundingBox(1)
    part = sitk.RegionOfInterest(binary, box[3:], box[:3])
    return sitk.Cast(sitk.ConstantPad(part, [4] * 3, [4] * 3, 0), sitk.sitkFloat32)


def _index_image(image: sitk.Image) -> object:
    """The voxels as VTK image data in index coordinates."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData

    data = vtkImageData()
    data.SetDimensions(image.GetSize())
    data.SetSpacing(image.GetSpacing())
    data.GetPointData().SetScalars(numpy_to_vtk(sitk.GetArrayFromImage(image).ravel(), deep=True))
    return data


def _to_lps(image: sitk.Image) -> object:
    """From the image's axes in millimetres (spacing applied) to LPS."""
    from vtkmodules.vtkCommonMath import vtkMatrix4x4
    from vtkmodules.vtkCommonTransforms import vtkTransform

    # numpy_to_vtk's point 0 is index 0, which lies at the origin of the padded image
    matrix = vtkMatrix4x4()
    direction, origin = image.GetDirection(), image.GetOrigin()
    for row in range(3):
        for column in range(3):
            matrix.SetElement(row, column, direction[3 * row + column])
        matrix.SetElement(row, 3, origin[row])
    transform = vtkTransform()
    transform.SetMatrix(matrix)
    return transform
