"""When not to trust a prediction: how a patient differs from the training patients, each in words and with its effect.

Three kinds of comparison, each with what the signature keeps of its training patients: image facts (slices, noise,
contrast, size of the tumour) and clinical values with their ranges; each part's features, the network's included, with
the distances of training patients. A signature that keeps nothing of a kind is not judged by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .feature_space import FeatureSpace
from .image_facts import FACTS, PHASES, ImageFacts
from .prediction import REFUSE, WARN, Doubt

if TYPE_CHECKING:
    import numpy as np

    from .signature import FeaturePart, Signature

RAREST = 0.01  # of the training patients; or farther out than all of them
_FAR = 4.0  # times the distance of the 99th percentile of training patients
_RARE_PHASE = 0.02
_CLINICAL_MARGIN, _CLINICAL_FAR = 0.05, 0.5  # of the width of the training range


@dataclass(frozen=True)
class _Limit:
    """How a fact is compared: with factors, or with differences (``by_factor`` false).

    :param above: allowed beyond the largest training value. :param below: beyond the smallest.
    :param far_above: from here on no verdict is given; ``None`` for never.
    """

    text: str
    digits: int
    unit: str
    above: float
    below: float
    far_above: float | None = None
    far_below: float | None = None
    by_factor: bool = True


LIMITS = {
    "slice_mm": _Limit("{value} slices", 1, "mm", 1.1, 1.5, 2.5),
    "pixel_mm": _Limit("{value} pixels", 2, "mm", 1.25, 2.0),
    "noise_hu": _Limit("noise of {value} around the tumour", 0, "HU", 1.5, 2.0, 4.0),
    "volume_ml": _Limit("a tumour of {value}", 1, "mL", 1.25, 1.25, 2.0, 2.0),
    "low_hu": _Limit("darkest parts of the tumour at {value}", 0, "HU", 40, 40, 300, 400, by_factor=False),
    "high_hu": _Limit("brightest parts of the tumour at {value}", 0, "HU", 40, 40, 300, 400, by_factor=False),
}


def judge(
    signature: Signature,
    facts: ImageFacts | None,
    values: Mapping[str, float],
    used: Sequence[str],
    pooled: np.ndarray | None = None,
) -> tuple[Doubt, ...]:
    """All doubts about one patient, those that refuse a verdict first.

    :param facts: of the images; ``None`` where the signature uses none.
    :param values: features and clinical values by name.
    :param used: names of the parts that the prediction rests on.
    :param pooled: (k,) what the network's last layer was given, without the PET.
    """
    doubts: list[Doubt] = []
    if facts is not None:
        doubts += judge_facts(facts, signature.reference, _volume_quantiles(signature))
    for part in signature.feature_parts:
        if part.name not in used:
            continue
        if part.kind == "clinical":
            doubts += judge_clinical(signature, part, values)
        doubts += _judge_features(signature, part, values)
    if pooled is not None and "cnn" in used:
        space = FeatureSpace.from_arrays(signature.reference, "space.cnn")
        if space is not None and int(space.columns.max()) < len(pooled):
            doubts += _judge_distance(space, pooled, "cnn", "a tumour unlike those in training to the 3D-CNN", [])
    return tuple(sorted(doubts, key=lambda doubt: doubt.effect != REFUSE))


def _volume_quantiles(signature: Signature) -> np.ndarray | None:
    """Of the tumour's volume in mL, from the radiomics of a signature that keeps no image facts."""
    name = "ct_original_shape_MeshVolume"
    for part in signature.feature_parts:
        if name in part.features:
            return part.quantiles[part.features.index(name)] / 1000.0
    return None


def judge_facts(
    facts: ImageFacts, reference: Mapping[str, np.ndarray], volume_ml: np.ndarray | None = None
) -> list[Doubt]:
    """Doubts about how the images were made, and the tumour's size.

    :param volume_ml: training quantiles, used where ``reference`` has none.
    """
    import numpy as np

    known = dict(
        zip(np.asarray(reference.get("images.names", ())).tolist(), reference.get("images.quantiles", ()), strict=True)
    )
    if volume_ml is not None:
        known.setdefault("volume_ml", volume_ml)
    doubts = []
    for name, limit in LIMITS.items():
        row = known.get(name)
        value = getattr(facts, name)
        if row is not None and np.isfinite(row).all() and np.isfinite(value):
            doubts += _beyond(limit, float(value), float(row[0]), float(row[-1]))
    return doubts + _judge_phase(facts, reference.get("images.phases"))


def _beyond(limit: _Limit, value: float, low: float, high: float) -> list[Doubt]:
    def crossed(above: float | None, below: float | None) -> bool:
        if limit.by_factor:
            return (above is not None and value > high * above) or (below is not None and value < low / below)
        return (above is not None and value > high + above) or (below is not None and value < low - below)

    if not crossed(limit.above, limit.below):
        return []
    effect = REFUSE if crossed(limit.far_above, limit.far_below) else WARN
    words = limit.text.format(value=f"{_number(value, limit.digits)} {limit.unit}")
    return [Doubt("images", f"{words} (trained on {_range(low, high, limit.digits)} {limit.unit})", effect)]


