"""Shapley values of a part's features, in the feature's own units and with its place in the training cohort.

For a linear model on features that are transformed one by one the Shapley value against the training mean is exactly
coefficient × (value − mean) (Štrumbelj & Kononenko 2014). Other models, and a missing value that is filled from the
patient's other values (they then act through it, too), are sampled with captum over permutations of the
features (Castro et al. 2009), against the training median; each permutation's shares sum to the difference of logits,
so the values do, however few are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .prediction import FeatureContribution

if TYPE_CHECKING:
    import numpy as np

    from .signature import FeaturePart

PERMUTATIONS = 64
_NOTHING = 1e-12  # a share smaller than this comes from rounding


@dataclass(frozen=True)
class PartShares:
    """Why a part said what it said.

    :param base: logit of the reference that the shares are relative to; ``base`` and all shares sum to the logit.
    :param features: largest share first.
    """

    base: float
    features: tuple[FeatureContribution, ...]


def explain_part(part: FeaturePart, values: Mapping[str, float], permutations: int = PERMUTATIONS) -> PartShares:
    """The shares of one patient's features in the part's logit.

    :param values: by name; missing ones are imputed as in training.
    """
    logit = part.logit(values)
    if part.is_additive(values):
        features = tuple(part.contributions(values))
        return PartShares(logit - sum(f.contribution for f in features), features)
    return sampled_shares(part, values, permutations)


def sampled_shares(part: FeaturePart, values: Mapping[str, float], permutations: int = PERMUTATIONS) -> PartShares:
    """Shapley values by captum, against the training median of each feature; the same input gives the same values."""
    import numpy as np
    import torch
    from captum.attr import ShapleyValueSampling

    row = part.row(values)[0]
    medians = part.quantiles[:, 50]
    medians = np.where(np.isfinite(medians), medians, 0.0)
    differing = np.flatnonzero(row != medians)  # a missing value differs: the model may know what to make of it

    def forward(is_own: Any) -> Any:
        x = np.tile(medians, (len(is_own), 1))
        x[:, differing] = np.where(is_own.numpy() > 0.5, row[differing], medians[differing])
        return torch.from_numpy(_logits(part, x))

    base = float(_logits(part, medians[None])[0])
    if not len(differing):
        return PartShares(base, ())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        shares = (
            ShapleyValueSampling(forward)
            .attribute(
                torch.ones((1, len(differing)), dtype=torch.float64),
                baselines=torch.zeros((1, len(differing)), dtype=torch.float64),
                n_samples=permutations,
                perturbations_per_eval=max(1, min(256, len(differing))),
            )[0]
            .numpy()
        )
    features = [
        FeatureContribution(
            part.name,
            part.features[column],
            float(row[column] if np.isfinite(row[column]) else medians[column]),
            part.units.get(part.features[column], ""),
            part.percentile(part.features[column], values),
            float(share),
        )
        for column, share in zip(differing, shares, strict=True)
        if abs(share) > _NOTHING
    ]
    return PartShares(base, tuple(sorted(features, key=lambda f: (-abs(f.contribution), f.name))))


def _logits(part: FeaturePart, x: np.ndarray) -> np.ndarray:
    """(patients,) logits of (patients, features)."""
    import numpy as np

    return np.asarray(part.logits(x), dtype=float)
