"""What if a clinical value were another, the PET were missing, or the outline were larger or smaller?

Each change is answered by the same signature on the same patient; only what the change touches is measured again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import ClinicalError, MaskError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .clinical import parse_values
from .measure_parts import Findings, measure_clinical, measure_parts
from .predict import PredictionOutcome, combine
from .prediction import Prediction

if TYPE_CHECKING:
    import SimpleITK as sitk

    from NSCLCResponseSegmentLib.core.case import Case

    from .signature import Signature

_MOST_MM = 20.0
NO_PET, ERODE, DILATE = "no-pet", "erode", "dilate"
_HOW = "Write NAME=VALUE, NAME= to leave a value out, no-pet, erode=MM or dilate=MM; several with commas between."


@dataclass(frozen=True)
class Change:
    """What is different; any of it.

    :param text: as it was given, e.g. ``pdl1_tps_percent=10,no-pet``.
    :param clinical: name → text; empty text leaves the value out.
    :param grow_mm: of the outline, negative for shrinking; 0 leaves it.
    """

    text: str
    clinical: Mapping[str, str]
    no_pet: bool = False
    grow_mm: float = 0.0


@dataclass(frozen=True)
class Alternative:
    """A prediction under a change.

    :param change: as it was given. :param text: the change in words.
    :param difference: of the probabilities, this one minus that without the change.
    :param parts: that it rests on. :param note: why there is something to say of it; empty otherwise.
    """

    change: str
    text: str
    probability: float
    difference: float
    verdict: str
    parts: tuple[str, ...]
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``result.json`` holds it."""
        return {**asdict(self), "parts": list(self.parts)}


def parse_change(text: str) -> Change:
    """A change from its text.

    :raises ClinicalError: it cannot be understood.
    """
    clinical: dict[str, str] = {}
    no_pet, grow = False, 0.0
    for word in (w.strip() for w in text.split(",")):
        name, equals, value = (part.strip() for part in word.partition("="))
        if word == NO_PET:
            no_pet = True
        elif name in (ERODE, DILATE) and equals:
            grow = _millimetres(text, value) * (1 if name == DILATE else -1)
        elif name and equals:
            clinical[name] = value
        else:
            raise ClinicalError(f"'{text}' is no change that can be tried.", _HOW)
    return Change(text, clinical, no_pet, grow)


