"""Models on a table of standardised features: what is tried, how each is fitted, and how it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import SettingsError

if TYPE_CHECKING:
    import numpy as np

MODELS = ("logistic", "svm", "random_forest", "gradient_boosting", "stacking")
SURVIVAL_MODELS = ("cox", "gradient_boosting")
SURVIVAL_SELECTORS = ("none", "anova", "lasso", "mrmr", "pca", "lasso+pca")
STACKED = ("logistic", "random_forest", "gradient_boosting")
_FOREST_TREES = 200
_TRIAL_TREES = 60  # while parameters are compared
_STACK_FOLDS = 3

Parameters = Mapping[str, float]


@dataclass(frozen=True)
class Target:
    """What a table is fitted to: the response, or the time to an event.

    :param outcome: (patients,) of 0 and 1. :param time: (patients,) months, or ``None`` for a response.
    :param event: (patients,) of bool.
    """

    outcome: np.ndarray
    time: np.ndarray | None = None
    event: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.outcome)

    @property
    def strata(self) -> np.ndarray:
        """(patients,) of 0 and 1: what folds are balanced by."""
        return self.outcome if self.event is None else self.event.astype(int)

    def of(self, rows: np.ndarray) -> Target:
        """Some of the patients."""
        if self.time is None:
            return Target(self.outcome[rows])
        return Target(self.outcome[rows], self.time[rows], self.event[rows])

    def loss(self, logit: np.ndarray, train: np.ndarray, test: np.ndarray) -> float:
        """Of a model of ``train`` on ``test``: log-loss, or the partial likelihood's. :param logit: of all patients."""
        import numpy as np

        if self.time is None:
            return float(np.sum(np.logaddexp(0, logit[test]) - self.outcome[test] * logit[test]))
        from .survival_fit import held_out_likelihood

        return -held_out_likelihood(-logit, self.time, self.event, train, test)


def grid(model: str, strengths: tuple[float, ...], *, survival: bool) -> list[dict[str, float]]:
    """Parameters among which inner cross-validation chooses.

    :raises SettingsError: there is no such model for this endpoint.
    """
    known = SURVIVAL_MODELS if survival else MODELS
    if model not in known:
        kind = "a time to an event" if survival else "a response"
        raise SettingsError(f"There is no model '{model}' for {kind}.", f"Choose one of {', '.join(known)}.")
    choices: dict[str, list[dict[str, float]]] = {
        "logistic": [{"C": c} for c in strengths],
        "cox": [{"penalty": p, "l1_ratio": 0.5} for p in (0.5, 0.2, 0.1, 0.05, 0.02)],
        "svm": [{"C": c} for c in (0.1, 1.0, 10.0)],
        "random_forest": [{"leaf": leaf} for leaf in (3, 10)],
        "gradient_boosting": [{"trees": n} for n in ((30, 100) if not survival else (25, 75, 150))],
        "stacking": [{}],
    }
    return choices[model]


def fit_model(
    model: str, x: np.ndarray, target: Target, parameters: Parameters, seed: int, *, trial: bool = False
) -> Any:
    """A fitted model in the form that a signature stores (see :mod:`models`).

    :param x: (patients, features) standardised, without missing values.
    :param trial: whether it is fitted for comparing parameters only; forests are smaller then.
    """
    if trial:
        parameters = {**parameters, "forest": _TRIAL_TREES}
    if target.time is not None:
        return _fit_survival(model, x, target, parameters, seed)
    return _FITS[model](x, target.outcome, parameters, seed)


def _fit_survival(model: str, x: np.ndarray, target: Target, parameters: Parameters, seed: int) -> Any:
    from . import survival_fit
    from .models import Linear, freeze_regression_trees

    if model == "cox":
        beta = survival_fit.fit_cox(x, target.time, target.event, parameters["penalty"], parameters["l1_ratio"])
        return Linear.of(-beta, 0.0)
    trees, rate = survival_fit.fit_boosted_cox(x, target.time, target.event, int(parameters["trees"]), 0.1, seed)
    return freeze_regression_trees(trees, -rate)


def _logistic(x: np.ndarray, y: np.ndarray, parameters: Parameters, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    from .models import Linear

    del seed
    fitted = LogisticRegression(C=parameters.get("C", 0.03), max_iter=2000).fit(x, y)
    return Linear.of(fitted.coef_[0], fitted.intercept_[0])


def _svm(x: np.ndarray, y: np.ndarray, parameters: Parameters, seed: int) -> Any:
    """Gaussian kernel; decision values become logits by Platt's method on held-out ones."""
    import numpy as np
    from sklearn.model_selection import StratifiedKFold
    from sklearn.svm import SVC

    from .fusion import fit_platt
    from .models import KernelMachine

    gamma = 1.0 / max(x.shape[1] * float(x.var()), 1e-6)
    held_out = np.zeros(len(y))
    for train, test in StratifiedKFold(_STACK_FOLDS, shuffle=True, random_state=seed % 2**31).split(x, y):
        held_out[test] = SVC(C=parameters["C"], gamma=gamma).fit(x[train], y[train]).decision_function(x[test])
    slope, offset = fit_platt(held_out, y)
    return KernelMachine.of(SVC(C=parameters["C"], gamma=gamma).fit(x, y), gamma, slope, offset)


def _random_forest(x: np.ndarray, y: np.ndarray, parameters: Parameters, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    from .models import freeze_forest

    leaf = int(parameters.get("leaf", 5))
    trees = int(parameters.get("forest", _FOREST_TREES))
    forest = RandomForestClassifier(trees, min_samples_leaf=leaf, random_state=seed % 2**31, n_jobs=1)
    return freeze_forest(forest.fit(x, y))


def _gradient_boosting(x: np.ndarray, y: np.ndarray, parameters: Parameters, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    from .models import freeze_boosting

    fitted = HistGradientBoostingClassifier(
        max_iter=int(parameters.get("trees", 50)),
        learning_rate=0.05,
        max_leaf_nodes=6,
        min_samples_leaf=max(5, len(y) // 30),
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed % 2**31,
    )
    return freeze_boosting(fitted.fit(x, y))


def _stacking(x: np.ndarray, y: np.ndarray, parameters: Parameters, seed: int) -> Any:
    """Members' held-out logits weighted by a logistic regression with weights not below zero (Wolpert 1992)."""
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    from .fusion import fit_weights
    from .models import Stack

    held_out = np.zeros((len(y), len(STACKED)))
    sizes = {"forest": parameters.get("forest", _FOREST_TREES)}
    for train, test in StratifiedKFold(_STACK_FOLDS, shuffle=True, random_state=seed % 2**31).split(x, y):
        for column, name in enumerate(STACKED):
            held_out[test, column] = _FITS[name](x[train], y[train], sizes, seed).decision_function(x[test])
    weights, intercept = fit_weights(held_out, y)
    return Stack.of([_FITS[name](x, y, sizes, seed) for name in STACKED], weights, intercept)


_FITS = {
    "logistic": _logistic,
    "svm": _svm,
    "random_forest": _random_forest,
    "gradient_boosting": _gradient_boosting,
    "stacking": _stacking,
}
