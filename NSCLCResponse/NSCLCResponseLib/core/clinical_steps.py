"""Steps of a fitted clinical model as plain arrays, so that a signature can store them (see :mod:`models`).

Both take and give (patients, variables). Only functions import this module, since it needs scikit-learn.
"""

from __future__ import annotations

import numpy as np
from sklearn.base import TransformerMixin

from .models import _Frozen


class ClinicalScale(TransformerMixin, _Frozen):
    """Cuts each variable off at its limits and takes the logarithm or the square root where that is asked for.

    :param low: (variables,). :param high: (variables,).
    :param log: (variables,) 1.0 where the logarithm is taken, 0.5 where the square root, 0.0 where neither.
    """

    def __init__(self) -> None:
        self.low = np.zeros(0)
        self.high = np.zeros(0)
        self.log = np.zeros(0)

    @classmethod
    def of(cls, low: np.ndarray, high: np.ndarray, log: np.ndarray) -> ClinicalScale:
        """From the limits in the variables' own units; ``low`` is above zero where the logarithm is taken, and not
        below it where the square root is.
        """
        made = cls()
        made.low, made.high, made.log = (np.asarray(a, dtype=float) for a in (low, high, log))
        return made

    def transform(self, x: np.ndarray) -> np.ndarray:
        """Cut off, then logarithm or square root; missing values stay missing."""
        cut = np.clip(np.asarray(x, dtype=float), self.low, self.high)
        ratio, root = self.log == 1.0, self.log == 0.5
        scaled = np.where(ratio, np.log(np.where(ratio, cut, 1.0)), cut)
        return np.where(root, np.sqrt(np.where(root, cut, 1.0)), scaled)

    def inverse(self, z: np.ndarray) -> np.ndarray:
        """Back to the variables' own units."""
        ratio, root = self.log == 1.0, self.log == 0.5
        x = np.where(ratio, np.exp(np.where(ratio, z, 0.0)), z)
        return np.clip(np.where(root, np.maximum(z, 0.0) ** 2, x), self.low, self.high)


class ConditionalMean(TransformerMixin, _Frozen):
    """Fills a missing value with what the patient's other values make likely: the conditional mean of a normal
    distribution of the scaled variables (Little & Rubin 2019, chapter 8).

    A patient without any value gets the mean. Values that are there stay what they are.

    :param mean: (variables,). :param covariance: (variables, variables), both of scaled values.
    """

    fills_from_other_variables = True

    def __init__(self) -> None:
        self.scale = ClinicalScale()
        self.mean = np.zeros(0)
        self.covariance = np.zeros((0, 0))

    @classmethod
    def of(cls, scale: ClinicalScale, mean: np.ndarray, covariance: np.ndarray) -> ConditionalMean:
        """From the distribution of scaled values."""
        made = cls()
        made.scale, made.mean, made.covariance = scale, np.asarray(mean), np.asarray(covariance)
        return made

    @property
    def n_features_in_(self) -> int:
        """What scikit-learn's pipelines ask their first step."""
        return len(self.mean)

    def transform(self, x: np.ndarray) -> np.ndarray:
        """In the variables' own units, without missing values."""
        x = np.asarray(x, dtype=float)
        filled = self.scale.inverse(conditional_means(self.scale.transform(x), self.mean, self.covariance)[0])
        return np.where(np.isfinite(x), x, filled)


def conditional_means(z: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Missing values of (patients, variables) by their conditional mean, and the sum of conditional covariances."""
    filled, spread = np.array(z, dtype=float), np.zeros_like(covariance)
    missing = ~np.isfinite(filled)
    for pattern in np.unique(missing, axis=0):
        if not pattern.any():
            continue
        rows = np.flatnonzero((missing == pattern).all(axis=1))
        gone, here = np.flatnonzero(pattern), np.flatnonzero(~pattern)
        slope = np.linalg.solve(covariance[np.ix_(here, here)], covariance[np.ix_(here, gone)])
        filled[np.ix_(rows, gone)] = mean[gone] + (filled[np.ix_(rows, here)] - mean[here]) @ slope
        spread[np.ix_(gone, gone)] += len(rows) * (
            covariance[np.ix_(gone, gone)] - covariance[np.ix_(gone, here)] @ slope
        )
    return filled, spread
