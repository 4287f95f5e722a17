"""Whether probabilities mean what they say, and whether acting on them would help.

Calibration intercept and slope: D. R. Cox, Biometrika 45 (1958) 562; B. Van Calster et al., BMC Medicine 17 (2019) 230.
Decision curve: A. J. Vickers and E. B. Elkin, Medical Decision Making 26 (2006) 565.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .evaluation import Interval

if TYPE_CHECKING:
    import numpy as np

_Z95 = 1.959963984540054
_NEWTON_STEPS = 50
_LIMIT = 1e-6  # probabilities are kept this far from 0 and 1 where their logit is taken
GROUPS = 10
THRESHOLDS = tuple(i / 100 for i in range(1, 100))


def calibration(outcome: np.ndarray, probability: np.ndarray) -> dict[str, Any]:
    """Slope and intercept with 95 % intervals, Brier score, and the points of the plot.

    :param outcome: (patients,) of 0 and 1. :param probability: (patients,).
    :returns: ``slope`` (1 is right, below 1 too extreme), ``intercept`` (in the large: slope held at 1, 0 is right),
        ``brier``, ``brier_of_the_rate`` (of giving everybody the cohort's rate), ``groups``.
    """
    import numpy as np

    y, p = np.asarray(outcome, dtype=float), np.asarray(probability, dtype=float)
    logit = _logit(p)
    found: dict[str, Any] = {
        "brier": round(float(np.mean((p - y) ** 2)), 4),
        "brier_of_the_rate": round(float(np.mean((y.mean() - y) ** 2)), 4),
        "observed_rate": round(float(y.mean()), 4),
        "mean_probability": round(float(p.mean()), 4),
        "groups": calibration_groups(y, p),
    }
    beta, covariance = _logistic(np.ones((len(y), 1)), y, offset=logit)
    found["intercept"] = _interval(beta[0], covariance[0, 0]).to_json() if beta is not None else None
    constant = np.ptp(logit) < 1e-9
    beta, covariance = (None, None) if constant else _logistic(np.stack([np.ones(len(y)), logit], axis=1), y)
    found["slope"] = _interval(beta[1], covariance[1, 1]).to_json() if beta is not None else None
    return found


def _logit(p: np.ndarray) -> np.ndarray:
    import numpy as np

    p = np.clip(p, _LIMIT, 1 - _LIMIT)
    return np.log(p / (1 - p))


def _interval(value: float, variance: float) -> Interval:
    reach = _Z95 * float(variance) ** 0.5
    return Interval(float(value), float(value) - reach, float(value) + reach)


def _logistic(x: np.ndarray, y: np.ndarray, offset: np.ndarray | float = 0.0) -> tuple[Any, Any]:
    """Unpenalised logistic regression by Newton's method; (``None``, ``None``) where it has no finite answer."""
    import numpy as np

    beta = np.zeros(x.shape[1])
    for _ in range(_NEWTON_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ beta + offset, -500, 500)))
        hessian = x.T @ (x * (p * (1 - p))[:, None])
        try:
            step = np.linalg.solve(hessian, x.T @ (y - p))
        except np.linalg.LinAlgError:
            return None, None
        beta = beta + step
        if not np.isfinite(beta).all() or np.abs(beta).max() > 1e3:
            return None, None
        if np.abs(step).max() < 1e-9:
            return beta, np.linalg.inv(hessian)
    return None, None


def calibration_groups(outcome: np.ndarray, probability: np.ndarray, groups: int = GROUPS) -> list[dict[str, Any]]:
    """Patients in groups of like probability: mean probability, share of responders with Wilson's 95 % interval."""
    import numpy as np

    groups = max(2, min(groups, len(outcome) // 15))
    parts = np.array_split(np.argsort(probability, kind="stable"), groups)
    rows = []
    for rows_of_group in parts:
        y, p = outcome[rows_of_group], probability[rows_of_group]
        rate = wilson(int(y.sum()), len(y))
        rows.append({"patients": len(y), "probability": round(float(p.mean()), 4), "rate": rate.to_json()})
    return rows


def wilson(count: int, total: int) -> Interval:
    """A share with Wilson's 95 % interval (E. B. Wilson, JASA 22 (1927) 209); of nobody it is unknown, 0 to 1."""
    if not total:
        return Interval(float("nan"), 0.0, 1.0)
    share, z2 = count / total, _Z95**2
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = _Z95 / (1 + z2 / total) * (share * (1 - share) / total + z2 / (4 * total**2)) ** 0.5
    return Interval(share, max(0.0, middle - reach), min(1.0, middle + reach))


def decision_curve(outcome: np.ndarray, probability: np.ndarray) -> dict[str, list[float]]:
    """Net benefit per patient of treating as responders those above a threshold probability.

    :returns: ``threshold``, ``model``, ``all`` (everybody counts as a responder); nobody has net benefit 0.
    """
    import numpy as np

    y = np.asarray(outcome) == 1
    rate = float(y.mean())
    model, everybody = [], []
    for threshold in THRESHOLDS:
        odds = threshold / (1 - threshold)
        called = np.asarray(probability) >= threshold
        model.append(round(float(np.mean(called & y) - np.mean(called & ~y) * odds), 5))
        everybody.append(round(rate - (1 - rate) * odds, 5))
    return {"threshold": list(THRESHOLDS), "model": model, "all": everybody}
