"""What a signature says of one patient. Plain data: JSON in, JSON out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

WARN, REFUSE = "warn", "refuse"


@dataclass(frozen=True)
class PartContribution:
    """One part of a signature (radiomics, 3D-CNN, clinical) and what it said.

    ``probability`` is the part's own; ``contribution`` is what it added to the fused logit relative to the training
    cohort's mean. Both are ``None`` for a part that could not be used, and ``reason`` says why.
    ``base`` is the part's own logit for the training cohort's reference patient: with the contributions of the part's
    features it sums to the part's logit. ``weight`` turns the part's logit into the fused one.
    """

    name: str
    used: bool
    probability: float | None = None
    contribution: float | None = None
    reason: str = ""
    base: float | None = None
    weight: float | None = None


@dataclass(frozen=True)
class FeatureContribution:
    """One feature's share in its part's logit (a Shapley value), relative to the training cohort's reference."""

    part: str
    name: str
    value: float
    unit: str
    percentile: float | None  # of the training cohort, 0 to 100
    contribution: float


@dataclass(frozen=True)
class Doubt:
    """One way in which a patient differs from those in training.

    :param part: of the signature, or ``images`` for what concerns all that is measured on them.
    :param text: the reason in words, e.g. "5 mm slices; trained on 3 mm".
    :param effect: ``warn`` (shown, as not reliable) or ``refuse`` (no verdict is given).
    """

    part: str
    text: str
    effect: str = WARN


@dataclass(frozen=True)
class Redraw:
    """How the range was measured: contours redrawn, their mean overlap (Dice) with the given one, and each result."""

    count: int
    dice: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class Prediction:
    """Probability of response and everything needed to judge it.

    ``label`` is the sentence about the training data that must stand wherever the probability is shown.
    """

    probability: float
    endpoint: str  # e.g. "CR or PR by RECIST 1.1"
    signature_name: str
    signature_sha256: str
    label: str
    threshold: float
    parts: tuple[PartContribution, ...] = ()
    features: tuple[FeatureContribution, ...] = ()
    probability_range: tuple[float, float] | None = None  # over redrawn contours and the given one
    conformal_set: tuple[str, ...] | None = None
    out_of_distribution: tuple[str, ...] = ()  # reasons in words, the texts of ``doubts``
    warnings: tuple[str, ...] = ()
    conformal_level: float | None = None
    doubts: tuple[Doubt, ...] = ()
    redraw: Redraw | None = None
    base_logit: float | None = None  # of a patient whose parts all say what they say on average in training
    training_rate: float | None = None  # share of responders in the training cohort

    @property
    def verdict(self) -> str:
        """``responder``, ``non-responder`` or ``cannot say``."""
        if any(doubt.effect == REFUSE for doubt in self.doubts):
            return "cannot say"
        if self.conformal_set is not None:
            return self.conformal_set[0] if len(self.conformal_set) == 1 else "cannot say"
        return "responder" if self.probability >= self.threshold else "non-responder"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``result.json`` holds it under ``prediction``."""
        plain = json.loads(json.dumps(asdict(self), allow_nan=False))  # tuples become lists, as in the file
        return {**plain, "verdict": self.verdict}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Prediction:
        """The inverse of :meth:`to_json`; also reads results of versions that knew less."""
        values = {k: v for k, v in data.items() if k != "verdict"}
        values["parts"] = tuple(PartContribution(**p) for p in values.get("parts", ()))
        values["features"] = tuple(FeatureContribution(**f) for f in values.get("features", ()))
        values["doubts"] = tuple(Doubt(**d) for d in values.get("doubts", ()))
        redraw = values.get("redraw")
        if redraw is not None:
            values["redraw"] = Redraw(**{**redraw, "probabilities": tuple(redraw["probabilities"])})
        for name in ("probability_range", "conformal_set"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        for name in ("out_of_distribution", "warnings"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)
