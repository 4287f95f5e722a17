"""A whole case as an MRML scene, saved to and opened from ``scene.mrb``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer import (
    vtkMRMLScalarVolumeNode,
    vtkMRMLScene,
    vtkMRMLSegmentationNode,
    vtkMRMLSliceCompositeNode,
)

from NSCLCResponseSegmentLib.core.case import Case, LoadedImage
from NSCLCResponseSegmentLib.core.errors import OutputError, SegmentationError
from NSCLCResponseSegmentLib.mrml.logic import MODALITY_ATTRIBUTE, ORIGIN_ATTRIBUTE
from NSCLCResponseSegmentLib.mrml.segmentations import segmentation_from_mask
from NSCLCResponseSegmentLib.mrml.volumes import LUNG_WINDOW, PET_HOT, WindowPreset, volume_from_image

from .result_nodes import apply_result

_PET_OPACITY = 0.4


@dataclass(frozen=True)
class CaseNodes:
    """The nodes of one case."""

    ct: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    pet: vtkMRMLScalarVolumeNode | None = None


def _volume(scene: vtkMRMLScene, loaded: LoadedImage, name: str, preset: WindowPreset) -> vtkMRMLScalarVolumeNode:
    node = volume_from_image(scene, loaded.image, name, preset)
    node.SetAttribute(MODALITY_ATTRIBUTE, loaded.modality)
    node.SetAttribute("NSCLCResponse.PatientId", loaded.patient_id)
    # writing the scene of a chest CT takes seconds with the default compression, and gains little
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetCompressionParameter("gzip_fastest")
    return node


def build_scene(
    scene: vtkMRMLScene,
    case: Case,
    result: Mapping[str, Any] | None = None,
    features: Mapping[str, float] | None = None,
) -> CaseNodes:
    """Add the case's images, the tumour, and the prediction if there is one.

    :raises SegmentationError: the case has no tumour mask.
    """
    if case.mask is None:
        raise SegmentationError("This case has no tumour outline.", "Outline the tumour first.")
    ct = _volume(scene, case.ct, "CT", LUNG_WINDOW)
    pet = _volume(scene, case.pet, "PET SUVbw", PET_HOT) if case.pet is not None else None
    segmentation = segmentation_from_mask(scene, case.mask.image, ct)
    segmentation.SetAttribute(ORIGIN_ATTRIBUTE, case.mask.origin)
    if result is not None:
        apply_result(scene, result, features or {}, segmentation)
    nodes = CaseNodes(ct, segmentation, pet)
    _show_in_slices(scene, nodes)
    return nodes


def _show_in_slices(scene: vtkMRMLScene, nodes: CaseNodes) -> None:
    """What 3D Slicer's slice views show when the scene is opened there: CT, and PET over it."""
    for name in ("Red", "Green", "Yellow"):
        composite = vtkMRMLSliceCompositeNode()
        composite.SetSingletonTag(name)
        composite.SetLayoutName(name)
        composite = scene.AddNode(composite)
        composite.SetBackgroundVolumeID(nodes.ct.GetID())
        if nodes.pet is not None:
            composite.SetForegroundVolumeID(nodes.pet.GetID())
            composite.SetForegroundOpacity(_PET_OPACITY)


def save_mrb(scene: vtkMRMLScene, path: Path) -> None:
    """Write the scene as one file, the way Slicer does (a zip with scene.mrml and a folder Data).

    :raises OutputError: it could not be written, usually because the disk is full.
    """
    if not scene.WriteToMRB(str(path), None):
        raise OutputError(f"{path} cannot be written.", "Check that the disk is not full and the folder writable.")


def open_mrb(scene: vtkMRMLScene, path: Path) -> None:
    """Replace the content of ``scene`` with a saved one.

    :raises OutputError: the file is no scene.
    """
    if not scene.ReadFromMRB(str(path), True):
        raise OutputError(f"{path} is not a saved scene.", "Choose a scene.mrb written by NSCLC Response or 3D Slicer.")
