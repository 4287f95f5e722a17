"""Which features survive a redrawn contour: redraws of one lesion or of a cohort's, and ICC(2,1) for each feature.

An ICC compares the variation between targets with that between redraws. A cohort's targets are its lesions. One case
has few, so its lesions are cut into parts of at most 10 mL (as if they were lesions), of which four are the
targets; their ICCs tell which features are stable here, but between patients targets differ more and ICCs are higher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Any

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.masks import onto_grid
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .classes import Outcome
from .contour_features import Contour, SharedImage, measure_contours
from .contours import SEARCH_MM, RedrawSettings, Surface, cut_into_parts
from .engine import Plan, make_plan
from .filters import FilterRun, filter_runs
from .prepare import Prepared, RegionUnusableError, prepare
from .processes import Task, side_by_side, usable_cores
from .settings import RadiomicsSettings
from .shape import prepare_shape

TARGETS_OF_ONE_CASE = 4
_SMALLEST_PART_ML, _LARGEST_PART_ML = 0.5, 10.0
_VOXELS_OF_A_SHARE = 150_000  # whose geometry takes 40 MB
_NOISE_TILE = 72  # voxels; noise is filtered on a cube of this size and laid out again and again
_LINEAR = ("original", "log-sigma", "wavelet")  # filters of which noise can be added after the filter


@dataclass(frozen=True)
class Redraws:
    """Feature values of redrawn targets.

    :param names: features with their prefix (f).
    :param values: (targets, redraws, f), NaN where there is none.
    :param targets: what each target is.
    :param dice: overlap of each redrawn outline with the given one.
    """

    names: tuple[str, ...]
    values: np.ndarray
    targets: tuple[str, ...]
    dice: tuple[float, ...] = ()
    reasons: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary; NaN becomes ``None``."""
        values = [[[float(v) if np.isfinite(v) else None for v in r] for r in t] for t in self.values]
        rest = {"names": self.names, "targets": self.targets, "dice": self.dice, "reasons": self.reasons}
        return {**rest, "values": values}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Redraws:
        """What :meth:`to_json` wrote."""
        values = np.array(data["values"], dtype=float)  # None becomes NaN
        names, targets, dice = (tuple(data[key]) for key in ("names", "targets", "dice"))
        return cls(names, values, targets, dice, dict(data["reasons"]))


@dataclass(frozen=True)
class Extra:
    """Measures of a redrawn target beside PyRadiomics'.

    :param names: without the image's prefix.
    :param measure: mask (1 inside) on the working grid → values and reasons by name.
    """

    names: tuple[str, ...]
    measure: Callable[[sitk.Image], tuple[dict[str, float], dict[str, str]]]


_NOTHING_MORE = Extra((), lambda mask: ({}, {}))  # noqa: ARG005


def redraw_features(  # noqa: PLR0913 what is redrawn, how often, and how it is measured
    image: sitk.Image,
    lesions: Mapping[str, sitk.Image],
    settings: RadiomicsSettings,
    *,
    count: int = 20,
    seed: int = 0,
    prefix: str = "ct",
    parts: bool = True,
    how: RedrawSettings | None = None,
    ibsi: bool = False,
    extra: Extra | None = None,
    progress: Progress = SILENT,
    processes: int | None = None,
) -> Redraws:
    """Measure the lesions ``count`` times, each time with another contour. Filtered images are made once.

    :param lesions: name → mask (not 0 inside), on any grid.
    :param parts: cut the lesions into parts, of which four are the targets.
    :param seed: the same seed redraws the same contours.
    :param extra: measured as well; without the redraws' noise.
    """
    plan = make_plan(settings.parameters, ibsi=ibsi)
    how = how or RedrawSettings()
    extra = extra or _NOTHING_MORE
    names = tuple(f"{prefix}_{n}" for n in (*plan.expected_names(), *extra.names))
    masks = {name: onto_grid(mask, image)[0] for name, mask in lesions.items()}
    whole = reduce(sitk.Or, masks.values())
    try:
        prepared = prepare(image, whole, without_resegmentation(plan))
    except RegionUnusableError as problem:
        nothing = np.full((len(masks), count, len(names)), np.nan)
        return Redraws(names, nothing, tuple(masks), reasons=dict.fromkeys(names, str(problem)))
    targets, labels = _targets(prepared, masks, parts=parts)
    inside = sitk.GetArrayFromImage(prepared.mask) == 1
    surfaces: list[Surface] = []

    def meanwhile() -> None:
        surfaces.append(Surface.of(labels, inside, prepared.image.GetSpacing()[::-1]))

    filtered = filter_once(prepared, plan, how, seed, (progress.part(0.0, 0.2), processes), meanwhile)
    prepare_shape(prepared, plan)
    voxels = np.count_nonzero(labels)
    tasks = [
        partial(_measure_redraws, surfaces[0], prepared, filtered, (plan, extra), how, (seed, numbers, len(targets)))
        for numbers in share_out(count, voxels, processes)
    ]
    values = np.full((len(targets), count, len(names)), np.nan)
    dice = [0.0] * count
    reasons: dict[str, str] = {}
    done = 0
    for _, redrawn in side_by_side(tasks, processes):
        for number, (found, overlap, failed) in redrawn.items():
            values[:, number] = found
            dice[number] = overlap
            reasons |= {f"{prefix}_{n}": reason for n, reason in failed.items()}
        done += len(redrawn)
        progress.report(0.2 + 0.8 * done / count, f"Redrawing the contour on the {prefix.upper()}")
    return Redraws(names, values, targets, tuple(dice), reasons)


