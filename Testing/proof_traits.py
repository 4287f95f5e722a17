"""Which model finds which of the simulation's signals: histogram, texture, spatial arrangement, each switched singly.

    nsclc-response phantom --patients 240 --seed 3001 --traits histogram --out COHORT
    python Testing/proof_traits.py COHORT [COHORT …] --work WORK --out traits.json [--cnn --epochs 30]

In such a cohort the three traits of a patient are independent of each other (``truth.csv``). So one cohort of images
serves for all three switches: the outcome is drawn three times, each time from one trait alone, by the phantom's own
outcome model. Groups of features are judged by a light model (the 15 features with the largest F, penalised logistic
regression, selected within folds; 5 folds), the 3D-CNN of the preset ``default`` in 2 folds. WORK keeps what was
measured of the images.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "NSCLCResponse"), str(ROOT / "NSCLCResponseSegment")]
TRAITS = ("histogram", "texture", "spatial")
GROUPS = {
    "first order": ("original_firstorder_",),
    "shape": ("original_shape_",),
    "texture (GLCM, GLRLM, GLSZM)": ("original_glcm_", "original_glrlm_", "original_glszm_"),
    "all features": ("",),
}


def main() -> None:
    """Measure, judge each group under each switch, write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohorts", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--best-auc", type=float, default=0.95)
    parser.add_argument("--cnn", action="store_true")
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args()
    names = ("radiomics_ct", "radiomics_pet") + (("cnn",) if args.cnn else ())
    data, traits = measured(args.cohorts, names, args.work)
    unseen = np.random.default_rng(0).normal(size=len(data.patients))
    table: dict[str, dict[str, dict[str, float]]] = {}
    for trait in TRAITS:
        outcome = outcomes(traits[trait], unseen, args.best_auc)
        for name, score in scores(data, outcome, args).items():
            table.setdefault(name, {})[trait] = interval(outcome, score)
        table.setdefault("the trait itself", {})[trait] = interval(outcome, traits[trait])
    found = {"patients": len(data.patients), "best_auc": args.best_auc, "auc": table}
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(markdown(table))


def measured(cohorts: list[Path], parts: tuple[str, ...], work: Path) -> tuple[object, dict[str, np.ndarray]]:
    """All patients of the cohorts in one order, and trait → (patients,)."""
    from dataclasses import replace

    from NSCLCResponseLib.core.cohort import read_cohort
    from NSCLCResponseLib.core.presets import preset
    from NSCLCResponseLib.core.roles import read_roles
    from NSCLCResponseLib.core.training_data import SETTINGS_OF, collect
    from NSCLCResponseSegmentLib.core.progress import SILENT
    from NSCLCResponseSegmentLib.core.resources import resource

    settings = {part: resource("Settings", f"{name}.yaml") for part, name in SETTINGS_OF.items()}
    patients, traits = [], {trait: [] for trait in TRAITS}
    for folder in cohorts:
        cohort = read_cohort(folder / "cohort.csv", read_roles(folder / "roles.yaml"))
        patients += cohort.patients
        with (folder / "truth.csv").open(encoding="utf-8", newline="") as stream:
            rows = {row["patient"]: row for row in csv.DictReader(stream)}
        for trait in TRAITS:
            traits[trait] += [float(rows[p.name][f"trait_{trait}"]) for p in cohort.patients]
    whole = replace(cohort, patients=tuple(patients))
    data = collect(whole, parts, settings, preset("default").patch, work, SILENT)
    return data, {trait: np.array(values) for trait, values in traits.items()}


def outcomes(trait: np.ndarray, unseen: np.ndarray, best_auc: float) -> np.ndarray:
    """(patients,) of 0 and 1 that only this trait knows of."""
    from NSCLCResponseLib.core.phantom.outcome import OutcomeModel

    model = OutcomeModel(best_auc)
    return np.array([model.outcome(t, u) for t, u in zip(trait, unseen, strict=True)])


def scores(data: object, outcome: np.ndarray, args: argparse.Namespace) -> dict[str, np.ndarray]:
    """Group of features or network → (patients,) out-of-fold score, NaN without the image."""
    from NSCLCResponseLib.core.controls import LightModel, random_folds

    found = {}
    for part, image in (("radiomics_ct", "CT"), ("radiomics_pet", "PET")):
        names, x = data.features[part]
        here = data.available(part)
        for group, prefixes in GROUPS.items():
            columns = [i for i, name in enumerate(names) if name.partition("_")[2].startswith(prefixes)]
            if not columns:  # the settings for PET measure no shape
                continue
            score = np.full(len(x), np.nan)
            model = LightModel(x[here][:, columns], random_folds(int(here.sum()), 0))
            score[here] = model.probability(outcome[here])
            found[f"{image} {group}"] = score
    if args.cnn:
        found["3D-CNN on CT and PET"] = network_scores(data, outcome, args.epochs)
    return found


def network_scores(data: object, outcome: np.ndarray, epochs: int | None) -> np.ndarray:
    """(patients,) out-of-fold logits of the preset's network, trained on one half and judged on the other."""
    from dataclasses import replace

    from NSCLCResponseLib.core.controls import random_folds
    from NSCLCResponseLib.core.presets import preset
    from NSCLCResponseLib.core.training_network import network_logits, train_network

    chosen = preset("default", epochs=epochs)
    fit, folds = replace(chosen.network, patience=0), random_folds(len(outcome), 0, 2)
    score = np.zeros(len(outcome))
    for fold in (0, 1):
        inside, outside = folds != fold, folds == fold
        network = train_network(data.patches[inside], outcome[inside], chosen.patch, fit, fold)
        score[outside] = network_logits(network, data.patches[outside])
    return score


def interval(outcome: np.ndarray, score: np.ndarray) -> dict[str, float]:
    """AUC with its 95 % interval by DeLong."""
    from NSCLCResponseLib.core.delong import delong_interval

    here = np.isfinite(score)
    return delong_interval(outcome[here], score[here]).to_json()


def markdown(table: dict[str, dict[str, dict[str, float]]]) -> str:
    """The table for the evidence."""
    lines = ["| model | " + " | ".join(f"signal in {trait}" for trait in TRAITS) + " |", "|---|---|---|---|"]
    for name, row in table.items():
        cells = [f"{row[t]['value']:.2f} ({row[t]['low']:.2f} to {row[t]['high']:.2f})" for t in TRAITS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
