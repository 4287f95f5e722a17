"""SUVbw from PET DICOM headers, after QIBA's vendor-neutral pseudo-code.

Source: QIBA Profile FDG-PET/CT 1.13, appendix G ("happy path only" and "robust" version). The voxel value in the units
of the file is stored × Rescale Slope + Rescale Intercept, slope by slope; this module gives the factor from there to
SUVbw (g/mL). What is missing, zero or contradictory is refused with the tag's name; nothing is guessed.

Of the 17 digital reference objects of the IBSI's SUV group (github.com/oncoray/suv_computation, CC BY 4.0), the 12
within the pseudo-code give their expected SUV to 0.1 %; the other five are refused (dose not in Bq, no decay
correction, SUV by lean body mass, ideal weight or body surface).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .dicom_files import text
from .errors import PetError
from .suv_times import private_text, scan_start, uptake_seconds

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

PHILIPS_CREATOR = "Philips PET Private Group"
_ADD_TAG = "Add it with a DICOM editor from the examination's protocol, or give the PET as a NIfTI in SUVbw."
_KNOWN_HALF_LIVES = {  # seconds; codes of Radionuclide Code Sequence, SNOMED-RT and SNOMED CT
    "C-111A1": 6586.2,  # 18F
    "77004003": 6586.2,
    "C-131A3": 4062.6,  # 68Ga
    "80751004": 4062.6,
}


@dataclass(frozen=True)
class SuvResult:
    """How to get from a PET's own units to SUVbw.

    :param factors: one per slice, in the order of the headers; SUVbw = factor × rescaled value.
    :param branch: which way through the pseudo-code was taken, for people.
    :param details: numbers that went in: dose (Bq), weight (kg), half-life (s), uptake time (s) and so on; JSON types.
    """

    factors: tuple[float, ...]
    branch: str
    details: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def factor(self) -> float:
        """The factor when it is the same for all slices, else that of the middle slice."""
        return self.factors[len(self.factors) // 2]


def suv_factor(datasets: Sequence[Dataset], name: str = "The PET") -> SuvResult:
    """The factor from rescaled voxel values to SUVbw for every slice of a PET series.

    :param datasets: headers of all slices, in slice order; pixels are not needed.
    :param name: the series in sentences.
    :raises PetError: SUVbw cannot be computed; the sentence names the tag.
    """
    if not datasets:
        raise PetError(f"{name} has no slices.", "Give the whole series.")
    first = datasets[0]
    correction = _require_corrections(first, name)
    units = _same_in_all(datasets, "Units", "(0054,1001) Units", name)
    if units == "BQML":
        return _from_activity(datasets, [1.0] * len(datasets), f"BQML, decay correction {correction}", name)
    if units == "CNTS":
        return _from_counts(datasets, correction, name)
    if units == "GML":
        return _from_grams(datasets, correction, name)
    raise PetError(
        f"{name} has voxel units {units} in (0054,1001), from which SUVbw cannot be computed.",
        "Give a reconstruction in BQML, in GML, or in CNTS with Philips' scale factors.",
    )


def _require_corrections(header: Dataset, name: str) -> str:
    done = header.get("CorrectedImage") or ()
    done = {done} if isinstance(done, str) else {str(v) for v in done}
    for key, words in (({"ATTN"}, "attenuation (ATTN)"), ({"DECY", "DECAY"}, "decay (DECY)")):
        if not key & done:
            raise PetError(
                f"{name} is not corrected for {words}: (0028,0051) Corrected Image says"
                f" '{', '.join(sorted(done)) or 'nothing'}'.",
                "Give the corrected reconstruction.",
            )
    correction = text(header, "DecayCorrection").upper()
    if correction not in ("START", "ADMIN"):
        raise PetError(
            f"{name} cannot become SUVbw: (0054,1102) Decay Correction is {correction or 'missing'}, neither START nor"
            " ADMIN.",
            "Give a reconstruction that is decay corrected to the start of the scan.",
        )
    return correction


def _same_in_all(datasets: Sequence[Dataset], key: str, tag: str, name: str) -> str:
    values = sorted({text(d, key) for d in datasets})
    if values == [""]:
        raise PetError(f"{name} lacks {tag}.", _ADD_TAG)
    if len(values) > 1:
        raise PetError(f"{name} mixes slices with different {tag}: {', '.join(values)}.", "Export one series only.")
    return values[0].upper()


# ---------------------------------------------------------------- the branches


def _from_activity(datasets: Sequence[Dataset], to_activity: Sequence[float], branch: str, name: str) -> SuvResult:
    """Bq/mL times weight over dose, the dose decayed to the moment to which the image is corrected."""
    first = datasets[0]
    weight = _positive(first, "PatientWeight", "(0010,1030) Patient's Weight", "kg", name)
    if weight > 650:
        raise PetError(f"{name} gives a weight of {weight:g} kg in (0010,1030).", "Correct it; the unit is kilogram.")
    injection = _injection(first, name)
    dose = _positive(injection, "RadionuclideTotalDose", "(0018,1074) Radionuclide Total Dose", "Bq", name)
    if dose < 1e5:
        raise PetError(
            f"{name} gives a dose of {dose:g} Bq in (0018,1074), far too little; it looks like MBq or mCi.",
            "Correct it; the unit is becquerel.",
        )
    half_life = _half_life(injection, name)
    details: dict[str, Any] = {"weight_kg": weight, "dose_bq": dose, "half_life_s": half_life}
    notes: list[str] = []
    decayed = dose
    if text(first, "DecayCorrection").upper() == "START":
        start = scan_start(datasets, half_life, name)
        uptake, injected, more = uptake_seconds(first, injection, start, half_life, name)
        decayed = dose * 2.0 ** (-uptake / half_life)
        branch = f"{branch}, scan start from {start.origin}"
        details |= {"scan_start": start.time.isoformat(), "injection": injected.isoformat(), "uptake_s": uptake}
        notes += more
    factor = weight * 1000.0 / decayed
    details |= {"decayed_dose_bq": decayed, "bqml_to_suv": factor}
    notes += _intercept_notes(datasets)
    notes.append(f"SUVbw was computed from {branch}.")
    return SuvResult(tuple(factor * v for v in to_activity), branch, details, tuple(notes))


def _from_counts(datasets: Sequence[Dataset], correction: str, name: str) -> SuvResult:
    """Philips: its private SUV factor, or its private activity factor and then as Bq/mL; zero means absent."""
    suv = [_philips(d, 0x00) for d in datasets]
    if all(suv):
        branch = "CNTS, Philips SUV scale factor (7053,1000)"
        note = f"SUVbw was computed from {branch}."
        return SuvResult(tuple(suv), branch, {"philips_suv_factor": suv[0]}, (*_intercept_notes(datasets), note))
    activity = [_philips(d, 0x09) for d in datasets]
    if all(activity):
        branch = f"CNTS, Philips activity concentration factor (7053,1009), decay correction {correction}"
        return _from_activity(datasets, activity, branch, name)
    raise PetError(
        f"{name} is in counts (CNTS) and lacks Philips' scale factors (7053,1000) and (7053,1009).",
        "Export it with private tags, or in Bq/mL.",
    )


def _philips(header: Dataset, element: int) -> float:
    try:
        value = float(private_text(header, 0x7053, PHILIPS_CREATOR, element))
    except ValueError:
        return 0.0
    return value if 0 < value < float("inf") else 0.0


def _from_grams(datasets: Sequence[Dataset], correction: str, name: str) -> SuvResult:
    """Already SUV; DICOM says body weight unless SUV Type (0054,1006) says otherwise."""
    kind = (text(datasets[0], "SUVType") or "BW").upper()
    if kind != "BW":
        raise PetError(
            f"{name} holds SUV normalised by {kind} ((0054,1006) SUV Type), not by body weight.",
            "Give a reconstruction in BQML or in SUVbw.",
        )
    branch = f"GML, SUVbw already, decay correction {correction}"
    notes = (*_intercept_notes(datasets), f"SUVbw was taken as stored ({branch}).")
    return SuvResult((1.0,) * len(datasets), branch, {}, notes)


def _intercept_notes(datasets: Sequence[Dataset]) -> list[str]:
    if all(not float(text(d, "RescaleIntercept") or 0) for d in datasets):
        return []
    return ["The PET has a Rescale Intercept other than 0, against the DICOM standard; it was added as stated."]


# ---------------------------------------------------------------- single values


def _positive(header: Dataset, key: str, tag: str, unit: str, name: str) -> float:
    value = text(header, key)
    if not value:
        raise PetError(f"{name} lacks {tag} (or it is empty), without which there is no SUVbw.", _ADD_TAG)
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not 0 < number < float("inf"):
        raise PetError(f"{name} gives {tag} as {value} {unit}, so there is no SUVbw.", _ADD_TAG)
    return number


def _injection(header: Dataset, name: str) -> Dataset:
    items = header.get("RadiopharmaceuticalInformationSequence")
    if not items:
        raise PetError(
            f"{name} lacks (0054,0016) Radiopharmaceutical Information Sequence, hence dose and injection time.",
            _ADD_TAG,
        )
    if len(items) > 1:
        raise PetError(f"{name} names {len(items)} injections in (0054,0016).", "Give a series with one tracer.")
    return items[0]


def _half_life(injection: Dataset, name: str) -> float:
    tag = "(0018,1075) Radionuclide Half Life"
    stated = _positive(injection, "RadionuclideHalfLife", tag, "s", name)
    codes = injection.get("RadionuclideCodeSequence") or ()
    known = next((v for c in codes if (v := _KNOWN_HALF_LIVES.get(str(c.get("CodeValue", ""))))), None)
    if known and abs(stated / known - 1) > 0.05:
        raise PetError(
            f"{name} gives {tag} as {stated:g} s, but its radionuclide has {known:g} s.",
            "Correct it; the unit is second.",
        )
    return stated
