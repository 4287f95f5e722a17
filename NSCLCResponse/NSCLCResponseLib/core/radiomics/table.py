"""The features' table: one wide CSV, and beside it a JSON file with reasons, settings and diagnostics."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from .case_features import FeatureRow

TABLE_SCHEMA = "nsclc-response/features/1"
KEY_COLUMNS = ("patient", "lesion", "region")


def columns(rows: Iterable[FeatureRow]) -> list[str]:
    """Names of all features in the rows, values and failures, in the order in which they were measured."""
    names: dict[str, None] = {}
    for row in rows:
        ordered = [n for n in row.values if n not in names] + [n for n in row.failed if n not in names]
        names.update(dict.fromkeys(ordered))
    return list(names)


def write_csv(rows: Sequence[FeatureRow], path: Path) -> None:
    """One row per lesion and region; what has no value stays empty, and its reason is in the JSON file."""
    names = columns(rows)
    images = sorted({image for row in rows for image in row.settings})
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow([*KEY_COLUMNS, *(f"settings_{image}_sha256" for image in images), *names])
        for row in rows:
            values = [repr(float(row.values[n])) if n in row.values else "" for n in names]
            hashes = [row.settings.get(image, "") for image in images]
            writer.writerow([row.patient, row.lesion, row.region, *hashes, *values])


def write_record(rows: Sequence[FeatureRow], path: Path, *, with_values: bool = False, **more: Any) -> None:
    """Everything about the rows: reasons, warnings, settings' hashes, diagnostics; values only on request.

    :param more: further entries, e.g. ``failed_cases`` and ``robustness``.
    """
    entries = []
    for row in rows:
        entry = row.to_json()
        if not with_values:
            entry["values"] = len(row.values)
        entries.append(entry)
    text = json.dumps({"schema": TABLE_SCHEMA, "rows": entries, **more}, indent=1, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
