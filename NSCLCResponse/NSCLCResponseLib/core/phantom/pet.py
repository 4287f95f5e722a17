"""FDG PET of the simulated patient, in SUVbw, on its own coarser grid."""

from __future__ import annotations

import numpy as np

from .body import TISSUES, Scene
from .frame import coverage, noise
from .tumour import Tumour

SPACING = (4.0, 4.0, 4.0)
PSF_FWHM = 6.0
_BACKGROUND = {
    "air": 0.0, "fat": 0.28, "muscle": 0.65, "bone": 0.6, "marrow": 1.25, "lung": 0.42, "airway": 0.15, "blood": 1.6,
    "heart muscle": 1.9, "soft tissue": 0.95, "liver": 2.1, "spleen": 1.75, "bowel": 1.5, "vessel in lung": 1.1,
    "tumour": 1.5, "table": 0.0,
}  # fmt: skip


def activity(scene: Scene, tumour: Tumour, ventricle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uptake before the camera, SUVbw on the CT's grid, shape (z, y, x).

    :param ventricle: distance to the left ventricle's lumen, mm.
    """
    patient = rng.lognormal(0, 0.14)  # dose, weight and time after injection are never quite as written
    table = np.zeros(max(TISSUES.values()) + 1, dtype=np.float32)
    for name, value in _BACKGROUND.items():
        table[TISSUES[name]] = value * patient * rng.lognormal(0, 0.08)
    table[TISSUES["bowel"]] *= rng.uniform(0.6, 2.2)
    table[TISSUES["marrow"]] *= rng.uniform(0.7, 1.6)
    uptake = table[scene.tissue]
    heart = rng.choice([1.0, rng.uniform(1.5, 7.0)])  # fasting suppresses the myocardium, or not
    wall = (scene.tissue == TISSUES["heart muscle"]) & (ventricle < 11)
    uptake[wall] *= np.float32(heart)
    uptake *= 1 + 0.1 * noise(scene.grid, rng, 18.0)
    plan = tumour.plan
    level = float(np.clip(8.0 * np.exp(0.42 * plan.traits.get("histogram", 0.0) + 0.16 * plan.suv_nuisance), 3.0, 22.0))
    if plan.kind == "ground-glass":
        level = max(2.0, level * 0.45)
    inner = uptake[tumour.box]
    hot = level * np.exp(0.30 * np.clip(tumour.scores, -2.5, 2.5))
    inner += coverage(tumour.distance, scene.width) * (np.float32(0.16 * level + 0.6) - inner)
    inner += tumour.solid * (hot - inner)
    for box, share in tumour.nodes:
        uptake[box] += share * (rng.uniform(2.5, 9.0) - uptake[box])
    return np.maximum(uptake, 0)


def pet_array(
    scene: Scene, tumour: Tumour, ventricle: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, tuple[float, float, float]]:
    """What the camera makes of the uptake.

    :returns: SUVbw (z, y, x) with :data:`SPACING`, and the first voxel's centre (z, y, x) in patient mm.
    """
    from scipy import ndimage

    uptake = activity(scene, tumour, ventricle, rng)
    grid = scene.grid
    low = [grid.origin[a] + 2.0 for a in range(3)]
    number = [int((grid.shape[a] - 1) * grid.spacing[a] // SPACING[a]) for a in range(3)]
    sigma = [PSF_FWHM / 2.355 / s for s in grid.spacing]
    blurred = ndimage.gaussian_filter(uptake, sigma, mode="nearest", truncate=3)
    breath = rng.normal(0, 1.5)  # the lungs do not stand still during a PET
    for axis in range(3):
        shift = breath if axis == 0 else 0.0
        at = (low[axis] + SPACING[axis] * np.arange(number[axis]) + shift - grid.origin[axis]) / grid.spacing[axis]
        at = np.clip(at, 0, grid.shape[axis] - 1.001)
        first = at.astype(int)
        rest = (at - first).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        blurred = np.take(blurred, first, axis=axis) * (1 - rest) + np.take(blurred, first + 1, axis=axis) * rest
    counts = ndimage.gaussian_filter(rng.standard_normal(blurred.shape, dtype=np.float32), 0.55, mode="wrap")
    counts /= counts.std()
    level = rng.uniform(0.05, 0.11)
    suv = np.maximum(blurred + level * np.sqrt(blurred * 2 + 0.02) * counts, 0)
    return (np.rint(suv * 1024) / 1024).astype(np.float32), (low[0], low[1], low[2])
