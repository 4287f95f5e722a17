"""Late fusion: the parts that a patient has, weighted into one logit, and Platt's calibration of it.

For every set of parts that a patient may have (no PET, no clinical values, …) there is a rule of its own, fitted on
out-of-fold logits; so a missing part never stops a prediction and never leaves weights that were meant for more parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

PET_PARTS = {"radiomics_pet", "cnn"}  # parts whose logit (also) exists with a PET
RIDGE = 0.5  # pull of each weight to zero, in units of one patient's log-likelihood
_NO_RIDGE = 1e-3  # only so that separable data has an answer
MIN_PER_CLASS = 8  # fewer responders or non-responders than this carry no rule


@dataclass(frozen=True)
class FusionRule:
    """How the logits of ``parts`` become one calibrated logit.

    ``slope × (intercept + Σ weight × logit) + offset``, slope and offset being Platt's.

    :param pet: whether the parts saw a PET.
    :param means: mean logit of each part in training (out of fold); contributions are relative to it.
    :param patients: patients that the rule was fitted on.
    """

    parts: tuple[str, ...]
    pet: bool
    weights: tuple[float, ...]
    intercept: float
    means: tuple[float, ...]
    slope: float
    offset: float
    patients: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the logits that the rule takes, see :func:`column`."""
        return tuple(column(part, pet=self.pet) for part in self.parts)

    def logit(self, logits: Mapping[str, float]) -> float:
        """The calibrated logit of one patient from the logits by column."""
        fused = self.intercept + sum(w * logits[c] for w, c in zip(self.weights, self.columns, strict=True))
        return self.slope * fused + self.offset

    def contributions(self, logits: Mapping[str, float]) -> dict[str, float]:
        """What each part adds to the calibrated logit, relative to the training mean; with :attr:`base` their sum."""
        terms = zip(self.parts, self.columns, self.weights, self.means, strict=True)
        return {part: self.slope * w * (logits[c] - mean) for part, c, w, mean in terms}

    @property
    def base(self) -> float:
        """The calibrated logit of a patient whose parts all say what they say on average in training."""
        return self.logit(dict(zip(self.columns, self.means, strict=True)))

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``signature.json`` holds it."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> FusionRule:
        """The inverse of :meth:`to_json`."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in data.items()})


@dataclass(frozen=True)
class Times:
    """Times to an event, for fusion and calibration.

    :param time: (patients,) months. :param event: (patients,) of bool. :param months: for which a probability is given.
    :param counts: (patients,) inverse probability of censoring weights at ``months``.
    """

    time: np.ndarray
    event: np.ndarray
    months: float
    counts: np.ndarray

    @classmethod
    def at(cls, time: np.ndarray, event: np.ndarray, months: float) -> Times:
        """With the weights that follow."""
        from .survival_fit import censoring_weights

        return cls(time, event, months, censoring_weights(time, event, months))

    def of(self, rows: np.ndarray) -> Times:
        """Some of the patients, weighted among themselves."""
        return Times.at(self.time[rows], self.event[rows], self.months)


def choose_rule(rules: Sequence[FusionRule], available: set[str]) -> FusionRule | None:
    """The rule that uses most of the available columns, with PET before without; ``None`` when there is none at all."""
    fitting = [r for r in rules if set(r.columns) <= available]
    return max(fitting, key=lambda r: (len(r.parts), r.pet, r.patients), default=None)


def fit_weights(
    logits: np.ndarray, outcome: np.ndarray, ridge: float = RIDGE, counts: np.ndarray | None = None
) -> tuple[np.ndarray, float]:
    """Weights (not below zero) and intercept of a logistic fusion with a small ridge.

    A negative weight would let a part argue against its own verdict, which nobody could explain; correlated parts
    produce them easily on few patients.

    :param logits: (patients, parts).
    :param outcome: (patients,) of 0 and 1.
    :param counts: (patients,) how many patients each stands for; 1 without.
    """
    import numpy as np
    from scipy.optimize import minimize

    scale = np.maximum(logits.std(axis=0), 1e-9)
    x, y = logits / scale, outcome.astype(float)
    weight = np.ones(len(y)) if counts is None else counts

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ theta[:-1] + theta[-1]
        value = np.sum(weight * (np.logaddexp(0, z) - y * z)) + ridge * np.sum(theta[:-1] ** 2)
        residual = weight * (_expit(z) - y)
        return value, np.append(x.T @ residual + 2 * ridge * theta[:-1], residual.sum())

    start = np.zeros(x.shape[1] + 1)
    bounds = [(0, None)] * x.shape[1] + [(None, None)]
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-8}).x
    return found[:-1] / scale, float(found[-1])


def fit_platt(fused: np.ndarray, outcome: np.ndarray, counts: np.ndarray | None = None) -> tuple[float, float]:
    """Slope and offset of Platt's calibration (Platt 1999) on out-of-fold logits.

    A slope below zero means that out of fold there is no signal; it is set to zero, so that everyone gets the rate of
    the training cohort.
    """
    import numpy as np

    values = np.asarray(fused, dtype=float)[:, None]
    weights, offset = fit_weights(values, np.asarray(outcome), _NO_RIDGE, counts)
    return float(weights[0]), offset


def column(part: str, *, pet: bool) -> str:
    """Name of a part's logit: the network has two, with the PET and without it."""
    return f"{part}:no_pet" if part == "cnn" and not pet else part


