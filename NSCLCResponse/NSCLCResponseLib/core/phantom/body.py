"""Body wall, abdomen and table: everything but bones, lungs and mediastinum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .frame import Box, Frame, Grid, coverage, ellipsoid, noise, paint, smooth_max, smooth_min, smoothstep, superellipse

#: tissue labels of :attr:`Scene.tissue`
TISSUES = {
    "air": 0, "fat": 1, "muscle": 2, "bone": 3, "lung": 4, "airway": 5, "blood": 6, "heart muscle": 7,
    "soft tissue": 8, "liver": 9, "spleen": 10, "bowel": 11, "vessel in lung": 12, "tumour": 13, "table": 14,
    "marrow": 15,
}  # fmt: skip

CAVITY_WIDTH = {-200: 124, -150: 126, -100: 126, -50: 121, 0: 110, 40: 95, 65: 80, 85: 66, 110: 52}
CAVITY_DEPTH = {-200: 90, -150: 94, -100: 95, -50: 93, 0: 84, 40: 68, 65: 54, 85: 44, 110: 36}
CAVITY_CENTRE = {-200: -4, -100: -4, -50: -2, 0: 3, 40: 13, 65: 20, 85: 25, 110: 30}
CORE_WIDTH = {-200: 142, -100: 144, -50: 142, 0: 150, 40: 163, 70: 170, 95: 172, 110: 165}
CORE_DEPTH = {-200: 106, -100: 109, -50: 107, 0: 100, 40: 88, 70: 76, 95: 66, 110: 58}
CORE_CENTRE = {-200: 2, -100: 2, -50: 3, 0: 8, 40: 18, 70: 30, 95: 40, 110: 46}
TAPER = {-200: 0.0, -60: 0.02, 0: 0.1, 40: 0.16, 90: 0.1, 110: 0.06}


@dataclass(frozen=True)
class Habitus:
    """How this patient is built and what the injection did.

    Lengths in mm, attenuations in HU.
    """

    fat: float
    muscle: float
    dome_right: float
    dome_left: float
    blood_right: float
    blood_left: float
    blood_veins: float
    organ: float
    liver: float
    spleen: float
    age: float
    is_male: bool

    @staticmethod
    def draw(rng: np.random.Generator, age: float, is_male: bool, phase: str) -> Habitus:
        """A random build; ``phase`` is ``none``, ``arterial`` or ``venous``."""
        right, left, veins, organ = {
            "none": (42.0, 42.0, 42.0, 0.0),
            "arterial": (rng.uniform(260, 380), rng.uniform(230, 330), rng.uniform(60, 110), 18.0),
            "venous": (rng.uniform(130, 175), rng.uniform(135, 180), rng.uniform(125, 170), 45.0),
        }[phase]
        dome = rng.normal(-92, 9)
        return Habitus(
            fat=float(np.clip(rng.lognormal(np.log(13), 0.4), 5, 32)),
            muscle=rng.uniform(46, 60) + organ * 0.15,
            dome_right=dome,
            dome_left=dome - rng.uniform(6, 18),
            blood_right=right,
            blood_left=left,
            blood_veins=veins,
            organ=organ,
            liver=rng.uniform(48, 64) + organ,
            spleen=rng.uniform(44, 52) + organ * 1.25,
            age=age,
            is_male=is_male,
        )


@dataclass
class Scene:
    """The patient while being painted: attenuation, tissues, and the distances that later organs need."""

    grid: Grid
    frame: Frame
    habitus: Habitus
    hu: np.ndarray
    tissue: np.ndarray
    distance: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def width(self) -> float:
        """Width of the partial-volume ramp in mm: the in-plane voxel size."""
        return float(self.grid.spacing[2])

    def crop(self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float]) -> tuple[Scene, Box]:
        """A part of the scene to paint in, given by ranges in the atlas, and where it lies; all arrays are views."""
        scale = self.frame.scale
        low, high = (np.array([x[i], y[i], z[i]]) * scale for i in (0, 1))
        box = self.grid.box(low - 5, high + 5)  # more than the bends
        distance = {name: array[box] for name, array in self.distance.items()}
        part = Scene(self.grid.crop(box), self.frame.crop(box), self.habitus, self.hu[box], self.tissue[box], distance)
        return part, box

    def fill(self, share: np.ndarray, value: np.ndarray | float, tissue: str) -> None:
        """Paint attenuation by share and label the voxels that are filled at least by half."""
        paint(self.hu, share, value)
        self.tissue[share > 0.5] = TISSUES[tissue]

    def shape(self, distance: np.ndarray, value: np.ndarray | float, tissue: str) -> None:
        """Paint a shape given by its distance."""
        self.fill(coverage(distance, self.width), value, tissue)


def diaphragm_height(scene: Scene) -> np.ndarray:
    """Atlas height of the diaphragm above each column, shape (nz, ny, nx): two domes joined under the heart."""
    u, v, habitus = scene.frame.u, scene.frame.v, scene.habitus
    sheets = []
    for centre, top in ((-60.0, habitus.dome_right), (62.0, habitus.dome_left)):
        squared = ((u - centre) / 66) ** 2 + ((v + 14) / 84) ** 2
        sheets.append(top - 48 * squared**1.3 - 8 * smoothstep(v, 20, 70) * squared)
    return -smooth_min(-sheets[0], -sheets[1], 14.0)


def outer_distances(scene: Scene) -> None:
    """Distances to the skin, the muscles' outer side, the chest cavity and the diaphragm."""
    frame, habitus = scene.frame, scene.habitus
    u, v = frame.u, frame.v
    depth, centre = frame.profile(CORE_DEPTH), frame.profile(CORE_CENTRE)
    y = v - centre
    widen = 1 + frame.profile(TAPER) * np.clip(y / depth, -1, 1)
    core = superellipse(u, y, frame.profile(CORE_WIDTH) * widen, depth, 2.2)
    core = smooth_max(core, v - 108, 18)  # the back lies flat
    belly = habitus.fat * (0.75 + 0.5 * smoothstep(-y, 10, 90) * smoothstep(-frame.w, 0, 120))
    skin = core - belly * (1 - 0.45 * smoothstep(v, 60, 105))
    if not habitus.is_male:
        skin = _with_breasts(scene, skin)
    scene.distance["skin"] = smooth_max(skin, v - (110 + habitus.fat * 0.6), 10)
    scene.distance["core"] = core
    cavity_y = v - frame.profile(CAVITY_CENTRE)
    scene.distance["cavity"] = superellipse(u, cavity_y, frame.profile(CAVITY_WIDTH), frame.profile(CAVITY_DEPTH), 2.15)
    scene.distance["diaphragm"] = diaphragm_height(scene) - frame.w  # positive below


