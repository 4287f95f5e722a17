"""What a signature says of one patient. Plain data: JSON in, JSON out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PartContribution:
    """One part of a signature (radiomics, 3D-CNN, clinical) and what it said.

    ``probability`` is the part's own; ``contribution`` is what it added to the fused logit relative to the training
    cohort's mean. Both are ``None`` for a part that could not be used, and ``reason`` says why.
    """

    name: str
    used: bool
    probability: float | None = None
    contribution: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class FeatureContribution:
    """One feature's share in its part's logit, relative to the training cohort's mean."""

    part: str
    name: str
    value: float
    unit: str
    percentile: float | None  # of the training cohort, 0 to 100
    contribution: float


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
    probability_range: tuple[float, float] | None = None  # over redrawn contours
    conformal_set: tuple[str, ...] | None = None
    out_of_distribution: tuple[str, ...] = ()  # reasons in words
    warnings: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        """``responder``, ``non-responder`` or ``cannot say``."""
        if self.conformal_set is not None:
            return self.conformal_set[0] if len(self.conformal_set) == 1 else "cannot say"
        return "responder" if self.probability >= self.threshold else "non-responder"

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``result.json`` holds it under ``prediction``."""
        plain = json.loads(json.dumps(asdict(self), allow_nan=False))  # tuples become lists, as in the file
        return {**plain, "verdict": self.verdict}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Prediction:
        """The inverse of :meth:`to_json`."""
        values = {k: v for k, v in data.items() if k != "verdict"}
        values["parts"] = tuple(PartContribution(**p) for p in values.get("parts", ()))
        values["features"] = tuple(FeatureContribution(**f) for f in values.get("features", ()))
        for name in ("probability_range", "conformal_set"):
            if values.get(name) is not None:
                values[name] = tuple(values[name])
        for name in ("out_of_distribution", "warnings"):
            values[name] = tuple(values.get(name, ()))
        return cls(**values)
