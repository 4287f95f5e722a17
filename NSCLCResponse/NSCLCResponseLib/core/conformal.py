"""Which verdicts cannot be ruled out at a stated level: responder, non-responder, or both (then it cannot say).

Split-conformal classification with a calibration of its own for each outcome (Vovk, Gammerman & Shafer 2005, Mondrian
form): among responders the set holds "responder" in the stated share of patients who are exchangeable with the
training patients, and likewise among non-responders, however rare they are. Scores come from patients that the model
was not fitted on (see :mod:`training_reference`); a signature keeps quantiles of them, not one number per patient.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_PATIENTS_PER_STEP = 5  # so many patients at the least lie between two quantiles that a signature keeps
_MOST_STEPS = 200
_MOST_PATIENTS = 1_000_000  # a forged count asks for no more memory than this
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
    found = {name: from_quantiles(reference, f"conformal.{index}.{name}") for name in LABELS.values()}
    return found if all(scores is not None and len(scores) for scores in found.values()) else None


def to_quantiles(values: np.ndarray, name: str) -> dict[str, np.ndarray]:
    """Arrays that stand for ``values`` in ``reference.npz``: quantiles at equal steps, and of how many patients."""
    import numpy as np

    steps = int(np.clip(len(values) // _PATIENTS_PER_STEP, 1, _MOST_STEPS))
    kept = np.quantile(values, np.linspace(0, 1, steps + 1)) if len(values) else np.zeros(0)
    return {name: kept, f"{name}.patients": np.array([len(values)], dtype=np.int64)}


def from_quantiles(reference: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    """As many sorted values as there were patients, interpolated between the quantiles; those of an older signature,
    which kept the values themselves, as they are. ``None`` when there are none.
    """
    import numpy as np

    kept, patients = reference.get(name), reference.get(f"{name}.patients")
    if kept is None or patients is None or not len(kept):
        return kept
    places = np.linspace(0, 1, min(int(np.ravel(patients)[0]), _MOST_PATIENTS))
    return np.interp(places, np.linspace(0, 1, len(kept)), kept)
