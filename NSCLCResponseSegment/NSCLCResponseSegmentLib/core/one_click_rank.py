"""Which of several sizes is the tumour: descriptors of each candidate, and a scorer that was trained on them."""

from __future__ import annotations

import numpy as np

from .one_click_grow import Sweep
from .one_click_seed import FREE_MM, SOFT_HU

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
)


def describe(sweep: Sweep) -> np.ndarray:
    """Descriptors of each candidate, smallest first: (candidates, :data:`DESCRIPTORS`)."""
    rows = np.array([_describe(sweep, number) for number in range(len(sweep.shapes))])
    log_volume = rows[:, 1]
    steps = np.diff(log_volume)
    rows[:-1, -3], rows[1:, -2] = steps, steps
    rows[-1, -3] = rows[0, -2] = np.median(steps) if steps.size else 0.0
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
    ]


def _box(mask: np.ndarray, margin: int) -> tuple[slice, ...]:
    spans = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append(slice(max(0, int(hit[0]) - margin), int(hit[-1]) + margin + 1))
    return tuple(spans)


def rank(sweep: Sweep) -> list[tuple[int, float]]:
    """Numbers of candidates of clearly different size with the Dice expected of each, the likeliest first."""
    expected = 1.0 - np.abs(np.array(sweep.pushes) - 0.6)
    volumes = [float(shape.sum()) for shape in sweep.shapes]
    picked: list[int] = []
    for number in np.argsort(-expected):
        if volumes[number] > 0 and all(abs(np.log(volumes[number] / volumes[p])) > _SAME_SIZE for p in picked):
            picked.append(int(number))
    return [(number, float(np.clip(expected[number], 0.0, 1.0))) for number in picked]


_SAME_SIZE = 0.12  # of the natural logarithm of the volume: outlines closer than this are one choice to the user
