"""What was read from files, as a volume node that remembers where it came from."""

from __future__ import annotations

from slicer import vtkMRMLScalarVolumeNode, vtkMRMLScene

from ..core.case import LoadedImage
from .hierarchy import file_under_study
from .volumes import WindowPreset, volume_from_image

MODALITY_ATTRIBUTE = "NSCLCResponse.Modality"
PATIENT_ATTRIBUTE = "NSCLCResponse.PatientId"
DATE_ATTRIBUTE = "NSCLCResponse.AcquisitionDate"
UNIT_ATTRIBUTE = "NSCLCResponse.Unit"  # only where it is known, not where a file's values were taken for it
#: gzip's default takes three times as long on a chest CT and saves a tenth of the bytes
_COMPRESSION = "gzip_fastest"


def volume_from_loaded(
    scene: vtkMRMLScene, loaded: LoadedImage, name: str, preset: WindowPreset
) -> vtkMRMLScalarVolumeNode:
    """Add an image with its geometry, window, DICOM identity, and place under patient and study."""
    node = volume_from_image(scene, loaded.image, name, preset, loaded.instance_uids)
    node.SetAttribute(MODALITY_ATTRIBUTE, loaded.modality)
    node.SetAttribute(PATIENT_ATTRIBUTE, loaded.patient_id)
    if loaded.modality == "PT" and loaded.facts.get("suv_branch") != "taken as SUVbw":
        node.SetAttribute(UNIT_ATTRIBUTE, loaded.unit)
    if loaded.acquisition_date:
        node.SetAttribute(DATE_ATTRIBUTE, loaded.acquisition_date)
    node.AddDefaultStorageNode()
    node.GetStorageNode().SetCompressionParameter(_COMPRESSION)
    file_under_study(
        scene,
        node,
        patient_id=loaded.patient_id,
        study_uid=loaded.study_uid,
        study_date=str(loaded.facts.get("study_date", "")) or loaded.acquisition_date,
        series_uid=loaded.series_uid,
        modality=loaded.modality,
    )
    return node
