"""The panel's parameters, saved in the scene. The wrapper reads the types while importing."""

import enum

from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from ..core.outline_settings import OutlineMethod, OutlineSettings


class OutlineChoice(enum.Enum):
    """The entries of the method's combo box; values as in :class:`OutlineMethod`."""

    CLICK = OutlineMethod.CLICK.value
    FILE = OutlineMethod.FILE.value

    def label(self) -> str:
        """The user's words."""
        return {OutlineChoice.CLICK: _("Click in the tumour"), OutlineChoice.FILE: _("Outline from a file")}[self]


@parameterNodeWrapper
class SegmentParameters:
    """What the user chose.

    ct - the CT in HU.
    pet - the PET as SUVbw, if any.
    segmentation - holds the tumour; the first segment is the tumour unless one is named so.
    clicks, exclusions - points inside the tumour, and where it is not.
    method, mask_file, mask_roi - see OutlineSettings.
    """

    ct: vtkMRMLScalarVolumeNode
    pet: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    clicks: vtkMRMLMarkupsFiducialNode
    exclusions: vtkMRMLMarkupsFiducialNode
    method: OutlineChoice = OutlineChoice.CLICK
    mask_file: str = ""
    mask_roi: str = ""


def outline_settings(parameters: SegmentParameters) -> OutlineSettings:
    """The core's settings from the panel's parameters."""
    return OutlineSettings(
        method=OutlineMethod(parameters.method.value),
        mask_file=parameters.mask_file.strip(),
        mask_roi=parameters.mask_roi.strip(),
    )
