"""The tumour: where it sits, its shape, what it is made of, and the three traits that can carry the signal."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .body import TISSUES, Scene
from .frame import Box, Grid, coverage, ellipsoid, noise, paint, smooth_max
from .mediastinum import Mediastinum
from .tubes import thin_tubes_share

KINDS = ("isolated", "spiculated", "pleural", "mediastinal", "necrotic", "ground-glass")
_SHARES = (0.28, 0.22, 0.16, 0.16, 0.11, 0.07)
SPATIAL_WEIGHT = 0.75
PLAIN_HU = 40.0  #: spread of the inner pattern where no histogram trait sets it: well above a scanner's noise


@dataclass(frozen=True)
class TumourPlan:
    """What is drawn before any voxel is painted; nothing here depends on the latent variable but the three traits.

    :param traits: standard normal value that each trait shows; one that is switched off is not among them, and then
        this tumour has nothing of it: the spread and the uptake of the average, one correlation length, no patches.
    """

    kind: str
    volume_ml: float
    has_cavity: bool
    nodes: int
    suv_nuisance: float
    hu_nuisance: float
    traits: dict[str, float]

    @staticmethod
    def draw(rng: np.random.Generator, traits: dict[str, float]) -> TumourPlan:
        """A random tumour of 1 to 200 mL."""
        kind = str(rng.choice(KINDS, p=_SHARES))
        middle = {"ground-glass": 12.0, "spiculated": 16.0, "isolated": 16.0, "pleural": 25.0}.get(kind, 45.0)
        volume = float(np.clip(rng.lognormal(np.log(middle), 0.85), 1.5, 190.0))
        cavity = kind in ("isolated", "spiculated", "necrotic") and volume > 8 and rng.random() < 0.12
        nodes = int(rng.choice([0, 1, 2, 3], p=[0.62, 0.18, 0.12, 0.08]))
        return TumourPlan(kind, volume, bool(cavity), nodes, *(float(n) for n in rng.standard_normal(2)), traits)

    @property
    def radius(self) -> float:
        """Of the sphere with the same volume, mm."""
        return float((3000 * self.volume_ml / (4 * np.pi)) ** (1 / 3))


@dataclass
class Tumour:
    """The painted tumour, in a box of the grid."""

    plan: TumourPlan
    box: Box
    distance: np.ndarray  # mm, negative inside, shape of the box
    solid: np.ndarray  # 0 to 1: what is vital solid tumour
    scores: np.ndarray  # the inner pattern, standard normal in distribution
    signal: np.ndarray  # bool: where the spatial trait sits
    centre: tuple[float, float, float]  # (x, y, z) patient mm
    nodes: list[tuple[Box, np.ndarray]] = field(default_factory=list)
    necrosis: np.ndarray | None = None


def choose_centre(
    scene: Scene, parts: Mediastinum, plan: TumourPlan, rng: np.random.Generator
) -> tuple[float, float, float]:
    """A place in patient mm (x, y, z) that suits the kind of tumour."""
    grid, radius = scene.grid, plan.radius
    step = tuple(max(1, round(4 / s)) for s in grid.spacing)
    take = tuple(slice(None, None, k) for k in step)
    lung, cavity = scene.distance["lung"][take], scene.distance["cavity"][take]
    envelope, dome = parts.envelope[take], scene.distance["diaphragm"][take]
    height = np.broadcast_to(scene.frame.w, scene.grid.shape)[take]
    if plan.kind == "pleural":
        fit = np.abs(cavity + 0.55 * radius) + 1.5 * np.maximum(0.9 * radius - envelope, 0)
    elif plan.kind == "mediastinal":
        fit = np.abs(envelope - 0.45 * radius) + 0.25 * np.abs(height + 22) + np.maximum(0.7 * radius + cavity, 0)
    else:
        fit = np.maximum(lung + radius + 2, 0)
    fit = fit + 2.0 * np.maximum(dome + 0.8 * radius, 0) + 1e3 * (lung > -1)
    lowest, highest = height.min() + radius + 6, height.max() - radius - 6
    fit = fit + 3.0 * (np.maximum(lowest - height, 0) + np.maximum(height - highest, 0))
    good = np.argwhere(fit <= fit.min() + 5.0)
    chosen = good[rng.integers(len(good))]
    z, y, x = (grid.axis(a)[chosen[a] * step[a]] for a in range(3))
    return float(x), float(y), float(z)


def _local(grid: Grid, box: Box, centre: tuple[float, float, float]) -> list[np.ndarray]:
    """Coordinates (x, y, z) relative to a centre, broadcastable over the box."""
    z, y, x = (grid.axis(a)[box[a]] - centre[2 - a] for a in range(3))
    return [x[None, None, :], y[None, :, None], z[:, None, None]]


def _rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    return q * np.sign(np.diag(r))


def shape_distance(
    scene: Scene, parts: Mediastinum, plan: TumourPlan, centre: tuple[float, float, float], rng: np.random.Generator
) -> tuple[Box, np.ndarray]:
    """The tumour's outline in a box: a lobulated ellipsoid that stops at what it cannot pass, of the planned volume."""
    grid, radius = scene.grid, plan.radius
    margin = radius * 2.1 + 14
    box = grid.box(np.array(centre) - margin, np.array(centre) + margin)
    local = _local(grid, box, centre)
    turn = _rotation(rng)
    turned = [sum(np.float32(turn[i, j]) * local[j] for j in range(3)) for i in range(3)]
    ratios = np.exp(rng.normal(0, 0.17, 3))
    ratios /= np.prod(ratios) ** (1 / 3)
    shape = tuple(s.stop - s.start for s in box)
    away = ellipsoid(*turned, radius * ratios)
    rough = rng.uniform(0.08, 0.24)
    away = away + rough * radius * noise(grid, rng, max(0.7 * radius, 4.0), shape)
    away += 0.45 * rough * radius * noise(grid, rng, max(0.3 * radius, 3.0), shape)
    blocks = [scene.distance["cavity"][box] - (4.0 if plan.kind == "pleural" else -1.5)]
    blocks.append(scene.distance["diaphragm"][box] + 1.0)
    blocks.append(-(parts.envelope[box] + (9.0 if plan.kind == "mediastinal" else -1.0)))
    blocks += [-parts.blood[box] + 0.5, -parts.wall[box] + 0.5, -(parts.myocardium[box] - 2.0)]
    block = np.maximum.reduce(blocks)
    low, high = -radius, 2.0 * radius
    voxel = np.prod(grid.spacing) / 1000
    for _ in range(14):  # the size that gives the volume after everything that cuts it
        middle = (low + high) / 2
        volume = coverage(smooth_max(away - middle, block, 3), scene.width).sum() * voxel
        low, high = (middle, high) if volume < plan.volume_ml else (low, middle)
    return box, smooth_max(away - low, block, 3)


