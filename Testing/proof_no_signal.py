"""Proof that validation does not invent signal: outcomes drawn without looking at the images, again and again.

    python Testing/proof_no_signal.py COHORT.csv ROLES.yaml WORK OUT.json [--repeats 20]

The patients keep their images and clinical values; their outcome is drawn anew with the cohort's own rate. The preset
``default`` is trained on each draw, its light parts only (three folds, to keep it short), and the intervals that cover
0.5 are counted. Of 20 intervals of 95 %, 17 or more cover it with a probability of 0.984 when all is well. WORK keeps
what was measured of the images.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "NSCLCResponse"), str(ROOT / "NSCLCResponseSegment")]
LIGHT = ("radiomics_ct", "radiomics_pet", "clinical")


def main() -> None:
    """Train on every draw and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("cohort", "roles", "work", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--repeats", type=int, default=20)
    args = parser.parse_args()
    from NSCLCResponseLib.core.cohort import read_cohort
    from NSCLCResponseLib.core.presets import preset
    from NSCLCResponseLib.core.roles import read_roles
    from NSCLCResponseLib.core.training_data import SETTINGS_OF, collect
    from NSCLCResponseSegmentLib.core.progress import SILENT
    from NSCLCResponseSegmentLib.core.resources import resource

    chosen = preset("default", parts=LIGHT, folds=3)
    settings = {part: resource("Settings", f"{name}.yaml") for part, name in SETTINGS_OF.items()}
    cohort = read_cohort(args.cohort, read_roles(args.roles))
    data = collect(cohort, chosen.parts, settings, chosen.patch, args.work, SILENT)
    draws = [one_draw(data, chosen, seed) for seed in range(args.repeats)]
    names = sorted({name for draw in draws for name in draw})
    summary = {}
    for name in names:
        own = [draw[name] for draw in draws if name in draw]
        covered = sum(low <= 0.5 <= high for _, low, high in own)
        mean = float(np.mean([value for value, _, _ in own]))
        summary[name] = {"intervals": len(own), "cover_0.5": covered, "mean_auc": round(mean, 4)}
    found = {"patients": len(data.patients), "repeats": args.repeats, "summary": summary, "draws": draws}
    args.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(json.dumps(summary, indent=1) + "\n")


def one_draw(data: object, chosen: object, seed: int) -> dict[str, tuple[float, float, float]]:
    """Set of parts → AUC and its interval on outcomes that know nothing."""
    from NSCLCResponseLib.core.delong import delong_interval
    from NSCLCResponseLib.core.training import train
    from NSCLCResponseSegmentLib.core.progress import SILENT

    random = np.random.default_rng(1000 + seed)
    outcome = (random.random(len(data.outcome)) < (data.outcome == 1).mean()).astype(int)
    with tempfile.TemporaryDirectory() as work:
        trained = train(replace(data, outcome=outcome), replace(chosen, seed=seed), Path(work), SILENT)
    tables = {"all parts fused": trained.probability, **trained.oof}
    found = {}
    for name, score in tables.items():
        here = np.isfinite(score)
        interval = delong_interval(outcome[here], score[here])
        found[name] = tuple(round(v, 4) for v in (interval.value, interval.low, interval.high))
    return found


if __name__ == "__main__":
    main()
