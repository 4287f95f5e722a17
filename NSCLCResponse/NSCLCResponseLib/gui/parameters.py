"""The panel's parameters, saved in the scene. The wrapper reads the types while importing."""

from typing import Annotated

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode
from slicer.parameterNodeWrapper import WithinRange, parameterNodeWrapper

from ..core.predict_settings import PredictSettings


@parameterNodeWrapper
class ResponseParameters:
    """What the user chose.

    ct, pet, segmentation - the patient.
    signature, clinical - see PredictSettings.
    show_map, map_opacity - the network's map over the slice views.
    reviewer, comment - for the sign-off.
    """

    ct: vtkMRMLScalarVolumeNode
    pet: vtkMRMLScalarVolumeNode
    segmentation: vtkMRMLSegmentationNode
    signature: str = ""
    clinical: dict[str, str]
    show_map: bool = False
    map_opacity: Annotated[float, WithinRange(0.0, 1.0)] = 0.5
    reviewer: str = ""
    comment: str = ""


def predict_settings(parameters: ResponseParameters) -> PredictSettings:
    """The core's settings from the panel's parameters."""
    clinical = {name: text.strip() for name, text in dict(parameters.clinical).items() if text.strip()}
    return PredictSettings(signature=parameters.signature, clinical=clinical)
