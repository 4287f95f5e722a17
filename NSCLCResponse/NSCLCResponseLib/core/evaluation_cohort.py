"""Everything that is said about a model on one cohort, JSON-ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .calibration import calibration, decision_curve, wilson
from .conformal_coverage import LEVELS, coverage
from .delong import delong_interval, delong_test
from .evaluation import auc_interval

if TYPE_CHECKING:
    import numpy as np

FEWEST_PER_CLASS = 5  # smaller groups get counts, no measures
_AGES = (65.0, 75.0)
_ROC_POINTS = 400
_SAME = 1e-9  # scores that differ by less come from a model without anything to say


@dataclass
class Judged:
    """Patients with the probabilities that are to be judged; all arrays are (patients,).

    :param title: what these patients are, e.g. 'training cohort, out of fold'.
    :param outcome: 1, 0, or -1 where unknown.
    :param probability: NaN for a patient without any part. :param positive: called a responder at a threshold that was
        fixed on training data.
    :param folds: number of the fold that a patient was judged in; ``None`` for an outside cohort.
    :param models: name → probability or score of other models, larger for responders; NaN where one has no answer.
    :param verdicts: verdict → conformal p-values (see :mod:`conformal_coverage`); empty for training patients.
    :param clinical: variable → values. :param follow_up: name (``pfs``, ``os``) → (months, event).
    """

    title: str
    patients: list[str]
    centers: list[str]
    outcome: np.ndarray
    probability: np.ndarray
    positive: np.ndarray
    threshold: float
    folds: np.ndarray | None = None
    models: dict[str, np.ndarray] = field(default_factory=dict)
    verdicts: dict[str, np.ndarray] = field(default_factory=dict)
    clinical: dict[str, np.ndarray] = field(default_factory=dict)
    follow_up: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    @property
    def known(self) -> np.ndarray:
        """Patients with an outcome and a probability."""
        import numpy as np

        return np.isfinite(self.probability) & (self.outcome >= 0)


def evaluate(judged: Judged, seed: int = 0) -> dict[str, Any]:
    """Measures of the signature on one cohort."""
    from .survival_measures import survival_measures

    rows = judged.known
    y, p, called = judged.outcome[rows], judged.probability[rows], judged.positive[rows]
    found: dict[str, Any] = {
        "cohort": judged.title,
        "patients": len(y),
        "events": int((y == 1).sum()),
        "without_outcome": int((judged.outcome < 0).sum()),
    }
    if not enough(y):
        found["note"] = f"Too few patients of one outcome to measure anything (fewer than {FEWEST_PER_CLASS})."
        return found
    found |= discrimination(y, p, seed)
    found["roc"] = roc_points(y, p)
    found["at_threshold"] = {"threshold": round(float(judged.threshold), 4), **at_threshold(y, called)}
    found["calibration"] = calibration(y, p)
    found["decision_curve"] = decision_curve(y, p)
    sets = [coverage(judged.outcome, judged.verdicts, level) for level in LEVELS if judged.verdicts]
    found["conformal"] = [one for one in sets if one is not None]
    found["models"] = compare_models(judged, seed)
    found["survival"] = {
        name: measured
        for name, (time, event) in judged.follow_up.items()
        if (measured := survival_measures(time, event, judged.probability, judged.positive, seed)) is not None
    }
    found["subgroups"] = subgroups(judged, seed)
    return found


def enough(outcome: np.ndarray) -> bool:
    """Whether both outcomes occur often enough for measures."""
    return min((outcome == 1).sum(), (outcome == 0).sum()) >= FEWEST_PER_CLASS


def discrimination(outcome: np.ndarray, score: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """AUC with both intervals."""
    return {
        "auc": delong_interval(outcome, score).to_json(),
        "auc_bootstrap": auc_interval(outcome, score, seed).to_json(),
    }


def at_threshold(outcome: np.ndarray, called: np.ndarray) -> dict[str, Any]:
    """Confusion matrix and what follows from it, shares with Wilson's 95 % intervals.

    :param called: (patients,) of bool, whether called a responder.
    """
    ill, called = outcome == 1, called.astype(bool)
    tp, fp = int((ill & called).sum()), int((~ill & called).sum())
    fn, tn = int((ill & ~called).sum()), int((~ill & ~called).sum())
    shares = {
        "accuracy": (tp + tn, len(ill)),
        "sensitivity": (tp, tp + fn),
        "specificity": (tn, tn + fp),
        "ppv": (tp, tp + fp),
        "npv": (tn, tn + fn),
    }
    measured = {name: wilson(*counts).to_json() if counts[1] else None for name, counts in shares.items()}
    f1 = 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else None
    confusion = {"true_positive": tp, "false_positive": fp, "false_negative": fn, "true_negative": tn}
    return {"confusion": confusion, **measured, "f1": None if f1 is None else round(f1, 4)}


def roc_points(outcome: np.ndarray, score: np.ndarray) -> dict[str, list[float]]:
    """The curve: ``false_positive_rate`` and ``true_positive_rate``."""
    import numpy as np

    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    tpr = np.append(0, np.cumsum(outcome[order] == 1)[last] / (outcome == 1).sum())
    fpr = np.append(0, np.cumsum(outcome[order] == 0)[last] / (outcome == 0).sum())
    chosen = np.unique(np.linspace(0, len(tpr) - 1, min(len(tpr), _ROC_POINTS)).round().astype(int))
    return {
        "false_positive_rate": [round(float(v), 4) for v in fpr[chosen]],
        "true_positive_rate": [round(float(v), 4) for v in tpr[chosen]],
    }


def compare_models(judged: Judged, seed: int) -> dict[str, Any]:
    """Each other model on the patients it has an answer for, and the signature beside it on the same ones."""
    import numpy as np

    found = {}
    for name, score in judged.models.items():
        rows = judged.known & np.isfinite(score)
        y = judged.outcome[rows]
        if not enough(y):
            found[name] = {"patients": int(rows.sum()), "note": "too few patients"}
            continue
        if np.ptp(score[rows]) < _SAME:
            found[name] = {"patients": len(y), "note": "it says the same of every patient"}
            continue
        difference, p_value = delong_test(y, judged.probability[rows], score[rows])
        found[name] = {
            "patients": len(y),
            "events": int(y.sum()),
            **discrimination(y, score[rows], seed),
            "signature_on_the_same_patients": delong_interval(y, judged.probability[rows]).to_json(),
            "signature_minus_this": round(difference, 4),
            "delong_p": round(p_value, 5),
            "roc": roc_points(y, score[rows]),
        }
        if "endpoint" in judged.follow_up:
            found[name]["c_index"] = _concordance(judged, score, seed)
    return found


def _concordance(judged: Judged, score: np.ndarray, seed: int) -> dict[str, float]:
    """C-index of a model for the endpoint's own time, with those censored early."""
    import numpy as np

    from .survival_fit import c_index_interval

    time, event = judged.follow_up["endpoint"]
    here = np.isfinite(score) & np.isfinite(time)
    return c_index_interval(score[here], time[here], event[here], seed).to_json()


