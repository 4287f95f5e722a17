"""Clinical values with the spread seen in real cohorts.

Marginal distributions follow the 666 patients with NSCLC on checkpoint inhibitors of Chang et al. (Nat Cancer 2024):
median albumin 3.8 g/dL, NLR 4.9, TMB 7 mutations/Mb, half of the PD-L1 scores zero, PD-L1 missing in 40 %. Each value
that is related to the response is so through the latent variable alone (:data:`LOADINGS`), so that clinical values
cannot raise the best reachable AUC.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: correlation of each value's normal score with the latent variable, when the signal is planted
LOADINGS = {
    "pdl1_tps_percent": 0.50,
    "tmb_mut_per_mb": 0.30,
    "albumin_g_dl": 0.25,
    "nlr": -0.30,
    "age": 0.0,
    "ecog": -0.12,
}
MISSING = {"pdl1_tps_percent": 0.30, "tmb_mut_per_mb": 0.12, "albumin_g_dl": 0.03, "nlr": 0.03, "ecog": 0.02}
COLUMNS = ("age", "sex", "ecog", "albumin_g_dl", "nlr", "tmb_mut_per_mb", "pdl1_tps_percent")


@dataclass(frozen=True)
class Person:
    """Age and sex, which anatomy depends on too."""

    age: float
    is_male: bool


def draw_person(rng: np.random.Generator) -> Person:
    """A random patient with lung cancer."""
    return Person(float(np.clip(rng.normal(66, 10), 34, 92)), bool(rng.random() < 0.53))


def _pdl1(score: float) -> float:
    """Tumour proportion score: half are 0, a tenth 1 to 9, the rest spread up to 100 in steps of 5."""
    from scipy.special import ndtr

    share = float(ndtr(score))
    steps = ([0.0, 0.48, 0.62, 0.74, 0.90, 1.0], [0.0, 0.0, 5.0, 50.0, 90.0, 100.0])
    value = float(np.interp(share, *steps))
    return float(round(value)) if value < 10 else float(5 * round(value / 5))


def draw_clinical(rng: np.random.Generator, person: Person, latent: float) -> dict[str, float | None]:
    """Values of :data:`COLUMNS`; None where missing. ``latent`` is standard normal."""
    scores = {
        name: load * latent + np.sqrt(1 - load**2) * rng.standard_normal() for name, load in sorted(LOADINGS.items())
    }
    values: dict[str, float | None] = {
        "age": round(person.age, 1),
        "sex": float(person.is_male),
        "ecog": float(np.searchsorted([-0.55, 1.0, 1.9], scores["ecog"])),
        "albumin_g_dl": round(float(np.clip(3.78 + 0.41 * scores["albumin_g_dl"], 1.9, 5.2)), 1),
        "nlr": round(float(np.clip(np.exp(1.56 + 0.72 * scores["nlr"]), 0.4, 60)), 2),
        "tmb_mut_per_mb": round(float(np.clip(np.exp(1.92 + 0.80 * scores["tmb_mut_per_mb"]), 0, 90)), 1),
        "pdl1_tps_percent": _pdl1(float(scores["pdl1_tps_percent"])),
    }
    for name, share in sorted(MISSING.items()):
        if rng.random() < share:
            values[name] = None
    return values


def draw_survival(rng: np.random.Generator, responds: int, liability: float) -> dict[str, float]:
    """Progression-free survival in months with its event: longer in responders, censored at the end of follow-up."""
    median = (11.0 if responds else 2.6) * np.exp(0.15 * liability)
    time = float(rng.exponential(median / np.log(2)))
    follow_up = float(rng.uniform(6, 40))
    return {"pfs_months": round(max(0.1, min(time, follow_up)), 2), "pfs_event": float(time <= follow_up)}
