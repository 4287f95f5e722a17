"""Fitting one part on named features: imputation, ranks, scaling, selection and a penalised logistic regression, all of
it inside the fold that it is given."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .presets import TableFit

if TYPE_CHECKING:
    import numpy as np

PREPROCESSING = (
    "median imputation; rank among the training patients (0 to 1, so that values beyond training cannot run away);"
    " standardisation; the k features with the largest ANOVA F; L2-penalised logistic regression;"
    " k and penalty by the log-loss of inner cross-validation"
)


def make_pipeline(patients: int, keep: int, strength: float) -> Any:
    """The unfitted pipeline for a training set of ``patients`` rows."""
    from sklearn.feature_selection import SelectKBest, f_classif
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import QuantileTransformer, StandardScaler

    ranks = QuantileTransformer(n_quantiles=min(100, patients), subsample=None, random_state=0)
    return Pipeline(
        [
            ("impute", SimpleImputer(strategy="median", keep_empty_features=True)),
            ("rank", ranks),
            ("scale", StandardScaler()),
            ("select", SelectKBest(f_classif, k=keep)),
            ("model", LogisticRegression(C=strength, max_iter=2000)),
        ]
    )


def fit_table(x: np.ndarray, y: np.ndarray, fit: TableFit, seed: int) -> tuple[Any, dict[str, Any]]:
    """A fitted pipeline and what inner cross-validation chose.

    :param x: (patients, features), NaN where a value is missing.
    :param y: (patients,) of 0 and 1.
    """
    from sklearn.model_selection import StratifiedKFold

    if (fit.selector, fit.model, fit.ranks) != ("anova", "logistic", True):
        from .table_fit import fit_any
        from .table_models import Target

        return fit_any(x, Target(y), fit, seed)
    smallest = int(min(y.sum(), len(y) - y.sum()))
    folds = StratifiedKFold(max(2, min(fit.inner_folds, smallest)), shuffle=True, random_state=seed)
    grid = [(keep, strength) for keep in sorted({min(k, x.shape[1]) for k in fit.keep}) for strength in fit.strengths]
    losses = [0.0] * len(grid)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Features .* are constant", category=UserWarning)
        warnings.filterwarnings("ignore", message="invalid value encountered", category=RuntimeWarning)
        for train, test in folds.split(x, y):
            for index, loss in enumerate(_losses(x, y, train, test, grid)):
                losses[index] += loss
        keep, strength = grid[losses.index(min(losses))]
        pipeline = make_pipeline(len(y), keep, strength).fit(x, y)
    return pipeline, {"features_kept": keep, "C": strength}


def _losses(
    x: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray, grid: list[tuple[int, float]]
) -> list[float]:
    """Summed log-loss on ``test`` of each point of the grid fitted on ``train``; what they share is fitted once."""
    import numpy as np

    front = make_pipeline(len(train), 1, 1.0)[:-2].fit(x[train], y[train])
    inside, outside = front.transform(x[train]), front.transform(x[test])
    losses = []
    for keep, strength in grid:
        tail = make_pipeline(len(train), keep, strength)[-2:].fit(inside, y[train])
        logit = tail.decision_function(outside)
        losses.append(float(np.sum(np.logaddexp(0, logit) - y[test] * logit)))
    return losses


def fit_survival_table(
    x: np.ndarray, time: np.ndarray, event: np.ndarray, fit: TableFit, seed: int
) -> tuple[Any, dict[str, Any]]:
    """A fitted pipeline and what inner cross-validation chose; its ``decision_function`` is minus the log hazard.

    :param x: (patients, features), NaN where a value is missing.
    :param time: (patients,) months to the event or to the last visit. :param event: (patients,) of bool.
    """
    from .table_fit import fit_any
    from .table_models import Target

    return fit_any(x, Target(event.astype(int), time, event.astype(bool)), fit.for_survival(), seed)


_SELECTOR_WORDS = {
    "none": "all features",
    "anova": "the k features with the largest ANOVA F (of a time to an event: the largest Cox score test)",
    "lasso": "the first k features on the path of an L1 penalty",
    "rfe": "k features by recursive elimination",
    "mrmr": "k features of largest relevance over redundancy (mRMR)",
    "mutual_information": "the k features with the largest mutual information",
    "stability": "the k features that halves of the patients choose most often",
    "pca": "k principal components",
    "lasso+pca": "k principal components of the first features on the path of an L1 penalty",
}
_MODEL_WORDS = {
    "logistic": "L2-penalised logistic regression",
    "svm": "support vector machine with a Gaussian kernel",
    "random_forest": "random forest",
    "gradient_boosting": "gradient boosted trees",
    "stacking": "logistic regression, random forest and boosted trees, stacked",
    "cox": "Cox model with an elastic penalty",
}


def preprocessing_words(fit: TableFit, *, survival: bool = False) -> str:
    """What happens to a table, in words for the signature."""
    fit = fit.for_survival() if survival else fit
    if (fit.selector, fit.model, fit.ranks) == ("anova", "logistic", True):
        words = PREPROCESSING
    else:
        ranks = "rank among the training patients (0 to 1); " if fit.ranks else ""
        measure = "partial likelihood" if survival else "log-loss"
        words = (
            f"median imputation; {ranks}standardisation; {_SELECTOR_WORDS[fit.selector]}; {_MODEL_WORDS[fit.model]};"
            f" k and the model's parameters by the {measure} of inner cross-validation"
        )
    return f"ComBat between centres; {words}" if fit.harmonise else words


def training_statistics(
    pipeline: Any, x: np.ndarray, harmonised: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """What a prediction needs to explain itself.

    :param harmonised: what the pipeline is given where that is not ``x``.
    :returns: quantiles at 0, 1, … 100 % (features, 101), and the mean of what the classifier is given (selected,).
    """
    import numpy as np

    columns = [c[np.isfinite(c)] for c in x.T]
    quantiles = np.stack([np.quantile(c, np.linspace(0, 1, 101)) if len(c) else np.full(101, np.nan) for c in columns])
    return quantiles, pipeline[:-1].transform(x if harmonised is None else harmonised).mean(axis=0)


def feature_unit(name: str) -> str:
    """The unit of a radiomics feature where it has one that a reader knows; empty otherwise.

    First-order statistics of an unfiltered image carry its unit; shape features are in mm, mm² or mm³.
    """
    image, _, rest = name.partition("_")
    kind, _, feature = rest.partition("_")
    intensity = {"ct": "HU", "pet": "SUVbw"}.get(image, "")
    if kind == "original" and feature.startswith("firstorder_"):
        return intensity if feature.removeprefix("firstorder_") in _IN_IMAGE_UNITS else ""
    if feature.startswith("shape_"):
        return _shape_unit(feature.removeprefix("shape_"))
    return ""


def _shape_unit(feature: str) -> str:
    if feature.endswith("Volume"):
        return "mm³"
    if feature == "SurfaceArea":
        return "mm²"
    if feature == "SurfaceVolumeRatio":
        return "1/mm"
    return "mm" if "Diameter" in feature or "AxisLength" in feature else ""


_IN_IMAGE_UNITS: Sequence[str] = (
    "10Percentile", "90Percentile", "InterquartileRange", "Maximum", "Mean", "MeanAbsoluteDeviation", "Median",
    "Minimum", "Range", "RobustMeanAbsoluteDeviation", "RootMeanSquared", "StandardDeviation",
)  # fmt: skip
