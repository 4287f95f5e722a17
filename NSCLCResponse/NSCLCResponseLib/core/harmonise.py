"""ComBat (Johnson 2007): what differs between centres in mean and spread is taken out of the features.

Fitted on training patients only, without looking at the outcome, and applied to others of these centres. One of
an unknown centre is refused, unless a reference centre was named: then the features are taken as that centre's, which
ComBat leaves as they are (as in M-ComBat, Stein 2015).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from NSCLCResponseSegmentLib.core.errors import CohortError, SignatureError

if TYPE_CHECKING:
    import numpy as np

FEWEST_PER_CENTER = 5
_ITERATIONS = 200
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class ComBat:
    """Fitted harmonisation; arrays are (centres, features), missing values stay missing.

    :param centers: names. :param reference: the one that stays as it is; empty when there is none.
    :param mean: (features,) to which all centres are moved. :param spread: (features,) standard deviation.
    :param shift: of each centre, in units of ``spread``. :param scale: of each centre.
    """

    centers: tuple[str, ...]
    reference: str
    mean: np.ndarray
    spread: np.ndarray
    shift: np.ndarray
    scale: np.ndarray

    def transform(self, x: np.ndarray, centers: Sequence[str] | None = None) -> np.ndarray:
        """Features as if all patients came from one centre.

        :param x: (patients, features). :param centers: (patients,) names; ``None`` when nobody knows.
        :raises SignatureError: a centre was not in training, and there is no reference.
        """
        import numpy as np

        given = [""] * len(x) if centers is None else list(centers)
        unknown = sorted({name or "(none given)" for name in given if name not in self.centers})
        if unknown and not self.reference:
            raise SignatureError(
                f"The features are harmonised between the centres {', '.join(self.centers)}; the centre"
                f" {', '.join(unknown)} is unknown.",
                "Train with a reference centre (--reference), whose patients new ones are compared with.",
            )
        found = np.array(x, dtype=float)
        for index, name in enumerate(self.centers):
            rows = np.array([center == name for center in given])
            if rows.any() and name != self.reference:
                standard = (found[rows] - self.mean) / self.spread
                found[rows] = (standard - self.shift[index]) / self.scale[index] * self.spread + self.mean
        return found

    def to_arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """As ``reference.npz`` holds it."""
        import numpy as np

        names = {"mean": self.mean, "spread": self.spread, "shift": self.shift, "scale": self.scale}
        return {
            f"{prefix}.centers": np.array([*self.centers, self.reference], dtype="U64"),
            **{f"{prefix}.{name}": array for name, array in names.items()},
        }

    @classmethod
    def from_arrays(cls, prefix: str, arrays: Mapping[str, np.ndarray], features: int) -> ComBat | None:
        """The inverse of :meth:`to_arrays`; ``None`` when there is none.

        :raises SignatureError: the arrays do not belong together.
        """
        if f"{prefix}.centers" not in arrays:
            return None
        *centers, reference = (str(name) for name in arrays[f"{prefix}.centers"])
        try:
            mean, spread, shift, scale = (arrays[f"{prefix}.{n}"] for n in ("mean", "spread", "shift", "scale"))
        except KeyError as error:
            raise SignatureError(f"reference.npz lacks {error}.", "Get the signature again from its author.") from error
        shapes = {mean.shape: (features,), spread.shape: (features,)}
        shapes |= {shift.shape: (len(centers), features), scale.shape: (len(centers), features)}
        if any(shape != wanted for shape, wanted in shapes.items()):
            raise SignatureError("The harmonisation of the signature is damaged.", "Get it again from its author.")
        return cls(tuple(centers), reference, mean, spread, shift, scale)


def fit_combat(x: np.ndarray, centers: Sequence[str], reference: str = "") -> ComBat:
    """Parametric empirical Bayes estimates of each centre's shift and scale.

    :param x: (patients, features), NaN where a value is missing.
    :raises CohortError: there are not two centres, one has too few patients, or the reference is none of them.
    """
    import numpy as np

    names = sorted(set(centers))
    rows = {name: np.array([c == name for c in centers]) for name in names}
    few = [name or "(no name)" for name in names if rows[name].sum() < FEWEST_PER_CENTER or not name]
    if len(names) < 2 or few:
        which = f"{', '.join(few)} has" if few else f"there are {len(names)} centres, but it has"
        raise CohortError(
            f"ComBat needs two centres or more with {FEWEST_PER_CENTER} training patients each; {which} too few.",
            "Leave out --harmonise, or merge small centres in the table.",
        )
    if reference and reference not in names:
        raise CohortError(f"The reference centre {reference} is not among {', '.join(names)}.", "Name one of these.")
    means = np.stack([_mean(x[rows[name]]) for name in names])
    sizes = np.array([rows[name].sum() for name in names])
    if reference:
        mean = means[names.index(reference)]
        spread = _spread(x[rows[reference]] - mean)
    else:
        mean = np.average(means, axis=0, weights=sizes)
        residual = np.concatenate([x[rows[name]] - means[i] for i, name in enumerate(names)])
        spread = _spread(residual)
    shift, scale = zip(*(_empirical_bayes((x[rows[name]] - mean) / spread) for name in names), strict=True)
    return ComBat(tuple(names), reference, mean, spread, np.stack(shift), np.stack(scale))


def _mean(x: np.ndarray) -> np.ndarray:
    import numpy as np

    count = np.maximum(np.isfinite(x).sum(axis=0), 1)
    return np.nansum(x, axis=0) / count


def _spread(residual: np.ndarray) -> np.ndarray:
    """(features,) standard deviation; 1 for a constant feature."""
    import numpy as np

    count = np.maximum(np.isfinite(residual).sum(axis=0), 1)
    found = np.sqrt(np.nansum(residual**2, axis=0) / count)
    return np.where(found > 1e-12, found, 1.0)


def _empirical_bayes(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shift and scale (features,) of one centre from its standardised values (Johnson 2007, section 3)."""
    import numpy as np

    count = np.maximum(np.isfinite(z).sum(axis=0), 2)
    gamma_hat = _mean(z)
    delta_hat = np.maximum(np.nansum((z - gamma_hat) ** 2, axis=0) / (count - 1), 1e-4)
    gamma_bar, tau2 = gamma_hat.mean(), max(float(gamma_hat.var()), 1e-8)
    m, v = delta_hat.mean(), max(float(delta_hat.var()), 1e-8)
    a, b = (2 * v + m**2) / v, (m * v + m**3) / v  # inverse gamma prior by moments
    gamma, delta = gamma_hat, delta_hat
    for _ in range(_ITERATIONS):
        new_gamma = (tau2 * count * gamma_hat + delta * gamma_bar) / (tau2 * count + delta)
        new_delta = (b + 0.5 * np.nansum((z - new_gamma) ** 2, axis=0)) / (count / 2 + a - 1)
        change = max(np.max(np.abs(new_gamma - gamma)), np.max(np.abs(new_delta - delta)))
        gamma, delta = new_gamma, new_delta
        if change < _TOLERANCE:
            break
    return gamma, np.sqrt(delta)
