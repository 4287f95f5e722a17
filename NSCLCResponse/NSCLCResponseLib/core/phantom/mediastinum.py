"""Heart, great vessels, airways outside the lungs, oesophagus, and the envelope between the lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Scene
from .frame import coverage, ellipsoid, noise, smooth_max, smooth_min, smoothstep, superellipse
from .tubes import tube, tubes_distance

# Atlas points: x (left), y (back), z (head), radius
TRACHEA = [(0, 8, 120, 9), (0, 14, 60, 9), (-2, 22, 6, 9.5), (-2, 23, 0, 9)]
MAIN_RIGHT = [(-4, 23, 0, 8), (-22, 22, -16, 7), (-36, 20, -24, 6)]
MAIN_LEFT = [(0, 23, 0, 7.5), (24, 25, -16, 6.5), (44, 24, -26, 6)]
LOBAR = {
    "right upper": [(-24, 22, -16, 5), (-42, 14, -8, 4), (-56, 8, 8, 2.8)],
    "right middle": [(-36, 20, -24, 5.5), (-46, 6, -42, 3.6), (-58, -16, -58, 2.6)],
    "right lower": [(-36, 20, -24, 5.5), (-46, 28, -48, 4.2), (-56, 38, -74, 2.8)],
    "left upper": [(44, 24, -26, 5), (54, 12, -18, 4), (62, 4, 2, 2.8)],
    "lingula": [(48, 20, -24, 4), (60, -6, -40, 3.2), (72, -24, -56, 2.4)],
    "left lower": [(44, 24, -26, 5), (52, 34, -48, 4.2), (62, 44, -74, 2.8)],
}
AORTA = [
    (4, -14, -46, 15), (-10, -26, -22, 16), (-15, -24, 8, 15.5), (-8, -12, 30, 14.5), (8, 6, 37, 13.5),
    (20, 26, 30, 13), (25, 40, 10, 12.5), (25, 46, -30, 12.5), (20, 45, -80, 12), (10, 42, -140, 11.5),
    (2, 40, -210, 11),
]  # fmt: skip
AORTIC_BRANCHES = [
    [(-6, -8, 36, 6.5), (-16, 0, 62, 6), (-26, 6, 100, 5.5), (-34, 8, 125, 4)],
    [(4, 2, 38, 4.5), (10, 8, 70, 4), (16, 12, 120, 4)],
    [(14, 14, 36, 5), (26, 20, 66, 5), (38, 16, 96, 5), (70, 0, 108, 4)],
]
VEINS = [
    [(-26, -16, 58, 9.5), (-28, -14, 20, 10), (-28, -10, -30, 10.5)],
    [(-26, -16, 58, 8), (-4, -24, 62, 7), (26, -14, 78, 7), (36, -2, 112, 7)],
    [(-26, -16, 58, 8), (-32, -6, 84, 7.5), (-36, -2, 116, 7.5)],
]
CAVA = [(-24, -2, -78, 12), (-24, 4, -100, 12), (-20, 16, -150, 12), (-18, 22, -210, 12)]
PULMONARY = [
    [
        (16, -42, -46, 14),
        (20, -28, -22, 13.5),
        (24, -6, -6, 12.5),
        (36, 12, -8, 10),
        (50, 22, -16, 8),
        (56, 28, -34, 6.5),
    ],
    [(20, -20, -16, 11.5), (2, -4, -17, 10.5), (-22, 2, -18, 10), (-42, 8, -22, 8), (-52, 18, -38, 6.5)],
]
PULMONARY_VEINS = [
    [(-10, 10, -46, 8), (-34, 2, -40, 7), (-52, -6, -28, 5)],
    [(-10, 16, -58, 8), (-34, 20, -60, 7), (-54, 24, -66, 5)],
    [(18, 10, -44, 8), (42, 2, -38, 6.5), (58, -4, -26, 5)],
    [(18, 18, -56, 8), (40, 28, -58, 6.5), (58, 32, -64, 5)],
]
OESOPHAGUS = [
    (4, 30, 120, 6),
    (5, 34, 60, 6.5),
    (8, 36, 10, 6.5),
    (6, 34, -50, 7),
    (12, 26, -100, 7.5),
    (26, 12, -132, 8),
]
SPINE_FRONT = {-210: 54, -140: 60, -80: 68, -20: 71, 30: 66, 70: 56, 110: 46}
HEART_AXIS = (0.66, -0.46, -0.59)


@dataclass
class Mediastinum:
    """Distances (mm, negative inside) that lungs, PET and tumours need."""

    envelope: np.ndarray
    lumen: np.ndarray
    wall: np.ndarray
    myocardium: np.ndarray
    blood: np.ndarray


def heart_coordinates(scene: Scene, centre: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coordinates along the heart's long axis and across it, from a centre in the atlas."""
    axis = np.array(HEART_AXIS) / np.linalg.norm(HEART_AXIS)
    across = np.cross(axis, [0, 0, 1])
    across /= np.linalg.norm(across)
    up = np.cross(across, axis)
    u, v, w = scene.frame.u - centre[0], scene.frame.v - centre[1], scene.frame.w - centre[2]
    return tuple(np.float32(d[0]) * u + np.float32(d[1]) * v + np.float32(d[2]) * w for d in (axis, across, up))


