"""What the module's test class does in Slicer: small, without a worker, on the panel that is shown."""

from typing import Any

import SimpleITK as sitk
import slicer

from ..mrml.logic import MODALITY_ATTRIBUTE
from ..mrml.segmentations import segmentation_from_mask
from ..mrml.volumes import volume_from_image


def small_case(edge_voxels: int = 10) -> tuple[Any, Any]:
    """A CT of air, 40×40×20 voxels of 2 mm, with a cube of soft tissue, and the segmentation of that cube."""
    ct = sitk.Image([40, 40, 20], sitk.sitkInt16) - 1000
    ct.SetSpacing((2.0, 2.0, 2.0))
    mask = sitk.Image(ct.GetSize(), sitk.sitkUInt8)
    mask.CopyInformation(ct)
    end = 5 + edge_voxels
    mask[5:end, 5:end, 5:end] = 1
    ct = sitk.Cast(ct, sitk.sitkInt16) + sitk.Cast(mask, sitk.sitkInt16) * 1040
    node = volume_from_image(slicer.mrmlScene, ct, "Test CT")
    node.SetAttribute(MODALITY_ATTRIBUTE, "CT")
    return node, segmentation_from_mask(slicer.mrmlScene, mask, node)


def run(panel: Any) -> None:
    """The panel says what is missing, shows the lesions of an outline, and empties with the scene.

    :raises AssertionError: it does not.
    """
    panel.initialize_parameter_node()
    expect(not panel.ui.outlineButton.enabled and "CT" in panel.ui.outlineButton.toolTip, "asks for a CT")
    ct, segmentation = small_case()
    panel.parameters.ct = ct
    expect("click" in panel.ui.outlineButton.toolTip, "asks for a click")
    expect(not panel.ui.continueButton.enabled, "cannot continue without an outline")
    panel.parameters.segmentation = segmentation
    expect(panel.ui.continueButton.enabled, "can continue with an outline")
    volumes = [lesion.volume_ml for lesion in panel.lesions.lesions]
    expect(len(volumes) == 1 and abs(volumes[0] - 8.0) < 1e-6, f"finds one lesion of 8 mL, not {volumes}")
    slicer.mrmlScene.Clear(0)
    expect(not panel.lesions.lesions, "empties with the scene")


def expect(condition: bool, what: str) -> None:
    """:raises AssertionError: ``condition`` is false; also where Python leaves out ``assert``."""
    if not condition:
        raise AssertionError(what)
