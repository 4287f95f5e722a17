"""The paper's Table 5 (model; accuracy, AUC, sensitivity, specificity) from an evaluation, our numbers beside its own.

    python Testing/table5.py SIGNATURE.evaluation [--published FILE.json]

Needs ``predictions.csv`` and ``metrics.json`` of a training. Every model is judged at a threshold of its own: each fold
at that of the other folds, held-out patients at that of all training patients out of fold. Published numbers come from
``Resources/Report/kothinti2025-published.json``; what nobody has entered there is 'not available'.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "NSCLCResponse"), str(ROOT / "NSCLCResponseSegment")]
_FIXED = {"patient", "center", "cohort", "outcome", "fold", "probability", "called_responder"}


def main() -> None:
    """Print one table per cohort."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--published", type=Path)
    args = parser.parse_args()
    from NSCLCResponseLib.core.model_thresholds import at_own_thresholds, markdown_table, published_table

    metrics = json.loads((args.evaluation / "metrics.json").read_text(encoding="utf-8"))
    published = json.loads(args.published.read_text(encoding="utf-8")) if args.published else None
    published = published or published_table("kothinti2025")
    judged = read_judged(args.evaluation / "predictions.csv")
    own = dict(zip([one.title for one in judged], at_own_thresholds(judged), strict=True))
    for cohort in metrics["cohorts"]:
        for name, shares in own[cohort["cohort"]].items():
            cohort["models"][name]["at_threshold"] = shares
        print(f"{cohort['cohort']}: {cohort['patients']} patients, {cohort['events']} responders\n")
        print((markdown_table(cohort, published) if "auc" in cohort else cohort["note"]) + "\n")


def read_judged(path: Path) -> list[object]:
    """The rows of ``predictions.csv`` as the cohorts that they were judged in."""
    import pandas as pd

    from NSCLCResponseLib.core.evaluation_cohort import Judged

    table = pd.read_csv(path, dtype={"patient": str})
    found = []
    for title, own in table.groupby("cohort", sort=False):
        folds = own["fold"].to_numpy(dtype=float)
        models = {name: own[name].to_numpy(dtype=float) for name in own.columns if name not in _FIXED}
        found.append(
            Judged(
                title=title,
                patients=list(own["patient"]),
                centers=list(own["center"].fillna("")),
                outcome=own["outcome"].fillna(-1).to_numpy(dtype=int),
                probability=own["probability"].to_numpy(dtype=float),
                positive=own["called_responder"].fillna(0).to_numpy(dtype=bool),
                threshold=float("nan"),
                folds=folds.astype(int) if np.isfinite(folds).all() else None,
                models={name: values for name, values in models.items() if np.isfinite(values).any()},
            )
        )
    return found


if __name__ == "__main__":
    main()
