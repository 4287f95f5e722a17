"""The 3D-CNN's map as a volume with colours of its own: teal speaks for response, orange against, little is clear."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk
from slicer import vtkMRMLColorTableNode, vtkMRMLScalarVolumeNode, vtkMRMLScene

from NSCLCResponseSegmentLib.mrml.hierarchy import file_beside
from NSCLCResponseSegmentLib.mrml.volumes import volume_from_image

MAP_NAME = "3D-CNN map"
COLOUR_NAME = "NSCLC Response map"
CLEAR_BELOW = 0.15  # of the largest value; fainter places are not coloured
_ENTRIES = 255
_AGAINST, _FOR = (0.93, 0.42, 0.08), (0.08, 0.75, 0.66)
_FAINT = (0.96, 0.95, 0.86)


def map_colours() -> np.ndarray:
    """(255, 4) red, green, blue and opacity (0 or 1) for −1 to 1."""
    values = np.linspace(-1, 1, _ENTRIES)
    strength = np.clip((np.abs(values) - CLEAR_BELOW) / (1 - CLEAR_BELOW), 0, 1)[:, None] ** 0.7
    ends = np.where(values[:, None] < 0, _AGAINST, _FOR)
    colours = (1 - strength) * np.array(_FAINT) + strength * ends
    return np.column_stack([colours, np.abs(values) >= CLEAR_BELOW])


def map_colour_node(scene: vtkMRMLScene) -> vtkMRMLColorTableNode:
    """The scene's colour node for maps; made once."""
    found = scene.GetFirstNodeByName(COLOUR_NAME)
    if found is not None:
        return found
    node = vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(COLOUR_NAME)
    node.SetNumberOfColors(_ENTRIES)
    for index, (colour, value) in enumerate(zip(map_colours(), np.linspace(-1, 1, _ENTRIES), strict=True)):
        node.SetColor(index, f"{value:+.2f}", *(float(c) for c in colour))
    return scene.AddNode(node)


def add_map(scene: vtkMRMLScene, image: sitk.Image, ct: vtkMRMLScalarVolumeNode | None) -> vtkMRMLScalarVolumeNode:
    """Add the map beside the CT, without its empty surroundings.

    :param image: −1 to 1 on the CT's grid, as :meth:`explain_map.NetworkMap.on_ct` gives it.
    """
    node = volume_from_image(scene, without_margin(image), MAP_NAME)
    display = node.GetDisplayNode()
    display.AutoWindowLevelOff()
    display.SetWindowLevel(2.0, 0.0)
    display.SetAndObserveColorNodeID(map_colour_node(scene).GetID())
    if ct is not None:
        file_beside(scene, node, ct)
    return node


def without_margin(image: sitk.Image) -> sitk.Image:
    """The part of an image that is not 0, on the same lattice; the image itself where all is 0."""
    filled = np.asarray(sitk.GetArrayViewFromImage(image)) != 0
    if not filled.any():
        return image
    start, size = [], []
    for axis in (2, 1, 0):
        hit = np.flatnonzero(filled.any(axis=tuple(a for a in range(3) if a != axis)))
        start.append(int(hit[0]))
        size.append(int(hit[-1] - hit[0] + 1))
    return sitk.RegionOfInterest(image, size, start)
