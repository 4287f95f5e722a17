"""Judging a finished signature on patients that took no part in training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cohort import Cohort
from .fusion import column
from .patch import PatchSpec
from .signature import Signature
from .training import apply_rule, apply_rules, measured
from .training_data import TrainingData, collect, patches_for

if TYPE_CHECKING:
    import numpy as np

    from NSCLCResponseSegmentLib.core.progress import Progress


def signature_logits(signature: Signature, data: TrainingData) -> dict[str, np.ndarray]:
    """Column → (patients,) logits of every part; NaN where a patient lacks it."""
    import numpy as np

    count = len(data.outcome)
    table = {}
    for part in signature.feature_parts:
        names, values = data.features.get(part.name, ([], np.zeros((count, 0))))
        position = {name: index for index, name in enumerate(names)}
        columns = [values[:, position[f]] if f in position else np.full(count, np.nan) for f in part.features]
        x = np.stack(columns, axis=1)
        here = np.isfinite(x).any(axis=1)
        table[part.name] = np.full(count, np.nan)
        if here.any():
            centers = [center for center, known in zip(data.centers, here, strict=True) if known]
            table[part.name][here] = part.logits(x[here], centers)
    if signature.network_part is not None and data.patches is not None:
        for pet, here in ((False, data.has_patch), (True, data.has_patch & data.has_pet)):
            logits = np.full(count, np.nan)
            patches = patches_for(data, signature.network_part.patch, pet=pet)
            for index in np.flatnonzero(here):  # one by one: the whole cohort at once would not fit into memory
                logits[index] = signature.network_part.logits(patches[index : index + 1])[0]
            table[column("cnn", pet=pet)] = logits
    return table


def judge(signature: Signature, data: TrainingData, cohort: str, seed: int = 0) -> tuple[list[dict[str, Any]], dict]:
    """Performance entries (as in ``signature.json``) and each patient's probabilities.

    :param cohort: what the entries call these patients.
    :returns: entries; and ``probability`` plus one array per column, (patients,).
    """
    import numpy as np

    table = signature_logits(signature, data)
    probability = apply_rules(signature.rules, table)
    entries = []
    everything = {"cohort": cohort, "parts": list(signature.part_names), "pet": bool(data.has_pet.any())}
    own = measured(data, probability, probability >= signature.threshold, seed)
    entries.append({**everything, "note": "each patient with what there is", **own})
    for rule in signature.rules:
        if not set(rule.columns) <= set(table):
            continue
        single = apply_rule(rule, table)
        if len(set(data.outcome[np.isfinite(single)].tolist()) - {-1}) == 2:
            own = measured(data, single, single >= signature.threshold, seed)
            entries.append({"cohort": cohort, "parts": list(rule.parts), "pet": rule.pet, **own})
    parts = {name: 1 / (1 + np.exp(-logits)) for name, logits in table.items()}
    return entries, {"probability": probability, **parts}


def collect_for(
    signature: Signature, cohort: Cohort, work: Path, progress: Progress, *, shuffled: bool = False
) -> TrainingData:
    """Measure a cohort as the signature's own parts want it, see :func:`training_data.collect`."""
    settings = {p.name: signature.folder / p.settings for p in signature.feature_parts if p.settings}
    patch = signature.network_part.patch if signature.network_part is not None else PatchSpec()
    return collect(cohort, signature.part_names, settings, patch, work, progress, shuffled=shuffled)


def image_probability(signature: Signature, data: TrainingData) -> np.ndarray:
    """(patients,) probability from the images alone, whatever clinical values there are; NaN without images."""
    table = {name: logits for name, logits in signature_logits(signature, data).items() if name != "clinical"}
    return apply_rules(signature.rules, table)
