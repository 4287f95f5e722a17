"""Outlines as surfaces (STL), made by VTK."""

from __future__ import annotations

from pathlib import Path

import SimpleITK as sitk

from ..core.errors import MaskError, OutputError

_SMOOTHING_STEPS = 20


def write_surface(labels: sitk.Image, path: Path) -> None:
    """Write the surface of all labels together as binary STL.

    Surface nets (Gibson 1998) with constrained smoothing: no point leaves its voxel's neighbourhood, so the volume is
    kept. Points are LPS millimetres, which the header says in the way that 3D Slicer reads and writes.

    :param labels: 3-D, not 0 is inside.
    :raises MaskError: nothing is inside.
    :raises OutputError: the file cannot be written.
    """
    from vtkmodules.vtkFiltersCore import vtkSurfaceNets3D
    from vtkmodules.vtkFiltersGeneral import vtkTransformPolyDataFilter
    from vtkmodules.vtkIOGeometry import vtkSTLWriter

    cut = _cropped(labels)
    nets = vtkSurfaceNets3D()
    nets.SetInputData(_index_image(cut))
    nets.SetBackgroundLabel(0)
    nets.SetValue(0, 1)
    nets.SmoothingOn()
    nets.SetNumberOfIterations(_SMOOTHING_STEPS)
    nets.SetOutputMeshTypeToTriangles()
    place = vtkTransformPolyDataFilter()
    place.SetInputConnection(nets.GetOutputPort())
    place.SetTransform(_to_lps(cut))
    writer = vtkSTLWriter()
    writer.SetInputConnection(place.GetOutputPort())
    writer.SetFileName(str(path))
    writer.SetFileTypeToBinary()
    writer.SetHeader("SPACE=LPS")
    if not writer.Write():
        raise OutputError(f"{path} cannot be written.", "Check that the disk is not full.")


def _cropped(labels: sitk.Image) -> sitk.Image:
    """The bounding box of all labels as 0/1, with two empty voxels around so that the surface closes."""
    binary = sitk.Cast(sitk.NotEqual(labels, 0), sitk.sitkUInt8)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.ComputePerimeterOff()
    statistics.Execute(binary)
    if not statistics.HasLabel(1):
        raise MaskError("The outline is empty, so it has no surface.", "Outline the tumour first.")
    box = statistics.GetBoundingBox(1)
    return sitk.ConstantPad(sitk.RegionOfInterest(binary, box[3:], box[:3]), [2] * 3, [2] * 3, 0)


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
