"""A filter by the ICC that ``nsclc-response radiomics --perturb`` reports: features that survive redrawn contours."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

from NSCLCResponseSegmentLib.core.errors import SettingsError
from NSCLCResponseSegmentLib.core.progress import Progress

from .training_data import TrainingData

DEFAULT_LEAST = 0.75  # 'good' by Koo & Li 2016, who compare the interval's lower end


def read_icc(path: Path) -> dict[str, float]:
    """Feature → lower end of the ICC's 95 % interval (the ICC itself where the file has no ``low``).

    :raises SettingsError: it is no table with the columns ``feature`` and ``icc`` or ``low``.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(f"{path} cannot be read: {error}.", "Give the CSV of 'radiomics --perturb'.") from error
    if not rows or "feature" not in rows[0] or not {"icc", "low"} & set(rows[0]):
        raise SettingsError(f"{path} has no columns feature and icc.", "Give the CSV of 'radiomics --perturb'.")
    column = "low" if "low" in rows[0] else "icc"
    found = {}
    for row in rows:
        try:
            found[row["feature"]] = float(row[column] or "nan")
        except ValueError as error:
            raise SettingsError(f"{path}: the ICC of {row['feature']} is no number.", "Mend the table.") from error
    return found


def keep_robust(data: TrainingData, icc: dict[str, float], least: float, progress: Progress) -> TrainingData:
    """The same patients with only the radiomics features whose ICC reaches ``least``; unknown features go, too.

    Neither outcome nor the patients' own values decide, so it may happen before the folds are made.

    :raises SettingsError: nothing of a part would be left.
    """
    features = {}
    for part, (names, values) in data.features.items():
        if part == "clinical":
            features[part] = (names, values)
            continue
        kept = [i for i, name in enumerate(names) if _value(name, icc) >= least]
        if not kept:
            raise SettingsError(
                f"No feature of {part} has an ICC of {least:g} or more in the table.",
                "Choose a smaller --icc-min, or a table made with the same PyRadiomics settings.",
            )
        progress.warn(f"{part}: {len(kept)} of {len(names)} features reach an ICC of {least:g} and are used.")
        features[part] = ([names[i] for i in kept], values[:, kept])
    return replace(data, features=features)


def _value(name: str, icc: dict[str, float]) -> float:
    """The feature's ICC, also where only one of the tables has the image's prefix; −1 when it has none."""
    for candidate in (name, f"ct_{name}", name.partition("_")[2]):
        value = icc.get(candidate, math.nan)
        if not math.isnan(value):
            return value
    return -1.0
