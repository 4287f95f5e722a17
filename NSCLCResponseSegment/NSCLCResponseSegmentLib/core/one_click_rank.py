"""Which of several sizes is the tumour: descriptors of each candidate, and a scorer that was trained on them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from .one_click_grow import Sweep
from .one_click_scorer import INTERCEPT, WEIGHTS
from .one_click_seed import FREE_MM, SOFT_HU

_SAME_SIZE = 0.15  # of the natural logarithm of the volume
_USUAL_PUSH, _AWAY_FROM_USUAL = 0.5, 0.08  # where the scorer hardly tells sizes apart, the usual push decides

DESCRIPTORS = (
    "push",
    "log_volume",
    "log_radius",
    "log_volume_in_balls",
    "air_share",
    "bone_share",
    "edge",
    "soft_edge",
    "open_share",
    "sphericity",
    "beyond_share",
    "mean_depth",
    "click_depth",
    "hu",
    "hu_spread",
    "hu_contrast",
    "far_share",
    "inner_radius",
    "elongation",
    "log_to_larger",
    "log_to_smaller",
    "step",
    "log_push",
    "log_push_squared",
    "subsolid",
)


def describe(sweep: Sweep) -> np.ndarray:
    """Descriptors of each candidate, smallest first: (candidates, :data:`DESCRIPTORS`)."""
    rows = np.array([_describe(sweep, number) for number in range(len(sweep.shapes))])
    log_volume = rows[:, DESCRIPTORS.index("log_volume")]
    steps = np.diff(log_volume)
    larger, smaller = DESCRIPTORS.index("log_to_larger"), DESCRIPTORS.index("log_to_smaller")
    rows[:-1, larger], rows[1:, smaller] = steps, steps
    rows[-1, larger] = rows[0, smaller] = np.median(steps) if steps.size else 0.0
    return rows


def _describe(sweep: Sweep, number: int) -> list[float]:
    from scipy import ndimage

    around, whole = sweep.around, sweep.shapes[number]
    box = _box(whole, 4)
    shape, hu, soft, bone, depth, weight = (
        a[box] for a in (whole, around.hu, around.soft, around.bone, around.depth, sweep.edge_weight)
    )
    count = int(shape.sum())
    volume = count * around.voxel_ml
    inner = shape & ~ndimage.binary_erosion(shape, border_value=1)
    against_air, against_bone = ndimage.binary_dilation(~soft & ~shape), ndimage.binary_dilation(bone)
    rim = max(1, int(inner.sum()))
    tissue = inner & ~against_air & ~against_bone
    edge = 1.0 - weight
    depths = ndimage.distance_transform_edt(shape) * around.step
    points = np.argwhere(shape) * around.step
    middle = points.mean(axis=0)
    axes = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(points.T)) if count > 3 else np.ones(3), 1e-3))
    equal_radius = (volume * 1000 * 3 / (4 * np.pi)) ** (1 / 3)
    solid = hu[shape & (hu > SOFT_HU)]
    shell = ndimage.binary_dilation(shape, iterations=2) & ~shape & soft & ~bone
    ring = shape & ~ndimage.binary_erosion(shape, iterations=2, border_value=1) & soft
    usual = float(np.median(solid)) if solid.size else 0.0
    contrast = abs(float(np.median(hu[shell])) - float(np.median(hu[ring]))) if shell.any() and ring.any() else 100.0
    return [
        sweep.pushes[number],
        np.log(volume + 1e-3),
        np.log(sweep.radius),
        np.log((volume + 1e-3) / (4.19e-3 * sweep.radius**3)),
        (inner & against_air).sum() / rim,
        (inner & against_bone).sum() / rim,
        float(edge[inner].mean()) if inner.any() else 0.0,
        float(edge[tissue].mean()) if tissue.any() else 1.0,
        (tissue & (edge < 0.5)).sum() / rim,
        (36 * np.pi * float(count) ** 2) ** (1 / 3) / rim,
        float((depth[shape] > FREE_MM).mean()),
        float(np.clip(depth[shape], 0, 40).mean()),
        min(around.click_depth, 40.0),
        usual,
        float(np.std(np.clip(solid, -150, 250))) if solid.size else 0.0,
        min(contrast, 150.0),
        float((np.linalg.norm(points - middle, axis=1) > 1.5 * equal_radius).mean()),
        float(depths.max()) / equal_radius,
        float(axes[-1] / axes[0]),
        0.0,
        0.0,
        around.step,
        np.log(sweep.pushes[number]),
        np.log(sweep.pushes[number]) ** 2,
        float(_with_ground_glass(sweep)),
    ]


def _box(mask: np.ndarray, margin: int) -> tuple[slice, ...]:
    spans = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append(slice(max(0, int(hit[0]) - margin), int(hit[-1]) + margin + 1))
    return tuple(spans)


@dataclass(frozen=True)
class Candidate:
    """One size of one sweep, with the Dice to be expected of it."""

    sweep: Sweep
    number: int
    expected: float

    @property
    def shape(self) -> np.ndarray:
        """(z, y, x) on the sweep's grid."""
        return self.sweep.shapes[self.number]

    @property
    def log_volume(self) -> float:
        """Natural logarithm of mL."""
        return float(np.log(max(1e-3, float(self.shape.sum()) * self.sweep.around.voxel_ml)))