def _heart(scene: Scene, size: float) -> dict[str, np.ndarray]:
    def part(centre: tuple[float, float, float], *semi_axes: float) -> np.ndarray:
        along, across, up = heart_coordinates(scene, centre)
        return ellipsoid(along, across, up, [s * size for s in semi_axes])

    frame = scene.frame
    left_atrium = ellipsoid(frame.u - 2, frame.v - 10, frame.w + 50, (33 * size, 17 * size, 23 * size))
    right_atrium = ellipsoid(frame.u + 27, frame.v + 16, frame.w + 64, (21 * size, 26 * size, 31 * size))
    return {
        "pericardium": part((20, -27, -68), 66, 48, 45),
        "left ventricle": part((40, -24, -76), 38, 19, 20),
        "right ventricle": part((14, -54, -72), 40, 17, 28),
        "left atrium": left_atrium,
        "right atrium": right_atrium,
    }


def _envelope(scene: Scene, heart: dict[str, np.ndarray], tubes: list[np.ndarray]) -> np.ndarray:
    """Everything between the lungs, with smooth outlines: the union of the organs, filled with a little fat."""
    frame = scene.frame
    u, v, w = frame.u, frame.v, frame.w
    spine_front = frame.profile(SPINE_FRONT)
    spine = superellipse(u, v - spine_front - 18, np.float32(25), np.float32(30), 2.6)
    column = frame.profile({-60: 8, 0: 16, 20: 22, 45: 31, 110: 34})
    upper = superellipse(u, v - frame.profile({-60: 4, 0: 6, 40: 8, 110: 16}), column, column * 1.1, 2.5)
    upper = smooth_max(upper, -w - 45, 10)
    front = frame.profile({-130: -84, -60: -82, 0: -68, 40: -46, 70: -28})
    half = frame.profile({-130: 30, -60: 13, -20: 9, 20: 11, 60: 22})
    retrosternal = superellipse(u - 6, v - front, half, np.float32(26), 2.0)
    middle = superellipse(u - 6, v - 10, np.float32(11), np.float32(70), 2.2)  # pleural sheets never touch
    envelope = np.minimum(spine, middle)
    for shape in (upper, retrosternal, heart["pericardium"], heart["left atrium"], heart["right atrium"]):
        envelope = smooth_min(envelope, shape, 14)
    for shape in tubes:
        envelope = smooth_min(envelope, shape - 1.5, 9)
    return envelope


def paint_mediastinum(scene: Scene, rng: np.random.Generator) -> Mediastinum:
    """Paint all organs between the lungs; the lungs themselves come before, the bronchi in them after."""
    frame, grid, habitus = scene.frame, scene.grid, scene.habitus
    size = rng.uniform(0.94, 1.12)
    heart = _heart(scene, size)
    reach = 14.0
    aged = 1 + max(habitus.age - 50, 0) / 250

    def tubes(*paths: list[tuple[float, ...]], wide: float = 1.0) -> np.ndarray:
        return tubes_distance(grid, [tube(frame, [(*p[:3], p[3] * wide) for p in path]) for path in paths], reach)

    aorta, branches = tubes(AORTA, wide=aged), tubes(*AORTIC_BRANCHES)
    veins, cava = tubes(*VEINS), tubes(CAVA)
    pulmonary, returning = tubes(*PULMONARY), tubes(*PULMONARY_VEINS)
    lumen, oesophagus = tubes(TRACHEA, MAIN_RIGHT, MAIN_LEFT), tubes(OESOPHAGUS)
    envelope = _envelope(scene, heart, [aorta, branches, veins, cava, pulmonary, returning, lumen - 2.5, oesophagus])
    return _paint_organs(
        scene, rng, heart, envelope,
        {"aorta": aorta, "branches": branches, "veins": veins, "cava": cava, "pulmonary": pulmonary,
         "returning": returning, "lumen": lumen, "oesophagus": oesophagus},
    )  # fmt: skip


