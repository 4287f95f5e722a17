"""DeLong's method for areas under ROC curves: interval of one, test of two on the same patients.

E. R. DeLong, D. M. DeLong, D. L. Clarke-Pearson, Biometrics 44 (1988) 837; computed from midranks as X. Sun and W. Xu,
IEEE Signal Processing Letters 21 (2014) 1389, describe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .evaluation import Interval

if TYPE_CHECKING:
    import numpy as np

_Z95 = 1.959963984540054


def delong_covariance(outcome: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and their covariance.

    :param outcome: (patients,) of 0 and 1, at least two of each. :param scores: (models, patients).
    :returns: (models,) and (models, models).
    """
    import numpy as np
    from scipy.stats import rankdata

    scores = np.atleast_2d(np.asarray(scores, dtype=float))
    positive = np.asarray(outcome) == 1
    m, n = int(positive.sum()), int((~positive).sum())
    every = rankdata(scores, axis=1)
    above = (every[:, positive] - rankdata(scores[:, positive], axis=1)) / n  # (models, responders)
    below = 1 - (every[:, ~positive] - rankdata(scores[:, ~positive], axis=1)) / m
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return above.mean(axis=1), covariance


def delong_interval(outcome: np.ndarray, score: np.ndarray) -> Interval:
    """AUC with DeLong's 95 % interval, on the logit scale so that it stays between 0 and 1 (Pepe 2003).

    Without two patients of each outcome, or with a perfect separation (variance 0), the interval is 0 to 1.
    """
    import numpy as np

    positive = np.asarray(outcome) == 1
    if min(positive.sum(), (~positive).sum()) < 2:
        return Interval(float("nan"), 0.0, 1.0)
    areas, covariance = delong_covariance(outcome, score)
    area, error = float(areas[0]), float(np.sqrt(covariance[0, 0]))
    if not 0 < area < 1 or error == 0:
        return Interval(area, 0.0, 1.0)
    centre, reach = np.log(area / (1 - area)), _Z95 * error / (area * (1 - area))
    low, high = (1 / (1 + np.exp(-(centre + side * reach))) for side in (-1, 1))
    return Interval(area, float(low), float(high))


def delong_test(outcome: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Difference of two areas on the same patients (first − second), and its two-sided p value."""
    import numpy as np
    from scipy.stats import norm

    areas, covariance = delong_covariance(outcome, np.stack([first, second]))
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= 1e-15:
        return difference, 1.0
    return difference, float(2 * norm.sf(abs(difference) / np.sqrt(variance)))
