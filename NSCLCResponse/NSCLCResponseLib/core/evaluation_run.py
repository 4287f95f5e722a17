"""From a finished training or a signature with an outside cohort to what :mod:`evaluation_cohort` judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .cohort import Cohort, read_table
from .conformal_coverage import verdict_p_values
from .controls import single_quantities
from .evaluation_cohort import Judged
from .fusion import FusionRule
from .holdout import signature_logits
from .signature import Signature
from .training import Trained, apply_rule, apply_rules
from .training_data import TrainingData
from .wording import part_name

if TYPE_CHECKING:
    import numpy as np

_FOLLOW_UP = {"pfs": ("pfs_months", "pfs_event"), "os": ("os_months", "os_event")}


def judged_training(trained: Trained, follow_up: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Judged:
    """The training patients, each judged by what was fitted without it."""
    judged = _judged("training cohort, out of fold", trained.data, trained.probability, trained.positive, follow_up)
    judged.threshold = trained.threshold
    judged.folds = trained.folds
    judged.models = _parts(trained.rules, trained.oof) | judged.models
    for name, compared in trained.comparison.items():
        judged.models[f"{name.replace('_', ' ')} on all radiomics"] = compared.probability
    return judged


def judged_outside(
    signature: Signature,
    data: TrainingData,
    title: str,
    follow_up: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Judged:
    """Patients that took no part in training, by the finished signature and its own threshold."""
    table = signature_logits(signature, data)
    probability = apply_rules(signature.rules, table)
    judged = _judged(title, data, probability, probability >= signature.threshold, follow_up)
    judged.threshold = signature.threshold
    judged.models = _parts(signature.rules, table) | judged.models
    judged.verdicts = verdict_p_values(signature, table)
    return judged


def _judged(
    title: str,
    data: TrainingData,
    probability: np.ndarray,
    positive: np.ndarray,
    follow_up: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> Judged:
    names, values = data.features.get("clinical", ([], None))
    clinical = {name: values[:, index] for index, name in enumerate(names)}
    times = dict(follow_up)
    if data.time is not None:
        times = {"endpoint": (data.time, data.event)} | times
    return Judged(
        title=title,
        patients=data.patients,
        centers=data.centers,
        outcome=data.outcome,
        probability=probability,
        positive=positive,
        threshold=0.5,
        models=single_quantities(data.features),
        clinical=clinical,
        follow_up=times,
    )


def _parts(rules: Sequence[FusionRule], table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Words for a part → its calibrated probability where it stands alone; only where there are several parts."""
    import numpy as np

    if len({name.partition(":")[0] for name in table}) < 2:
        return {}
    found: dict[str, np.ndarray] = {}
    for rule in sorted(rules, key=lambda r: not r.pet):
        if len(rule.parts) != 1 or not set(rule.columns) <= set(table):
            continue
        words, probability = f"{part_name(rule.parts[0])} alone", apply_rule(rule, table)
        before = found.get(words, np.full(len(probability), np.nan))
        found[words] = np.where(np.isfinite(before), before, probability)
    return found


def follow_up_of(table_path: Path, cohort: Cohort, patients: Sequence[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Progression-free and overall survival where the table has them: name → (months, event), each (patients,).

    Taken from the endpoint's own columns when it has a time, and from ``pfs_months``, ``pfs_event``, ``os_months``,
    ``os_event``. They only judge predictions, they never make them.
    """
    table = read_table(table_path)
    pairs = {name: pair for name, pair in _FOLLOW_UP.items() if set(pair) <= set(table.columns)}
    endpoint = cohort.roles.endpoint
    if endpoint.kind == "survival":  # its own time is in the training data already
        pairs = {name: pair for name, pair in pairs.items() if pair != (endpoint.time, endpoint.event)}
    if endpoint.kind == "durable_benefit" and (endpoint.time, endpoint.event) not in pairs.values():
        pairs["endpoint"] = (endpoint.time, endpoint.event)
    first = table.drop_duplicates(cohort.roles.patient).set_index(table[cohort.roles.patient].str.strip(), drop=False)
    first = first[~first.index.duplicated()].reindex(list(patients))
    found = {}
    for name, (time, event) in pairs.items():
        months, happened = _numbers(first[time]), _numbers(first[event])
        months[~(happened >= 0) | ~(months >= 0)] = float("nan")
        found[name] = (months * cohort.roles.factor(time), happened == 1)
    return found


def _numbers(column: object) -> np.ndarray:
    import numpy as np
    import pandas as pd

    words = column.str.strip().str.lower().replace({"yes": "1", "true": "1", "no": "0", "false": "0"})
    return pd.to_numeric(words, errors="coerce").to_numpy(dtype=float, copy=True, na_value=np.nan)