def without_resegmentation(plan: Plan) -> Plan:
    """The grey range is applied to each redrawn contour, not to the outline that is redrawn."""
    return replace(plan, setting={**plan.setting, "resegmentRange": None}, outlier_sigmas=0.0)


def _targets(prepared: Prepared, masks: Mapping[str, sitk.Image], *, parts: bool) -> tuple[tuple[str, ...], np.ndarray]:
    """Names and labels (from 1) of the targets on the working grid."""
    inside = sitk.GetArrayFromImage(prepared.mask) == 1
    labels = np.zeros(inside.shape, np.int16)
    for number, mask in enumerate(masks.values(), start=1):
        moved = sitk.Resample(mask, prepared.image, sitk.Transform(), sitk.sitkNearestNeighbor)
        labels[(sitk.GetArrayViewFromImage(moved) == 1) & (labels == 0)] = number
    labels[~inside] = 0
    names = tuple(masks)
    if not parts:
        return names, labels
    voxel_ml = float(np.prod(prepared.image.GetSpacing())) / 1000.0
    smallest = max(27, round(_SMALLEST_PART_ML / voxel_ml))
    cut = cut_into_parts(labels, TARGETS_OF_ONE_CASE, smallest, round(_LARGEST_PART_ML / voxel_ml))
    owners = [int(labels[cut == number][0]) for number in range(1, int(cut.max()) + 1)]
    counts = {owner: owners.count(owner) for owner in owners}
    described = []
    for index, owner in enumerate(owners):
        is_whole = counts[owner] == 1 and np.count_nonzero(cut == index + 1) == np.count_nonzero(labels == owner)
        described.append(names[owner - 1] + ("" if is_whole else f", part {owners[: index + 1].count(owner)}"))
    return tuple(described), cut


def filter_once(
    prepared: Prepared,
    plan: Plan,
    how: RedrawSettings,
    seed: int,
    run: tuple[Progress, int | None],
    meanwhile: Task | None = None,
) -> list[SharedImage]:
    """All image types once, and the same filters on one field of noise.

    :param meanwhile: what this process can do at the same time.
    """
    progress, processes = run
    runs = list(filter_runs(prepared, plan))
    on_noise: dict[int, FilterRun] = {}
    strength = 0.0
    if how.noise > 0:
        strength = how.noise * noise_of(sitk.GetArrayFromImage(prepared.image).astype(np.float64))
    if strength > 0:  # not so when the image holds voxels that are not numbers
        noise = np.random.default_rng((seed, 1)).normal(0, strength, (_NOISE_TILE,) * 3)
        noise_image = sitk.GetImageFromArray(noise)
        noise_image.SetSpacing(prepared.image.GetSpacing())
        each = enumerate(filter_runs(replace(prepared, image=noise_image), plan))
        on_noise = {index: own for index, own in each if own.names[0].startswith(_LINEAR)}

    def make_noise(own: FilterRun) -> dict[str, np.ndarray]:
        return {name: sitk.GetArrayFromImage(image).astype(np.float32) for name, image in own.make().items()}

    images: dict[str, sitk.Image] = {}
    noises: dict[str, np.ndarray] = {}
    tasks: list[Task] = [own.make for own in runs] + [partial(make_noise, own) for own in on_noise.values()]
    several = [number for number, own in enumerate([*runs, *on_noise.values()]) if len(own.names) > 1]
    order = sorted(range(len(tasks)), key=lambda number: number not in several)  # the longest first
    tasks = [tasks[number] for number in order]
    for done, (index, made) in enumerate(side_by_side(tasks, processes, meanwhile), start=1):
        (images if order[index] < len(runs) else noises).update(made)
        progress.report(done / len(tasks), "Filtering the image once for all contours")
    made_images = [(name, own.setting) for own in runs for name in own.names if name in images]
    return [SharedImage(name, setting, images[name], noises.get(name)) for name, setting in made_images]


