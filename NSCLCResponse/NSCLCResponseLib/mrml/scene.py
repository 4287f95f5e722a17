"""A whole case as an MRML scene, saved to and opened from ``scene.mrb``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer import (
    vtkCacheManager,
    vtkDataIOManager,
    vtkMRMLScalarVolumeNode,
    vtkMRMLScene,
    vtkMRMLSegmentationNode,
    vtkMRMLSliceCompositeNode,
)

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import OutputError, SegmentationError
from NSCLCResponseSegmentLib.mrml.hierarchy import file_beside
from NSCLCResponseSegmentLib.mrml.images import volume_from_loaded
from NSCLCResponseSegmentLib.mrml.logic import ORIGIN_ATTRIBUTE
from NSCLCResponseSegmentLib.mrml.quiet import quiet_vtk
from NSCLCResponseSegmentLib.mrml.segmentations import segmentation_from_mask
from NSCLCResponseSegmentLib.mrml.volumes import LUNG_WINDOW, PET_HOT

from .result_nodes import apply_result

if TYPE_CHECKING:
    import SimpleITK as sitk

_PET_OPACITY = 0.4


@dataclass(frozen=True)
class CaseNodes:
    """The nodes of one case."""

    ct: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    pet: vtkMRMLScalarVolumeNode | None = None
    network_map: vtkMRMLScalarVolumeNode | None = None


def build_scene(
    scene: vtkMRMLScene,
    case: Case,
    result: Mapping[str, Any] | None = None,
    features: Mapping[str, float] | None = None,
    network_map: sitk.Image | None = None,
) -> CaseNodes:
    """Add the case's images, the tumour, and the prediction if there is one.

    :param network_map: of the prediction, see :func:`.map_volume.add_map`.
    :raises SegmentationError: the case has no tumour mask.
    """
    if case.mask is None:
        raise SegmentationError("This case has no tumour outline.", "Outline the tumour first.")
    ct = volume_from_loaded(scene, case.ct, "CT", LUNG_WINDOW)
    pet = volume_from_loaded(scene, case.pet, "PET SUVbw", PET_HOT) if case.pet is not None else None
    segmentation = segmentation_from_mask(scene, case.mask.image, ct)
    segmentation.SetAttribute(ORIGIN_ATTRIBUTE, case.mask.origin)
    file_beside(scene, segmentation, ct)
    shown_map = None
    if result is not None:
        applied = apply_result(scene, result, features or {}, segmentation, ct, pet, network_map)
        shown_map = applied.GetNodeReference("map")
    nodes = CaseNodes(ct, segmentation, pet, shown_map)
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
    with quiet_vtk():  # it lists each file
        written = scene.WriteToMRB(str(path), None)
    if not written:
        raise OutputError(f"{path} cannot be written.", "Check that the disk is not full and the folder writable.")


def open_mrb(scene: vtkMRMLScene, path: Path) -> None:
    """Replace the content of ``scene`` with a saved one.

    :raises OutputError: the file is no scene.
    """
    with quiet_vtk(), _unpacking_folder(scene), _same_working_directory():
        read = scene.ReadFromMRB(str(path), True)
    if not read:
        raise OutputError(f"{path} is not a saved scene.", "Choose a scene.mrb written by NSCLC Response or 3D Slicer.")


@contextmanager
def _same_working_directory() -> Iterator[None]:
    """Slicer goes into the folder that it unpacks into, and stays there when the file is no archive."""
    here = Path.cwd()
    try:
        yield
    finally:
        os.chdir(here)


@contextmanager
def _unpacking_folder(scene: vtkMRMLScene) -> Iterator[None]:
    """A scene unpacks into its cache; one that no application looks after has none, and gets one for the while."""
    if scene.GetDataIOManager() is not None:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="nsclc-response-") as folder:
        cache, manager = vtkCacheManager(), vtkDataIOManager()
        cache.SetRemoteCacheDirectory(folder)
        manager.SetCacheManager(cache)
        scene.SetDataIOManager(manager)
        try:
            yield
        finally:
            scene.SetDataIOManager(None)
