"""How far a patient lies from the training patients in the space of the features that a part uses.

Values are centred on the training median, divided by the interquartile range's equivalent of a standard deviation and
compressed by asinh, so that long tails do not rule. The distance is Mahalanobis' with a shrunk covariance (Ledoit &
Wolf 2004), which fewer patients than features allow. A patient's distance is compared with those of training patients,
each measured by a space fitted without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .conformal import from_quantiles, to_quantiles

if TYPE_CHECKING:
    import numpy as np

FOLDS = 5
_ARRAYS = ("columns", "centre", "scale", "mean", "precision", "distances")
MOST_COLUMNS = 1024
FEWEST_PATIENTS = 20


@dataclass(frozen=True)
class FeatureSpace:
    """The training patients in the features that matter.

    :param columns: (k,) which of the part's features, in order.
    :param centre: (k,) median. :param scale: (k,) robust standard deviation.
    :param mean: (k,) of the compressed values. :param precision: (k, k) of the compressed values.
    :param distances: (patients,) sorted, out of fold.
    """

    columns: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    mean: np.ndarray
    precision: np.ndarray
    distances: np.ndarray

    def distance(self, row: np.ndarray) -> float:
        """Root of the mean squared (whitened) deviation; about 1 for a typical patient.

        :param row: (all features of the part,), NaN where a value is missing, which then counts as the median.
        """
        import numpy as np

        z = self.compressed(row[None])[0] - self.mean
        return float(np.sqrt(max(z @ self.precision @ z, 0.0) / len(z)))

    def compressed(self, x: np.ndarray) -> np.ndarray:
        """(patients, all features) as (patients, k), robustly scaled and compressed."""
        import numpy as np

        z = (x[:, self.columns] - self.centre) / self.scale
        return np.arcsinh(np.where(np.isfinite(z), z, 0.0))

    def rarity(self, row: np.ndarray) -> float:
        """Share of the training patients that lie as far out, counting this one (a conformal p-value)."""
        import numpy as np

        farther = len(self.distances) - int(np.searchsorted(self.distances, self.distance(row), side="left"))
        return (1 + farther) / (1 + len(self.distances))

    def strangest(self, row: np.ndarray, count: int = 3) -> list[int]:
        """The columns (of the part) with the largest deviation from the training median."""
        import numpy as np

        z = np.abs(self.compressed(row[None])[0])
        return [int(self.columns[i]) for i in np.argsort(-z)[:count]]

    def to_arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """For ``reference.npz``; of the distances quantiles, no patient's own."""
        arrays = {f"{prefix}.{name}": getattr(self, name) for name in _ARRAYS}
        return arrays | to_quantiles(self.distances, f"{prefix}.distances")

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], prefix: str) -> FeatureSpace | None:
        """The inverse of :meth:`to_arrays`; ``None`` for a signature that has no such space."""
        found = {name: arrays.get(f"{prefix}.{name}") for name in _ARRAYS}
        found["distances"] = from_quantiles(arrays, f"{prefix}.distances")
        if any(array is None for array in found.values()):
            return None
        k = len(found["columns"])
        fitting = all(found[name].shape == (k,) for name in ("centre", "scale", "mean"))
        return cls(**found) if fitting and found["precision"].shape == (k, k) and k else None


def fit_space(x: np.ndarray, columns: np.ndarray) -> FeatureSpace | None:
    """The space of the training patients; ``None`` when there are too few of them or too many columns.

    :param x: (patients, all features of the part), NaN where a value is missing.
    :param columns: the features that the part uses.
    """
    import numpy as np

    columns = np.asarray(columns, dtype=np.int64)
    columns = columns[np.isfinite(x[:, columns]).any(axis=0)] if len(columns) else columns
    if len(x) < FEWEST_PATIENTS or not 0 < len(columns) <= MOST_COLUMNS:
        return None
    folds = np.random.default_rng(0).permutation(len(x)) % FOLDS
    distances = np.zeros(len(x))
    for fold in range(FOLDS):
        space = _fit(x[folds != fold], columns)
        distances[folds == fold] = [space.distance(row) for row in x[folds == fold]]
    whole = _fit(x, columns)
    return FeatureSpace(columns, whole.centre, whole.scale, whole.mean, whole.precision, np.sort(distances))


def _fit(x: np.ndarray, columns: np.ndarray) -> FeatureSpace:
    import numpy as np
    from sklearn.covariance import LedoitWolf

    chosen = np.where(np.isfinite(x[:, columns]), x[:, columns], np.nan)
    empty = ~np.isfinite(chosen).any(axis=0)
    chosen[:, empty] = 0.0
    low, centre, high = np.nanpercentile(chosen, (25, 50, 75), axis=0)
    scale = (high - low) / 1.349
    scale = np.where(scale > 0, scale, np.nanstd(chosen, axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    space = FeatureSpace(columns, centre, scale, np.zeros(len(columns)), np.eye(len(columns)), np.zeros(0))
    compressed = space.compressed(x)
    fitted = LedoitWolf().fit(compressed)
    return FeatureSpace(columns, centre, scale, fitted.location_, fitted.precision_.astype(np.float32), np.zeros(0))


def used_columns(pipeline: Any, count: int) -> np.ndarray:
    """Which of a pipeline's ``count`` features reach its model: those that its selectors keep; all behind a mixture."""
    import numpy as np

    columns = np.arange(count)
    for _, step in pipeline.steps[:-1]:
        if hasattr(step, "get_support"):
            support = step.get_support()
            if len(support) != len(columns):
                break
            columns = columns[support]
    return columns
