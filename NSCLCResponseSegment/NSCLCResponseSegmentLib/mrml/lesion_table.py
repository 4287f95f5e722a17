"""The lesions of a segmentation as a table in the scene, and the way from a row to its place in the views."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from ..core.lesions import Lesion

COLUMNS = ("Lesion", "Volume (mL)", "Longest diameter (mm)", "Perpendicular (mm)")
ROLE = "NSCLCResponse.LesionTable"  # node reference from the segmentation to its table


def lesion_table_node(scene: Any, segmentation_node: Any) -> Any:
    """The table that belongs to ``segmentation_node``, made hidden if there is none yet."""
    table = segmentation_node.GetNodeReference(ROLE)
    if table is None:
        table = scene.AddNewNodeByClass("vtkMRMLTableNode", f"{segmentation_node.GetName()} lesions")
        table.SetHideFromEditors(True)
        table.SetLocked(True)
        table.SetSaveWithScene(False)  # made again from the segmentation
        segmentation_node.SetNodeReferenceID(ROLE, table.GetID())
    return table


def fill_lesion_table(table: Any, lesions: list[Lesion]) -> None:
    """Replace the rows of ``table``; one row per lesion, largest first, columns as in :data:`COLUMNS`."""
    columns = [vtk.vtkStringArray() for _ in COLUMNS]
    for column, name in zip(columns, COLUMNS, strict=True):
        column.SetName(name)
    for lesion in lesions:
        values = (
            f"{lesion.label} (tiny)" if lesion.is_tiny else f"{lesion.label}",
            f"{lesion.volume_ml:.1f}" if lesion.volume_ml >= 1 else f"{lesion.volume_ml:.2f}",
            f"{lesion.longest_axial_diameter_mm:.0f}",
            f"{lesion.perpendicular_diameter_mm:.0f}",
        )
        for column, value in zip(columns, values, strict=True):
            column.InsertNextValue(value)
    modified = table.StartModify()
    table.RemoveAllColumns()
    for column in columns:
        table.AddColumn(column)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.EndModify(modified)


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
