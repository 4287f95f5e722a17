"""Other models beside the signature: each on all radiomics together, in the same folds."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import staged_file
from NSCLCResponseSegmentLib.core.progress import Progress

from .evaluation import measure, youden_threshold
from .fusion import fit_platt
from .presets import Preset, TableFit
from .safe_files import load_pipeline, save_pipeline
from .training_data import TrainingData
from .training_tables import fit_table

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Compared:
    """A model that stands beside the signature.

    :param features: names in the order of the model's columns. :param model: fitted on all patients.
    :param slope: of Platt's calibration, with ``offset``, on out-of-fold logits.
    :param threshold: probability from which a patient is called a responder, fixed on out-of-fold probabilities.
    :param probability: (patients,) out of fold, NaN without radiomics.
    :param positive: (patients,) whether it reached the threshold of the other folds.
    """

    features: tuple[str, ...]
    model: Any
    slope: float
    offset: float
    threshold: float
    probability: np.ndarray
    positive: np.ndarray

    def judge(self, data: TrainingData, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        """(patients,) probability of other patients, and its measures."""
        import numpy as np

        names, x = all_radiomics(data)
        place = {name: index for index, name in enumerate(names)}
        columns = [x[:, place[n]] if n in place else np.full(len(x), np.nan) for n in self.features]
        table = np.stack(columns, axis=1)
        here = np.isfinite(table).any(axis=1)
        probability = np.full(len(x), np.nan)
        probability[here] = _expit(self.slope * self.model.decision_function(table[here]) + self.offset)
        known = here & (data.outcome >= 0)
        positive = probability >= self.threshold
        return probability, measure(data.outcome[known], probability[known], positive[known], seed)


def all_radiomics(data: TrainingData) -> tuple[list[str], np.ndarray]:
    """Names and (patients, features) of every radiomics part side by side."""
    import numpy as np

    parts = [part for part in data.features if part.startswith("radiomics")]
    names = [name for part in parts for name in data.features[part][0]]
    values = [data.features[part][1] for part in parts]
    return names, np.concatenate(values, axis=1) if values else np.zeros((len(data.patients), 0))


def compare(
    data: TrainingData, folds: np.ndarray, preset: Preset, work: Path, progress: Progress
) -> dict[str, Compared]:
    """Each of the preset's models, cross-validated in the given folds; none without radiomics."""
    import numpy as np

    names, x = all_radiomics(data)
    here = np.isfinite(x).any(axis=1)
    found = {}
    for number, model in enumerate(preset.compare if names else ()):
        options = replace(preset.table, model=model, harmonise="")
        logits = np.full(len(x), np.nan)
        left_out = [*np.unique(folds), -1]  # -1: nobody
        for index, fold in enumerate(left_out):
            done = (number + index / len(left_out)) / len(preset.compare)
            progress.report(done, f"Comparing with {model.replace('_', ' ')}")
            rows = here & (folds != fold)
            fitted = _kept(work, x[rows], data.outcome[rows], options, preset.seed * 1000 + int(fold) + 1)
            test = here & (folds == fold)
            if test.any():
                logits[test] = fitted.decision_function(x[test])
        found[model] = _judged(tuple(names), fitted, logits, data.outcome, folds)
    return found


def _kept(work: Path, x: np.ndarray, y: np.ndarray, options: TableFit, seed: int) -> Any:
    """The fitted pipeline, from disk when an earlier run made it."""
    digest = hashlib.sha256(json.dumps([asdict(options), seed]).encode() + x.tobytes() + y.tobytes()).hexdigest()
    path = work / "fits" / f"compare-{digest[:20]}.skops"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        pipeline, _ = fit_table(x, y, options, seed)
        with staged_file(path) as aside:
            aside.write_bytes(save_pipeline(pipeline))
    return load_pipeline(path.read_bytes(), path.name)


def _judged(names: tuple[str, ...], model: Any, logits: np.ndarray, outcome: np.ndarray, folds: np.ndarray) -> Compared:
    """Calibration and threshold of each fold from the other folds' out-of-fold logits."""
    import numpy as np

    probability, positive = np.full(len(logits), np.nan), np.zeros(len(logits), dtype=bool)
    here = np.isfinite(logits)
    for fold in np.unique(folds):
        rows, test = here & (folds != fold), here & (folds == fold)
        slope, offset = fit_platt(logits[rows], outcome[rows])
        threshold = youden_threshold(outcome[rows], _expit(slope * logits[rows] + offset))
        probability[test] = _expit(slope * logits[test] + offset)
        positive[test] = probability[test] >= threshold
    slope, offset = fit_platt(logits[here], outcome[here])
    threshold = youden_threshold(outcome[here], _expit(slope * logits[here] + offset))
    return Compared(names, model, slope, offset, threshold, probability, positive)


def _expit(z: np.ndarray) -> np.ndarray:
    import numpy as np

    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))
