"""What an evaluation leaves on disk: ``metrics.json``, ``predictions.csv``, ``report.html``, model card, checklists."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .checklists import checklists
from .cohort_report import model_card, render_cohort_report
from .conformal import LABELS
from .evaluation_cohort import Judged, evaluate
from .model_thresholds import at_own_thresholds
from .result import software_versions

METRICS_SCHEMA = "nsclc-response/metrics/1"


def metrics_of(
    description: Mapping[str, Any], judged: Sequence[Judged], controls: Mapping[str, Any], seed: int = 0
) -> dict[str, Any]:
    """The content of ``metrics.json``; a cohort that has folds is the training cohort."""
    cohorts = []
    for one, own in zip(judged, at_own_thresholds(judged), strict=True):
        measured = evaluate(one, seed)
        for name, shares in own.items():
            if "auc" in measured.get("models", {}).get(name, {}):
                measured["models"][name]["at_threshold"] = shares
        cohorts.append(({"training": True} if one.folds is not None else {}) | measured)
    return {
        "schema": METRICS_SCHEMA,
        "signature": {key: description[key] for key in ("name", "version", "label")},
        "endpoint": description["endpoint"]["text"],
        "cohorts": cohorts,
        "controls": dict(controls),
        "seed": seed,
        "versions": software_versions(),
    }


def write_evaluation(
    folder: Path,
    description: Mapping[str, Any],
    metrics: Mapping[str, Any],
    judged: Sequence[Judged],
    weights: Mapping[str, Sequence[tuple[str, float]]],
) -> None:
    """Write all files into an existing folder.

    :param description: ``signature.json``.
    """
    text = json.dumps(metrics, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "metrics.json").write_text(text + "\n", encoding="utf-8")
    (folder / "report.html").write_text(render_cohort_report(description, metrics, weights), encoding="utf-8")
    card = model_card(description, metrics, description.get("files", {}))
    (folder / "model_card.md").write_text(card, encoding="utf-8")
    _write_rows(folder / "predictions.csv", [row for one in judged for row in prediction_rows(one)])
    lists = checklists(description, metrics)
    rows = [{"checklist": one["name"], **item} for one in lists for item in one["items"]]
    _write_rows(folder / "checklists.csv", rows)


def prediction_rows(judged: Judged) -> list[dict[str, Any]]:
    """One row per patient: who, where, what came true, what was said by the signature and by each other model."""
    import numpy as np

    rows = []
    for index, (patient, center) in enumerate(zip(judged.patients, judged.centers, strict=True)):
        outcome = int(judged.outcome[index])
        row: dict[str, Any] = {
            "patient": patient,
            "center": center,
            "cohort": judged.title,
            "outcome": outcome if outcome >= 0 else "",
            "fold": "" if judged.folds is None else int(judged.folds[index]),
            "probability": _number(judged.probability[index]),
            "called_responder": int(judged.positive[index]) if np.isfinite(judged.probability[index]) else "",
        }
        rows.append(row | {name: _number(values[index]) for name, values in judged.models.items()})
    return rows


def _number(value: float) -> float | str:
    return round(float(value), 6) if math.isfinite(value) else ""  # empty where there is no answer


def _write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, names, restval="")
        writer.writeheader()
        writer.writerows(rows)


def evaluation_summary(metrics: Mapping[str, Any]) -> list[str]:
    """Lines for the console: each cohort's AUC, the other models beside it, and the controls."""
    lines = []
    for cohort in metrics["cohorts"]:
        if "auc" not in cohort:
            lines.append(f"{cohort['cohort']}: {cohort['patients']} patients. {cohort.get('note', '')}".rstrip())
            continue
        slope = cohort["calibration"]["slope"]
        slope_words = f", calibration slope {slope['value']:.2f}" if slope else ""
        lines.append(
            f"{cohort['cohort']}: AUC {_words(cohort['auc'])}, {cohort['patients']} patients,"
            f" {cohort['events']} responders{slope_words}"
        )
        timed = cohort["survival"].get("endpoint")
        if timed:
            lines.append(
                f"  C-index {_words(timed['c_index'])}, {timed['patients']} patients, {timed['events']} events"
            )
        for name, model in cohort["models"].items():
            if "auc" in model:
                same = model["signature_on_the_same_patients"]["value"]
                lines.append(
                    f"  {name}: {_words(model['auc'])}; signature on the same {model['patients']}: {same:.3f}"
                    f" (p = {model['delong_p']:.3f})"
                )
        for one in cohort.get("conformal", []):
            lines.append(f"  Conformal sets at {one['level']:.0%}: {_coverage_words(one)}")
    return lines + _control_lines(metrics["controls"])


def _coverage_words(one: Mapping[str, Any]) -> str:
    kept = [f"'{n}' in {_words(one[n]['coverage'])} of {one[n]['patients']}" for n in LABELS.values() if n in one]
    every = f"{_words(one['all']['coverage'])} of all {one['all']['patients']}"
    return f"{', '.join([*kept, every])}; {one['one_verdict']:.0%} get one verdict"


def _control_lines(controls: Mapping[str, Any]) -> list[str]:
    lines = []
    for part, m in controls.get("permuted_labels", {}).items():
        lines.append(
            f"Control, labels permuted {m['permutations']} times, {part}: {m['permuted_median']:.3f}"
            f" ({m['permuted_low']:.3f} to {m['permuted_high']:.3f}) against {m['auc']:.3f}, p = {m['p']:.3f}"
        )
    for part, m in (controls.get("shuffled_voxels") or {}).items():
        lines.append(
            f"Control, shuffled voxels, {part}: {m['shuffled']['value']:.3f} against {m['as_they_are']['value']:.3f}"
        )
    for part, m in controls.get("center_from_features", {}).items():
        lines.append(f"Control, telling the centre, {part}: AUC {m['auc']:.3f}")
    for m in controls.get("leave_one_center_out", []):
        words = f"AUC {_words(m['auc'])}" if "auc" in m else m["note"]
        lines.append(f"Centre left out, {m['center']}: {words}")
    return lines


def _words(interval: Mapping[str, float]) -> str:
    return f"{interval['value']:.3f} ({interval['low']:.3f} to {interval['high']:.3f})"
