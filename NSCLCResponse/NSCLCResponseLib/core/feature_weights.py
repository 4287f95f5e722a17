"""Which features a fitted part rests on, for the cohort report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

MOST = 20


def feature_weights(parts: Mapping[str, tuple[Any, Sequence[str]]]) -> dict[str, list[tuple[str, float]]]:
    """Part → (feature, weight), largest first, of linear parts; weights are per standard deviation of what the
    classifier is given.

    :param parts: part → (fitted pipeline, feature names). Parts that are not linear are left out.
    """
    import numpy as np

    found = {}
    for part, (pipeline, features) in parts.items():
        steps = getattr(pipeline, "steps", [])
        if not steps or not hasattr(steps[-1][1], "coef_"):
            continue
        names = np.array(features, dtype=object)
        for _, step in steps[:-1]:
            if hasattr(step, "get_support"):
                names = names[step.get_support()]
        weights = np.asarray(steps[-1][1].coef_, dtype=float).ravel()
        if len(weights) != len(names):
            continue
        order = np.argsort(-np.abs(weights), kind="stable")[:MOST]
        found[part] = [(str(names[i]), float(weights[i])) for i in order if weights[i] != 0]
    return found
