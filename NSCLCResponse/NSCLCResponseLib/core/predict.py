"""One patient's prediction: features, patch, clinical values → logits of the parts → one calibrated probability."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import SignatureError
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .conformal import conformal_set, scores_of_rule
from .fusion import FusionRule, choose_rule, column
from .measure_parts import Findings, measure_parts
from .patch import without_pet
from .predict_settings import Explain
from .prediction import FeatureContribution, PartContribution, Prediction, Redraw
from .signature import Signature

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.anatomy import Anatomy

    from .explain_map import NetworkMap
    from .image_facts import ImageFacts


@dataclass(frozen=True)
class PredictionOutcome:
    """The prediction and what was measured on the way.

    :param features: all extracted features by name.
    :param failed_features: name → reason.
    :param timings: step → seconds.
    :param findings: logits by column and what else the steps collected; what-ifs start from it.
    :param network_map: where the 3D-CNN looked, if it was used and asked for.
    :param facts: about the images; ``None`` where the signature needs no outline.
    """

    prediction: Prediction
    features: dict[str, float]
    failed_features: dict[str, str]
    timings: dict[str, float]
    findings: Findings = field(default_factory=Findings)
    network_map: NetworkMap | None = None
    facts: ImageFacts | None = None


def predict_case(
    case: Case,
    signature: Signature,
    progress: Progress = SILENT,
    explain: Explain | None = None,
    anatomy: Anatomy | None = None,
) -> PredictionOutcome:
    """Measure the tumour and say how likely a response is.

    A PET or clinical values that are missing do not stop it: the fusion has a rule for each set of parts.

    :param case: with a mask; ``case.clinical`` as :func:`clinical.parse_values` gives it.
    :param explain: also range over redrawn contours and the network's map; neither without it.
    :param anatomy: of the CT, if it is known already.
    :raises MaskError: there is no mask, or it is empty.
    :raises SignatureError: no part of the signature can be used for this patient.
    """
    found = measure_parts(case, signature, progress.part(0.0, 0.4))
    progress.report(0.4, "Putting the parts together")
    values = {**found.values, **case.clinical}
    level = explain.level if explain is not None else Explain.level
    prediction = combine(signature, found.logits, values, found.unused, found.warnings, level)
    facts, doubts = _timed(found, "doubts", lambda: _doubts(case, signature, found, prediction, anatomy))
    prediction = replace(prediction, doubts=doubts, out_of_distribution=tuple(doubt.text for doubt in doubts))
    network_map = None
    if explain is not None and explain.network_map and found.patch is not None:
        progress.report(0.5, "Finding out where the 3D-CNN looks")
        network_map = _timed(found, "map", lambda: _network_map(case, signature, found, prediction))
    if explain is not None and explain.redraws:
        step = progress.part(0.55, 1.0)
        prediction = _timed(found, "range", lambda: _with_range(case, signature, found, prediction, explain, step))
    return PredictionOutcome(prediction, found.values, found.failed, found.timings, found, network_map, facts)


def _timed(found: Findings, name: str, make: Any) -> Any:
    began = time.monotonic()
    made = make()
    found.timings[name] = time.monotonic() - began
    return made


def _used(prediction: Prediction) -> list[str]:
    return [part.name for part in prediction.parts if part.used]


def _doubts(
    case: Case, signature: Signature, found: Findings, prediction: Prediction, anatomy: Anatomy | None
) -> tuple[ImageFacts | None, tuple[Any, ...]]:
    from .image_facts import measure_facts
    from .out_of_distribution import judge
    from .training_reference import pooled_features

    facts = None
    if signature.description["inputs"]["mask"] != "unused":
        facts = measure_facts(case.ct.image, case.mask.image, anatomy)
    pooled = None
    network = signature.network_part
    if network is not None and found.patch is not None and hasattr(network.network, "head"):
        pooled = pooled_features(network.network, without_pet(found.patch, network.patch)[None])[0]
    values = {**found.values, **case.clinical}
    return facts, judge(signature, facts, values, _used(prediction), pooled)


def _network_map(case: Case, signature: Signature, found: Findings, prediction: Prediction) -> NetworkMap | None:
    from .explain_map import explain_patch

    network = signature.network_part
    if network is None or network.name not in _used(prediction):
        return None
    rule = choose_rule(signature.rules, set(found.logits))
    patch = found.patch if rule.pet else without_pet(found.patch, network.patch)
    return explain_patch(network, patch, case.mask.image)


def _with_range(
    case: Case, signature: Signature, found: Findings, prediction: Prediction, explain: Explain, progress: Progress
) -> Prediction:
    """The prediction with its range over redrawn contours; as it is where no image part is used."""
    import numpy as np

    from .contour_range import redraw_contours, redrawn_logits

    rule = choose_rule(signature.rules, set(found.logits))
    if set(rule.parts) <= {"clinical", "radiomics_table"}:
        return prediction
    contours = redraw_contours(case.mask.image, explain.redraws, explain.seed)
    if not contours.masks:
        return prediction
    drawn = redrawn_logits(case, signature, rule.columns, contours, progress)
    logits = {name: drawn.get(name, np.full(len(contours.masks), found.logits[name])) for name in rule.columns}
    fused = np.asarray(rule.logit(logits), dtype=float)
    known = [sigmoid(float(value)) for value in fused[np.isfinite(fused)]]
    if not known:
        return prediction
    everything = [*known, prediction.probability]
    redraw = Redraw(len(known), round(contours.dice, 4), tuple(round(p, 6) for p in known))
    return replace(prediction, probability_range=(min(everything), max(everything)), redraw=redraw)


def combine(
    signature: Signature,
    logits: Mapping[str, float],
    values: Mapping[str, float],
    unused: Mapping[str, str] | None = None,
    warnings: list[str] | None = None,
    level: float = Explain.level,
) -> Prediction:
    """The prediction from the logits by column (see :func:`fusion.column`) and the features behind them.

    :param values: feature and clinical values by name, for the contributions.
    :param unused: part → why it has no logit.
    :param level: of the conformal set.
    :raises SignatureError: no rule fits what there is.
    """
    rule = choose_rule(signature.rules, set(logits))
    if rule is None:
        reasons = "; ".join(f"{part}: {reason}" for part, reason in (unused or {}).items())
        raise SignatureError(
            f"The signature '{signature.name}' can use nothing of this patient ({reasons or 'nothing given'}).",
            "Give the images or values that it was trained on.",
        )
    probability = sigmoid(rule.logit(logits))
    scores = scores_of_rule(signature.reference, signature.rules.index(rule))
    bases, features = _explained(signature, rule, values)
    return Prediction(
        probability=probability,
        endpoint=signature.endpoint,
        signature_name=signature.name,
        signature_sha256=signature.sha256,
        label=signature.label,
        threshold=signature.threshold,
        parts=_part_contributions(signature, rule, logits, unused or {}, bases),
        features=tuple(features),
        warnings=tuple(warnings or ()),
        conformal_set=conformal_set(probability, scores, level) if scores is not None else None,
        conformal_level=level if scores is not None else None,
        base_logit=rule.base,
        training_rate=_training_rate(signature),
    )


def _training_rate(signature: Signature) -> float | None:
    training = signature.description.get("training") or {}
    patients, events = training.get("patients"), training.get("events")
    return events / patients if patients and events is not None else None


def _explained(
    signature: Signature, rule: FusionRule, values: Mapping[str, float]
) -> tuple[dict[str, float], list[FeatureContribution]]:
    """Base logit of each feature part that the rule uses, and all their features' shares."""
    from .explain_features import explain_part

    bases, features = {}, []
    for part in signature.feature_parts:
        if part.name in rule.parts:
            shares = explain_part(part, values)
            bases[part.name] = shares.base
            features += shares.features
    return bases, features


def _part_contributions(
    signature: Signature,
    rule: FusionRule,
    logits: Mapping[str, float],
    unused: Mapping[str, str],
    bases: Mapping[str, float],
) -> tuple[PartContribution, ...]:
    contributions = rule.contributions(logits)
    weights = dict(zip(rule.parts, rule.weights, strict=True))
    parts = []
    for name in signature.part_names:
        if name in contributions:
            logit = logits[column(name, pet=rule.pet)]
            weight = rule.slope * weights[name]
            parts.append(
                PartContribution(name, True, sigmoid(logit), contributions[name], base=bases.get(name), weight=weight)
            )
        else:
            reason = unused.get(name, "too few training patients had this set of parts")
            parts.append(PartContribution(name, False, reason=reason))
    return tuple(parts)


def sigmoid(logit: float) -> float:
    """1 / (1 + e^-x), safe for large values."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))
