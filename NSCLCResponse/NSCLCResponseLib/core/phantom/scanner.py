"""The CT scanner: blur of kernel and slice, correlated noise that grows with the body, and Hounsfield integers."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from .frame import Grid

CENTRES = {  # usual protocol of each simulated centre: noise (HU), slice thicknesses (mm), chance of a sharp kernel
    "Sim-North": (11.0, (1.5, 3.0), 0.25, ("venous", "venous", "arterial")),
    "Sim-East": (15.0, (3.0, 3.0, 5.0), 0.45, ("venous", "none")),
    "Sim-South": (9.0, (1.5, 3.0, 3.0), 0.15, ("venous", "venous", "none", "arterial")),
}


@dataclass(frozen=True)
class Scanner:
    """How one patient's CT was made."""

    center: str
    kernel: str  # "smooth" or "sharp"
    slice_thickness_mm: float
    noise_hu: float
    contrast_phase: str  # "none", "arterial", "venous"

    @staticmethod
    def draw(rng: np.random.Generator) -> Scanner:
        """A random examination in a random centre."""
        center = str(rng.choice(list(CENTRES), p=[0.45, 0.3, 0.25]))
        level, slices, sharp, phases = CENTRES[center]
        kernel = "sharp" if rng.random() < sharp else "smooth"
        level *= rng.lognormal(0, 0.18) * (1.7 if kernel == "sharp" else 1.0)
        return Scanner(center, kernel, float(rng.choice(slices)), round(float(level), 1), str(rng.choice(phases)))

    def on(self, grid: Grid) -> Scanner:
        """The same examination reconstructed on this grid: smaller voxels hold fewer photons."""
        smaller = (2.5 * 2.5 * 3.0 / float(np.prod(grid.spacing))) ** 0.2
        return replace(self, noise_hu=round(self.noise_hu * smaller, 1))

    def facts(self) -> dict[str, Any]:
        """As a table row."""
        return asdict(self)


def blur(hu: np.ndarray, scanner: Scanner, grid: Grid) -> np.ndarray:
    """What the kernel and the slice thickness leave of the edges; the grid's own voxels already average."""
    from scipy import ndimage

    in_plane = (1.0 if scanner.kernel == "sharp" else 1.9) / 2.355
    across = max(scanner.slice_thickness_mm**2 - grid.spacing[0] ** 2, 0.3) ** 0.5 / 12**0.5
    sigma = [across / grid.spacing[0], in_plane / grid.spacing[1], in_plane / grid.spacing[2]]
    return ndimage.gaussian_filter(hu, sigma, mode="nearest", truncate=3)


def add_noise(hu: np.ndarray, inside: np.ndarray, scanner: Scanner, grid: Grid, rng: np.random.Generator) -> None:
    """Add noise with the kernel's texture, in place.

    Its standard deviation in soft tissue is ``scanner.noise_hu``; more where the body is wide and in the middle of it.

    :param inside: 1 in the body, 0 outside.
    """
    from scipy import ndimage

    field = rng.standard_normal(grid.shape, dtype=np.float32)
    grain = 1.0 if scanner.kernel == "sharp" else 1.8
    sigma = [0.35, grain / 2 / grid.spacing[1], grain / 2 / grid.spacing[2]]
    smooth = ndimage.gaussian_filter(field, sigma, mode="wrap", truncate=3)
    if scanner.kernel == "sharp":  # an edge-enhancing kernel takes the low frequencies out
        smooth -= 0.7 * ndimage.gaussian_filter(smooth, [0, 3.0 / grid.spacing[1], 3.0 / grid.spacing[2]], mode="wrap")
    smooth /= smooth[:: max(1, grid.shape[0] // 24)].std()
    area = inside.sum(axis=(1, 2)) * grid.spacing[1] * grid.spacing[2]
    wide = np.sqrt(np.clip(area / 70000.0, 0.5, 1.8)).astype(np.float32)[:, None, None]
    coarse = [1.0, max(1.0, 20 / grid.spacing[1]), max(1.0, 20 / grid.spacing[2])]
    depth = ndimage.uniform_filter(inside.astype(np.float32), [1, round(coarse[1] * 4), round(coarse[2] * 4)])
    hu += smooth * (scanner.noise_hu * wide * (0.45 + 0.6 * depth))


def to_hounsfield(hu: np.ndarray) -> np.ndarray:
    """Rounded to 16-bit integers, as a scanner stores them; −1024 is the lowest."""
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)
