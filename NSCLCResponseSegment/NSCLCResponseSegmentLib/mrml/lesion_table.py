"""The lesions of a segmentation as a table, and the way from a row to its place in the views."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
import vtk

from ..core.errors import ImageError
from ..core.lesions import Lesion, measure_lesions
from .segmentations import ensure_label_map, tumour_masks
from .tables import set_columns
from .volumes import with_geometry

_LESION, _VOLUME, _LONG, _SHORT = "Lesion", "Volume (mL)", "Long axis (mm)", "Short axis (mm)"


def lesions_of(segmentation_node: Any, ct_node: Any) -> list[Lesion]:
    """The lesions of all segments together on the grid of a CT; quick enough to be called after each stroke of a brush.

    :raises MaskError: there is no segment, all are empty, or they are no tumour's.
    """
    return measure_lesions(lesion_mask(segmentation_node, ct_node))


def lesion_mask(segmentation_node: Any, ct_node: Any) -> sitk.Image:
    """All segments together, 1 inside, on the part of a CT's grid around them; needs the scene, measuring does not.

    :raises MaskError: there is no segment, all are empty, or they are no tumour's.
    """
    grid = grid_around(segmentation_node, ct_node)
    return reduce(sitk.Or, tumour_masks(segmentation_node, grid).values())


def prepare_measuring() -> None:
    """Import what :func:`lesions_of` needs, which takes longer than measuring; to be called where nobody waits."""
    import scipy.ndimage
    import scipy.spatial

    del scipy


def grid_around(segmentation_node: Any, ct_node: Any) -> sitk.Image:
    """An empty image on the CT's grid that covers the segmentation and a voxel more (axes i, j, k).

    :raises ImageError: the CT has no voxels, e.g. because a scene's file is missing.
    """
    if ct_node.GetImageData() is None:
        raise ImageError(f"The volume '{ct_node.GetName()}' is empty.", "Load an image into it.")
    ensure_label_map(segmentation_node, ct_node)
    to_ras = vtk.vtkMatrix4x4()
    ct_node.GetIJKToRASMatrix(to_ras)
    bounds = [0.0] * 6
    segmentation_node.GetRASBounds(bounds)
    to_ijk = vtk.vtkMatrix4x4()
    vtk.vtkMatrix4x4.Invert(to_ras, to_ijk)
    corners = [(x, y, z, 1.0) for x in bounds[:2] for y in bounds[2:4] for z in bounds[4:]]
    indices = np.array([to_ijk.MultiplyPoint(corner)[:3] for corner in corners])
    size = np.array(ct_node.GetImageData().GetDimensions())
    first = np.clip(np.floor(indices.min(axis=0)).astype(int) - 1, 0, size - 1)
    last = np.clip(np.ceil(indices.max(axis=0)).astype(int) + 1, first, size - 1)
    whole = with_geometry(sitk.Image([1, 1, 1], sitk.sitkUInt8), to_ras)
    grid = sitk.Image([int(n) for n in last - first + 1], sitk.sitkUInt8)
    grid.SetSpacing(whole.GetSpacing())
    grid.SetDirection(whole.GetDirection())
    grid.SetOrigin(whole.TransformIndexToPhysicalPoint([int(n) for n in first]))
    return grid


def fill_lesion_table(table: Any, lesions: list[Lesion], names: Mapping[int, str] | None = None) -> None:
    """Replace the rows of ``table``; one row per lesion, largest first.

    :param names: lesion's number to its name, where it has one.
    """
    words = [f"{le.label} {(names or {}).get(le.label, '')}".strip() for le in lesions]
    set_columns(
        table,
        {
            _LESION: [f"{word} (tiny)" if le.is_tiny else word for word, le in zip(words, lesions, strict=True)],
            _VOLUME: [f"{le.volume_ml:.1f}" if le.volume_ml >= 1 else f"{le.volume_ml:.2f}" for le in lesions],
            _LONG: [f"{le.longest_axial_diameter_mm:.0f}" for le in lesions],
            _SHORT: [f"{le.perpendicular_diameter_mm:.0f}" for le in lesions],
        },
    )


def lesions_summary(lesions: list[Lesion]) -> str:
    """One line under the table."""
    if not lesions:
        return "The outline is empty."
    volume = sum(lesion.volume_ml for lesion in lesions)
    count = "1 lesion" if len(lesions) == 1 else f"{len(lesions)} lesions"
    return f"{count}, {volume:.1f} mL together"


def jump_to(scene: Any, point_ras: tuple[float, float, float]) -> None:
    """Centre all slice views of ``scene`` on a point (RAS mm)."""
    slicer.vtkMRMLSliceNode.JumpAllSlices(scene, *point_ras, slicer.vtkMRMLSliceNode.CenteredJumpSlice)
