"""Which verdicts cannot be ruled out at a stated level: responder, non-responder, or both (then it cannot say).

Split-conformal classification with a calibration of its own for each outcome (Vovk, Gammerman & Shafer 2005, Mondrian
form): among responders the set holds "responder" in at least the stated share of patients who are exchangeable with
the training patients, and likewise among non-responders, however rare they are. Scores come from patients that the
model was not fitted on (see :mod:`training_reference`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LABELS = {1: "responder", 0: "non-responder"}
DEFAULT_LEVEL = 0.8


def p_values(probability: float, scores: Mapping[str, np.ndarray]) -> dict[str, float]:
    """For each verdict the share of training patients of that outcome who fitted it as badly, counting this patient.

    :param probability: of response, by the model that the scores were made with.
    :param scores: verdict → sorted scores (1 − probability given to the truth) of the patients of that outcome.
    """
    import numpy as np

    own = {"responder": 1 - probability, "non-responder": probability}
    found = {}
    for name, known in scores.items():
        worse = len(known) - int(np.searchsorted(known, own[name] - 1e-12, side="left"))
        found[name] = (1 + worse) / (1 + len(known))
    return found


def conformal_set(
    probability: float, scores: Mapping[str, np.ndarray], level: float = DEFAULT_LEVEL
) -> tuple[str, ...]:
    """The verdicts that cannot be ruled out at ``level`` (0 to 1), most plausible first; empty when none fits."""
    found = p_values(probability, scores)
    kept = [name for name, p in found.items() if p > 1 - level + 1e-12]
    return tuple(sorted(kept, key=lambda name: -found[name]))


def scores_of_rule(reference: Mapping[str, np.ndarray], index: int) -> dict[str, np.ndarray] | None:
    """The scores of a signature's rule ``index`` from ``reference.npz``; ``None`` when it holds none."""
    found = {name: reference.get(f"conformal.{index}.{name}") for name in LABELS.values()}
    return found if all(scores is not None and len(scores) for scores in found.values()) else None
