"""Every model at a threshold of its own, side by side: accuracy, AUC, sensitivity and specificity.

The threshold of a model is Youden's on training patients: each fold is judged at that of the other folds, an outside
cohort at that of all out-of-fold scores. So no patient shapes the threshold that it is judged at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.resources import resources_root

from .evaluation import youden_threshold
from .evaluation_cohort import Judged, at_threshold, enough
from .presets import PRESETS

if TYPE_CHECKING:
    import numpy as np

MEASURES = ("accuracy", "auc", "sensitivity", "specificity")
SIGNATURE = "signature"
NOT_AVAILABLE = "not available"


def called_out_of_fold(outcome: np.ndarray, score: np.ndarray, folds: np.ndarray) -> tuple[np.ndarray, float]:
    """Who is called a responder at the threshold of the other folds, and the threshold of all folds together.

    :param outcome: (patients,) of 0 and 1. :param score: (patients,) larger for responders, none missing.
    :param folds: (patients,) numbers.
    :returns: (patients,) of bool, and the threshold.
    """
    import numpy as np

    called = np.zeros(len(score), dtype=bool)
    for fold in np.unique(folds):
        others = folds != fold
        if len(set(outcome[others].tolist())) == 2:
            called[~others] = score[~others] >= youden_threshold(outcome[others], score[others])
    return called, youden_threshold(outcome, score)


def at_own_thresholds(judged: Sequence[Judged]) -> list[dict[str, dict[str, Any]]]:
    """For each cohort: model → what :func:`evaluation_cohort.at_threshold` says of it.

    :param judged: with the training cohort (the one that has folds) among them; without it nobody has a threshold.
    """
    training = next((one for one in judged if one.folds is not None), None)
    found: list[dict[str, dict[str, Any]]] = [{} for _ in judged]
    if training is None:
        return found
    for name, score in training.models.items():
        rows = _known(training, name)
        if not enough(training.outcome[rows]):
            continue
        called, threshold = called_out_of_fold(training.outcome[rows], score[rows], training.folds[rows])
        for place, one in zip(found, judged, strict=True):
            if one is training:
                place[name] = at_threshold(training.outcome[rows], called)
            elif name in one.models and enough(one.outcome[_known(one, name)]):
                own = _known(one, name)
                place[name] = at_threshold(one.outcome[own], one.models[name][own] >= threshold)
    return found


def _known(one: Judged, name: str) -> np.ndarray:
    import numpy as np

    return (one.outcome >= 0) & np.isfinite(one.models[name])


def model_rows(cohort: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of one cohort of ``metrics.json``: the signature, then each model that has a threshold.

    :returns: ``model``, ``patients`` and the :data:`MEASURES`, each with its 95 % interval.
    """
    if "auc" not in cohort:
        return []
    shares = {name: cohort["at_threshold"][name] for name in MEASURES if name != "auc"}
    rows = [{"model": SIGNATURE, "patients": cohort["patients"], "auc": cohort["auc"], **shares}]
    for name, model in cohort["models"].items():
        if "at_threshold" in model:
            shares = {measure: model["at_threshold"][measure] for measure in MEASURES if measure != "auc"}
            rows.append({"model": name, "patients": model["patients"], "auc": model["auc"], **shares})
    return rows


def published_table(preset: str) -> dict[str, Any] | None:
    """What a preset's paper reports, as ``Resources/Report/PRESET-published.json`` holds it; ``None`` without a paper.

    A number that nobody has entered is ``null`` there and shown as 'not available'.
    """
    if preset not in PRESETS:  # the name may come from a signature of anybody's
        return None
    path = resources_root() / "Report" / f"{preset}-published.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def published_words(table: Mapping[str, Any] | None, model: str, measure: str) -> str:
    """A published number with two or three digits, or 'not available'."""
    value = (table or {}).get("models", {}).get(model, {}).get(measure)
    return NOT_AVAILABLE if value is None else f"{float(value):.3f}".removesuffix("0")


def markdown_table(cohort: Mapping[str, Any], published: Mapping[str, Any] | None = None) -> str:
    """The rows of :func:`model_rows` as a Markdown table, with the published numbers beside ours."""
    beside = published is not None
    heads = [word for name in MEASURES for word in ([_head(name), "published"] if beside else [_head(name)])]
    lines = ["| " + " | ".join(["model", "patients", *heads]) + " |", "|" + "---|" * (len(heads) + 2)]
    for row in model_rows(cohort):
        cells = [row["model"], str(row["patients"])]
        for name in MEASURES:
            cells.append(_interval(row[name]))
            cells += [published_words(published, row["model"], name)] if beside else []
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _head(measure: str) -> str:
    return "AUC" if measure == "auc" else measure


def _interval(value: Mapping[str, float] | None) -> str:
    return "–" if value is None else f"{value['value']:.3f} ({value['low']:.3f} to {value['high']:.3f})"
