"""From a latent variable to the outcome, with a best reachable AUC that is known exactly.

The liability is ``rho * z + sqrt(1 - rho**2) * e`` with independent standard normal ``z`` (the latent variable, which
images and clinical values show) and ``e`` (which nothing shows); a patient responds when it exceeds a threshold. No
classifier that sees ``z``, or anything made from it, ranks patients better than ``z`` itself does (Neyman–Pearson), so
the AUC of ``z`` bounds them all.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

SIGNALS = ("planted", "none")
TRAITS = ("histogram", "texture", "spatial")


@dataclass(frozen=True)
class OutcomeModel:
    """How latent values become outcomes.

    :param best_auc: AUC of the latent variable itself (0.5 to below 1).
    :param response_rate: share of responders in the population.
    """

    best_auc: float = 0.95
    response_rate: float = 0.33

    @property
    def threshold(self) -> float:
        """Liability above which a patient responds."""
        from scipy.special import ndtri

        return float(-ndtri(self.response_rate))

    @property
    def rho(self) -> float:
        """Correlation of liability and latent variable that gives ``best_auc``."""
        return _solve_rho(self.best_auc, self.response_rate)

    def outcome(self, latent: float, unseen: float) -> int:
        """1 (responder) or 0 from the latent value and the standard normal that nothing shows."""
        return int(self.liability(latent, unseen) > self.threshold)

    def liability(self, latent: float, unseen: float) -> float:
        """The hidden quantity that is compared with the threshold."""
        return self.rho * latent + float(np.sqrt(1 - self.rho**2)) * unseen

    def probability(self, latent: np.ndarray) -> np.ndarray:
        """True probability of response given the latent value."""
        from scipy.special import ndtr

        return ndtr((self.rho * np.asarray(latent) - self.threshold) / np.sqrt(1 - self.rho**2))


def auc_of_latent(rho: float, response_rate: float) -> float:
    """AUC of the latent variable by numerical integration.

    P(z of a responder exceeds z of a non-responder) = ∫ f₁(z) F₀(z) dz, with f₁ ∝ φ(z) p(z) and f₀ ∝ φ(z) (1 − p(z)).

    :param rho: correlation of latent variable and liability, 0 to below 1.
    """
    from scipy.special import ndtr, ndtri

    z = np.linspace(-9, 9, 18001)
    step = z[1] - z[0]
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    responds = ndtr((rho * z + ndtri(response_rate)) / np.sqrt(1 - rho**2))
    positive, negative = density * responds, density * (1 - responds)
    below = np.cumsum(negative) - negative / 2
    return float(np.sum(positive * below) * step**2 / (np.sum(positive) * np.sum(negative) * step**2))


@functools.cache
def _solve_rho(best_auc: float, response_rate: float) -> float:
    from scipy.optimize import brentq

    if best_auc <= 0.5:
        return 0.0
    return float(brentq(lambda rho: auc_of_latent(rho, response_rate) - best_auc, 0.0, 0.9999, xtol=1e-10))