def _paint_organs(
    scene: Scene,
    rng: np.random.Generator,
    heart: dict[str, np.ndarray],
    envelope: np.ndarray,
    part: dict[str, np.ndarray],
) -> Mediastinum:
    grid, habitus = scene.grid, scene.habitus
    above = smooth_max(envelope, -scene.distance["below"], 2)
    soft = noise(grid, rng, 7.0)
    scene.shape(above, -92 + 14 * soft, "fat")
    nodes = smooth_max(envelope + 6, -(noise(grid, rng, 9.0) - 2.1) * 5, 1)  # small normal lymph nodes in the fat
    scene.shape(np.maximum(nodes, -scene.distance["below"]), habitus.muscle - 8, "soft tissue")
    cage = heart["pericardium"]
    scene.distance["left ventricle"] = heart["left ventricle"]
    muscle_hu = 45 + 1.3 * habitus.organ
    filled = smooth_min(heart["left ventricle"] - 10, heart["right ventricle"] - 3.5, 4)
    filled = smooth_min(filled, smooth_min(heart["left atrium"] - 2, heart["right atrium"] - 2, 4), 4)
    filled = np.maximum(filled, np.minimum(cage + 2, np.minimum(heart["left atrium"], heart["right atrium"]) - 2))
    scene.shape(np.abs(cage) - 0.8, 20.0, "soft tissue")  # the pericardium
    scene.shape(filled, muscle_hu, "heart muscle")
    for name, value in (
        ("right atrium", habitus.blood_right * 0.85 + habitus.blood_veins * 0.15),
        ("right ventricle", habitus.blood_right),
        ("left atrium", habitus.blood_left),
        ("left ventricle", habitus.blood_left),
    ):
        scene.shape(heart[name] + (1.0 if "ventricle" in name else 0.5), value, "blood")
    for name, value in (
        ("cava", habitus.blood_veins), ("veins", habitus.blood_right), ("pulmonary", habitus.blood_right),
        ("returning", habitus.blood_left), ("branches", habitus.blood_left), ("aorta", habitus.blood_left),
    ):  # fmt: skip
        scene.shape(part[name], 30.0 if habitus.organ else 40.0, "soft tissue")
        scene.shape(part[name] + 1.2, value, "blood")
    _calcify(scene, rng, part["aorta"], heart)
    oesophagus = part["oesophagus"]
    scene.shape(oesophagus, habitus.muscle - 5, "soft tissue")
    if rng.random() < 0.6:
        gas = np.maximum(oesophagus + 4.0, noise(grid, rng, 25.0) * 4 - 1)
        scene.shape(gas, -900.0, "airway")
    scene.shape(part["lumen"] - 2.0, 15.0, "soft tissue")
    scene.shape(part["lumen"], -990.0, "airway")
    blood = np.minimum.reduce([part[n] for n in ("aorta", "branches", "veins", "cava", "pulmonary")])
    return Mediastinum(envelope, part["lumen"], part["lumen"] - 2.0, filled, blood)


def _calcify(scene: Scene, rng: np.random.Generator, aorta: np.ndarray, heart: dict[str, np.ndarray]) -> None:
    """Plaques in the aortic wall and the coronary arteries of the elderly."""
    burden = max(0.0, (scene.habitus.age - 52) / 30) * rng.uniform(0, 1.5)
    if burden <= 0.05:
        return
    spots = noise(scene.grid, rng, 5.0)
    level = 2.6 - 0.7 * min(burden, 1.0)
    wall = np.abs(aorta + 0.8) - 1.0
    scene.fill(coverage(wall, scene.width) * smoothstep(spots, level, level + 0.4), 700.0, "bone")
    groove = np.abs(np.minimum(heart["left ventricle"], heart["right ventricle"]) - 12) - 1.5
    groove = np.maximum(groove, heart["pericardium"])
    scene.fill(coverage(groove, scene.width) * smoothstep(spots, level + 0.2, level + 0.6), 500.0, "bone")


def add_bronchi(scene: Scene) -> list[np.ndarray]:
    """Lobar bronchi as patient-space paths (x, y, z, radius)."""
    return [tube(scene.frame, path, 5.0) for path in LOBAR.values()]


def hilar_stems(scene: Scene) -> dict[str, list[np.ndarray]]:
    """Ends of the great pulmonary vessels and lobar bronchi, from which the trees in each lung grow."""
    frame = scene.frame
    stems = {
        "right arteries": [PULMONARY[1][-2:], *[LOBAR[n] for n in LOBAR if n.startswith("right")]],
        "left arteries": [PULMONARY[0][-2:], LOBAR["left upper"], LOBAR["lingula"], LOBAR["left lower"]],
        "right veins": PULMONARY_VEINS[:2],
        "left veins": PULMONARY_VEINS[2:],
    }
    return {name: [tube(frame, path, 5.0) for path in paths] for name, paths in stems.items()}


__all__ = ["Mediastinum", "add_bronchi", "hilar_stems", "paint_mediastinum"]
