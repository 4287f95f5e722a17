"""Which model finds which of the simulation's signals: histogram, texture, spatial arrangement, each switched singly.

    for TRAIT in histogram texture spatial; do
        nsclc-response phantom --patients 160 --seed 3001 --traits $TRAIT --out $TRAIT
    done
    python Testing/proof_traits.py histogram texture spatial --work WORK --out traits.json [--cnn --epochs 30]

A trait that is switched off is not in the tumours at all, so each cohort's outcome shows in one trait alone. Groups of
features are judged by a light model (the 15 features with the largest F, penalised logistic regression, selected within
folds; 5 folds), the 3D-CNN of the preset ``default`` in 2 folds. WORK keeps what was measured of the images.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from NSCLCResponseLib.core.training_data import TrainingData

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "NSCLCResponse"), str(ROOT / "NSCLCResponseSegment")]
GROUPS = {
    "first order": ("original_firstorder_",),
    "shape": ("original_shape_",),
    "texture (GLCM, GLRLM, GLSZM)": ("original_glcm_", "original_glrlm_", "original_glszm_"),
    "all features": ("",),
}


def main() -> None:
    """Measure each cohort, judge each group on it, write and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cohorts", type=Path, nargs="+", help="one for each trait")
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cnn", action="store_true")
    parser.add_argument("--epochs", type=int)
    args = parser.parse_args()
    parts = ("radiomics_ct", "radiomics_pet") + (("cnn",) if args.cnn else ())
    table: dict[str, dict[str, dict[str, float]]] = {}
    counts = {}
    for folder in args.cohorts:
        trait, latent = trait_of(folder)
        data = measured(folder, parts, args.work / trait)
        counts[trait] = {"patients": len(data.patients), "responders": int(data.outcome.sum())}
        for name, score in scores(data, args).items():
            table.setdefault(name, {})[trait] = interval(data.outcome, score)
        table.setdefault("the trait itself", {})[trait] = interval(data.outcome, latent)
        found = {"cohorts": counts, "auc": table}
        args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(markdown(table, list(counts)))


def trait_of(folder: Path) -> tuple[str, np.ndarray]:
    """The one trait that a cohort's tumours show, and its (patients,) values."""
    with (folder / "truth.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    names = [name for name in rows[0] if name.startswith("trait_")]
    if len(names) != 1:
        raise SystemExit(f"{folder} shows {len(names)} traits. Make it by phantom --traits with one.")
    return names[0].removeprefix("trait_"), np.array([float(row[names[0]]) for row in rows])


def measured(folder: Path, parts: tuple[str, ...], work: Path) -> TrainingData:
    """The cohort's features and patches, its patients in the table's order."""
    from NSCLCResponseLib.core.cohort import read_cohort
    from NSCLCResponseLib.core.presets import preset
    from NSCLCResponseLib.core.roles import read_roles
    from NSCLCResponseLib.core.training_data import SETTINGS_OF, collect
    from NSCLCResponseSegmentLib.core.progress import SILENT
    from NSCLCResponseSegmentLib.core.resources import resource

    settings = {part: resource("Settings", f"{name}.yaml") for part, name in SETTINGS_OF.items()}
    cohort = read_cohort(folder / "cohort.csv", read_roles(folder / "roles.yaml"))
    return collect(cohort, parts, settings, preset("default").patch, work, SILENT)


def scores(data: TrainingData, args: argparse.Namespace) -> dict[str, np.ndarray]:
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
            score[here] = model.probability(data.outcome[here])
            found[f"{image} {group}"] = score
    if args.cnn:
        found["3D-CNN on CT and PET"] = network_scores(data, args.epochs)
    return found


def network_scores(data: TrainingData, epochs: int | None) -> np.ndarray:
    """(patients,) out-of-fold logits of the preset's network, trained on one half and judged on the other."""
    from dataclasses import replace

    from NSCLCResponseLib.core.controls import random_folds
    from NSCLCResponseLib.core.presets import preset
    from NSCLCResponseLib.core.training_network import network_logits, train_network

    chosen = preset("default", epochs=epochs)
    outcome = data.outcome
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


def markdown(table: dict[str, dict[str, dict[str, float]]], traits: list[str]) -> str:
    """The table for the evidence."""
    lines = ["| model | " + " | ".join(f"signal in {t}" for t in traits) + " |", "|---" * (len(traits) + 1) + "|"]
    for name, row in table.items():
        cells = [f"{row[t]['value']:.2f} ({row[t]['low']:.2f} to {row[t]['high']:.2f})" for t in traits]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
