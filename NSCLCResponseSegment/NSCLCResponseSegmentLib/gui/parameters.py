"""The panel's parameters, saved in the scene. The wrapper reads the types while importing."""

import enum

from slicer import vtkMRMLMarkupsFiducialNode, vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import parameterNodeWrapper

from ..core.outline_settings import OutlineMethod, OutlineSettings, PetMethod


class OutlineChoice(enum.Enum):
    """The entries of the method's combo box; values as in :class:`OutlineMethod`."""

    CLICK = OutlineMethod.CLICK.value
    PET = OutlineMethod.PET.value
    MODEL = OutlineMethod.MODEL.value
    FILE = OutlineMethod.FILE.value

    def label(self) -> str:
        """The user's words."""
        return {
            OutlineChoice.CLICK: _("Click in the tumour"),
            OutlineChoice.PET: _("PET uptake around a click"),
            OutlineChoice.MODEL: _("Segmentation model"),
            OutlineChoice.FILE: _("Outline from a file"),
        }[self]


class PetChoice(enum.Enum):
    """The entries of the combo box for the PET's threshold; values as in :class:`PetMethod`."""

    PERCENT_41 = PetMethod.PERCENT_41.value
    FIXED_4 = PetMethod.FIXED_4.value
    FIXED_2_5 = PetMethod.FIXED_2_5.value
    GRADIENT = PetMethod.GRADIENT.value

    def label(self) -> str:
        """The user's words."""
        return {
            PetChoice.PERCENT_41: _("41 % of the highest SUV"),
            PetChoice.FIXED_4: _("SUV 4.0"),
            PetChoice.FIXED_2_5: _("SUV 2.5"),
            PetChoice.GRADIENT: _("Steepest gradient"),
        }[self]


@parameterNodeWrapper
class SegmentParameters:
    """What the user chose.

    ct - the CT in HU.
    pet - the PET as SUVbw, if any.
    segmentation - holds the tumour; the first segment is the tumour unless one is named so.
    clicks, exclusions - points inside the tumour, and where it is not.
    method, mask_file, mask_roi, pet_method, use_ct, model, mirror - see OutlineSettings.
    """

    ct: vtkMRMLScalarVolumeNode
    pet: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    clicks: vtkMRMLMarkupsFiducialNode
    exclusions: vtkMRMLMarkupsFiducialNode
    method: OutlineChoice = OutlineChoice.CLICK
    mask_file: str = ""
    mask_roi: str = ""
    pet_method: PetChoice = PetChoice.PERCENT_41
    use_ct: bool = True
    model: str = ""
    mirror: bool = False


def outline_settings(parameters: SegmentParameters) -> OutlineSettings:
    """The core's settings from the panel's parameters."""
    return OutlineSettings(
        method=OutlineMethod(parameters.method.value),
        mask_file=parameters.mask_file.strip(),
        mask_roi=parameters.mask_roi.strip(),
        pet_method=PetMethod(parameters.pet_method.value),
        use_ct=parameters.use_ct,
        model=parameters.model.strip(),
        mirror=parameters.mirror,
    )
