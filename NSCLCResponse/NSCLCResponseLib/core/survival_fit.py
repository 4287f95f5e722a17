"""Cox models on standardised features: elastic net, and trees boosted on the partial likelihood.

Scores are minus the log hazard ratio, so that, as everywhere here, a larger one means a better course.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .evaluation import Interval

if TYPE_CHECKING:
    import numpy as np

_ITERATIONS = 500
_TOLERANCE = 1e-7


def partial_likelihood(score: np.ndarray, time: np.ndarray, event: np.ndarray) -> tuple[float, np.ndarray]:
    """Cox's log partial likelihood (Breslow's ties) of a log hazard, and its gradient (martingale residuals).

    :param score: (patients,) log hazard ratio. :param time: (patients,). :param event: (patients,) of bool.
    """
    import numpy as np

    order = np.argsort(-time, kind="stable")
    eta, died, when = score[order], event[order].astype(float), time[order]
    shift = eta.max(initial=0.0)
    hazard = np.exp(eta - shift)
    last = np.searchsorted(-when, -when, side="right") - 1  # the last patient at the same time: all of them at risk
    risk = np.cumsum(hazard)[last]
    value = float(np.sum(died * (eta - shift - np.log(risk))))
    steps = np.cumsum((died / risk)[::-1])[::-1]  # cumulative hazard up to a patient's own time
    first = np.searchsorted(-when, -when, side="left")
    residual = np.empty_like(eta)
    residual[order] = died - hazard * steps[first]
    return value, residual


def score_test(x: np.ndarray, time: np.ndarray, event: np.ndarray) -> np.ndarray:
    """(features,) |z| of the univariate Cox score test at no effect, which is a log-rank test for two groups."""
    import numpy as np

    _, residual = partial_likelihood(np.zeros(len(time)), time, event)
    order = np.argsort(-time, kind="stable")
    values, when = x[order], time[order]
    last = np.searchsorted(-when, -when, side="right") - 1
    count = np.arange(1, len(time) + 1)[last][:, None]
    mean = np.cumsum(values, axis=0)[last] / count
    variance = np.cumsum(values**2, axis=0)[last] / count - mean**2
    information = np.sum(variance * event[order].astype(float)[:, None], axis=0)
    return np.abs(x.T @ residual) / np.sqrt(np.maximum(information, 1e-12)) * (information > 1e-9)


def fit_cox(
    x: np.ndarray, time: np.ndarray, event: np.ndarray, penalty: float, l1_ratio: float, nonnegative: bool = False
) -> np.ndarray:
    """(features,) log hazard ratios of a Cox model with an elastic penalty.

    Minimises −l/patients + penalty × (l1_ratio |β|₁ + (1 − l1_ratio)/2 |β|²) (Simon 2011) by accelerated proximal
    gradient steps (Beck & Teboulle 2009).

    :param x: (patients, features) standardised. :param nonnegative: no hazard ratio below one.
    """
    import numpy as np

    count = len(time)
    beta = previous = np.zeros(x.shape[1])
    momentum, step = 1.0, 1.0
    ridge, lasso = penalty * (1 - l1_ratio), penalty * l1_ratio

    def smooth(at: np.ndarray) -> tuple[float, np.ndarray]:
        value, residual = partial_likelihood(x @ at, time, event)
        return -value / count + ridge / 2 * at @ at, -(x.T @ residual) / count + ridge * at

    for _ in range(_ITERATIONS):
        ahead_momentum = (1 + (1 + 4 * momentum**2) ** 0.5) / 2
        ahead = beta + (momentum - 1) / ahead_momentum * (beta - previous)
        value, gradient = smooth(ahead)
        while True:
            moved = ahead - step * gradient
            new = np.sign(moved) * np.maximum(np.abs(moved) - step * lasso, 0.0)
            new = np.maximum(new, 0.0) if nonnegative else new
            change = new - ahead
            if smooth(new)[0] <= value + gradient @ change + change @ change / (2 * step) + 1e-12 or step < 1e-8:
                break
            step /= 2
        previous, beta, momentum = beta, new, ahead_momentum
        if np.max(np.abs(beta - previous), initial=0.0) < _TOLERANCE:
            break
    return beta


def fit_boosted_cox(
    x: np.ndarray, time: np.ndarray, event: np.ndarray, trees: int, rate: float, seed: int
) -> tuple[list[Any], float]:
    """Regression trees on the martingale residuals, one after another (Ridgeway 1999).

    :returns: the fitted trees, and what each leaf is multiplied with for the log hazard.
    """
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    score, grown = np.zeros(len(time)), []
    least = max(5, len(time) // 30)
    for number in range(trees):
        _, residual = partial_likelihood(score, time, event)
        tree = DecisionTreeRegressor(
            max_leaf_nodes=4, min_samples_leaf=least, max_features=0.5, random_state=(seed + number) % 2**31
        )
        grown.append(tree.fit(x, residual))
        score += rate * tree.predict(x)
    return grown, rate


def held_out_likelihood(
    score: np.ndarray, time: np.ndarray, event: np.ndarray, train: np.ndarray, test: np.ndarray
) -> float:
    """Cross-validated partial likelihood of one fold (Verweij & van Houwelingen 1993): l(all) − l(training side).

    :param score: (patients,) log hazards from a model of ``train``. :param train: indices. :param test: indices.
    """
    import numpy as np

    both = np.concatenate([train, test])
    whole, _ = partial_likelihood(score[both], time[both], event[both])
    part, _ = partial_likelihood(score[train], time[train], event[train])
    return whole - part


def censoring_weights(time: np.ndarray, event: np.ndarray, months: float) -> np.ndarray:
    """Inverse probability of censoring weights for 'event-free at ``months``' (Graf 1999); 0 for the censored earlier.

    :returns: (patients,).
    """
    import numpy as np

    order = np.argsort(time, kind="stable")
    when, left = time[order], np.arange(len(time), 0, -1)
    lost = ~event[order].astype(bool)
    survival = np.cumprod(np.where(lost, 1 - 1 / left, 1.0))

    def still_followed(at: np.ndarray, side: str) -> np.ndarray:
        place = np.searchsorted(when, at, side=side)
        return np.where(place > 0, survival[np.maximum(place - 1, 0)], 1.0)

    early = event.astype(bool) & (time < months)
    chance = np.where(early, still_followed(time, "left"), still_followed(np.full_like(time, months), "left"))
    return np.where(early | (time >= months), 1 / np.maximum(chance, 0.05), 0.0)


def concordance(score: np.ndarray, time: np.ndarray, event: np.ndarray) -> float:
    """Harrell's C: how often, of two patients of whom one is known to have the event first, the other scores higher."""
    from lifelines.utils import concordance_index

    return float(concordance_index(time, score, event))


def c_index_interval(
    score: np.ndarray, time: np.ndarray, event: np.ndarray, seed: int = 0, repeats: int = 200
) -> Interval:
    """Harrell's C with a 95 % percentile bootstrap interval over patients."""
    import numpy as np

    random = np.random.default_rng(seed)
    values = []
    for _ in range(repeats):
        rows = random.integers(0, len(time), len(time))
        if event[rows].any():
            values.append(concordance(score[rows], time[rows], event[rows]))
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(concordance(score, time, event), float(low), float(high))