def fit_rules(
    table: Mapping[str, np.ndarray], outcome: np.ndarray, folds: np.ndarray, times: Times | None = None
) -> list[FusionRule]:
    """One rule for each set of parts that enough patients have.

    :param table: column (see :func:`column`) → out-of-fold logits (patients,), NaN where a patient lacks it.
    :param outcome: (patients,) of 0 and 1.
    :param folds: (patients,) fold numbers; calibration uses weights fitted without the patient's fold.
    :param times: for a time to an event; ``outcome`` then tells who was event-free at ``times.months``, −1 if unknown.
    """
    names = sorted({name.partition(":")[0] for name in table})
    rules = []
    for pet in (True, False):
        for size in range(1, len(names) + 1):
            for parts in combinations(names, size):
                if pet == bool(PET_PARTS & set(parts)) or (not pet and set(parts) & PET_PARTS == {"cnn"}):
                    rules.append(_fit_rule(parts, table, outcome, folds, times, pet=pet))
    return [rule for rule in rules if rule is not None]


def _fit_rule(
    parts: tuple[str, ...],
    table: Mapping[str, np.ndarray],
    outcome: np.ndarray,
    folds: np.ndarray,
    times: Times | None,
    *,
    pet: bool,
) -> FusionRule | None:
    import numpy as np

    columns = [column(p, pet=pet) for p in parts]
    if not set(columns) <= set(table):
        return None
    logits = np.stack([table[c] for c in columns], axis=1)
    here = np.isfinite(logits).all(axis=1)
    x, y, fold = logits[here], outcome[here], folds[here]
    if min(np.sum(y == 1), np.sum(y == 0)) < MIN_PER_CLASS:
        return None
    own = None if times is None else times.of(here)
    weights, intercept = fit_fusion(x, y, own)
    slope, offset = fit_platt(cross_fitted(x, y, fold, own), y, None if own is None else own.counts)
    return FusionRule(
        parts, pet, tuple(map(float, weights)), intercept, tuple(map(float, x.mean(axis=0))), slope, offset, len(y)
    )


def fit_fusion(logits: np.ndarray, outcome: np.ndarray, times: Times | None = None) -> tuple[np.ndarray, float]:
    """Weights and intercept of the fusion: logistic for a response, Cox (no intercept) for a time to an event."""
    import numpy as np

    if times is None:
        return fit_weights(logits, outcome)
    from .survival_fit import fit_cox

    scale = np.maximum(logits.std(axis=0), 1e-9)
    centred = (logits - logits.mean(axis=0)) / scale
    ridge = 2 * RIDGE / len(logits)
    return fit_cox(-centred, times.time, times.event, ridge, 0.0, nonnegative=True) / scale, 0.0


def cross_fitted(logits: np.ndarray, outcome: np.ndarray, folds: np.ndarray, times: Times | None = None) -> np.ndarray:
    """Fused logits, each from weights that did not see the patient's fold; (patients,)."""
    import numpy as np

    fused = np.zeros(len(outcome))
    for fold in np.unique(folds):
        train, test = folds != fold, folds == fold
        weights, intercept = fit_fusion(logits[train], outcome[train], None if times is None else times.of(train))
        fused[test] = logits[test] @ weights + intercept
    return fused


def _expit(z: np.ndarray) -> np.ndarray:
    import numpy as np

    return 1 / (1 + np.exp(-np.clip(z, -500, 500)))
