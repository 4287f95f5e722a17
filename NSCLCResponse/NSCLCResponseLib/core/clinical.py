"""Clinical variables: what each is called, in which unit, and which values are possible.

The catalogue knows the variables that studies of immune checkpoint inhibitors in NSCLC use. A signature carries its own
copy of the ones it was trained on, so that a value is always checked against what the signature means by the name.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import ClinicalError

if TYPE_CHECKING:
    from .signature import Signature


@dataclass(frozen=True)
class ClinicalVariable:
    """One clinical variable of a signature.

    :param unit: empty for a variable without one.
    :param minimum: smallest possible value, ``None`` when there is no such limit; not the smallest in training.
    :param coding: words that may stand for a number, e.g. ``{"m": 1, "f": 0}``; empty for a measured quantity.
    """

    name: str
    label: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    coding: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``signature.json`` holds it."""
        return {**asdict(self), "coding": dict(self.coding)}

    @property
    def range_words(self) -> str:
        """The possible values, for a sentence."""
        if self.coding:
            return " or ".join(f"{word} ({value:g})" for word, value in self.coding.items())
        unit = f" {self.unit}" if self.unit else ""
        if self.minimum is None or self.maximum is None:
            return "any number" if self.minimum is None else f"{self.minimum:g}{unit} or more"
        return f"{self.minimum:g} to {self.maximum:g}{unit}"

    def parse(self, text: str | float) -> float:
        """The value that ``text`` means.

        :raises ClinicalError: it is no number, or impossible.
        """
        word = str(text).strip().lower()
        if word in self.coding:
            return float(self.coding[word])
        value = self._number(word, text)
        if self.coding and value not in self.coding.values():
            raise ClinicalError(f"{self.name} cannot be {text}.", f"Possible is {self.range_words}.")
        too_low = self.minimum is not None and value < self.minimum
        if too_low or (self.maximum is not None and value > self.maximum):
            raise ClinicalError(f"{self.name} cannot be {value:g} {self.unit}".rstrip() + ".", self._possible())
        return value

    def _possible(self) -> str:
        return f"Possible is {self.range_words} ({self.label})."

    def _number(self, word: str, text: str | float) -> float:
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ClinicalError(f"{self.name} is '{text}', which is not a number.", self._possible())
        return value


_YES_NO = {"no": 0.0, "yes": 1.0}

#: Limits are what is physically or biologically possible, generous on purpose: they catch a wrong unit or a slip of the
#: keyboard, not an unusual patient.
CATALOGUE: dict[str, ClinicalVariable] = {
    variable.name: variable
    for variable in (
        ClinicalVariable("age", "age at start of treatment", "years", 18, 110),
        ClinicalVariable("sex", "sex", "", 0, 1, {"f": 0.0, "m": 1.0}),
        ClinicalVariable("ecog", "ECOG performance status", "", 0, 4),
        ClinicalVariable("pack_years", "smoking history", "pack-years", 0, 300),
        ClinicalVariable("smoker", "ever smoked", "", 0, 1, _YES_NO),
        ClinicalVariable("prior_systemic_therapy", "systemic therapy before", "", 0, 1, _YES_NO),
        ClinicalVariable("drug_combination", "checkpoint inhibitor combined with another drug", "", 0, 1, _YES_NO),
        ClinicalVariable("pdl1_tps_percent", "PD-L1 tumour proportion score", "%", 0, 100),
        ClinicalVariable("tmb_mut_per_mb", "tumour mutational burden", "mutations/Mb", 0, 1000),
        ClinicalVariable("albumin_g_dl", "serum albumin", "g/dL", 0.5, 7),
        ClinicalVariable("nlr", "neutrophil-to-lymphocyte ratio", "", 0, 300),
        ClinicalVariable("ldh_u_l", "lactate dehydrogenase", "U/L", 10, 20000),
        ClinicalVariable("bmi", "body mass index", "kg/m²", 8, 100),
        ClinicalVariable("squamous", "squamous histology", "", 0, 1, _YES_NO),
    )
}


def variable(name: str) -> ClinicalVariable:
    """The variable called ``name``; one outside the catalogue may take any number."""
    return CATALOGUE.get(name, ClinicalVariable(name, name.replace("_", " ")))


def variables_from_json(items: Iterable[Mapping[str, Any]]) -> tuple[ClinicalVariable, ...]:
    """The inverse of :meth:`ClinicalVariable.to_json` for a list."""
    return tuple(ClinicalVariable(**item) for item in items)


def parse_values(raw: Mapping[str, str | float], signature: Signature) -> dict[str, float]:
    """Clinical values as the signature understands them.

    :param raw: name → text; sex as ``m``/``f`` or 1/0. Missing variables are simply not named.
    :raises ClinicalError: a name that the signature does not know (the message lists the known ones), or a value that
        is no number or impossible (the message gives the range).
    """
    known = {v.name: v for v in signature.clinical_variables}
    unknown = [name for name in raw if name not in known]
    if unknown:
        names = ", ".join(known)
        remedy = f"It knows {names}." if known else "It takes no clinical values."
        raise ClinicalError(f"The signature '{signature.name}' does not know {', '.join(unknown)}.", remedy)
    return {name: known[name].parse(text) for name, text in raw.items()}
