"""Whether conformal sets hold the truth as often as they say, on patients that took no part in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .calibration import wilson
from .conformal import LABELS, p_values, scores_of_rule
from .fusion import choose_rule

if TYPE_CHECKING:
    import numpy as np

    from .signature import Signature

LEVELS = (0.8, 0.9)


def verdict_p_values(signature: Signature, table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Verdict → (patients,) p-value, each by the rule for what the patient has; NaN without a rule that has scores.

    :param table: column → (patients,) logits, NaN where a patient lacks the part.
    """
    import numpy as np

    count = len(next(iter(table.values()))) if table else 0
    found = {name: np.full(count, np.nan) for name in LABELS.values()}
    scores = [scores_of_rule(signature.reference, index) for index in range(len(signature.rules))]
    for patient in range(count):
        logits = {name: float(column[patient]) for name, column in table.items() if np.isfinite(column[patient])}
        rule = choose_rule(signature.rules, set(logits))
        own = None if rule is None else scores[signature.rules.index(rule)]
        if own is not None:
            probability = float(1 / (1 + np.exp(-rule.logit(logits))))
            for name, value in p_values(probability, own).items():
                found[name][patient] = value
    return found


def coverage(outcome: np.ndarray, found: Mapping[str, np.ndarray], level: float) -> dict[str, Any] | None:
    """How often the sets at ``level`` hold what came true, by outcome, and how many decide; ``None`` without patients.

    :param outcome: (patients,) 1, 0, or -1 where unknown. :param found: of :func:`verdict_p_values`.
    :returns: ``level``; per verdict, and for ``all``, ``patients`` and ``coverage`` with Wilson's interval; shares of
        patients with ``one_verdict``, with ``both`` (it cannot say) and with ``none``.
    """
    import numpy as np

    known = (outcome >= 0) & np.all([np.isfinite(p) for p in found.values()], axis=0)
    if not known.any():
        return None
    kept = {name: p[known] > 1 - level + 1e-12 for name, p in found.items()}
    size = np.sum(list(kept.values()), axis=0)
    entry: dict[str, Any] = {"level": level, "patients": int(known.sum())}
    for label, name in LABELS.items():
        own = outcome[known] == label
        if own.any():
            share = wilson(int(kept[name][own].sum()), int(own.sum()))
            entry[name] = {"patients": int(own.sum()), "coverage": share.to_json()}
    held = np.choose(outcome[known], [kept[LABELS[0]], kept[LABELS[1]]])
    entry["all"] = {"patients": held.size, "coverage": wilson(int(held.sum()), held.size).to_json()}
    words = {"one_verdict": 1, "both": 2, "none": 0}
    return entry | {name: round(float(np.mean(size == number)), 4) for name, number in words.items()}
