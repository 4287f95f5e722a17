"""Fitting the clinical part: few variables whose scale is known, many of them missing in many patients.

Values are cut off where more of the same no longer says more (TMB above 50 mutations/Mb, NLR above 25, age above 85:
Chang et al., Nat Cancer 2024). Of PD-L1 and NLR, which are skewed, the square root is taken: a step from 0 to 10 %
says more than one from 80 to 90 %, but not as much more as the logarithm would have it. A missing value becomes what
the patient's other values make likely. All of it is learned from the training patients of the fold.

A few hundred patients hardly tell the weights of seven variables apart, and weights all alike are then hard to beat
(R. M. Dawes, American Psychologist 34 (1979) 571). So the ridge pulls towards equal weights, in the direction that is
known from other cohorts, of the variables that have one; how far is left to inner cross-validation. Age, sex and others
on whose effect studies disagree are held more tightly to no weight at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .presets import TableFit
from .training_tables import preprocessing_words

if TYPE_CHECKING:
    import numpy as np

CLINICAL_PREPROCESSING = (
    "cut off at fixed limits (TMB 50 mutations/Mb, NLR 25, age 85) or the training patients' 1 and 99 % quantiles;"
    " square root of PD-L1 and NLR, logarithm of LDH; missing values by their conditional mean given the patient's"
    " other values; standardisation; logistic regression with a ridge towards equal weights of the variables whose"
    " direction is known (PD-L1, TMB, albumin, smoking for response; NLR, LDH, ECOG, systemic therapy before against"
    " it), its strength by the log-loss of inner cross-validation"
)
_AS_IT_IS, _ROOT, _LOG = 0.0, 0.5, 1.0  # see clinical_steps.ClinicalScale
#: Variable → (lowest, highest, scale).
_SHAPES: dict[str, tuple[float, float, float]] = {
    "tmb_mut_per_mb": (0.0, 50.0, _AS_IT_IS),
    "nlr": (0.0, 25.0, _ROOT),
    "age": (18.0, 85.0, _AS_IT_IS),
    "pdl1_tps_percent": (0.0, 100.0, _ROOT),
    "albumin_g_dl": (1.0, 6.0, _AS_IT_IS),
    "ldh_u_l": (50.0, 5000.0, _LOG),
}
#: Variable → whether more of it goes with response (1) or against it (-1), by what many cohorts agree on.
_DIRECTIONS = {
    "pdl1_tps_percent": 1.0,
    "tmb_mut_per_mb": 1.0,
    "albumin_g_dl": 1.0,
    "smoker": 1.0,
    "pack_years": 1.0,
    "nlr": -1.0,
    "ldh_u_l": -1.0,
    "ecog": -1.0,
    "prior_systemic_therapy": -1.0,
}
_DISPUTED = frozenset({"age", "sex", "bmi", "squamous"})
_TIGHTER = 10.0  # times the ridge, for the disputed ones
_STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # inverse ridges; at the first, known variables weigh nearly the same
_NEWTON_STEPS = 50
_NO_RIDGE = 1e-6  # only so that separable data has an answer
_EM_ROUNDS = 30
_SHRINK = 0.05  # of the correlations towards none, so that few patients make no certainties
_FEW_LEVELS = 5


def is_plain(fit: TableFit) -> bool:
    """Whether nobody asked for another selector or model than the default ones."""
    return (fit.selector, fit.model, fit.ranks) == ("anova", "logistic", True)


def part_words(part: str, fit: TableFit, *, survival: bool) -> str:
    """What happens to a part's table, in words for the signature."""
    if part == "clinical" and is_plain(fit) and not survival:
        return CLINICAL_PREPROCESSING
    return preprocessing_words(fit, survival=survival)