def _with_breasts(scene: Scene, skin: np.ndarray) -> np.ndarray:
    size = 0.8 + scene.habitus.fat / 40
    for side in (-1, 1):
        part = ellipsoid(
            scene.frame.u - side * 82, scene.frame.v + 70, scene.frame.w + 42, (50 * size, 32 * size, 50 * size)
        )
        skin = smooth_min(skin, part, 35)
    return skin


def paint_wall(scene: Scene, rng: np.random.Generator) -> None:
    """Skin, fat and the muscles of the chest wall; the inside of the cavity is filled with fat for now."""
    distance, frame = scene.distance, scene.frame
    skin, core, cavity = distance["skin"], distance["core"], distance["cavity"]
    grain = noise(scene.grid, rng, 9.0)
    scene.shape(skin, -5.0, "fat")  # skin
    scene.shape(skin + 2.0, -104 + 5 * grain, "fat")
    y = frame.v - frame.profile(CORE_CENTRE)
    high = smoothstep(frame.w, -50, 30)
    front, side = smoothstep(-y, 25, 60), smoothstep(np.abs(frame.u), 70, 110)
    outer = 5.5 + high * (8 + 9 * front) + 3 * side * (1 - front) * smoothstep(frame.w, -110, -20)
    planes = noise(scene.grid, rng, 22.0)
    is_outer = smooth_max(core + 1.2 * planes, -(core + outer + 3 * planes), 3)
    is_inner = smooth_max(cavity - 9.5 - planes, -(cavity - 0.5), 2)
    scapular = _scapular_muscles(scene, planes)
    erector = _erector_muscles(scene)
    muscle = np.minimum(np.minimum(is_outer, is_inner), np.minimum(scapular, erector))
    muscle = np.maximum(muscle, core + 0.5)
    streaks = smoothstep(noise(scene.grid, rng, 5.0), 1.5, 2.6)  # fat between the fibres
    tone = scene.habitus.muscle + 3 * grain - 70 * streaks
    scene.shape(muscle, tone, "muscle")


