"""Heart, great vessels, airways outside the lungs, oesophagus, and the envelope between the lungs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .body import Scene
from .frame import FAR, coverage, ellipsoid, noise, smooth_max, smooth_min, smoothstep, superellipse
from .tubes import tube, tubes_distance

# Atlas points: x (left), y (back), z (head), radius
TRACHEA = [(0, -2, 120, 9), (0, 2, 60, 9), (-2, 10, 6, 9.5), (-2, 11, 0, 9)]
MAIN_RIGHT = [(-4, 11, 0, 8), (-22, 11, -16, 7), (-36, 10, -24, 6)]
MAIN_LEFT = [(0, 11, 0, 7.5), (24, 13, -16, 6.5), (44, 13, -26, 6)]
LOBAR = {
    "right upper": [(-24, 11, -16, 5), (-42, 6, -8, 4), (-56, 0, 8, 2.8)],
    "right middle": [(-36, 10, -24, 5.5), (-46, -4, -42, 3.6), (-58, -24, -58, 2.6)],
    "right lower": [(-36, 10, -24, 5.5), (-46, 20, -48, 4.2), (-56, 32, -74, 2.8)],
    "left upper": [(44, 13, -26, 5), (54, 4, -18, 4), (62, -4, 2, 2.8)],
    "lingula": [(48, 9, -24, 4), (60, -14, -40, 3.2), (72, -32, -56, 2.4)],
    "left lower": [(44, 13, -26, 5), (52, 24, -48, 4.2), (62, 36, -74, 2.8)],
}
AORTA = [
    (4, -20, -48, 15), (-10, -32, -22, 16), (-15, -30, 8, 15.5), (-8, -20, 30, 14.5), (8, -4, 37, 13.5),
    (20, 14, 30, 13), (27, 28, 10, 12.5), (27, 34, -30, 12.5), (23, 32, -80, 12), (12, 22, -140, 11.5),
    (6, 14, -210, 11),
]  # fmt: skip
AORTIC_BRANCHES = [
    [(-6, -16, 36, 6.5), (-16, -10, 62, 6), (-26, -4, 100, 5.5), (-34, 0, 125, 4)],
    [(4, -8, 38, 4.5), (12, -4, 70, 4), (18, 2, 120, 4)],
    [(14, 6, 36, 5), (26, 10, 66, 5), (38, 8, 96, 5), (70, -4, 108, 4)],
]
VEINS = [
    [(-26, -22, 58, 9.5), (-29, -21, 20, 10), (-29, -18, -30, 10.5)],
    [(-26, -22, 58, 8), (-4, -32, 62, 7), (26, -24, 78, 7), (36, -10, 112, 7)],
    [(-26, -22, 58, 8), (-32, -14, 84, 7.5), (-36, -8, 116, 7.5)],
]
CAVA = [(-24, -8, -78, 12), (-24, -4, -100, 12), (-20, 4, -150, 12), (-18, 10, -210, 12)]
PULMONARY = [
    [
        (16, -48, -46, 14), (20, -34, -22, 13.5), (24, -14, -6, 12.5), (36, 2, -8, 10), (50, 11, -16, 8),
        (58, 18, -34, 6.5),
    ],
    [(20, -26, -16, 11.5), (2, -10, -18, 10.5), (-22, -6, -19, 10), (-42, -2, -23, 8), (-53, 8, -38, 6.5)],
]  # fmt: skip
PULMONARY_VEINS = [
    [(-10, 2, -46, 8), (-34, -8, -40, 7), (-52, -16, -28, 5)],
    [(-10, 8, -58, 8), (-34, 12, -60, 7), (-54, 16, -66, 5)],
    [(18, 2, -44, 8), (42, -6, -38, 6.5), (58, -12, -26, 5)],
    [(18, 9, -56, 8), (40, 18, -58, 6.5), (58, 22, -64, 5)],
]
OESOPHAGUS = [
    (4, 13, 120, 6), (6, 18, 60, 6.5), (9, 24, 10, 6.5), (7, 24, -50, 7), (12, 18, -100, 7.5), (26, 4, -132, 8),
]  # fmt: skip
SPINE_FRONT = {-210: 26, -140: 30, -80: 35, -20: 37, 30: 34, 70: 28, 110: 21}
HEART_AXIS = (0.66, -0.46, -0.59)


@dataclass
class Mediastinum:
    """Distances (mm, negative inside) that lungs, PET and tumours need."""

    envelope: np.ndarray
    lumen: np.ndarray
    wall: np.ndarray
    myocardium: np.ndarray
    blood: np.ndarray
    ventricle: np.ndarray


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
    left_atrium = ellipsoid(frame.u - 2, frame.v - 1, frame.w + 50, (33 * size, 17 * size, 23 * size))
    right_atrium = ellipsoid(frame.u + 25, frame.v + 20, frame.w + 62, (24 * size, 28 * size, 31 * size))
    chambers = {
        "left ventricle": part((38, -30, -76), 39, 20, 21),
        "right ventricle": part((8, -56, -72), 44, 21, 30),
        "left atrium": left_atrium,
        "right atrium": right_atrium,
    }
    sac = smooth_min(chambers["left ventricle"] - 12, chambers["right ventricle"] - 5, 12)
    sac = smooth_min(smooth_min(sac, left_atrium - 3, 16), right_atrium - 4, 16)
    return {"pericardium": sac, **chambers}


def _envelope(scene: Scene, heart: dict[str, np.ndarray], tubes: list[np.ndarray]) -> np.ndarray:
    """Everything between the lungs, with smooth outlines: the union of the organs, filled with a little fat."""
    frame = scene.frame
    u, v, w = frame.u, frame.v, frame.w
    spine_front = frame.profile(SPINE_FRONT)
    spine = superellipse(u, v - spine_front - 36, np.float32(25), np.float32(40), 2.6)
    column = frame.profile({-60: 8, 0: 16, 20: 22, 45: 31, 110: 34})
    upper = superellipse(u, v - frame.profile({-60: -2, 0: -2, 40: -2, 110: 6}), column, column * 1.1, 2.5)
    upper = smooth_max(upper, -w - 45, 10)
    front = frame.profile({-130: -84, -60: -82, 0: -68, 40: -46, 70: -28})
    half = frame.profile({-130: 30, -60: 13, -20: 9, 20: 11, 60: 22})
    retrosternal = superellipse(u - 6, v - front, half, np.float32(26), 2.0)
    middle = superellipse(u - 6, v + 20, np.float32(11), np.float32(70), 2.2)  # pleural sheets never touch
    envelope = np.minimum(spine, middle)
    for shape in (upper, retrosternal, heart["pericardium"], heart["left atrium"], heart["right atrium"]):
        envelope = smooth_min(envelope, shape, 14)
    for shape in tubes:
        envelope = smooth_min(envelope, shape - 1.5, 9)
    return envelope


def paint_mediastinum(scene: Scene, rng: np.random.Generator) -> Mediastinum:
    """Paint all organs between the lungs; the lungs themselves and the bronchi in them come after."""
    part, box = scene.crop((-115, 115), (-125, 100), (-400, 400))
    inner = _paint_cropped(part, rng)
    outer = {}
    for name, distance in vars(inner).items():
        outer[name] = np.full(scene.grid.shape, FAR, dtype=np.float32)
        outer[name][box] = distance
    return Mediastinum(**outer)


def _paint_cropped(scene: Scene, rng: np.random.Generator) -> Mediastinum:
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
    above = smooth_max(envelope, -3.0 + scene.distance["diaphragm"], 2)
    above = np.maximum(above, scene.distance["core"] + 12)
    soft = noise(grid, rng, 7.0)
    part = {name: np.maximum(away, scene.distance["core"] + 8) for name, away in part.items()}
    scene.shape(above, -92 + 14 * soft, "fat")
    nodes = smooth_max(envelope + 6, -(noise(grid, rng, 9.0) - 2.1) * 5, 1)  # small normal lymph nodes in the fat
    scene.shape(np.maximum(nodes, -3.0 + scene.distance["diaphragm"]), habitus.muscle - 8, "soft tissue")
    cage = heart["pericardium"]
    muscle_hu = 45 + 1.3 * habitus.organ
    wall = heart["left ventricle"] - 10
    filled = smooth_min(wall, heart["right ventricle"] - 3, 5)
    filled = smooth_min(filled, smooth_min(heart["left atrium"] - 1.5, heart["right atrium"] - 1.5, 5), 5)
    scene.shape(np.abs(cage) - 0.8, 20.0, "soft tissue")  # the pericardium
    scene.shape(filled, muscle_hu, "heart muscle")
    for name, value in (
        ("right atrium", habitus.blood_right * 0.85 + habitus.blood_veins * 0.15),
        ("right ventricle", habitus.blood_right),
        ("left atrium", habitus.blood_left),
        ("left wall", muscle_hu),
        ("left ventricle", habitus.blood_left),
    ):
        if name == "left wall":  # the septum bulges into the right ventricle
            scene.shape(np.maximum(wall, -heart["left atrium"]), value, "heart muscle")
        else:
            scene.shape(heart[name] + 0.5, value, "blood")
    for name, value in (
        ("cava", habitus.blood_veins), ("veins", habitus.blood_right), ("pulmonary", habitus.blood_right),
        ("returning", habitus.blood_left), ("branches", habitus.blood_left), ("aorta", habitus.blood_left),
    ):  # fmt: skip
        scene.shape(part[name], 30.0 if habitus.organ else 40.0, "soft tissue")
        scene.shape(part[name] + 1.2, value, "blood")
    _calcify(scene, rng, part["aorta"], heart)
    oesophagus = part["oesophagus"]
    scene.shape(oesophagus, habitus.muscle - 5, "soft tissue")
    if rng.random() < 0.4:
        gas = np.maximum(oesophagus + 4.0, noise(grid, rng, 25.0) * 4 - 1)
        scene.shape(gas, -900.0, "airway")
    scene.shape(part["lumen"] - 2.0, 15.0, "soft tissue")
    scene.shape(part["lumen"], -990.0, "airway")
    blood = np.minimum.reduce([part[n] for n in ("aorta", "branches", "veins", "cava", "pulmonary")])
    return Mediastinum(envelope, part["lumen"], part["lumen"] - 2.0, filled, blood, heart["left ventricle"])


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


def _beside(path: list[tuple[float, ...]], side: int) -> list[tuple[float, ...]]:
    """The artery that runs along the outer side of a bronchus."""
    return [(x + side * (r + 3.5), y - 1.5, z + 2.5, r) for x, y, z, r in path]


def hilar_stems(scene: Scene) -> dict[str, list[np.ndarray]]:
    """Ends of the great pulmonary vessels and lobar bronchi, from which the trees in each lung grow."""
    frame = scene.frame
    stems = {
        "right arteries": [PULMONARY[1][-2:], *[_beside(LOBAR[n], -1) for n in LOBAR if n.startswith("right")]],
        "left arteries": [PULMONARY[0][-2:], *[_beside(LOBAR[n], 1) for n in ("left upper", "lingula", "left lower")]],
        "right veins": PULMONARY_VEINS[:2],
        "left veins": PULMONARY_VEINS[2:],
    }
    return {name: [tube(frame, path, 5.0) for path in paths] for name, paths in stems.items()}


__all__ = ["Mediastinum", "add_bronchi", "hilar_stems", "paint_mediastinum"]