def _millimetres(text: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 < number <= _MOST_MM:
        raise ClinicalError(f"'{text}' is no change that can be tried.", f"Give 0 to {_MOST_MM:g} mm.")
    return number


def what_if(
    case: Case, signature: Signature, outcome: PredictionOutcome, change: Change, progress: Progress = SILENT
) -> Alternative:
    """What the signature says of the patient under a change.

    >>> outcome = predict_case(case, signature)
    >>> what_if(case, signature, outcome, parse_change("pdl1_tps_percent=10")).difference

    :param outcome: of :func:`predict.predict_case` for the same case.
    :raises NSCLCResponseError: the change is impossible: an unknown variable, nothing left of the outline or no PET.
    """
    changed = _changed_case(case, signature, change)
    if change.grow_mm:
        found = measure_parts(changed, signature, progress)
    else:
        found = _reused(changed, signature, outcome.findings)
    values = {**found.values, **changed.clinical}
    level = outcome.prediction.conformal_level
    options = {} if level is None else {"level": level}
    other = combine(signature, found.logits, values, found.unused, [], **options)
    other = replace(
        other, doubts=_doubts(changed, signature, outcome, other, values, outline_changed=bool(change.grow_mm))
    )
    return Alternative(
        change.text,
        change_words(change, case, signature),
        round(other.probability, 6),
        round(other.probability - outcome.prediction.probability, 6),
        other.verdict,
        tuple(part.name for part in other.parts if part.used),
        "; ".join(doubt.text for doubt in other.doubts if doubt not in outcome.prediction.doubts),
    )


def _doubts(
    case: Case,
    signature: Signature,
    outcome: PredictionOutcome,
    other: Prediction,
    values: Mapping[str, float],
    *,
    outline_changed: bool,
) -> tuple[Any, ...]:
    from .image_facts import measure_facts
    from .out_of_distribution import judge

    facts = outcome.facts
    if facts is not None and outline_changed:
        facts = measure_facts(case.ct.image, case.mask.image, blood_hu=facts.blood_hu)
    return judge(signature, facts, values, [part.name for part in other.parts if part.used])


def _changed_case(case: Case, signature: Signature, change: Change) -> Case:
    given = parse_values({name: text for name, text in change.clinical.items() if text}, signature)
    unknown = [name for name in change.clinical if name not in {v.name for v in signature.clinical_variables}]
    if unknown:
        parse_values(dict.fromkeys(unknown, "0"), signature)  # says which names there are
    kept = {name: value for name, value in case.clinical.items() if name not in change.clinical}
    changed = replace(case, clinical={**kept, **given})
    if change.no_pet:
        if case.pet is None:
            raise NSCLCResponseError("There is no PET that could be left out.", "Leave no-pet away.")
        changed = replace(changed, pet=None)
    if change.grow_mm:
        if case.mask is None:
            raise NSCLCResponseError("There is no outline that could be changed.", "Leave erode and dilate away.")
        changed = replace(changed, mask=replace(case.mask, image=grown(case.mask.image, change.grow_mm)))
    return changed


def grown(mask: sitk.Image, millimetres: float) -> sitk.Image:
    """The outline with its surface moved outwards (inwards when negative); unsigned 8-bit on the same grid.

    :raises MaskError: nothing is left of it.
    """
    import SimpleITK as sitk

    inside = sitk.Cast(sitk.NotEqual(mask, 0), sitk.sitkUInt8)
    distance = sitk.SignedMaurerDistanceMap(inside, insideIsPositive=False, squaredDistance=False, useImageSpacing=True)
    moved = sitk.Cast(sitk.LessEqual(distance, float(millimetres)), sitk.sitkUInt8)
    statistics = sitk.StatisticsImageFilter()
    statistics.Execute(moved)
    if statistics.GetMaximum() == 0:
        raise MaskError(f"Nothing is left of the outline after {-millimetres:g} mm.", "Try less.")
    return moved


def _reused(case: Case, signature: Signature, before: Findings) -> Findings:
    """The logits as they were, without those of a PET that is left out, and with the clinical part's anew."""
    found = Findings(dict(before.values), dict(before.failed), dict(before.logits), dict(before.unused))
    for part in signature.feature_parts:
        if part.kind == "clinical":
            found.logits.pop(part.name, None)
            found.unused.pop(part.name, None)
            measure_clinical(part, case.clinical, found)
        elif part.image == "pet" and case.pet is None:
            found.logits.pop(part.name, None)
            found.unused[part.name] = "left out"
    if case.pet is None and f"{_network_name(signature)}:no_pet" in found.logits:
        found.logits.pop(_network_name(signature), None)
    return found


def _network_name(signature: Signature) -> str:
    return signature.network_part.name if signature.network_part is not None else ""


def change_words(change: Change, case: Case, signature: Signature) -> str:
    """The change in words, e.g. ``PD-L1 tumour proportion score 10 % instead of 80 %``."""
    variables = {variable.name: variable for variable in signature.clinical_variables}
    words = []
    for name, text in change.clinical.items():
        variable = variables[name]
        unit = f" {variable.unit}" if variable.unit else ""
        before = f" instead of {case.clinical[name]:g}{unit}" if name in case.clinical else " (was not given)"
        words.append(
            f"{variable.label} {variable.parse(text):g}{unit}{before}" if text else f"without {variable.label}"
        )
    if change.no_pet:
        words.append("without the PET")
    if change.grow_mm:
        words.append(f"outline {abs(change.grow_mm):g} mm {'larger' if change.grow_mm > 0 else 'smaller'} all around")
    return "; ".join(words)
