"""Coverage of conformal sets over many halvings of a cohort: trained on one half, judged on the other.

    python Testing/proof_coverage.py real --cohort TABLE.csv --roles ROLES.yaml --out OUT.json
    python Testing/proof_coverage.py simulated --patients 666 --out OUT.json

The clinical part is fitted as a training fits it. A mean at the level says that sets are neither too small nor larger
than they must be; the spread between halvings is what a single holdout may show by chance.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from NSCLCResponseLib.core.clinical_fit import fit_clinical
from NSCLCResponseLib.core.cohort import read_cohort
from NSCLCResponseLib.core.conformal import LABELS, p_values, scores_of_rule
from NSCLCResponseLib.core.conformal_coverage import LEVELS, coverage
from NSCLCResponseLib.core.evaluation import auc
from NSCLCResponseLib.core.fusion import fit_rules
from NSCLCResponseLib.core.phantom.patient import draw_patient
from NSCLCResponseLib.core.presets import TableFit
from NSCLCResponseLib.core.roles import read_roles
from NSCLCResponseLib.core.training_fits import patient_folds
from NSCLCResponseLib.core.training_reference import conformal_arrays

FOLDS = 5


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", choices=("real", "simulated"))
    parser.add_argument("--cohort", type=Path)
    parser.add_argument("--roles", type=Path)
    parser.add_argument("--patients", type=int, default=666)
    parser.add_argument("--splits", type=int, default=40)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    names, x, y = real(args.cohort, args.roles) if args.source == "real" else simulated(args.patients)
    halves = [halved(names, x, y, seed) for seed in range(args.splits)]
    found = {"source": args.source, "patients": len(y), "responders": int(y.sum()), "halvings": args.splits}
    found["mean_auc"] = round(float(np.mean([area for area, _ in halves])), 4)
    found["levels"] = [summary([by_level[level] for _, by_level in halves], level) for level in LEVELS]
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def real(table: Path, roles: Path) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, (patients, variables) and (patients,) outcomes of all patients whose outcome is known."""
    cohort = read_cohort(table, read_roles(roles))
    patients = [p for p in cohort.patients if p.outcome is not None]
    names = sorted(cohort.roles.clinical)
    x = np.array([[p.clinical.get(name, np.nan) for name in names] for p in patients])
    return names, x, np.array([p.outcome for p in patients])


def simulated(count: int) -> tuple[list[str], np.ndarray, np.ndarray]:
    """The same of simulated patients, of whom only the clinical values are drawn."""
    drawn = [draw_patient(77, number) for number in range(1, count + 1)]
    names = sorted(drawn[0].clinical)
    x = np.array([[np.nan if d.clinical[n] is None else d.clinical[n] for n in names] for d in drawn], dtype=float)
    return names, x, np.array([d.outcome for d in drawn])


def halved(names: list[str], x: np.ndarray, y: np.ndarray, seed: int) -> tuple[float, dict[float, dict]]:
    """AUC and coverage on one half of the patients, trained on the other."""
    held_out = patient_folds(y, 2, seed) == 1
    inside, outcome = x[~held_out], y[~held_out]
    folds = patient_folds(outcome, FOLDS, seed)
    oof = np.zeros(len(outcome))
    for fold in range(FOLDS):
        pipeline, _ = fit_clinical(names, inside[folds != fold], outcome[folds != fold], TableFit(), seed)
        oof[folds == fold] = pipeline.decision_function(inside[folds == fold])
    rule = fit_rules({"clinical": oof}, outcome, folds)[0]
    scores = scores_of_rule(conformal_arrays(0, rule, {"clinical": oof}, outcome, folds), 0)
    pipeline, _ = fit_clinical(names, inside, outcome, TableFit(), seed)
    logit = rule.slope * (rule.intercept + rule.weights[0] * pipeline.decision_function(x[held_out])) + rule.offset
    values = [p_values(float(p), scores) for p in 1 / (1 + np.exp(-logit))]
    found = {name: np.array([value[name] for value in values]) for name in LABELS.values()}
    return auc(y[held_out], logit), {level: coverage(y[held_out], found, level) for level in LEVELS}


def summary(entries: list[dict], level: float) -> dict:
    """Mean over the halvings, and between which values 95 % of them lie."""
    found: dict = {"level": level}
    for name in LABELS.values():
        shares = [entry[name]["coverage"]["value"] for entry in entries]
        low, high = np.quantile(shares, (0.025, 0.975))
        found[name] = {
            "held_out_in_each": entries[0][name]["patients"],
            "mean_coverage": round(float(np.mean(shares)), 4),
            "halvings_between": [round(float(low), 4), round(float(high), 4)],
        }
    for name in ("one_verdict", "both", "none"):
        found[name] = round(float(np.mean([entry[name] for entry in entries])), 4)
    return found


if __name__ == "__main__":
    main()
