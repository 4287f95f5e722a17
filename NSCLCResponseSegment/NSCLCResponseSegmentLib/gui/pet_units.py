"""A PET that Slicer's DICOM browser loaded is in Bq/mL; here it becomes SUVbw, from the DICOM files it came from."""

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import SimpleITK as sitk
import slicer
from slicer.i18n import tr as _

from ..core.errors import PetError
from ..core.volume_files import SUVBW, require_suv
from ..mrml.images import MODALITY_ATTRIBUTE, unit_of
from ..mrml.logic import SegmentLogic

_UIDS_ATTRIBUTE = "DICOM.instanceUIDs"  # set by Slicer's DICOM reader


def why_not_suv(pet: Any) -> str:
    """Why the values of a volume node cannot be SUVbw; empty when they can."""
    if pet is None or pet.GetImageData() is None or pet.GetAttribute(MODALITY_ATTRIBUTE) == "PT":
        return ""
    unit = unit_of(pet)
    if unit and unit != SUVBW and ("SUV" in unit or "Bq" in unit):  # e.g. per lean body mass; values look like SUVbw's
        return _("{name} is in {unit}, not in SUVbw.").format(name=pet.GetName(), unit=unit)
    ends = sitk.GetImageFromArray(np.array([[pet.GetImageData().GetScalarRange()]]))
    try:
        require_suv(ends, pet.GetName())
    except PetError as error:
        return error.message
    return ""


def dicom_files(pet: Any) -> list[Path]:
    """The files that a volume node was loaded from, as far as Slicer's DICOM database knows them."""
    uids = (pet.GetAttribute(_UIDS_ATTRIBUTE) or "").split()
    database = getattr(slicer, "dicomDatabase", None)  # a Slicer without DICOM has none
    if database is None:
        return []
    files = [database.fileForInstance(uid) for uid in uids]
    return [Path(file) for file in files if file]


def reason_not_to_convert(pet: Any) -> str:
    """Why SUVbw cannot be computed for a volume node; empty when it can be tried."""
    if not dicom_files(pet):
        return _("The DICOM files of this PET are not in Slicer's database: load the PET with the DICOM browser")
    return ""


def suv_from_dicom(pet: Any) -> Any:
    """A new volume node in SUVbw, from the DICOM files of ``pet``, which stays as it is.

    :raises PetError: SUVbw cannot be computed.
    """
    with TemporaryDirectory(prefix="nsclc-response-pet-") as folder:
        for number, file in enumerate(dicom_files(pet)):
            shutil.copyfile(file, Path(folder) / f"{number:05d}.dcm")
        node = SegmentLogic(slicer.mrmlScene).loadPet(folder)
    node.SetName(_("{name} SUVbw").format(name=pet.GetName()))
    return node