def subgroups(judged: Judged, seed: int) -> list[dict[str, Any]]:
    """Measures by centre, sex and age."""
    groups: list[tuple[str, str, np.ndarray]] = []
    names = sorted({center for center in judged.centers if center})
    if len(names) > 1:
        groups += [("centre", name, _equal(judged.centers, name)) for name in names]
    groups += _clinical_groups(judged.clinical)
    found = []
    for kind, name, rows in groups:
        here = rows & judged.known
        if not here.any():
            continue
        y = judged.outcome[here]
        entry: dict[str, Any] = {"by": kind, "group": name, "patients": len(y), "events": int((y == 1).sum())}
        if enough(y):
            entry |= discrimination(y, judged.probability[here], seed)
            entry["at_threshold"] = at_threshold(y, judged.positive[here])
            calibrated = calibration(y, judged.probability[here])
            entry["calibration"] = {key: calibrated[key] for key in ("slope", "intercept", "brier")}
        found.append(entry)
    return found


def _equal(values: list[str], name: str) -> np.ndarray:
    import numpy as np

    return np.array([value == name for value in values])


def _clinical_groups(clinical: Mapping[str, np.ndarray]) -> list[tuple[str, str, np.ndarray]]:
    import numpy as np

    groups = []
    if "sex" in clinical:
        groups += [("sex", word, clinical["sex"] == code) for word, code in (("female", 0.0), ("male", 1.0))]
    if "age" in clinical:
        low, high = _AGES
        age = clinical["age"]
        with np.errstate(invalid="ignore"):
            groups += [
                ("age", f"under {low:g}", age < low),
                ("age", f"{low:g} to {high:g}", (age >= low) & (age < high)),
                ("age", f"{high:g} and over", age >= high),
            ]
    if "pdl1_tps_percent" in clinical:
        missing = ~np.isfinite(clinical["pdl1_tps_percent"])
        if missing.any() and not missing.all():
            groups += [("PD-L1", "measured", ~missing), ("PD-L1", "missing", missing)]
    return groups


def selection_stability(chosen: np.ndarray) -> dict[str, float] | None:
    """How alike the features are that the folds selected, 1 for the same and about 0 for chance.

    S. Nogueira, K. Sechidis, G. Brown, JMLR 18 (2018) 174, with their 95 % interval.

    :param chosen: (folds, features) of bool. :returns: ``None`` where every fold selects all or none.
    """
    import numpy as np

    z = np.asarray(chosen, dtype=float)
    folds, count = z.shape
    share = z.mean(axis=0)
    mean = float(z.sum(axis=1).mean())
    expected = mean / count * (1 - mean / count)
    if expected <= 0 or folds < 2:
        return None
    stability = 1 - (folds / (folds - 1) * share * (1 - share)).mean() / expected
    size = z.sum(axis=1)
    own = (z * share).mean(axis=1) - size * mean / count**2
    own += stability / 2 * (2 * mean * size / count**2 - size / count - mean / count + 1)
    own /= expected
    variance = 4 / folds**2 * np.sum((own - own.mean()) ** 2)
    reach = 1.959964 * float(variance) ** 0.5
    low, high = float(stability) - reach, min(1.0, float(stability) + reach)
    return {"value": round(float(stability), 4), "low": round(low, 4), "high": round(high, 4), "mean_kept": mean}
