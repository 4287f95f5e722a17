"""Intraclass correlation ICC(2,1): how much of a feature's variation is between targets and not between redraws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Agreement:
    """ICC(2,1) with its confidence interval, for each feature (arrays of one length; NaN where it is not defined)."""

    icc: np.ndarray
    low: np.ndarray
    high: np.ndarray


def icc_2_1(values: np.ndarray, confidence: float = 0.95) -> Agreement:
    """Two-way random effects, absolute agreement, single measurement.

    Shrout & Fleiss 1979 (their case 2); interval after McGraw & Wong 1996, table 7.

    :param values: (targets, redraws, features); at least two targets and two redraws.
    """
    from scipy.stats import f as f_distribution

    values = np.asarray(values, float)
    n, k = values.shape[:2]
    if n < 2 or k < 2:
        nothing = np.full(values.shape[2], np.nan)
        return Agreement(nothing, nothing, nothing)
    # relative to the largest value, so that features of 1e9 and of 1e-9 are rounded alike
    scale = np.max(np.abs(values), axis=(0, 1))
    values = values / np.where(scale > 0, scale, 1.0)
    grand = values.mean(axis=(0, 1))
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    between_targets = k * np.sum((rows - grand) ** 2, axis=0) / (n - 1)
    between_redraws = n * np.sum((columns - grand) ** 2, axis=0) / (k - 1)
    residual = values - rows[:, None] - columns[None] + grand
    error = np.sum(residual**2, axis=(0, 1)) / ((n - 1) * (k - 1))
    with np.errstate(all="ignore"):
        whole = between_targets + (k - 1) * error + k * (between_redraws - error) / n
        icc = np.where(whole > 1e-28, (between_targets - error) / whole, np.nan)
        a = k * icc / (n * (1 - icc))
        b = 1 + k * icc * (n - 1) / (n * (1 - icc))
        freedom = (a * between_redraws + b * error) ** 2 / (
            (a * between_redraws) ** 2 / (k - 1) + (b * error) ** 2 / ((n - 1) * (k - 1))
        )
        quantile = 1 - (1 - confidence) / 2
        below = f_distribution.ppf(quantile, n - 1, freedom)
        above = f_distribution.ppf(quantile, freedom, n - 1)
        rest = k * between_redraws + (k * n - k - n) * error
        low = n * (between_targets - below * error) / (below * rest + n * between_targets)
        high = n * (above * between_targets - error) / (rest + n * above * between_targets)
    return Agreement(icc, np.clip(low, -1.0, 1.0), np.clip(high, -1.0, 1.0))
