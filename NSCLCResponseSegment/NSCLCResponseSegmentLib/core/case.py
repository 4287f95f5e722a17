"""What one patient is made of, after reading and before any analysis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import SimpleITK as sitk


@dataclass(frozen=True)
class LoadedImage:
    """An image in physical units, with what is known about where it came from.

    ``image`` is 3-D, 32-bit float or 16-bit integer, in LPS millimetres; its array is (z, y, x).
    """

    image: sitk.Image
    modality: str  # DICOM code: "CT", "PT", …
    unit: str  # "HU" or "SUVbw"
    source: Path
    patient_id: str = ""
    study_uid: str = ""
    series_uid: str = ""
    series_description: str = ""
    frame_of_reference_uid: str = ""
    acquisition_date: str = ""  # DICOM DA, YYYYMMDD; empty when the file does not say
    dicom_files: tuple[Path, ...] = ()  # in the image's slice order
    instance_uids: tuple[str, ...] = ()  # SOP instance UIDs of these files
    facts: Mapping[str, Any] = field(default_factory=dict)  # slice thickness, kernel, manufacturer, SUV branch …
    notes: tuple[str, ...] = ()  # sentences for the user about what reading had to do


@dataclass(frozen=True)
class TumourMask:
    """The tumour on the CT's grid: unsigned 8-bit, 0 outside, 1 inside."""

    image: sitk.Image
    origin: str  # "imported", "one click", "model NAME", "PET", "edited"
    source: Path | None = None
    roi_name: str = ""
    notes: tuple[str, ...] = ()  # e.g. that it was resampled from another grid
    lesion_choice: Mapping[str, Any] | None = None  # what the user kept and dropped: LesionChoice.record


@dataclass
class Case:
    """One patient at one time: the CT, and whatever else there is.

    :param ct: ``None`` only for a prediction that looks at no image.
    :param center: the hospital, for features that are harmonised between centres; empty when nobody knows.
    """

    ct: LoadedImage | None
    pet: LoadedImage | None = None
    mask: TumourMask | None = None
    clinical: dict[str, float] = field(default_factory=dict)
    patient_id: str = ""
    center: str = ""

    @property
    def notes(self) -> list[str]:
        """All sentences that reading left for the user, in reading order."""
        parts = (self.ct, self.pet, self.mask)
        return [note for part in parts if part is not None for note in part.notes]
