"""Tables that only show something: hidden from the data tree, made again when needed, not saved with the scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import vtk


def shown_table(scene: Any, tag: str) -> Any:
    """The table node of ``scene`` with the singleton tag ``tag``, made if there is none."""
    table = scene.GetSingletonNode(tag, "vtkMRMLTableNode")
    if table is None:
        table = scene.CreateNodeByClass("vtkMRMLTableNode")
        table.UnRegister(None)
        table.SetSingletonTag(tag)
        table.SetName(tag)
        table.SetHideFromEditors(True)  # before it is added: Slicer's data tree takes what is not hidden then
        table = scene.AddNode(table)
    table.SetHideFromEditors(True)  # and each time: closing a scene keeps single nodes but resets them
    table.SetSaveWithScene(False)
    table.SetUseColumnTitleAsColumnHeader(True)
    table.SetLocked(True)
    return table


def storable(text: str) -> str:
    """``text`` as Slicer's table files keep it: they write quotes, tabs and new lines as they are, and misread them."""
    return " ".join(text.split()).replace('"', "”")


def set_columns(table: Any, columns: Mapping[str, Sequence[str] | Sequence[float]]) -> None:
    """Replace what ``table`` holds by columns of text or of numbers, all of one length."""
    arrays = []
    for name, values in columns.items():
        is_text = all(isinstance(value, str) for value in values)
        array = vtk.vtkStringArray() if is_text else vtk.vtkDoubleArray()
        array.SetName(name)
        for value in values:
            array.InsertNextValue(value)
        arrays.append(array)
    modified = table.StartModify()
    table.RemoveAllColumns()
    for array in arrays:
        table.AddColumn(array)
    table.EndModify(modified)
    table.Modified()
