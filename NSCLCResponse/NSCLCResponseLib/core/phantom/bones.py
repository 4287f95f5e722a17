"""Spine, ribs with their cartilage, sternum, clavicles, shoulder blades and humeral heads."""

from __future__ import annotations

import numpy as np

from .body import CAVITY_CENTRE, CAVITY_DEPTH, CAVITY_WIDTH, TISSUES, Scene, blade_coordinates
from .frame import coverage, noise, profile_at, smooth_max, smooth_min, smoothstep, superellipse
from .mediastinum import SPINE_FRONT
from .tubes import tube, tubes_distance

SPACING = 23.5  # mm between thoracic vertebrae
# of ribs 1 to 12: how far the front end lies below the back end, how far round the chest they go (1: to the sternum)
RIB_DROP = (48, 76, 98, 114, 126, 132, 136, 130, 112, 92, 64, 42)
STERNAL_HEIGHT = (50, 26, 2, -20, -42, -60, -74)  # where the cartilage of ribs 1 to 7 meets the sternum
RIB_ROUND = (0.90, 0.90, 0.89, 0.87, 0.86, 0.84, 0.80, 0.74, 0.68, 0.60, 0.44, 0.28)


def paint_bones(scene: Scene, rng: np.random.Generator) -> None:
    """Paint the skeleton: marrow with trabecular grain inside a cortical shell."""
    grain = noise(scene.grid, rng, 3.0)
    density = float(np.clip(rng.normal(190 - 1.6 * max(scene.habitus.age - 50, 0), 30), 70, 260))
    marrow = density + 45 * grain
    _paint_bone(scene, _ribs(scene, rng), marrow, 1.5, 820.0)
    _paint_cartilage(scene, rng)
    for bone, cortex, hard in (
        (_scapulae(scene), 1.3, 750.0), (_clavicles(scene), 2.0, 900.0), (_sternum(scene), 1.2, 520.0),
    ):  # fmt: skip
        _paint_bone(scene, bone, marrow, cortex, hard)
    _paint_spine(scene, marrow)


def _paint_bone(scene: Scene, distance: np.ndarray, marrow: np.ndarray, cortex: float, hard: float) -> None:
    """One bone: cortex outside, marrow inside. Only the voxels near it are touched."""
    near = distance < scene.width
    away = distance[near]
    shell, inner = coverage(away, scene.width), coverage(away + cortex, scene.width)
    hu = scene.hu[near]
    hu += shell * (hard - hu)
    hu += inner * (marrow[near] - hu)
    scene.hu[near] = hu
    labels = scene.tissue[near]
    labels[shell > 0.5] = TISSUES["bone"]
    labels[inner > 0.5] = TISSUES["marrow"]
    scene.tissue[near] = labels


def vertebra_height(number: float) -> float:
    """Atlas height of the middle of thoracic vertebra 1 to 12 (13 and 14 are lumbar)."""
    return (5.4 - number) * SPACING


def rib_path(number: int, side: int, until: float = 1.0) -> np.ndarray:
    """Atlas points of a rib's axis, shape (n, 3), from the spine forward.

    :param side: -1 right, 1 left.
    :param until: share of the way to the sternum.
    """
    back = vertebra_height(number) + 8
    t = np.linspace(0.0, until, 26)
    z = back - RIB_DROP[number - 1] * t
    angle = np.deg2rad(24 + 148 * t)
    a, b = profile_at(CAVITY_WIDTH, z), profile_at(CAVITY_DEPTH, z)
    sine, cosine = np.sin(angle), np.cos(angle)
    radius = ((np.abs(sine) / a) ** 2.15 + (np.abs(cosine) / b) ** 2.15) ** (-1 / 2.15) + 4.5
    ring = np.stack([side * radius * sine, profile_at(CAVITY_CENTRE, z) + radius * cosine, z], axis=1)
    spine = profile_at(SPINE_FRONT, np.array([back]))[0]
    neck = np.array([[side * 16, spine + 27, back + 3], [side * 31, spine + 43, back + 1]])
    return np.concatenate([neck, ring[1:]])