def noise_of(grey: np.ndarray) -> float:
    """Standard deviation of an image's noise, from differences in all three axes that structure hardly enters.

    Donoho & Johnstone 1994: median absolute deviation of the finest (here Haar) wavelet coefficients over 0.6745.
    """
    finest = grey
    for axis in range(3):
        if finest.shape[axis] > 1:
            finest = np.diff(finest, axis=axis) / np.sqrt(2.0)
    return float(np.median(np.abs(finest - np.median(finest))) / 0.6745)


def share_out(count: int, voxels: int, processes: int | None) -> list[range]:
    """Contours in shares that are measured together, as many for each process, so that all end at about the same time.

    :param voxels: of one contour; shares of large ones are smaller, so that their geometry stays in memory.
    """
    workers = processes or usable_cores()
    shares = workers * max(1, -(-count * voxels // (workers * _VOXELS_OF_A_SHARE)))
    return [range(part[0], part[-1] + 1) for part in np.array_split(np.arange(count), min(shares, count))]


def _measure_redraws(
    surface: Surface,
    prepared: Prepared,
    filtered: Sequence[SharedImage],
    what: tuple[Plan, Extra],
    how: RedrawSettings,
    which: tuple[int, range, int],
) -> dict[int, tuple[np.ndarray, float, dict[str, str]]]:
    """For each redraw: values (targets, features), Dice with the given outline, and reasons for what is missing."""
    plan, extra = what
    seed, numbers, targets = which
    given = surface.depth < 0
    window = _window(given, surface.spacing)
    part = Surface(surface.labels[window], surface.depth[window], surface.spacing)
    contours: list[list[Contour]] = []
    overlaps = []
    for number in numbers:
        random = np.random.default_rng((seed, 2, number))
        labels, drawn = part.redraw(random, how)
        shift = tuple(int(v) for v in random.integers(0, _NOISE_TILE, 3))
        start = [s.start for s in window]
        contours.append([Contour.of(labels == target + 1, start, shift) for target in range(targets)])
        both = np.count_nonzero(drawn & given[window])
        overlaps.append(2.0 * both / (np.count_nonzero(drawn) + np.count_nonzero(given)))
    alike = [redraw[target] for target in range(targets) for redraw in contours]
    outcomes = measure_contours(alike, prepared, filtered, plan)
    names = [*plan.expected_names(), *extra.names]
    found = {}
    for place, number in enumerate(numbers):
        own = outcomes[place :: len(numbers)]
        for outcome, contour in zip(own, contours[place], strict=True):
            if extra.names:
                outcome.take(Outcome(*extra.measure(contour.mask(prepared.image))))
        values = np.array([[outcome.values.get(name, np.nan) for name in names] for outcome in own])
        failed = {name: reason for outcome in own for name, reason in outcome.failed.items()}
        found[number] = (values.reshape(targets, len(names)), overlaps[place], failed)
    return found


def _window(inside: np.ndarray, spacing: tuple[float, ...]) -> tuple[slice, ...]:
    window = []
    for axis in range(3):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        margin = int(np.ceil(SEARCH_MM / spacing[axis]))
        window.append(slice(max(0, hit[0] - margin), hit[-1] + margin + 1))
    return tuple(window)


def summary_by_class(names: Sequence[str], icc: np.ndarray, levels: Sequence[float] = (0.75, 0.9)) -> dict[str, Any]:
    """Share of features that reach each level, by feature class and over all."""
    classes: dict[str, list[float]] = {}
    for name, value in zip(names, icc, strict=True):
        classes.setdefault(name.rsplit("_", 2)[1], []).append(value)
        classes.setdefault("all", []).append(value)
    return {
        kind: {
            "features": len(found),
            "without ICC": int(np.isnan(found).sum()),
            **{f"share ≥ {level:g}": round(float(np.mean(np.array(found) >= level)), 4) for level in levels},
        }
        for kind, found in sorted(classes.items())
    }
