"""Fitting the clinical part: few variables whose scale is known, many of them missing in many patients.

Values are cut off where more of the same no longer says more (TMB above 50 mutations/Mb, NLR above 25, age above 85:
Chang et al., Nat Cancer 2024), ratios are taken as logarithms, and a missing value becomes what the patient's other
values make likely, all learned from the training patients of the fold.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .presets import TableFit
from .training_tables import preprocessing_words

if TYPE_CHECKING:
    import numpy as np

CLINICAL_PREPROCESSING = (
    "cut off at fixed limits (TMB 50 mutations/Mb, NLR 25, age 85) or the training patients' 1 and 99 % quantiles;"
    " logarithm of ratios; missing values by their conditional mean given the patient's other values; standardisation;"
    " logistic regression with an elastic penalty, its strength and mix by the log-loss of inner cross-validation"
)
#: Variable → (lowest, highest, whether the logarithm is taken).
_SHAPES: dict[str, tuple[float, float, bool]] = {
    "tmb_mut_per_mb": (0.0, 50.0, False),
    "nlr": (0.5, 25.0, True),
    "age": (18.0, 85.0, False),
    "pdl1_tps_percent": (0.0, 100.0, False),
    "albumin_g_dl": (1.0, 6.0, False),
    "ldh_u_l": (50.0, 5000.0, True),
}
_STRENGTHS = (0.01, 0.03, 0.1, 0.3, 1.0)
_MIXES = (0.0, 0.5)
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

    grid = [(strength, mix) for strength in _STRENGTHS for mix in _MIXES]
    losses = np.zeros(len(grid))
    smallest = int(min(y.sum(), len(y) - y.sum()))
    folds = StratifiedKFold(max(2, min(fit.inner_folds, smallest)), shuffle=True, random_state=seed % 2**31)
    for train, test in folds.split(x, y):
        front = _front(names, x[train])
        inside, outside = front.transform(x[train]), front.transform(x[test])
        for index, (strength, mix) in enumerate(grid):
            logit = _model(strength, mix, seed).fit(inside, y[train]).decision_function(outside)
            losses[index] += np.sum(np.logaddexp(0, logit) - y[test] * logit)
    strength, mix = grid[int(np.argmin(losses))]
    pipeline = _front(names, x)
    model = _model(strength, mix, seed).fit(pipeline.transform(x), y)
    pipeline.steps.append(("model", _frozen(model)))
    return pipeline, {"features_kept": int(np.count_nonzero(model.coef_)), "C": strength, "l1_ratio": mix}


def _model(strength: float, mix: float, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    if mix == 0.0:
        return LogisticRegression(C=strength, max_iter=2000)
    old = inspect.signature(LogisticRegression).parameters["penalty"].default == "l2"  # before scikit-learn 1.8
    return LogisticRegression(
        solver="saga", l1_ratio=mix, C=strength, max_iter=1000, tol=1e-4, random_state=seed % 2**31,
        **({"penalty": "elasticnet"} if old else {}),
    )  # fmt: skip


def _frozen(model: Any) -> Any:
    from .models import Linear

    return Linear.of(model.coef_[0], float(model.intercept_[0]))


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
            limits.append((0.0, 1.0, False))
        else:
            few = len(np.unique(known)) <= _FEW_LEVELS  # codes such as sex or ECOG are not to be cut
            ends = (known.min(), known.max()) if few else np.quantile(known, (0.01, 0.99))
            limits.append((float(ends[0]), float(ends[1]), False))
    low, high, log = np.array(limits, dtype=float).T
    return low, high, log


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
