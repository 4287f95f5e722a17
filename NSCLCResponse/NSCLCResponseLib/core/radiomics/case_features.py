"""All features of one patient: a row for each lesion and region, from CT and, if there is one, PET."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.lesions import Lesion, label_lesions, measure_lesions
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .burden import tumour_burden
from .engine import make_plan
from .extract import FeatureResult, extract_features
from .pet_measures import NAMES as UPTAKE_NAMES
from .pet_measures import measure_uptake
from .pet_outline import ALL_LESIONS, share_outline
from .regions import Region, RegionMaker
from .settings import RadiomicsSettings

TUMOUR = Region("tumour", "tumour")


@dataclass(frozen=True)
class FeatureRequest:
    """What to measure.

    :param pet_settings: used when the case has a PET.
    :param regions: of each lesion.
    :param each_lesion: a row for each lesion; otherwise one for the whole outline only.
    :param ibsi: resample and discretise as IBSI-1 prescribes.
    :param perturb: how often :func:`cases.extract` redraws the contours, for ICCs; 0 is off.
    :param seed: of the redrawn contours.
    """

    ct_settings: RadiomicsSettings
    pet_settings: RadiomicsSettings | None = None
    regions: tuple[Region, ...] = (TUMOUR,)
    each_lesion: bool = True
    ibsi: bool = False
    perturb: int = 0
    seed: int = 0
    processes: int | None = None

    def settings_of(self, case: Case) -> dict[str, RadiomicsSettings]:
        """The settings that apply to a case: ``ct``, and ``pet`` if it has one."""
        pairs = {"ct": self.ct_settings}
        if case.pet is not None and self.pet_settings is not None:
            pairs["pet"] = self.pet_settings
        return pairs


@dataclass(frozen=True)
class FeatureRow:
    """Features of one region of one lesion.

    :param lesion: its number (1 is the largest), the segment's name, or ``all`` for the whole outline.
    :param values: column name → value. ``ct_…`` and ``pet_…`` for the tumour, ``ring5_ct_…`` for other regions,
        ``pet_uptake_…`` for SUV measures, ``burden_…`` (over all lesions of the patient) in the tumour's rows.
    :param failed: column name → why it has no value.
    :param settings: ``ct`` and ``pet`` → SHA-256 of the settings file.
    :param diagnostics: ``ct`` and ``pet`` → PyRadiomics' record.
    """

    patient: str
    lesion: str
    region: str
    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    diagnostics: dict[str, dict[str, Any]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FeatureRow:
        """The row that :meth:`to_json` wrote."""
        return cls(**{**data, "warnings": tuple(data["warnings"])})


def measure_case(
    case: Case,
    request: FeatureRequest,
    progress: Progress = SILENT,
    *,
    lesion_masks: Mapping[str, sitk.Image] | None = None,
    pet_mask: sitk.Image | None = None,
) -> list[FeatureRow]:
    """All rows of one patient.

    The connected parts of the outline (26 neighbours) are its lesions, so tumours that touch are one lesion; parts
    under 0.03 mL count as noise of the outline when there are larger ones, and get no row. With several lesions a row
    ``all`` holds the features of the whole outline, as ``predict`` uses them; its surface, volume and diameters are
    those of all parts together. The region ``burden`` is one row more.

    :param lesion_masks: name → mask (on the CT's grid) where the lesions are known, such as the segments of a
        segmentation; they may touch or overlap and each is measured for itself.
    :param pet_mask: outline drawn on the PET (any grid), for the tumours' PET features; see
        :func:`pet_outline.share_outline`. Without it, and for the other regions, the CT's outline is placed on the PET.
    :raises MaskError: the case has no outline, or an empty one.
    """
    masks, lesions = _lesions(case, request, lesion_masks)
    on_pet = share_outline(pet_mask, masks) if pet_mask is not None else {}
    maker = RegionMaker(case.ct.image, _union(list(masks.values())))
    burden = {f"burden_{name}": value for name, value in tumour_burden(lesions).items()}
    jobs = [(name, region) for name in masks for region in request.regions if region.kind != "burden"]
    rows = []
    for number, (name, region) in enumerate(jobs):
        step = progress.part(number / len(jobs), (number + 1) / len(jobs))
        is_tumour = region.kind == "tumour"
        own = {"ct": maker.make(masks[name], region)}
        own["pet"] = on_pet.get(name, own["ct"]) if is_tumour else own["ct"]
        row = _measure(case, own, request, (name, region), step)
        rows.append(replace(row, values={**row.values, **burden}) if is_tumour else row)
    if any(region.kind == "burden" for region in request.regions):
        rows.append(FeatureRow(case.patient_id, ALL_LESIONS, "burden", burden))
    progress.report(1.0, "Features measured")
    return rows


def unmeasured_row(case: Case, request: FeatureRequest, lesion: str, reason: str) -> FeatureRow:
    """The row of a lesion whose outline cannot be used: no value, and the same reason for every feature."""
    settings = request.settings_of(case)
    names = [f"{image}_{n}" for image, own in settings.items() for n in make_plan(own.parameters).expected_names()]
    if "pet" in settings:
        names += [f"pet_uptake_{n}" for n in UPTAKE_NAMES]
    hashes = {image: own.sha256 for image, own in settings.items()}
    return FeatureRow(case.patient_id, lesion, TUMOUR.name, failed=dict.fromkeys(names, reason), settings=hashes)


def case_lesions(
    case: Case, request: FeatureRequest, lesion_masks: Mapping[str, sitk.Image] | None = None
) -> dict[str, sitk.Image]:
    """Name → mask of the lesions that get rows of their own, without the row ``all``; as :func:`measure_case`.

    :raises MaskError: the case has no outline, or an empty one.
    """
    masks, _ = _lesions(case, request, lesion_masks)
    return {name: mask for name, mask in masks.items() if name != ALL_LESIONS or len(masks) == 1}


def _lesions(
    case: Case, request: FeatureRequest, given: Mapping[str, sitk.Image] | None
) -> tuple[dict[str, sitk.Image], list[Lesion]]:
    """Masks by lesion name, and what the burden counts as lesions."""
    if given:
        masks = {name: _binary(mask) for name, mask in given.items()}
        for name, mask in masks.items():
            if not np.any(sitk.GetArrayViewFromImage(mask)):
                raise MaskError(f"The outline of lesion '{name}' is empty.", "Outline it, or leave it out.")
        measured = [replace(measure_lesions(mask)[0], volume_ml=_volume_ml(mask)) for mask in masks.values()]
        return masks, measured
    if case.mask is None or not np.any(sitk.GetArrayViewFromImage(case.mask.image)):
        raise MaskError("There is no outline to measure.", "Give --mask with the tumour's outline.")
    whole = _binary(case.mask.image)
    lesions = measure_lesions(whole)
    real = [lesion for lesion in lesions if not lesion.is_tiny]
    if not request.each_lesion or len(real) < 2:
        return {ALL_LESIONS if not request.each_lesion else "1": whole}, lesions
    labelled, _ = label_lesions(whole)
    masks = {str(lesion.label): sitk.Equal(labelled, lesion.label) for lesion in real}
    return {**masks, ALL_LESIONS: whole}, lesions


def _measure(
    case: Case, masks: Mapping[str, sitk.Image], request: FeatureRequest, what: tuple[str, Region], progress: Progress
) -> FeatureRow:
    name, region = what
    values: dict[str, float] = {}
    failed: dict[str, str] = {}
    warnings: list[str] = []
    settings = request.settings_of(case)
    diagnostics = {}
    for number, (image_name, own) in enumerate(settings.items()):
        image = case.ct.image if image_name == "ct" else case.pet.image
        mask = masks[image_name]
        part = progress.part(number / len(settings), (number + 1) / len(settings))
        how = {"processes": request.processes, "ibsi": request.ibsi}
        result = extract_features(image, mask, own, prefix=image_name, progress=part, **how)
        _take(result, region, mask, (values, failed))
        warnings += result.warnings
        diagnostics[image_name] = result.diagnostics
        if image_name == "pet":
            uptake, reasons = measure_uptake(image, mask, str(case.pet.source))
            values |= {f"{region.prefix}pet_uptake_{n}": v for n, v in uptake.items()}
            failed |= {f"{region.prefix}pet_uptake_{n}": reason for n, reason in reasons.items()}
    hashes = {image_name: own.sha256 for image_name, own in settings.items()}
    return FeatureRow(case.patient_id, name, region.name, values, failed, hashes, diagnostics, tuple(warnings))


def _take(
    result: FeatureResult, region: Region, mask: sitk.Image, into: tuple[dict[str, float], dict[str, str]]
) -> None:
    values, failed = into
    values |= {region.prefix + name: value for name, value in result.values.items()}
    is_empty = not np.any(sitk.GetArrayViewFromImage(mask))
    why = f"the region {region.name} of this lesion is empty" if is_empty else ""
    failed |= {region.prefix + name: why or reason for name, reason in result.failed.items()}


def _union(masks: Sequence[sitk.Image]) -> sitk.Image:
    union = masks[0]
    for mask in masks[1:]:
        union = sitk.Or(union, mask)
    return union


def _binary(mask: sitk.Image) -> sitk.Image:
    return sitk.Cast(sitk.NotEqual(mask, 0), sitk.sitkUInt8)


def _volume_ml(mask: sitk.Image) -> float:
    return float(np.count_nonzero(sitk.GetArrayViewFromImage(mask)) * np.prod(mask.GetSpacing()) / 1000.0)
