"""Selectors for a time to an event; see :mod:`selectors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .survival_fit import fit_cox, score_test

if TYPE_CHECKING:
    import numpy as np

    from .table_models import Target

_PATH = (0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)


def rank_by_survival(selector: str, x: np.ndarray, target: Target, most: int) -> np.ndarray:
    """Indices of features, best first; ``most`` of them or fewer.

    ``anova`` ranks by the univariate Cox score test, ``lasso`` by when a feature enters the path of an L1-penalised
    Cox model, ``mrmr`` by the score test over the mean correlation with what was chosen before.
    """
    import numpy as np

    if selector == "none":
        return np.arange(x.shape[1])
    relevance = score_test(x, target.time, target.event)
    by_test = np.argsort(-relevance, kind="stable")
    if selector == "lasso":
        return _lasso(x, target, most)
    if selector == "mrmr":
        return _mrmr(x, relevance, by_test, most)
    return by_test[:most]


def _lasso(x: np.ndarray, target: Target, most: int) -> np.ndarray:
    import numpy as np

    entered: list[int] = []
    for penalty in _PATH:
        size = np.abs(fit_cox(x, target.time, target.event, penalty, 0.95))
        new = [i for i in np.argsort(-size, kind="stable") if size[i] > 0 and i not in entered]
        entered += new
        if len(entered) >= most:
            break
    if not entered:
        entered = [int(np.argmax(score_test(x, target.time, target.event)))]
    return np.array(entered[:most])


def _mrmr(x: np.ndarray, relevance: np.ndarray, order: np.ndarray, most: int) -> np.ndarray:
    import numpy as np

    pool = order[:150]
    with np.errstate(all="ignore"):
        correlation = np.nan_to_num(np.abs(np.corrcoef(x[:, pool].T))).reshape(len(pool), len(pool))
    chosen = [0]
    while len(chosen) < min(most, len(pool)):
        score = relevance[pool] / np.maximum(correlation[:, chosen].mean(axis=1), 1e-3)
        score[chosen] = -1.0
        chosen.append(int(np.argmax(score)))
    return pool[chosen]
