"""Fitting a table with any selector and model; everything is learned from the patients it is given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import SettingsError

from .presets import TableFit
from .selectors import PCA_SELECTORS, SELECTORS, rank_features
from .table_models import SURVIVAL_SELECTORS, Target, fit_model, grid

if TYPE_CHECKING:
    import numpy as np

_LASSO_BEFORE_PCA = 40
_FEWEST_PATIENTS = 2


def fit_any(x: np.ndarray, target: Target, fit: TableFit, seed: int) -> tuple[Any, dict[str, Any]]:
    """A fitted pipeline impute → (rank →) scale → select → model, and what inner cross-validation chose.

    :param x: (patients, features), NaN where a value is missing.
    :raises SettingsError: there is no such selector or model for this endpoint.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold
    from sklearn.pipeline import Pipeline

    survival = target.time is not None
    if fit.selector not in (SURVIVAL_SELECTORS if survival else SELECTORS):
        known = SURVIVAL_SELECTORS if survival else SELECTORS
        raise SettingsError(f"There is no selector '{fit.selector}' here.", f"Choose one of {', '.join(known)}.")
    tried = grid(fit.model, fit.strengths, survival=survival)
    strata = target.strata
    smallest = int(min(strata.sum(), len(strata) - strata.sum()))
    splitter = StratifiedKFold(
        max(_FEWEST_PATIENTS, min(fit.inner_folds, smallest)), shuffle=True, random_state=seed % 2**31
    )
    keeps = sorted({min(k, x.shape[1]) for k in fit.keep}) if fit.selector != "none" else [x.shape[1]]
    losses = np.zeros((len(keeps), len(tried)))
    if losses.size > 1:
        for train, test in splitter.split(x, strata):
            front = make_front(len(train), ranks=fit.ranks).fit(x[train])
            inside, everybody = front.transform(x[train]), front.transform(x)
            for row, (_, reducer) in enumerate(_reducers(inside, target.of(train), fit.selector, keeps, seed)):
                for column, parameters in enumerate(tried):
                    reduced = reducer.transform(inside)
                    model = fit_model(fit.model, reduced, target.of(train), parameters, seed, trial=True)
                    logit = model.decision_function(reducer.transform(everybody))
                    losses[row, column] += target.loss(logit, train, test)
    best_keep, best = np.unravel_index(int(np.argmin(losses)), losses.shape)
    front = make_front(len(x), ranks=fit.ranks).fit(x)
    inside = front.transform(x)
    _, reducer = next(_reducers(inside, target, fit.selector, [keeps[best_keep]], seed))
    model = fit_model(fit.model, reducer.transform(inside), target, tried[best], seed)
    steps = [*front.steps, *_merged(reducer, model)]
    chosen = {"selector": fit.selector, "features_kept": keeps[best_keep], "model": fit.model, **tried[best]}
    return Pipeline(steps), chosen


def make_front(patients: int, *, ranks: bool) -> Any:
    """Unfitted imputation, ranks and scaling for a training set of ``patients`` rows."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import QuantileTransformer, StandardScaler

    ranker = QuantileTransformer(n_quantiles=min(100, patients), subsample=None, random_state=0)
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            *([("rank", ranker)] if ranks else []),
            ("scale", StandardScaler()),
        ]
    )


def _reducers(x: np.ndarray, target: Target, selector: str, keeps: list[int], seed: int) -> Iterator[tuple[int, Any]]:
    """For each number of features the fitted step that makes them; what these have in common is done once."""
    import numpy as np

    from .models import Pick, Projection

    if selector in PCA_SELECTORS:
        from sklearn.decomposition import PCA

        rows = np.arange(x.shape[1])
        if selector == "lasso+pca":
            rows = np.sort(_ranked("lasso", x, target, min(_LASSO_BEFORE_PCA, x.shape[1]), seed))
        most = min(max(keeps), len(rows), len(x) - 1)
        pca = PCA(most, svd_solver="full").fit(x[:, rows])
        for keep in keeps:
            components = np.zeros((min(keep, most), x.shape[1]))
            components[:, rows] = pca.components_[: min(keep, most)]
            mean = np.zeros(x.shape[1])
            mean[rows] = pca.mean_
            yield keep, Projection.of(components, mean)
        return
    order = _ranked(selector, x, target, max(keeps), seed)
    for keep in keeps:
        yield keep, Pick.of(order[:keep], x.shape[1])


def _ranked(selector: str, x: np.ndarray, target: Target, most: int, seed: int) -> np.ndarray:
    if target.time is None:
        return rank_features(selector, x, target.outcome, most, seed)
    from .survival_selectors import rank_by_survival

    return rank_by_survival(selector, x, target, most)


def _merged(reducer: Any, model: Any) -> list[tuple[str, Any]]:
    """The last two steps. A linear model of principal components is a linear model of the features, and easier told."""
    import numpy as np

    from .models import Linear, Pick, Projection

    if isinstance(reducer, Projection) and isinstance(model, Linear):
        coefficients = reducer.components.T @ model.coef_[0]
        used = np.flatnonzero(coefficients)
        intercept = model.intercept_[0] - model.coef_[0] @ reducer.offset
        reducer, model = Pick.of(used, len(coefficients)), Linear.of(coefficients[used], intercept)
    return [("select", reducer), ("model", model)]
