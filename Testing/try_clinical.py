"""Which shape of the clinical part predicts best within the two Chowell cohorts: the table in ``Resources/Evidence``.

    python Testing/try_clinical.py ici_clinical.csv [--repeats 10]

MSK1 is dropped before anything is looked at. Each row is a model with a fixed strength; columns as in the table.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from NSCLCResponseLib.core.clinical_fit import _distribution, _newton
from NSCLCResponseLib.core.clinical_steps import conditional_means
from NSCLCResponseLib.core.evaluation import auc

DIRECTION = np.array([1.0, -1.0, 1.0, 1.0, -1.0, 0.0, 0.0])  # TMB, NLR, PD-L1, albumin, therapy before, age, sex
SCALES = {"as it is": lambda v: v, "root": np.sqrt, "log": lambda v: np.log(np.maximum(v, 0.5))}


@dataclass(frozen=True)
class Model:
    """One row: how NLR and PD-L1 are scaled, the inverse ridge, how much tighter age and sex, whether equal weights."""

    words: str
    nlr: str
    pdl1: str
    strength: float
    tighter: float
    equal: bool

    def values(self, table: pd.DataFrame) -> np.ndarray:
        """(patients, 7), cut off and scaled, NaN where PD-L1 is missing."""
        columns = [
            table.tmb_mut_per_mb.clip(0, 50),
            SCALES[self.nlr](table.nlr.clip(0, 25)),
            SCALES[self.pdl1](table.pdl1_tps_percent),
            table.albumin_g_dl.clip(1, 6),
            table.prior_systemic_therapy,
            table.age.clip(18, 85),
            table.sex,
        ]
        return np.stack([np.asarray(column, dtype=float) for column in columns], axis=1)

    def logit(self, z: np.ndarray, y: np.ndarray, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Of the patients ``test``; everything is learned from ``train``."""
        mean, covariance = _distribution(z[train])
        filled = conditional_means(z, mean, covariance)[0]
        x = (filled - filled[train].mean(axis=0)) / filled[train].std(axis=0)
        ridge = np.array([1.0] * 5 + [self.tighter] * 2) / self.strength
        if self.equal:
            x, ridge = np.column_stack([x, x @ DIRECTION]), np.append(ridge, 1e-6)
        beta = _newton(x[train], y[train], ridge)
        return x[test] @ beta[:-1] + beta[-1]


MODELS = (
    Model("version 1", "log", "as it is", 0.03, 1.0, equal=False),
    Model("age and sex tighter", "log", "as it is", 0.03, 10.0, equal=False),
    Model("root of PD-L1", "log", "root", 0.03, 10.0, equal=False),
    Model("towards equal weights", "log", "root", 0.01, 10.0, equal=True),
    Model("root of NLR: version 2", "root", "root", 0.01, 10.0, equal=True),
    Model("NLR as it is", "as it is", "root", 0.01, 10.0, equal=True),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("table", type=Path)
    parser.add_argument("--repeats", type=int, default=10)
    args = parser.parse_args()
    table = pd.read_csv(args.table)
    table = table[table.center != "MSK1"].reset_index(drop=True)
    y, known = table.response.to_numpy(), table.pdl1_tps_percent.notna().to_numpy()
    later = (table.center == "Chowell_test").to_numpy()
    for model in MODELS:
        z = model.values(table)
        rows = [repeat(model, z, y, known, seed) for seed in range(args.repeats)]
        ways = [model.logit(z, y, np.flatnonzero(side), np.flatnonzero(~side & known)) for side in (~later, later)]
        ends = [auc(y[~side & known], logit) for side, logit in zip((~later, later), ways, strict=True)]
        numbers = " ".join(f"{value:.4f}" for value in (*np.mean(rows, axis=0), *ends))
        sys.stdout.write(f"{model.words:24s} {numbers}\n")


def repeat(model: Model, z: np.ndarray, y: np.ndarray, known: np.ndarray, seed: int) -> tuple[float, ...]:
    """Log-loss, AUC of all, with and without PD-L1, out of five folds."""
    logit = np.zeros(len(y))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(z, y * 2 + known):
        logit[test] = model.logit(z, y, train, test)
    loss = float(np.mean(np.logaddexp(0, logit) - y * logit))
    return loss, auc(y, logit), auc(y[known], logit[known]), auc(y[~known], logit[~known])


if __name__ == "__main__":
    main()
