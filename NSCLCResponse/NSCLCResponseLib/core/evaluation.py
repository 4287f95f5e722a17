"""How good probabilities are: AUC with intervals, Brier score, sensitivity and specificity at a given threshold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        """Rounded to four digits, as the signature and the metrics hold it."""
        return {name: round(number, 4) for name, number in asdict(self).items()}


def auc(outcome: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a responder scores above a non-responder, ties counting half."""
    import numpy as np
    from scipy.stats import rankdata

    positive = np.asarray(outcome) == 1
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * m))


def auc_interval(outcome: np.ndarray, score: np.ndarray, seed: int = 0, repeats: int = BOOTSTRAPS) -> Interval:
    """AUC with a 95 % percentile bootstrap interval; patients are drawn with replacement within each outcome.

    :param outcome: (patients,) of 0 and 1. :param score: (patients,) larger for responders.
    """
    import numpy as np

    outcome = np.asarray(outcome)
    values, place = np.unique(np.asarray(score, dtype=float), return_inverse=True)
    random = np.random.default_rng(seed)
    counts = []  # how often each score was drawn, (repeats, scores), for non-responders and responders
    for side in (0, 1):
        rows = place[outcome == side]
        drawn = random.integers(0, len(rows), (repeats, len(rows)))
        offsets = np.arange(repeats)[:, None] * len(values)
        drawn_places = (rows[drawn] + offsets).ravel()
        counts.append(np.bincount(drawn_places, minlength=repeats * len(values)).reshape(repeats, -1))
    below = np.cumsum(counts[0], axis=1) - counts[0] / 2
    areas = np.sum(counts[1] * below, axis=1) / (np.sum(outcome == 0) * np.sum(outcome == 1))
    low, high = np.quantile(areas, [0.025, 0.975])
    return Interval(auc(outcome, score), float(low), float(high))


def youden_threshold(outcome: np.ndarray, probability: np.ndarray) -> float:
    """The probability at which sensitivity + specificity is largest, midway to the next lower one."""
    import numpy as np

    candidates = np.unique(probability)
    middle = np.concatenate([candidates[:1], (candidates[1:] + candidates[:-1]) / 2])
    gains = [np.mean(probability[outcome == 1] >= t) - np.mean(probability[outcome == 0] >= t) for t in middle]
    return float(middle[int(np.argmax(gains))])


def measure(outcome: np.ndarray, probability: np.ndarray, positive: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """The measures of one model on one cohort, JSON-ready.

    :param positive: (patients,) whether the patient was called a responder, at a threshold fixed beforehand.
    """
    import numpy as np

    outcome, positive = np.asarray(outcome), np.asarray(positive)
    ill, well = outcome == 1, outcome == 0
    return {
        "patients": len(outcome),
        "events": int(ill.sum()),
        "auc": auc_interval(outcome, probability, seed).to_json(),
        "brier": round(float(np.mean((probability - outcome) ** 2)), 4),
        "sensitivity": round(float(positive[ill].mean()), 4),
        "specificity": round(float((~positive[well]).mean()), 4),
        "accuracy": round(float(np.mean(positive == ill)), 4),
    }