def inner_pattern(
    grid: Grid, interior: np.ndarray, plan: TumourPlan, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Inner pattern with normal scores, and where its spatial part sits.

    The texture trait sets the correlation length. The spatial trait turns a pair of a dense and a faint patch: dense
    in front when it is high, behind when it is low, to either side in between. Their contrast and size are the same
    for all patients, so histogram, texture and shape know nothing of it. Mirroring a patch front to back while training
    destroys the trait; mirroring left to right does not.

    :param interior: bool (z, y, x), the vital solid tumour.
    :returns: scores (z, y, x), whose sorted values inside are the same for every patient with as many voxels, and the
        bool mask of the two patches.
    """
    from scipy.special import ndtr, ndtri

    shape = interior.shape
    length = 5.0 * np.exp(0.55 * np.clip(plan.traits.get("texture", 0.0), -2.2, 2.2))
    texture = noise(grid, rng, length, shape)
    z, y, x = np.nonzero(interior)
    middle = [c.mean() for c in (x, y, z)]
    spread = [max(c.std() * np.sqrt(5), 1.0) for c in (x, y, z)]
    axes = [np.arange(n) for n in shape[::-1]]
    px, py, pz = ((a - m) / s for a, m, s in zip(axes, middle, spread, strict=True))
    px, py, pz = px[None, None, :], py[None, :, None], pz[:, None, None]
    weight = SPATIAL_WEIGHT if "spatial" in plan.traits else 0.0
    to_front = float(np.clip(2 * ndtr(plan.traits.get("spatial", 0.0)) - 1, -1, 1))
    to_side = float(np.sqrt(1 - to_front**2)) * rng.choice([-1, 1])
    dx, dy = 0.55 * to_side, -0.55 * to_front

    def patch(sign: float) -> np.ndarray:
        return np.exp(-((px - sign * dx) ** 2 + (py - sign * dy) ** 2 + pz**2) / (2 * 0.34**2))

    pattern = (patch(1) - patch(-1)).astype(np.float32)
    inner = interior if interior.sum() > 20 else np.ones_like(interior)
    texture = (texture - texture[inner].mean()) / (texture[inner].std() + 1e-6)
    mixed = np.sqrt(1 - weight**2) * texture + weight * pattern / (pattern[inner].std() + 1e-6)
    ordered = np.sort(mixed[inner])
    ranks = (np.arange(len(ordered)) + 0.5) / len(ordered)
    signal = (np.abs(pattern) > 0.5) & interior & (weight > 0)
    return np.interp(mixed, ordered, ndtri(ranks)).astype(np.float32), signal


def build_tumour(scene: Scene, parts: Mediastinum, plan: TumourPlan, rng: np.random.Generator) -> Tumour:
    """Paint the tumour without its inner pattern, which :func:`add_pattern` adds after the scanner's blur."""
    grid = scene.grid
    centre = choose_centre(scene, parts, plan, rng)
    box, away = shape_distance(scene, parts, plan, centre, rng)
    radius = plan.radius
    share = coverage(away, scene.width)
    solid_depth = away + (0.18 * radius + 1.2 if plan.kind == "ground-glass" else 0.0)
    solid = coverage(solid_depth, scene.width)
    hu = scene.hu[box]
    if plan.kind == "ground-glass":
        paint(hu, share, -560 + 60 * noise(grid, rng, 6.0, away.shape))
    tumour_hu = tumour_level(scene, plan)
    paint(hu, solid, tumour_hu)
    vital = solid.copy()
    necrosis = None
    if plan.kind == "necrotic":
        ragged = away + (0.40 + 0.08 * noise(grid, rng, 0.4 * radius, away.shape)) * radius
        necrosis = coverage(ragged, 3.0)
        paint(hu, necrosis, 14.0)
        vital *= 1 - 0.8 * necrosis
    if plan.has_cavity:
        hole = away + (0.5 + 0.12 * noise(grid, rng, 0.4 * radius, away.shape)) * radius
        air = coverage(hole, scene.width)
        paint(hu, air, -950.0)
        vital *= 1 - air
    scores, signal = inner_pattern(grid, (solid_depth < 0) & (vital > 0.5), plan, rng)
    labels = scene.tissue[box]
    labels[share >= 0.5] = TISSUES["tumour"]
    found = Tumour(plan, box, away, vital, scores, signal, centre, necrosis=necrosis)
    if plan.kind in ("spiculated", "ground-glass") or rng.random() < 0.2:
        _spiculate(scene, found, rng, 10 + int(rng.integers(18)) if plan.kind == "spiculated" else 5)
    _tail(scene, found, rng)
    found.nodes = _lymph_nodes(scene, parts, plan, rng)
    return found


def tumour_level(scene: Scene, plan: TumourPlan) -> float:
    """Mean attenuation of vital tumour: this examination's enhancement, chance, a little of the histogram trait."""
    enhancement = 12.0 + 0.4 * scene.habitus.organ if scene.habitus.organ else 0.0
    return 34.0 + enhancement + 5.0 * plan.hu_nuisance + 4.0 * plan.traits.get("histogram", 0.0)


def add_pattern(hu: np.ndarray, tumour: Tumour, mean_free: float = 1.0) -> None:
    """Add the inner pattern to the blurred CT, in place: its standard deviation carries the histogram trait."""
    trait = tumour.plan.traits.get("histogram")
    deviation = PLAIN_HU if trait is None else 25.0 * np.exp(0.46 * np.clip(trait, -2.4, 2.4))
    hu[tumour.box] += tumour.solid * tumour.scores * np.float32(deviation * mean_free)


def _spiculate(scene: Scene, tumour: Tumour, rng: np.random.Generator, number: int) -> None:
    """Thin strands from the surface into the lung; they are not part of the outline."""
    radius = tumour.plan.radius
    paths = []
    for _ in range(number):
        way = rng.standard_normal(3)
        way /= np.linalg.norm(way)
        long = radius + rng.uniform(3, 6 + 0.7 * radius)
        bend = rng.normal(0, 0.12 * radius, 3)
        t = np.linspace(0.7 * radius / long, 1, 6)[:, None]
        points = np.array(tumour.centre) + way * t * long + bend * t**2
        thick = np.linspace(rng.uniform(1.2, 2.4), 0.3, 6)
        paths.append(np.column_stack([points, thick]))
    share = thin_tubes_share(scene.grid, paths, scene.width) * coverage(scene.distance["lung"] + 1, scene.width)
    paint(scene.hu, share * (scene.tissue != TISSUES["tumour"]), 10.0)


def _tail(scene: Scene, tumour: Tumour, rng: np.random.Generator) -> None:
    """A strand to the pleura when it is near."""
    x, y, _ = tumour.centre
    outward = np.array([x, y, 0.3 * rng.normal()]) / (np.hypot(x, y) + 1e-3)
    steps = np.arange(tumour.plan.radius * 0.6, tumour.plan.radius + 26, 1.5)
    points = np.array(tumour.centre) + outward * steps[:, None]
    depth = np.array([scene.distance["cavity"][scene.grid.index(p)] for p in points])
    reached = np.nonzero(depth > -2)[0]
    if len(reached) == 0 or reached[0] < 3:
        return
    points = points[: reached[0] + 1]
    thick = 0.7 + 1.6 * np.abs(np.linspace(-1, 1, len(points))) ** 3
    share = thin_tubes_share(scene.grid, [np.column_stack([points, thick])], scene.width)
    paint(scene.hu, share * (scene.tissue != TISSUES["tumour"]), 20.0)


_STATIONS = ((-20, 6, 16), (-2, 30, -24), (-44, 20, -26), (46, 24, -28), (-22, 0, 34), (14, 4, 10))


def _lymph_nodes(
    scene: Scene, parts: Mediastinum, plan: TumourPlan, rng: np.random.Generator
) -> list[tuple[Box, np.ndarray]]:
    """Enlarged hilar and mediastinal nodes: share of each voxel, with its box; not part of the outline."""
    found = []
    for station in rng.permutation(len(_STATIONS))[: plan.nodes]:
        place = scene.frame.to_patient([_STATIONS[station]])[0]
        size = rng.uniform(5, 10) * np.exp(rng.normal(0, 0.15, 3))
        box = scene.grid.box(place - 20, place + 20)
        away = ellipsoid(*_local(scene.grid, box, tuple(place)), size)
        away = np.maximum.reduce([away, -parts.blood[box] + 0.3, -parts.wall[box] + 0.3])
        share = coverage(away, scene.width) * (scene.tissue[box] != TISSUES["tumour"])
        paint(scene.hu[box], share, tumour_level(scene, plan) + 2)
        found.append((box, share))
    return found


def tumour_mask(grid: Grid, tumour: Tumour) -> np.ndarray:
    """The outline a radiologist would draw, uint8 (z, y, x): one piece, without holes."""
    from scipy import ndimage

    inside = tumour.distance < 0
    pieces, number = ndimage.label(inside)
    if number > 1:
        inside = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    mask = np.zeros(grid.shape, dtype=np.uint8)
    mask[tumour.box] = ndimage.binary_fill_holes(inside)
    return mask


__all__ = ["KINDS", "Tumour", "TumourPlan", "add_pattern", "build_tumour", "inner_pattern", "tumour_mask"]
