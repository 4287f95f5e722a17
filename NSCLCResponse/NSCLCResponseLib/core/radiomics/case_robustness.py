"""Robustness of one case's features, or of a cohort's, as a table with ICC(2,1) for each feature."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.masks import onto_grid
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .case_features import FeatureRequest, case_lesions
from .contours import SEARCH_MM
from .icc import icc_2_1
from .pet_measures import NAMES as UPTAKE_NAMES
from .pet_measures import PEAK_RADIUS_MM, uptake_within
from .pet_outline import share_outline
from .prepare import bounding_box
from .robustness import Extra, Redraws, redraw_features, summary_by_class

LEVELS = (0.75, 0.9)
_REACH_MM = SEARCH_MM + PEAK_RADIUS_MM
_COLUMNS = ("feature", "class", "icc", "low", "high", "targets", "redraws", "reason")


@dataclass(frozen=True)
class FeatureRobustness:
    """One feature's ICC(2,1) with its 95 % interval, or why there is none."""

    feature: str
    icc: float | None
    low: float | None
    high: float | None
    reason: str = ""


@dataclass(frozen=True)
class Robustness:
    """All features' ICCs and what they rest on.

    :param dice: overlap of each redrawn outline with the given one.
    """

    features: tuple[FeatureRobustness, ...]
    targets: tuple[str, ...]
    redraws: int
    dice: tuple[float, ...]

    def summary(self) -> dict[str, Any]:
        """JSON-ready: targets, redraws, overlap and the share of features at each level, by class."""
        names = [f.feature for f in self.features]
        icc = np.array([np.nan if f.icc is None else f.icc for f in self.features])
        return {
            "targets": list(self.targets),
            "redraws": self.redraws,
            "dice_mean": round(float(np.mean(self.dice)), 4) if self.dice else None,
            "icc": "ICC(2,1), 95 % interval",
            "by_class": summary_by_class(names, icc, LEVELS),
        }


def redraw_case(
    case: Case,
    request: FeatureRequest,
    *,
    parts: bool = True,
    lesion_masks: Mapping[str, sitk.Image] | None = None,
    pet_mask: sitk.Image | None = None,
    progress: Progress = SILENT,
) -> dict[str, Redraws]:
    """Redraw a case's lesions ``request.perturb`` times and measure them on CT and, if there is one, PET.

    :param lesion_masks: as for :func:`case_features.measure_case`; so ``pet_mask``.
    :param parts: cut the lesions into parts, since one case has few; ``False`` for a case of a cohort.
    :returns: ``ct`` and ``pet`` → redraws.
    """
    lesions = case_lesions(case, request, lesion_masks)
    masks = {"ct": lesions, "pet": lesions if pet_mask is None else share_outline(pet_mask, lesions)}
    settings = request.settings_of(case)
    found = {}
    for number, (name, own) in enumerate(settings.items()):
        image: sitk.Image = case.ct.image if name == "ct" else case.pet.image
        found[name] = redraw_features(
            image,
            masks[name],
            own,
            count=request.perturb,
            seed=request.seed,
            prefix=name,
            parts=parts,
            ibsi=request.ibsi,
            extra=None if name == "ct" else _uptake(image, masks[name]),
            progress=progress.part(number / len(settings), (number + 1) / len(settings)),
            processes=request.processes,
        )
    return found


def _uptake(pet: sitk.Image, masks: Mapping[str, sitk.Image]) -> Extra:
    """Uptake measures of redrawn targets, on the part of the PET that they and their peaks can reach."""
    moved = [onto_grid(mask, pet)[0] for mask in masks.values()]
    inside = reduce(sitk.Or, moved)
    names = tuple(f"uptake_{n}" for n in UPTAKE_NAMES)
    if not np.any(sitk.GetArrayViewFromImage(inside)):
        return Extra(names, lambda mask: ({}, {}))  # noqa: ARG005 nothing is redrawn then
    box = np.array(bounding_box(inside)).reshape(3, 2)
    margin = np.ceil(_REACH_MM / np.array(pet.GetSpacing())).astype(int)
    first = np.maximum(box[:, 0] - margin, 0)
    last = np.minimum(box[:, 1] + margin, np.array(pet.GetSize()) - 1)
    part = sitk.RegionOfInterest(pet, (last - first + 1).tolist(), first.tolist())

    def measure(mask: sitk.Image) -> tuple[dict[str, float], dict[str, str]]:
        values, failed = uptake_within(part, onto_grid(mask, part)[0])
        return {f"uptake_{n}": v for n, v in values.items()}, {f"uptake_{n}": why for n, why in failed.items()}

    return Extra(names, measure)


def assess(cases: Sequence[Mapping[str, Redraws]]) -> Robustness:
    """ICC(2,1) of each feature over all cases' targets.

    A target on which a feature has no value is left out for that feature.
    """
    features: list[FeatureRobustness] = []
    targets: tuple[str, ...] = ()
    dice: tuple[float, ...] = ()
    redraws = 0
    for name in dict.fromkeys(key for case in cases for key in case):
        own = [case[name] for case in cases if name in case]
        values = np.concatenate([r.values for r in own])
        reasons = {n: why for r in own for n, why in r.reasons.items()}
        features += _agreement(own[0].names, values, reasons)
        if not targets:
            targets = tuple(t for r in own for t in r.targets)
            dice = tuple(d for r in own for d in r.dice)
            redraws = values.shape[1]
    return Robustness(tuple(features), targets, redraws, dice)


def _agreement(names: Sequence[str], values: np.ndarray, reasons: Mapping[str, str]) -> list[FeatureRobustness]:
    complete = np.isfinite(values).all(axis=1)  # (targets, features)
    agreed: dict[int, tuple[float, float, float]] = {}
    for pattern in np.unique(complete, axis=1).T:
        columns = np.flatnonzero((complete == pattern[:, None]).all(axis=0))
        if pattern.sum() < 2:
            continue
        found = icc_2_1(values[pattern][:, :, columns])
        agreed |= {
            int(c): (float(i), float(low), float(high))
            for c, i, low, high in zip(columns, found.icc, found.low, found.high, strict=True)
        }
    rows = []
    for index, name in enumerate(names):
        triple = agreed.get(index)
        if triple is None or not np.isfinite(triple[0]):
            if triple is None:
                reason = reasons.get(name, "fewer than two targets have a value")
            else:
                reason = "the same value for all targets and redraws"
            rows.append(FeatureRobustness(name, None, None, None, reason))
            continue
        low, high = (None if not np.isfinite(v) else v for v in triple[1:])
        rows.append(FeatureRobustness(name, triple[0], low, high))
    return rows


def write_robustness(robustness: Robustness, path: Path) -> None:
    """A CSV with one line for each feature; training leaves features out by it (:mod:`..robust_features`)."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(_COLUMNS)
        for f in robustness.features:
            numbers = ["" if v is None else f"{v:.6g}" for v in (f.icc, f.low, f.high)]
            kind = f.feature.rsplit("_", 2)[1]
            writer.writerow([f.feature, kind, *numbers, len(robustness.targets), robustness.redraws, f.reason])
