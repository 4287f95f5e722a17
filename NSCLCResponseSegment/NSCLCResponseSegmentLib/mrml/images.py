"""What was read from files, as a volume node that remembers where it came from."""

from __future__ import annotations

import json

from slicer import vtkMRMLNode, vtkMRMLScalarVolumeNode, vtkMRMLScene

from ..core.case import LoadedImage
from ..core.errors import ImageError
from ..core.volume_files import SUVBW
from .hierarchy import dicom_patient_id, dicom_series_uid, file_under_study
from .volumes import WindowPreset, volume_from_image

MODALITY_ATTRIBUTE = "NSCLCResponse.Modality"
PATIENT_ATTRIBUTE = "NSCLCResponse.PatientId"
DATE_ATTRIBUTE = "NSCLCResponse.AcquisitionDate"
UNIT_ATTRIBUTE = "NSCLCResponse.Unit"  # only where it is known, not where a file's values were taken for it
_ORIGIN_ATTRIBUTE = "NSCLCResponse.ReadFrom"
_ORIGIN = ("series_uid", "series_description", "acquisition_date")
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
    origin = {"source": str(loaded.source), **{name: getattr(loaded, name) for name in _ORIGIN}}
    node.SetAttribute(_ORIGIN_ATTRIBUTE, json.dumps(origin))
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


def origin_of(node: vtkMRMLScalarVolumeNode) -> dict[str, str]:
    """Where an image came from, as result.json says it: ``source``, and of its DICOM series what is known.

    An image that the application itself loaded has its file, or its name where there is none.
    """
    known = node.GetAttribute(_ORIGIN_ATTRIBUTE)
    if known:
        return json.loads(known)
    storage = node.GetStorageNode()
    origin = {"source": (storage.GetFileName() if storage is not None else "") or node.GetName()}
    series_uid = dicom_series_uid(node)
    return {**origin, "series_uid": series_uid} if series_uid else origin


def patient_of(node: vtkMRMLNode) -> str:
    """The patient's id, as our reader or Slicer's DICOM browser noted it; empty when it is not known."""
    return node.GetAttribute(PATIENT_ATTRIBUTE) or dicom_patient_id(node)


def unit_of(node: vtkMRMLScalarVolumeNode) -> str:
    """A PET's unit where it is known: as our reader noted it, or DICOM's code for it, as Slicer's own readers keep it.

    :returns: ``SUVbw``, another unit, e.g. ``{SUVlbm}g/ml`` or ``Bq/ml``, or nothing.
    """
    known = node.GetAttribute(UNIT_ATTRIBUTE)
    code = node.GetVoxelValueUnits()
    if known or code is None:
        return known or ""
    value = code.GetCodeValue() or ""
    return SUVBW if "suvbw" in value.lower() else value


def require_one_patient(ct: vtkMRMLNode, *others: vtkMRMLNode | None) -> None:
    """Check that outline and PET are of the CT's patient, where DICOM names both.

    :raises ImageError: one is another patient's.
    """
    patient = dicom_patient_id(ct)
    for other in others:
        theirs = dicom_patient_id(other) if other is not None else ""
        if patient and theirs and theirs != patient:
            raise ImageError(
                f"'{other.GetName()}' belongs to patient {theirs}, the CT '{ct.GetName()}' to {patient}.",
                "Choose images and outline of one patient.",
            )
