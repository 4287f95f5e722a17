"""``summary.csv`` and ``summary.html`` of a batch; rewritten whole as patients end, failures included."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.atomic import staged_file
from NSCLCResponseSegmentLib.core.resources import resource

from .batch import BatchRow
from .result import NOTICE

COLUMNS = (
    "patient", "status", "probability", "range_low", "range_high", "verdict", "lesions", "volume_ml",
    "longest_axial_diameter_mm", "warnings", "reason", "seconds", "folder", "signature", "label",
)  # fmt: skip
_THUMBNAIL_WIDTH = 320


def _values(row: BatchRow) -> dict[str, Any]:
    values: dict[str, Any] = dict.fromkeys(COLUMNS, "")
    values.update(patient=row.patient, status=row.status, reason=row.reason, folder=row.folder)
    if row.result is not None:
        prediction, tumour = row.result["prediction"], row.result["tumour"] or {}
        low, high = prediction["probability_range"] or ("", "")
        values.update(
            probability=round(prediction["probability"], 4),
            range_low=low,
            range_high=high,
            verdict=prediction["verdict"],
            lesions=tumour.get("lesion_count", ""),
            volume_ml=tumour.get("volume_ml", ""),
            longest_axial_diameter_mm=tumour.get("longest_axial_diameter_mm", ""),
            warnings=" | ".join(row.result["warnings"]),
            seconds=row.seconds,
            signature=prediction["signature_name"],
            label=prediction["label"],
        )
    return values


def write_csv(rows: Sequence[BatchRow], path: Path) -> None:
    """One row per patient, in the order of the cases; UTF-8."""
    with staged_file(path) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(_values(row) for row in rows)


def _thumbnail(picture: Path) -> str:
    """A small JPEG of the overlay as a data address; empty when there is no picture."""
    if not picture.is_file():
        return ""
    from PIL import Image

    with Image.open(picture) as image:
        small = image.convert("RGB")
        small.thumbnail((_THUMBNAIL_WIDTH, _THUMBNAIL_WIDTH))
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _beeswarm(rows: Sequence[BatchRow], path: Path) -> str:
    """The features of all predicted patients as ``beeswarm.png``, and as a data address; empty for too few patients."""
    from .beeswarm import beeswarm_png

    picture = beeswarm_png([row.result["prediction"] for row in rows if row.result is not None])
    if not picture:
        return ""
    with staged_file(path) as aside:
        aside.write_bytes(picture)
    return "data:image/png;base64," + base64.b64encode(picture).decode("ascii")


def write_html(rows: Sequence[BatchRow], out: Path) -> None:
    """``summary.html`` in ``out``: a table with thumbnails and links to each patient's report."""
    import jinja2

    folder = resource("Report", "summary.html.j2").parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    items = [{**_values(row), "thumbnail": _thumbnail(out / row.folder / "overlay.png")} for row in rows]
    labels = list(dict.fromkeys(item["label"] for item in items if item["label"]))
    beeswarm = _beeswarm(rows, out / "beeswarm.png")
    text = environment.get_template("summary.html.j2").render(
        items=items, labels=labels, notice=NOTICE, beeswarm=beeswarm
    )
    with staged_file(out / "summary.html") as path:
        path.write_text(text, encoding="utf-8")