def _scapular_muscles(scene: Scene, planes: np.ndarray) -> np.ndarray:
    """Muscles before and behind the shoulder blades: a thick shell over the back and side of the cavity."""
    frame = scene.frame
    off, along = blade_coordinates(scene)
    before, behind = 11 + 2 * planes, 13 + 2 * planes
    shell = np.where(off < 0, -off - before, off - behind)
    shell = smooth_max(shell, -along - 4, 8)
    shell = smooth_max(shell, along - frame.profile({-60: 70, 0: 92, 60: 100, 110: 96}), 10)
    shell = smooth_max(shell, -62 - frame.w, 20)
    gap = scene.distance["cavity"] - 13  # the fat plane before the blade's muscles
    return np.maximum(shell, 1.5 - gap)


def blade_coordinates(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """For every voxel: how far behind the plane of its shoulder blade, and how far along it from the medial border."""
    frame = scene.frame
    x0 = frame.profile({-60: 92, -30: 82, 20: 70, 60: 68, 110: 78})
    y0 = frame.profile({-60: 84, -30: 92, 20: 94, 60: 90, 110: 84})
    angle = np.deg2rad(frame.profile({-60: 52, 0: 46, 60: 38, 110: 30}))
    u, v = np.abs(frame.u) - x0, frame.v - y0
    along = u * np.cos(angle) - v * np.sin(angle)
    off = u * np.sin(angle) + v * np.cos(angle)
    return off - 5 * np.sin(np.clip(along / 70, 0, 1) * np.float32(np.pi)), along


def _erector_muscles(scene: Scene) -> np.ndarray:
    frame = scene.frame
    bulk = frame.profile({-200: 1.15, -100: 1.0, 0: 0.8, 70: 0.85, 110: 1.0})
    back = frame.profile({-200: 84, -100: 86, 0: 90, 60: 86, 110: 82})
    return superellipse(np.abs(frame.u) - 27, frame.v - back, 26 * bulk, 17 * bulk, 2.3)


def paint_abdomen(scene: Scene, rng: np.random.Generator) -> None:
    """Liver, stomach with its gas, spleen, kidneys and colon below the diaphragm."""
    scene, _ = scene.crop((-150, 150), (-120, 120), (-400, -40))
    frame, habitus, grid = scene.frame, scene.habitus, scene.grid
    u, v, w = frame.u, frame.v, frame.w
    below = np.maximum(scene.distance["cavity"] + 2.5, 3.0 - scene.distance["diaphragm"])
    scene.shape(below - 2.5, habitus.muscle, "muscle")  # the diaphragm itself
    scene.shape(below, -100 + 6 * noise(grid, rng, 8.0), "fat")
    wobble = 5 * noise(grid, rng, 30.0)
    _paint_bowel(scene, rng, below)
    # stomach and spleen lie to the left, the liver's edge runs from the right back to the left front
    stomach = ellipsoid(u - 58, v + 22, w - (habitus.dome_left - 36), (40, 44, 44)) + 2 * wobble
    stomach = np.maximum(stomach, below + 1.5)
    scene.shape(stomach, 44 + 0.4 * habitus.organ, "bowel")
    level = -38 - rng.uniform(0, 14)
    lumen = stomach + 4
    scene.shape(lumen, rng.uniform(12, 45), "bowel")
    scene.shape(smooth_max(lumen, v - level, 2), -980.0, "bowel")
    spleen = ellipsoid(u - 98, v - 42, w - (habitus.dome_left - 52), (30, 44, 46)) + wobble
    spleen = np.maximum(np.maximum(spleen, below + 1.0), 2 - stomach)
    scene.shape(spleen, habitus.spleen + 3 * noise(grid, rng, 6.0), "spleen")
    reach = frame.profile({-210: 40, -170: 62, -130: 98, -90: 118})
    liver = superellipse(u + 68, v + 14 + 0.2 * (u + 68), reach, np.float32(92), 2.2) + 1.5 * wobble
    liver = smooth_max(smooth_max(below + 1.0, liver, 10), 1.5 - stomach, 6)
    liver = smooth_max(liver, superellipse_gap(u, v), 8)
    # two smooth fields that are both near zero meet in winding lines: the liver's veins
    lines = np.hypot(noise(grid, rng, 26.0), noise(grid, rng, 26.0))
    veins = (1 - smoothstep(lines, 0.10, 0.24)) * float(np.clip(habitus.blood_veins - habitus.liver, -14, 40))
    scene.shape(liver, habitus.liver + 3 * noise(grid, rng, 7.0) + veins, "liver")
    for side in (-1, 1):
        kidney = ellipsoid(u - side * 62, v - 48, w + 178, (27, 24, 48)) + 0.5 * wobble
        kidney = np.maximum(np.maximum(kidney, below + 3), np.maximum(2 - liver, 2 - spleen))
        scene.shape(kidney, 32 + 1.9 * habitus.organ, "soft tissue")


def _paint_bowel(scene: Scene, rng: np.random.Generator, below: np.ndarray) -> None:
    """Loops of bowel in the abdominal fat, some with gas where they lie in front."""
    frame, grid = scene.frame, scene.grid
    loops = noise(grid, rng, 15.0) * 9 - 4.5 - 6 * smoothstep(-frame.w, 150, 120)
    loops = smooth_max(-loops, below + 5, 4)
    loops = np.maximum(loops, frame.v - 30)
    scene.shape(loops, 40 + 0.5 * scene.habitus.organ, "bowel")
    gas = np.maximum(loops + 5, frame.v + 38)
    scene.shape(np.maximum(gas, 3 - 5 * noise(grid, rng, 25.0)), -930.0, "bowel")


def superellipse_gap(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Keeps the liver off the spine and the great vessels before it; positive there."""
    return 33 - np.sqrt(u**2 + (np.minimum(v - 38, 0)) ** 2 + (np.maximum(v - 38, 0) * 0.3) ** 2)


def paint_table(scene: Scene, rng: np.random.Generator) -> None:
    """A curved carbon table under a thin mattress, outside the body."""
    z, y, x = scene.grid.axes()
    skin_back = (112 + scene.habitus.fat * 0.6) * scene.frame.scale[1]
    top = skin_back + 9 + 0.00035 * rng.uniform(0.2, 1.0) * (200**2 - x**2)
    half = rng.uniform(180, 215)
    outside = 1 - coverage(scene.distance["skin"], scene.width)
    within = coverage(np.abs(x) - half, 3.0)
    mattress = coverage(np.abs(y - top + 6) - 5, scene.width) * within * outside
    paint(scene.hu, mattress * np.ones_like(z), -940.0)
    for offset, value in ((0.0, -250.0), (24.0, -420.0)):
        plate = coverage(np.abs(y - top - offset) - 1.2, scene.width) * within * outside
        paint(scene.hu, plate * np.ones_like(z), value)
    inside = coverage(np.abs(y - top - 12) - 10.5, scene.width) * within * outside
    paint(scene.hu, inside * np.ones_like(z), -920.0)
