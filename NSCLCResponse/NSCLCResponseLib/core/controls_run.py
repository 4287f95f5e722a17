"""All controls of one training or one outside cohort, with progress; see :mod:`controls` and the files beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cohort import Cohort
from .controls import (
    FOLDS,
    PERMUTATIONS,
    LightModel,
    center_from_features,
    permuted_labels,
    random_folds,
)
from .evaluation_cohort import discrimination, enough, selection_stability
from .wording import part_name

if TYPE_CHECKING:
    import numpy as np

    from NSCLCResponseSegmentLib.core.progress import Progress

    from .presets import Preset
    from .training import Trained
    from .training_data import TrainingData

SHUFFLED_PATIENTS = 150  # of a training cohort; measuring them all again would double the time


def training_controls(
    trained: Trained,
    preset: Preset,
    progress: Progress,
    shuffled: TrainingData | None = None,
    permutations: int = PERMUTATIONS,
) -> dict[str, Any]:
    """Permuted labels (light models), centre from features, shuffled voxels, stability of selection, centres left out.

    :param shuffled: some of the training patients with shuffled voxels.
    """
    import numpy as np

    data, seed = trained.data, preset.seed
    found: dict[str, Any] = {"permuted_labels": {}, "center_from_features": {}, "selection_stability": {}}
    tables = {name: x for name, (_, x) in data.features.items() if name in trained.fits}
    for index, (name, x) in enumerate(tables.items()):
        step = progress.part(0.7 * index / len(tables), 0.7 * (index + 1) / len(tables))
        rows = data.available(name) & (data.outcome >= 0)
        text = f"Control: permuted labels, {part_name(name)}"
        report = _reporter(step, text, permutations)
        if permutations:
            found["permuted_labels"][name] = permuted_labels(x[rows], data.outcome[rows], seed, permutations, report)
        centers = [c for c, here in zip(data.centers, data.available(name), strict=True) if here]
        told = center_from_features(x[data.available(name)], centers, seed)
        if told is not None:
            found["center_from_features"][name] = told
        stable = selection_stability(_chosen(x[rows], data.outcome[rows], seed))
        if stable is not None:
            found["selection_stability"][name] = stable
    if shuffled is not None:
        found["shuffled_voxels"] = _shuffled_light(data, shuffled, seed)
    progress.report(0.75, "Control: each centre left out")
    found["leave_one_center_out"] = leave_one_center_out(trained, preset, progress.part(0.75, 1.0))
    found["events"] = int(np.sum(data.outcome == 1))
    return found


def _reporter(step: Progress, text: str, total: int) -> Any:
    return lambda done: step.report(done / total, text)


def outside_controls(data: TrainingData, seed: int = 0) -> dict[str, Any]:
    """Of an outside cohort nothing is fitted but the telling of centres."""
    found: dict[str, Any] = {"center_from_features": {}}
    for name, (_, x) in data.features.items():
        here = data.available(name)
        centers = [c for c, known in zip(data.centers, here, strict=True) if known]
        told = center_from_features(x[here], centers, seed) if here.any() else None
        if told is not None:
            found["center_from_features"][name] = told
    return found


def _chosen(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """(folds, features) which features selection inside each of ten training sides keeps."""
    import numpy as np

    from .controls import selected_features

    folds = random_folds(len(y), seed, 2 * FOLDS)
    return np.stack([selected_features(x[folds != fold], y[folds != fold]) for fold in np.unique(folds)])


def _shuffled_light(data: TrainingData, shuffled: TrainingData, seed: int) -> dict[str, Any]:
    """The light model's cross-validated AUC on the same patients' radiomics, as they are and with shuffled voxels."""
    import numpy as np

    place = {name: index for index, name in enumerate(data.patients)}
    own = np.array([place[name] for name in shuffled.patients])
    found = {}
    for part in ("radiomics_ct", "radiomics_pet"):
        if part not in data.features or part not in shuffled.features:
            continue
        rows = data.available(part)[own] & shuffled.available(part) & (shuffled.outcome >= 0)
        y = shuffled.outcome[rows]
        if not enough(y):
            continue
        folds = random_folds(len(y), seed)
        entry: dict[str, Any] = {"patients": len(y)}
        for words, x in (("as_they_are", data.features[part][1][own]), ("shuffled", shuffled.features[part][1])):
            entry[words] = discrimination(y, LightModel(x[rows], folds).probability(y), seed)["auc"]
        found[part] = entry
    return found


def leave_one_center_out(trained: Trained, preset: Preset, progress: Progress) -> list[dict[str, Any]]:
    """Trained anew without each centre and judged on it; the 3D-CNN takes no part, since it would take hours."""
    import tempfile

    from NSCLCResponseSegmentLib.core.errors import CohortError

    from .training import train

    data = trained.data
    names = sorted({c for c in data.centers if c})
    light = replace(preset, parts=tuple(p for p in preset.parts if p != "cnn"), nested=False, compare=())
    found: list[dict[str, Any]] = []
    if len(names) < 2 or not set(trained.fits) - {"cnn"}:
        return found
    for index, name in enumerate(names):
        step = progress.part(index / len(names), (index + 1) / len(names))
        inside, outside = (_rows_of(data, name, equal=equal) for equal in (False, True))
        entry: dict[str, Any] = {
            "center": name,
            "patients": int((outside.outcome >= 0).sum()),
            "events": int((outside.outcome == 1).sum()),
        }
        if enough(outside.outcome):
            try:
                with tempfile.TemporaryDirectory() as work:
                    other = train(inside, light, Path(work), step)
                entry |= _judge_light(other, outside, preset.seed)
            except CohortError as error:
                entry["note"] = error.message
        else:
            entry["note"] = "too few patients of one outcome"
        found.append(entry)
    return found


def _judge_light(trained: Trained, data: TrainingData, seed: int) -> dict[str, Any]:
    import numpy as np

    from .training import apply_rules

    table = {}
    for part, fit in trained.fits.items():
        x = data.features[part][1]
        here = data.available(part)
        table[part] = np.full(len(x), np.nan)
        if here.any():
            values = x[here]
            if fit.combat is not None:
                centers = [c for c, known in zip(data.centers, here, strict=True) if known]
                values = fit.combat.transform(values, centers)
            table[part][here] = fit.model.decision_function(values)
    probability = apply_rules(trained.rules, table)
    rows = np.isfinite(probability) & (data.outcome >= 0)
    return discrimination(data.outcome[rows], probability[rows], seed)


def _rows_of(data: TrainingData, center: str, *, equal: bool) -> TrainingData:
    """The patients of one centre, or all others."""
    import numpy as np

    rows = np.array([(c == center) == equal for c in data.centers])
    return subset(data, rows)


def subset(data: TrainingData, rows: np.ndarray) -> TrainingData:
    """Some of the patients, without patches."""
    import numpy as np

    kept = np.flatnonzero(rows)
    return replace(
        data,
        patients=[data.patients[i] for i in kept],
        centers=[data.centers[i] for i in kept],
        outcome=data.outcome[kept],
        features={name: (names, x[kept]) for name, (names, x) in data.features.items()},
        patches=None,
        has_patch=np.zeros(len(kept), dtype=bool),
        has_pet=data.has_pet[kept],
        time=None if data.time is None else data.time[kept],
        event=None if data.event is None else data.event[kept],
        facts=[],
    )


def some_patients(cohort: Cohort, seed: int, most: int = SHUFFLED_PATIENTS) -> Cohort:
    """At most so many patients with a known outcome, drawn by the seed, in the table's order."""
    import numpy as np

    patients = cohort.with_outcome().patients
    if len(patients) > most:
        drawn = np.sort(np.random.default_rng(seed).choice(len(patients), most, replace=False))
        patients = tuple(patients[i] for i in drawn)
    return replace(cohort, patients=patients)