def _ribs(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    paths = []
    for number in range(1, 13):
        for side in (-1, 1):
            points = rib_path(number, side, RIB_ROUND[number - 1])
            points[3:] += rng.normal(0, 0.5, 3)
            thick = np.linspace(3.3, 3.9, len(points))
            paths.append(tube(scene.frame, np.column_stack([points, thick])))
    return tubes_distance(scene.grid, paths, 4.0, flat=0.62)  # taller than thick


def _paint_cartilage(scene: Scene, rng: np.random.Generator) -> None:
    paths = []
    for number in range(1, 11):
        for side in (-1, 1):
            start = rib_path(number, side, RIB_ROUND[number - 1])[-1]
            level = min(number, 7)
            height = STERNAL_HEIGHT[level - 1]
            end = np.array([side * (16 if level < 7 else 10), _sternum_y(height), height])
            middle = (start + end) / 2 + [0, -4, -8]
            paths.append(tube(scene.frame, np.column_stack([np.stack([start, middle, end]), [4.6, 4.6, 4.2]])))
    cartilage = tubes_distance(scene.grid, paths, 4.0, flat=0.7)
    speckle = smoothstep(noise(scene.grid, rng, 5.0), 1.4, 2.4) * max(scene.habitus.age - 40, 0) * 9
    scene.shape(cartilage, 85 + speckle, "soft tissue")


def _sternum_y(height: float) -> float:
    z = np.array([height])
    return float(profile_at(CAVITY_CENTRE, z)[0] - profile_at(CAVITY_DEPTH, z)[0] - 6)


def _sternum(scene: Scene) -> np.ndarray:
    frame = scene.frame
    front = frame.profile({z: _sternum_y(z) for z in (-110, -80, -50, -20, 10, 40, 60, 80)})
    half = frame.profile({-110: 4, -90: 6, -80: 15, -30: 17, 15: 13, 30: 20, 58: 30, 64: 26, 80: 20})
    plate = superellipse(frame.u, frame.v - front, half, np.float32(6.0), 3.0)
    return smooth_max(plate, np.abs(frame.w + 13) - 78, 4)


def _clavicles(scene: Scene) -> np.ndarray:
    paths = []
    for side in (-1, 1):
        points = [
            (side * 24, _sternum_y(60) - 1, 66, 7.5), (side * 60, -32, 80, 6.0), (side * 100, 2, 94, 5.5),
            (side * 134, 22, 104, 6.5),
        ]  # fmt: skip
        paths.append(tube(scene.frame, points))
    return tubes_distance(scene.grid, paths, 4.0)


def _scapulae(scene: Scene) -> np.ndarray:
    """Thin blades that follow the chest wall, with spine and thick lateral border, and the heads of the humeri."""
    frame = scene.frame
    off, along = blade_coordinates(scene)
    wide = frame.profile({-60: 4, -45: 16, 0: 50, 50: 76, 80: 84, 110: 84})
    half_thick = 1.3 + 3.4 * smoothstep(along - wide, -16, -3)
    blade = smooth_max(np.abs(off) - half_thick, np.maximum(-along, along - wide), 3)
    blade = smooth_max(blade, np.maximum(-50 - frame.w, frame.w - 92), 4)
    paths = []
    for side in (-1, 1):
        paths.append(tube(frame, [(side * 74, 94, 50, 3), (side * 112, 84, 70, 4), (side * 146, 46, 92, 7)]))
        paths.append(tube(frame, [(side * 142, 36, 90, 9), (side * 154, 20, 106, 21), (side * 164, 8, 150, 15)]))
    return smooth_min(blade, tubes_distance(scene.grid, paths, 5.0), 3)


def _paint_spine(scene: Scene, marrow: np.ndarray) -> None:
    scene, box = scene.crop((-46, 46), (0, 125), (-400, 400))
    marrow = marrow[box]
    frame = scene.frame
    u, w = frame.u, frame.w
    phase = (5.4 - w / SPACING) % 1.0  # 0 in the middle of a vertebra, 0.5 in the disc
    off = np.abs((phase + 0.5) % 1.0 - 0.5) * SPACING
    front = frame.profile(SPINE_FRONT)
    size = frame.profile({-210: 1.25, -120: 1.12, 0: 0.92, 110: 0.82})
    y = scene.frame.v - front
    waist = 1 - 0.09 * np.cos(np.pi * off / (SPACING / 2)) ** 2
    body = superellipse(u, y - 15 * size, 17.5 * size * waist, 15 * size * waist, 2.4)
    scene.shape(body, 85.0, "soft tissue")  # discs; the vertebrae come on top
    bone = smooth_max(body, off - 9.2, 2)
    arch_y = y - 38 * size
    ring = np.abs(np.sqrt(u**2 + (arch_y + 1) ** 2) - 13.0) - 3.2
    ring = np.maximum(ring, off - frame.profile({-210: 9.5, 110: 8.0}))
    slope = w + 0.55 * (arch_y - 8)  # the spinous process leans down
    tilted = np.abs(((5.4 - slope / SPACING) % 1.0 + 0.5) % 1.0 - 0.5) * SPACING
    process = np.maximum(np.abs(u) - 2.6, np.maximum(tilted - 7.5, np.maximum(8 - arch_y, arch_y - 33)))
    reach = np.abs(u) - 30 * frame.profile({-210: 1.1, -130: 0.75, -100: 0.95, 110: 1.15})
    transverse = np.sqrt((arch_y + 2 - 0.25 * np.abs(u)) ** 2 + (off * 0.9) ** 2) - 4.4
    transverse = np.maximum(transverse, np.maximum(reach, 9 - np.abs(u)))
    bone = np.minimum(bone, np.minimum(ring, np.minimum(process, transverse)))
    _paint_bone(scene, bone, marrow, 1.3, 680.0)
    canal = np.sqrt(u**2 + (arch_y + 1) ** 2) - 9.0
    scene.shape(canal, -20.0, "fat")
    scene.shape(canal + 1.5, 12.0, "soft tissue")
    cord = superellipse(u, arch_y + 1, np.float32(5.0), np.float32(3.8), 2.0)
    scene.shape(cord, 40.0, "soft tissue")
