"""Selectors: each ranks the features of a training set, so that one ranking serves every number of features tried.

All see standardised features without missing values, of the training patients only.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

SELECTORS = ("none", "anova", "lasso", "rfe", "mrmr", "mutual_information", "stability", "pca", "lasso+pca")
PCA_SELECTORS = ("pca", "lasso+pca")
_LASSO_PATH = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_STABILITY_PAIRS = 25
_MRMR_POOL = 150  # features among which mRMR looks, those with the largest F


def rank_features(selector: str, x: np.ndarray, y: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Indices of features, best first; ``most`` of them or fewer.

    :param x: (patients, features) standardised. :param y: (patients,) of 0 and 1.
    """
    import numpy as np

    functions: dict[str, Callable[[np.ndarray, np.ndarray, int, int], np.ndarray]] = {
        "none": lambda x, _y, _m, _s: np.arange(x.shape[1]),
        "anova": lambda x, y, _m, _s: _order(f_values(x, y)),
        "lasso": _lasso,
        "rfe": _rfe,
        "mrmr": _mrmr,
        "mutual_information": _mutual_information,
        "stability": _stability,
    }
    order = functions[selector](x, y, most, seed)
    return order if selector == "none" else order[:most]


def _order(scores: np.ndarray) -> np.ndarray:
    """Largest first; of equal ones the first column."""
    import numpy as np

    return np.argsort(-np.nan_to_num(scores, nan=-np.inf), kind="stable")


def f_values(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(features,) ANOVA F; 0 for a constant feature."""
    import numpy as np
    from sklearn.feature_selection import f_classif

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return np.nan_to_num(f_classif(x, y)[0], nan=0.0, posinf=np.finfo(float).max)


def l1_logistic(strength: float, seed: int) -> Any:
    """An unfitted L1-penalised logistic regression (scikit-learn renamed the option in 1.8)."""
    from sklearn.linear_model import LogisticRegression

    old = inspect.signature(LogisticRegression).parameters["penalty"].default == "l2"
    option = {"penalty": "l1"} if old else {"l1_ratio": 1.0}
    return LogisticRegression(solver="liblinear", C=strength, max_iter=500, random_state=seed, **option)


def _lasso(x: np.ndarray, y: np.ndarray, most: int, seed: int) -> np.ndarray:
    """By when a feature enters the path of the L1 penalty, then by its coefficient there; ones that never do last."""
    import numpy as np

    scores = np.zeros(x.shape[1])
    for step, strength in enumerate(_LASSO_PATH):
        size = np.abs(l1_logistic(strength, seed).fit(x, y).coef_[0])
        new = (scores == 0) & (size > 0)
        scores[new] = len(_LASSO_PATH) - step + size[new] / (1 + size.max())
        if np.count_nonzero(scores) >= most:
            break
    chosen = _order(scores)
    return chosen[: max(np.count_nonzero(scores), 1)]


def _rfe(x: np.ndarray, y: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Recursive feature elimination (Guyon 2002) with a ridge logistic regression, a tenth of the features a step."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    del seed
    left = np.arange(x.shape[1])
    dropped: list[np.ndarray] = []
    while len(left) > 1:
        size = np.abs(LogisticRegression(C=0.1, max_iter=500).fit(x[:, left], y).coef_[0])
        order = _order(size)
        keep = min(len(left) - 1, max(int(0.9 * len(left)), 1))
        if len(left) <= most:  # the last ones are ordered by this fit
            return np.concatenate([left[order], *dropped[::-1]])
        dropped.append(left[order[keep:]])
        left = left[np.sort(order[:keep])]
    return np.concatenate([left, *dropped[::-1]])


def _mrmr(x: np.ndarray, y: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Minimum redundancy, maximum relevance (Ding & Peng 2005), F over mean correlation (FCQ of Zhao 2019)."""
    import numpy as np

    del seed
    relevance = f_values(x, y)
    pool = _order(relevance)[:_MRMR_POOL]
    with np.errstate(all="ignore"):
        correlation = np.nan_to_num(np.abs(np.corrcoef(x[:, pool].T))).reshape(len(pool), len(pool))
    chosen = [0]
    while len(chosen) < min(most, len(pool)):
        redundancy = np.maximum(correlation[:, chosen].mean(axis=1), 1e-3)
        score = relevance[pool] / redundancy
        score[chosen] = -1.0
        chosen.append(int(np.argmax(score)))
    return pool[chosen]


def _mutual_information(x: np.ndarray, y: np.ndarray, most: int, seed: int) -> np.ndarray:
    from sklearn.feature_selection import mutual_info_classif

    del most
    return _order(mutual_info_classif(x, y, random_state=seed))


def _stability(x: np.ndarray, y: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Stability selection (Meinshausen & Bühlmann 2010) on complementary halves (Shah & Samworth 2013).

    A feature's score is how often it is among the first ``most`` of the L1 path on half of the patients.
    """
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    counts = np.zeros(x.shape[1])
    for pair in range(_STABILITY_PAIRS):
        halves = StratifiedKFold(2, shuffle=True, random_state=seed + pair)
        for rows, _ in halves.split(x, y):
            size = np.abs(l1_logistic(0.2, seed).fit(x[rows], y[rows]).coef_[0])
            counts[_order(size)[:most]] += size[_order(size)[:most]] > 0
    return _order(counts + f_values(x, y) / (1 + f_values(x, y).max()) / 2)