def order(sweeps: list[Sweep]) -> list[Candidate]:
    """All candidates, the likeliest first.

    Whether ground glass around a solid part is tumour cannot be told from the image, so that each of the two readings
    is as likely: candidates of one are expected to be wrong by the other in half of the cases. The solid part comes
    first.
    """
    with ThreadPoolExecutor(2) as pool:
        described = list(pool.map(describe, sweeps))
    found = [
        (Candidate(sweep, number, float(expected)), sweep.pushes[number])
        for sweep, descriptors in zip(sweeps, described, strict=True)
        for number, expected in enumerate(expected_dice(descriptors))
    ]
    with_glass, solid = ([c for c, _ in found if _with_ground_glass(c.sweep) == is_so] for is_so in (True, False))
    rivals = {True: _likeliest(solid), False: _likeliest(with_glass)}
    merits = []
    for candidate, push in found:
        usual = _AWAY_FROM_USUAL * np.log(push / _USUAL_PUSH) ** 2
        merits.append(candidate.expected - usual - _with_ground_glass(candidate.sweep))
    ordered = [found[i][0] for i in np.argsort(-np.array(merits), kind="stable")]
    return [_hedged(c, rivals[_with_ground_glass(c.sweep)]) for c in ordered]


def _likeliest(candidates: list[Candidate]) -> Candidate | None:
    return max(candidates, key=lambda c: c.expected, default=None)


def _hedged(candidate: Candidate, rival: Candidate | None) -> Candidate:
    """The candidate with the Dice to be expected when it is as likely that the rival, which holds it, is the tumour."""
    if rival is None:
        return candidate
    one, other = np.exp(candidate.log_volume), np.exp(rival.log_volume)
    overlap = 2.0 * min(one, other) / (one + other)
    return replace(candidate, expected=0.5 * candidate.expected * (1.0 + overlap))


def offer(ordered: list[Candidate], count: int) -> list[Candidate]:
    """The likeliest candidates of clearly different size, at most ``count``.

    The second and third are the likeliest smaller and the likeliest larger one, so that a user finds the way to either
    side; sizes that hardly differ are one choice. Where the tumour may or may not include ground glass, the last one is
    the other reading.
    """
    is_glass = _with_ground_glass(ordered[0].sweep)
    other_reading = [c for c in ordered if _with_ground_glass(c.sweep) != is_glass][: count > 2]
    alike = [c for c in ordered if _with_ground_glass(c.sweep) == is_glass]
    count -= len(other_reading)
    picked = alike[:1]
    while len(picked) < count:
        apart = [c for c in alike if all(abs(c.log_volume - p.log_volume) > _SAME_SIZE for p in picked)]
        if len(picked) == 2:  # the third lies on the other side
            was_larger = picked[1].log_volume > picked[0].log_volume
            apart = [c for c in apart if (c.log_volume > picked[0].log_volume) != was_larger] or apart
        if not apart:
            break
        picked.append(apart[0])
    return picked + other_reading


def _with_ground_glass(sweep: Sweep) -> bool:
    return sweep.around.soft_hu < SOFT_HU


def expected_dice(descriptors: np.ndarray) -> np.ndarray:
    """Dice with an expert's outline to be expected of candidates, 0 to 1.

    :param descriptors: (candidates, :data:`DESCRIPTORS`).
    """
    values = descriptors[:, [DESCRIPTORS.index(name) for name in WEIGHTS]]
    low, high, scale, between, within = np.array(list(WEIGHTS.values())).T
    # never further out than the tumours it was trained on: a line knows nothing of what lies beyond
    values = np.clip(values, low, high) / scale
    usual = values.mean(axis=0)
    return np.clip(INTERCEPT + usual @ between + (values - usual) @ within, 0.0, 1.0)
