"""One patient's prediction: features, patch, clinical values → logits of the parts → one calibrated probability."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import MaskError, SignatureError
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .fusion import FusionRule, choose_rule, column
from .patch import cut_patch, fraction_outside, without_pet
from .prediction import FeatureContribution, PartContribution, Prediction
from .signature import FeaturePart, NetworkPart, Signature

_MOST_MISSING = 0.2  # a radiomics part with a larger share of failed features is not used
_OUTSIDE_WORTH_SAYING = 0.02


@dataclass(frozen=True)
class PredictionOutcome:
    """The prediction and what was measured on the way.

    :param features: all extracted features by name.
    :param failed_features: name → reason.
    :param timings: step → seconds.
    """

    prediction: Prediction
    features: dict[str, float]
    failed_features: dict[str, str]
    timings: dict[str, float]


@dataclass
class _Findings:
    """What the steps collect."""

    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    logits: dict[str, float] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)


def predict_case(case: Case, signature: Signature, progress: Progress = SILENT) -> PredictionOutcome:
    """Measure the tumour and say how likely a response is.

    A PET or clinical values that are missing do not stop it: the fusion has a rule for each set of parts.

    :param case: with a mask; ``case.clinical`` as :func:`clinical.parse_values` gives it.
    :raises MaskError: there is no mask, or it is empty.
    :raises SignatureError: no part of the signature can be used for this patient.
    """
    _require_mask(case, signature)
    found = _Findings()
    shares = len(signature.feature_parts) + 2
    for index, part in enumerate(signature.feature_parts):
        step = progress.part(index / shares, (index + 1) / shares)
        began = time.monotonic()
        if part.kind == "radiomics":
            _radiomics(part, case, signature, found, step)
        elif part.kind == "clinical":
            _clinical(part, case.clinical, found)
        else:
            found.unused[part.name] = "its features come with a table, not from images"
        found.timings[part.name] = time.monotonic() - began
    if signature.network_part is not None:
        progress.report((shares - 2) / shares, "Running the 3D-CNN")
        began = time.monotonic()
        _network(signature.network_part, case, found)
        found.timings["cnn"] = time.monotonic() - began
    progress.report((shares - 1) / shares, "Putting the parts together")
    prediction = combine(signature, found.logits, {**found.values, **case.clinical}, found.unused, found.warnings)
    return PredictionOutcome(prediction, found.values, found.failed, found.timings)


def _require_mask(case: Case, signature: Signature) -> None:
    if signature.description["inputs"]["mask"] == "unused":
        return
    if case.mask is None:
        raise MaskError("The tumour's outline is missing.", "Outline the tumour first.")
    import SimpleITK as sitk

    statistics = sitk.StatisticsImageFilter()
    statistics.Execute(case.mask.image)
    if statistics.GetMaximum() <= 0:
        raise MaskError("The tumour's outline is empty.", "Outline the tumour first.")


def _radiomics(part: FeaturePart, case: Case, signature: Signature, found: _Findings, progress: Progress) -> None:
    from .radiomics import extract_features, load_settings

    loaded = case.ct if part.image == "ct" else case.pet
    if loaded is None:
        found.unused[part.name] = f"no {part.image.upper()}"
        return
    settings = load_settings(signature.folder / part.settings)
    try:
        result = extract_features(loaded.image, case.mask.image, settings, prefix=part.image, progress=progress)
    except (MaskError, ValueError) as error:  # PyRadiomics refuses regions that are too small with ValueError
        found.unused[part.name] = str(getattr(error, "message", error)).rstrip(".")
        return
    found.warnings += result.warnings
    found.values.update({name: float(value) for name, value in result.values.items()})
    found.failed.update(result.failed)
    missing = part.missing(found.values)
    if len(missing) > _MOST_MISSING * len(part.features):
        reason = result.failed.get(missing[0], "not computed")
        found.unused[part.name] = f"{len(missing)} of {len(part.features)} features failed: {reason}"
        return
    found.logits[part.name] = part.logit(found.values)


def _clinical(part: FeaturePart, clinical: Mapping[str, float], found: _Findings) -> None:
    missing = part.missing(clinical)
    if len(missing) == len(part.features):
        found.unused[part.name] = "no clinical values given"
        return
    if missing:
        found.warnings.append(
            f"{', '.join(missing)} not given; the median of the training cohort stands in for it."
            if len(missing) == 1
            else f"{', '.join(missing)} not given; the medians of the training cohort stand in for them."
        )
    found.logits[part.name] = part.logit(clinical)


def _network(part: NetworkPart, case: Case, found: _Findings) -> None:
    import numpy as np

    mask = case.mask.image
    pet = case.pet.image if case.pet is not None else None
    patch = cut_patch(case.ct.image, pet, mask, part.patch)
    outside = fraction_outside(mask, part.patch)
    if outside > _OUTSIDE_WORTH_SAYING:
        found.warnings.append(
            f"{outside:.0%} of the tumour lies outside the {part.patch.field_mm:.0f} mm cube that the 3D-CNN sees."
        )
    patches = np.stack([without_pet(patch, part.patch), patch] if pet is not None else [patch])
    logits = part.logits(patches)
    found.logits[column(part.name, pet=False)] = float(logits[0])
    if pet is not None:
        found.logits[column(part.name, pet=True)] = float(logits[1])


def combine(
    signature: Signature,
    logits: Mapping[str, float],
    values: Mapping[str, float],
    unused: Mapping[str, str] | None = None,
    warnings: list[str] | None = None,
) -> Prediction:
    """The prediction from the logits by column (see :func:`fusion.column`) and the features behind them.

    :param values: feature and clinical values by name, for the contributions.
    :param unused: part → why it has no logit.
    :raises SignatureError: no rule fits what there is.
    """
    rule = choose_rule(signature.rules, set(logits))
    if rule is None:
        reasons = "; ".join(f"{part}: {reason}" for part, reason in (unused or {}).items())
        raise SignatureError(
            f"The signature '{signature.name}' can use nothing of this patient ({reasons or 'nothing given'}).",
            "Give the images or values that it was trained on.",
        )
    return Prediction(
        probability=sigmoid(rule.logit(logits)),
        endpoint=signature.endpoint,
        signature_name=signature.name,
        signature_sha256=signature.sha256,
        label=signature.label,
        threshold=signature.threshold,
        parts=_part_contributions(signature, rule, logits, unused or {}),
        features=tuple(_feature_contributions(signature, rule, values)),
        warnings=tuple(warnings or ()),
    )


def _part_contributions(
    signature: Signature, rule: FusionRule, logits: Mapping[str, float], unused: Mapping[str, str]
) -> tuple[PartContribution, ...]:
    contributions = rule.contributions(logits)
    parts = []
    for name in signature.part_names:
        if name in contributions:
            logit = logits[column(name, pet=rule.pet)]
            parts.append(PartContribution(name, True, sigmoid(logit), contributions[name]))
        else:
            reason = unused.get(name, "too few training patients had this set of parts")
            parts.append(PartContribution(name, False, reason=reason))
    return tuple(parts)


def _feature_contributions(
    signature: Signature, rule: FusionRule, values: Mapping[str, float]
) -> list[FeatureContribution]:
    return [c for part in signature.feature_parts if part.name in rule.parts for c in part.contributions(values)]


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-x), safe for large values."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
