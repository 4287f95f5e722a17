"""Slicer's table nodes and a result's contributions as rows for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.wording import part_name

Row = dict[str, Any]


def rows_of(table: Any) -> list[Row]:
    """The rows of a ``vtkMRMLTableNode``, column name to text."""
    content = table.GetTable()
    names = [content.GetColumnName(column) for column in range(content.GetNumberOfColumns())]
    return [
        {name: content.GetValue(row, column).ToString() for column, name in enumerate(names)}
        for row in range(content.GetNumberOfRows())
    ]


def part_bars(prediction: Mapping[str, Any]) -> list[Row]:
    """What each part added to the log-odds, with its bar in percent of the widest."""
    parts = [(part_name(p["name"]), p["contribution"]) for p in prediction["parts"] if p["used"]]
    return with_bars([{"label": name, "effect": effect} for name, effect in parts if effect is not None])


def feature_bars(rows: list[Row]) -> list[Row]:
    """The rows of the feature table with a bar for the column ``Effect``."""
    shown = [
        {
            "label": row["Feature"],
            "effect": float(row["Effect"].replace("−", "-")),
            "value": row["Value"],
            "percentile": row["Percentile"],
        }
        for row in rows
    ]
    return with_bars(shown)


def with_bars(rows: list[Row]) -> list[Row]:
    """Add ``left`` and ``width`` (percent of the plot, zero in its middle) and ``words`` to rows with ``effect``."""
    largest = max((abs(row["effect"]) for row in rows), default=0.0) or 1.0
    for row in rows:
        width = max(50 * abs(row["effect"]) / largest, 0.5)
        row["width"] = round(width, 2)
        row["left"] = round(50 - width if row["effect"] < 0 else 50, 2)
        row["words"] = f"{row['effect']:+.2f}".replace("-", "−")
    return rows