def fit_clinical(
    names: Sequence[str], x: np.ndarray, y: np.ndarray, fit: TableFit, seed: int
) -> tuple[Any, dict[str, Any]]:
    """A fitted pipeline impute → shape → scale → model, and what inner cross-validation chose.

    :param names: of the variables, in the order of the columns.
    :param x: (patients, variables), NaN where a value is missing.
    :param y: (patients,) of 0 and 1.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    from .models import Linear

    losses = np.zeros(len(_STRENGTHS))
    smallest = int(min(y.sum(), len(y) - y.sum()))
    folds = StratifiedKFold(max(2, min(fit.inner_folds, smallest)), shuffle=True, random_state=seed % 2**31)
    for train, test in folds.split(x, y):
        front = _front(names, x[train])
        inside, outside = front.transform(x[train]), front.transform(x[test])
        for index, strength in enumerate(_STRENGTHS):
            weights, intercept = fit_towards_equal(names, inside, y[train], strength)
            logit = outside @ weights + intercept
            losses[index] += np.sum(np.logaddexp(0, logit) - y[test] * logit)
    strength = _STRENGTHS[int(np.argmin(losses))]
    pipeline = _front(names, x)
    weights, intercept = fit_towards_equal(names, pipeline.transform(x), y, strength)
    pipeline.steps.append(("model", Linear.of(weights, intercept)))
    return pipeline, {"features_kept": int(np.count_nonzero(np.abs(weights) > _NO_RIDGE)), "C": strength}


def fit_towards_equal(names: Sequence[str], x: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, float]:
    """Logistic regression whose ridge pulls towards equal weights of the variables with a known direction.

    What they weigh together is free; what each weighs beyond that costs. With fewer than two of them it is plain ridge.

    :param x: (patients, variables), standardised, without missing values. :param y: (patients,) of 0 and 1.
    :param strength: inverse ridge, scikit-learn's ``C``.
    :returns: (variables,) weights and the intercept.
    """
    import numpy as np

    direction = np.array([_DIRECTIONS.get(name, 0.0) for name in names])
    ridge = np.array([_TIGHTER if name in _DISPUTED else 1.0 for name in names]) / strength
    if np.count_nonzero(direction) < 2:
        direction = np.zeros(len(names))
    together = np.column_stack([x, x @ direction])
    beta = _newton(together, y, np.append(ridge, _NO_RIDGE))
    return beta[:-2] + beta[-2] * direction, float(beta[-1])


def _newton(x: np.ndarray, y: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    """(variables + 1,) weights and intercept of a ridge logistic regression; halved steps where it would get worse.

    :param ridge: (variables,) penalty of half the squared weight, in units of one patient's log-likelihood.
    """
    import numpy as np

    x = np.column_stack([x, np.ones(len(x))])
    ridge = np.append(ridge, _NO_RIDGE)

    def loss(beta: np.ndarray) -> float:
        z = x @ beta
        return float(np.sum(np.logaddexp(0, z) - y * z) + 0.5 * np.sum(ridge * beta**2))

    beta = np.zeros(x.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -500, 500)))
        hessian = x.T @ (x * (p * (1 - p))[:, None]) + np.diag(ridge)
        step = np.linalg.solve(hessian, x.T @ (y - p) - ridge * beta)
        before, share = loss(beta), 1.0
        while loss(beta + share * step) > before and share > 1e-4:
            share /= 2
        beta = beta + share * step
        if np.abs(share * step).max() < 1e-8:
            break
    return beta


def _front(names: Sequence[str], x: np.ndarray) -> Any:
    """Fitted imputation, shape and standardisation."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    from .clinical_steps import ClinicalScale, ConditionalMean

    scale = ClinicalScale.of(*_limits(names, x))
    mean, covariance = _distribution(scale.transform(x))
    impute = ConditionalMean.of(scale, mean, covariance)
    scaler = StandardScaler().fit(scale.transform(impute.transform(x)))
    return Pipeline([("impute", impute), ("shape", scale), ("scale", scaler)])


def _limits(names: Sequence[str], x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    import numpy as np

    limits = []
    for name, column in zip(names, x.T, strict=True):
        known = column[np.isfinite(column)]
        if name in _SHAPES:
            limits.append(_SHAPES[name])
        elif not len(known):
            limits.append((0.0, 1.0, _AS_IT_IS))
        else:
            few = len(np.unique(known)) <= _FEW_LEVELS  # codes such as sex or ECOG are not to be cut
            ends = (known.min(), known.max()) if few else np.quantile(known, (0.01, 0.99))
            limits.append((float(ends[0]), float(ends[1]), _AS_IT_IS))
    low, high, power = np.array(limits, dtype=float).T
    return low, high, power


def _distribution(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of (patients, variables) with missing values, by expectation and maximisation."""
    import numpy as np

    from .clinical_steps import conditional_means

    here = np.isfinite(z)
    counts = np.maximum(here.sum(axis=0), 1)
    mean = np.where(here, z, 0.0).sum(axis=0) / counts
    variance = np.maximum((np.where(here, z - mean, 0.0) ** 2).sum(axis=0) / counts, 1e-6)
    covariance = np.diag(variance)
    for _ in range(_EM_ROUNDS):
        filled, spread = conditional_means(z, mean, covariance)
        mean = filled.mean(axis=0)
        centred = filled - mean
        covariance = (centred.T @ centred + spread) / len(z)
        diagonal = np.diag(np.maximum(np.diag(covariance), 1e-6))
        covariance = (1 - _SHRINK) * covariance + _SHRINK * diagonal
    return mean, covariance