def _judge_phase(facts: ImageFacts, counts: np.ndarray | None) -> list[Doubt]:
    """The guess of the contrast phase against how many training patients had which."""
    if counts is None or len(counts) != len(PHASES) or not facts.phase or counts.sum() == 0:
        return []
    own, total = int(counts[PHASES.index(facts.phase)]), int(counts.sum())
    if own > _RARE_PHASE * total:
        return []
    words = f"blood of about {facts.blood_hu:.0f} HU, as in the phase '{facts.phase}'"
    return [Doubt("images", f"{words} ({own} of {total} training patients were examined so)")]


def judge_clinical(signature: Signature, part: FeaturePart, values: Mapping[str, float]) -> list[Doubt]:
    """Clinical values beyond the training range, with a margin of 5 % of its width; far beyond is half of it."""
    import numpy as np

    variables = {variable.name: variable for variable in signature.clinical_variables}
    doubts = []
    for name, row in zip(part.features, part.quantiles, strict=True):
        value = values.get(name)
        variable = variables.get(name)
        if value is None or not np.isfinite(value) or not np.isfinite(row).all() or (variable and variable.coding):
            continue
        low, high = float(row[0]), float(row[-1])
        away = max(low - value, value - high) / max(high - low, 1e-9)
        if away > _CLINICAL_MARGIN:
            unit = f" {variable.unit}" if variable and variable.unit else ""
            label = variable.label if variable else name
            words = f"{label} {value:g}{unit} (trained on {low:g} to {high:g}{unit})"
            doubts.append(Doubt(part.name, words, REFUSE if away > _CLINICAL_FAR else WARN))
    return doubts


def _judge_features(signature: Signature, part: FeaturePart, values: Mapping[str, float]) -> list[Doubt]:
    from .wording import part_name

    space = FeatureSpace.from_arrays(signature.reference, f"space.{part.name}")
    if space is None or int(space.columns.max()) >= len(part.features):
        return []
    row = part.row(values)[0]
    strangest = [_beside_training(part, c, float(row[c])) for c in space.strangest(row, 2)]
    words = f"{part_name(part.name)} unlike those in training"
    return _judge_distance(space, row, part.name, words, strangest)


def _beside_training(part: FeaturePart, index: int, value: float) -> str:
    """A feature's value and its range in training, in words."""
    import numpy as np

    from .result_card import feature_words
    from .wording import number_words

    name, known = part.features[index], np.asarray(part.quantiles[index])
    if not np.isfinite(value) or not np.isfinite(known).all():
        return feature_words(name)
    unit = part.units.get(name, "")
    low, high = number_words(float(known[0])), number_words(float(known[-1]))
    return f"{feature_words(name)} {number_words(value, unit)}, in training {low} to {high}"


def _judge_distance(
    space: FeatureSpace, row: np.ndarray, name: str, words: str, strangest: Sequence[str]
) -> list[Doubt]:
    import numpy as np

    count = len(space.distances)
    rarity, distance = space.rarity(row), space.distance(row)
    if rarity > max(RAREST, 1 / (count + 1) + 1e-12):
        return []
    usual = float(np.quantile(space.distances, 0.99))
    beyond = count if rarity * (count + 1) < 1.5 else round((1 - rarity) * (count + 1))
    text = f"{words} (farther from their average than {'any' if beyond == count else beyond} of the {count} patients"
    text += f" there, {distance / max(float(np.median(space.distances)), 1e-9):.1f} times the usual distance"
    text += f"; most unusual: {'; '.join(strangest)})" if strangest else ")"
    return [Doubt(name, text, REFUSE if distance > _FAR * usual else WARN)]


def training_images_words(reference: Mapping[str, np.ndarray]) -> str:
    """What the training images were like, for the model card; empty where nothing was kept of them."""
    names = [str(name) for name in reference.get("images.names", ())]
    known = dict(zip(names, reference.get("images.quantiles", ()), strict=True))
    words = []
    for name, what in (("slice_mm", "slices"), ("pixel_mm", "pixels"), ("volume_ml", "tumours")):
        row, limit = known.get(name), LIMITS[name]
        if row is not None and row[0] == row[0]:  # not NaN
            words.append(f"{what} of {_range(float(row[0]), float(row[-1]), limit.digits)} {limit.unit}")
    counts = reference.get("images.phases", ())
    phases = [f"{name} in {int(count)}" for name, count in zip(PHASES, counts, strict=False) if count]
    words += [f"blood {', '.join(phases)} patients"] if phases else []
    if not words:
        return ""
    return f"Its images had {'; '.join(words)}. Beyond that predictions are flagged, far beyond without a verdict."


def _number(value: float, digits: int) -> str:
    """With ``digits`` decimals, without zeros at the end; small values keep two figures."""
    if value and abs(value) < 10**-digits:
        return f"{value:.1g}"
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}".replace("-", "−")


def _range(low: float, high: float, digits: int) -> str:
    first, last = _number(low, digits), _number(high, digits)
    return first if first == last else f"{first} to {last}"


__all__ = ["FACTS", "LIMITS", "judge", "judge_clinical", "judge_facts", "training_images_words"]
