"""How good a segmentation model is on patients with outlines: Dice, surface distances, and lesions found or missed."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .bundle_files import open_bundle
from .bundle_run import run_bundle
from .lesions import label_lesions, measure_lesions
from .masks import read_mask
from .progress import SILENT, Progress
from .reading import read_ct

if TYPE_CHECKING:
    from .bundle_training import TrainingCase

_FOUND = 0.1  # of a lesion's volume must be in the result for it to count as found


def measure_bundle(folder: Path, cases: Sequence[TrainingCase], progress: Progress = SILENT) -> dict[str, Any]:
    """Run a bundle on patients and compare.

    :returns: ``cases`` (one record each), ``dice_mean``, ``dice_median``, ``lesions_found``, ``lesions``,
        ``false_lesions`` and ``words``.
    """
    bundle = open_bundle(folder)
    records = []
    for number, case in enumerate(cases):
        part = progress.part(number / len(cases), (number + 1) / len(cases))
        ct = read_ct(case.ct, case.series)
        truth = read_mask(case.mask, ct, case.roi).image
        started = time.monotonic()
        found, _ = run_bundle(bundle, ct.image, progress=part)
        record = {"case": case.name, **compare(found, truth), "seconds": round(time.monotonic() - started, 1)}
        records.append(record)
    dice = [record["dice"] for record in records]
    totals = {key: sum(record[key] for record in records) for key in ("lesions_found", "lesions", "false_lesions")}
    words = (
        f"Dice {np.mean(dice):.2f} on average (median {np.median(dice):.2f}), {totals['lesions_found']} of"
        f" {totals['lesions']} lesions found, {totals['false_lesions'] / len(records):.1f} false ones per patient"
    )
    means = {"dice_mean": round(float(np.mean(dice)), 4), "dice_median": round(float(np.median(dice)), 4)}
    return {"cases": records, **means, **totals, "words": words}


def compare(found: sitk.Image, truth: sitk.Image) -> dict[str, Any]:
    """One result against an outline, both unsigned 8-bit 0/1 on one grid; the measures are SimpleITK's.

    :returns: ``dice``; ``surface_mm`` and ``hausdorff95_mm`` (``None`` when one is empty), both symmetric; lesions of
        the outline found (a tenth of their volume at least) and lesions of the result that touch none of them (specks
        under 0.03 mL not counted).
    """
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(truth, found)
    dice = overlap.GetDiceCoefficient()
    parts, statistics = label_lesions(truth)
    inside = sitk.GetArrayViewFromImage(found) > 0
    labels = sitk.GetArrayViewFromImage(parts)
    hits = sum(float(inside[labels == n].mean()) >= _FOUND for n in statistics.GetLabels())
    found_parts, _ = label_lesions(found)
    touched = set(np.unique(sitk.GetArrayViewFromImage(found_parts)[labels > 0]).tolist())
    false = [le for le in measure_lesions(found) if not le.is_tiny and le.label not in touched]
    return {
        "dice": round(0.0 if math.isnan(dice) else dice, 4),
        **_distances(found, truth),
        "lesions": int(statistics.GetNumberOfLabels()),
        "lesions_found": int(hits),
        "false_lesions": len(false),
        "volume_ml": round(float(inside.sum()) * float(np.prod(found.GetSpacing())) / 1000, 2),
    }


def _distances(found: sitk.Image, truth: sitk.Image) -> dict[str, float | None]:
    if not sitk.GetArrayViewFromImage(found).any() or not sitk.GetArrayViewFromImage(truth).any():
        return {"surface_mm": None, "hausdorff95_mm": None}
    either = sitk.Or(found, truth)
    index = np.argwhere(sitk.GetArrayViewFromImage(either))[:, ::-1]
    first, last = np.maximum(index.min(axis=0) - 2, 0), np.minimum(index.max(axis=0) + 2, np.array(found.GetSize()) - 1)
    size, start = [int(v) for v in last - first + 1], [int(v) for v in first]
    pair = [sitk.RegionOfInterest(image, size, start) for image in (found, truth)]
    surfaces = [sitk.LabelContour(image, fullyConnected=False) for image in pair]
    maps = [sitk.Abs(sitk.SignedMaurerDistanceMap(s, squaredDistance=False, useImageSpacing=True)) for s in surfaces]
    distances = []
    for surface, distance in zip(surfaces, maps[::-1], strict=True):
        on = sitk.GetArrayViewFromImage(surface) > 0
        distances.append(sitk.GetArrayViewFromImage(distance)[on])
    together = np.concatenate(distances)
    worst = max(float(np.percentile(d, 95)) for d in distances)
    return {"surface_mm": round(float(together.mean()), 2), "hausdorff95_mm": round(worst, 2)}
