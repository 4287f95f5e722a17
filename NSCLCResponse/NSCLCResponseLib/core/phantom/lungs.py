"""Lungs: outline, parenchyma, and the trees of vessels and bronchi that grow from the hila."""

from __future__ import annotations

import numpy as np

from .body import Scene
from .frame import coverage, noise, paint, smooth_max, smoothstep
from .mediastinum import Mediastinum
from .tubes import thin_tubes_share

_STEP = 6.0  # mm between nodes of a tree


def lung_distance(scene: Scene, envelope: np.ndarray, apex: float) -> np.ndarray:
    """Distance to both lungs, negative inside: the cavity without mediastinum and abdomen, closed by two apices."""
    frame = scene.frame
    cavity = scene.distance["cavity"] + 2.0
    lungs = smooth_max(cavity, 2.0 - envelope, 7)
    lungs = smooth_max(lungs, scene.distance["diaphragm"] + 1.5, 3)
    inward = ((np.abs(frame.u) - 42) / 46) ** 2 + ((frame.v - 24) / 50) ** 2
    return smooth_max(lungs, frame.w - (apex - 26 * inward), 9)


def paint_parenchyma(scene: Scene, lung: np.ndarray, rng: np.random.Generator, emphysema: float) -> None:
    """Aerated tissue: denser where it is dependent, patchy, with emphysema if there is any.

    :param emphysema: 0 (none) to 1 (severe).
    """
    frame, grid = scene.frame, scene.grid
    base = rng.uniform(-880, -835)
    slope = rng.uniform(0.35, 0.85)
    value = base + slope * frame.v + 9 * noise(grid, rng, 3.5) + 14 * noise(grid, rng, 14.0)
    dependent = smoothstep(frame.v, 35, 85) * smoothstep(lung, -14, -1) * rng.uniform(0, 160)
    value += dependent * np.clip(0.5 + 0.5 * noise(grid, rng, 22.0), 0, 1.4)
    if emphysema > 0:
        patches = 0.7 * noise(grid, rng, 9.0) + 0.5 * noise(grid, rng, 32.0) + 0.4 * frame.w / 80
        value += (-960 - value) * smoothstep(patches, 1.6 - 1.6 * emphysema, 2.2 - 1.4 * emphysema) * 0.85
    value += fissures(scene) * 90
    scene.shape(lung, np.clip(value, -985, -500), "lung")


def fissures(scene: Scene) -> np.ndarray:
    """Share of each voxel taken by the oblique fissures of both lungs and the horizontal one of the right."""
    frame = scene.frame
    u, v, w = frame.u, frame.v, frame.w
    bow = 10 * np.cos(u / 40)
    oblique = (w - (-28 + 1.15 * (v - 10) + bow)) * np.float32(0.65)
    share = coverage(np.abs(oblique) - 0.5, scene.width) * np.float32(min(1.0, 1.6 / scene.width))
    horizontal = coverage(np.abs(w + 24 + 4 * np.cos(v / 25)) - 0.5, scene.width) * np.float32(
        min(1.0, 1.2 / scene.width)
    )
    horizontal = horizontal * (u < -25) * (v < 8)
    return np.maximum(share, horizontal)


def grow(stems: list[np.ndarray], targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A tree from given stems to all targets, nearest targets first, by short and straight ways.

    :param stems: patient paths (n, 4) of which only the positions count.
    :param targets: (n, 3) points in the lung that want blood or air.
    :returns: positions (n, 3) and index of each node's parent (-1 for roots).
    """
    nodes, parents, cost = [], [], []
    for stem in stems:
        for k, point in enumerate(stem[:, :3]):
            nodes.append(point)
            parents.append(len(nodes) - 2 if k else -1)
            cost.append(cost[-1] + 4.0 if k else 0.0)
    roots = np.array(nodes)
    order = np.argsort(np.linalg.norm(targets[:, None] - roots[None], axis=2).min(axis=1), kind="stable")
    capacity = len(nodes) + len(targets) * 40
    place, length = np.empty((capacity, 3)), np.empty(capacity)
    place[: len(nodes)], length[: len(nodes)] = nodes, cost
    count = len(nodes)
    for target in targets[order]:
        away = np.linalg.norm(place[:count] - target, axis=1)
        best = int(np.argmin(away + 0.35 * length[:count]))
        steps = int(np.ceil(away[best] / _STEP))
        if steps == 0 or count + steps > capacity:
            continue
        for k in range(1, steps + 1):
            place[count] = place[best] + (target - place[best]) * k / steps
            length[count] = length[best] + away[best] * k / steps
            parents.append(best if k == 1 else count - 1)
            count += 1
    return _relaxed(place[:count], np.array(parents), len(nodes)), np.array(parents)


def _relaxed(place: np.ndarray, parents: np.ndarray, fixed: int) -> np.ndarray:
    """Round off the corners where branches leave, keeping the stems."""
    for _ in range(3):
        total, number = place * 2, np.full(len(place), 2.0)
        has = parents >= 0
        np.add.at(total, np.nonzero(has)[0], place[parents[has]])
        np.add.at(total, parents[has], place[has])
        np.add.at(number, np.nonzero(has)[0], 1)
        np.add.at(number, parents[has], 1)
        moved = total / number[:, None]
        moved[:fixed] = place[:fixed]
        place = moved
    return place


def calibres(parents: np.ndarray, tip: float, power: float = 2.7) -> np.ndarray:
    """Radius of every node after Murray's law: the sum of r^power is kept at each fork.

    :param parents: index of each node's parent, always lower than its own; -1 for roots.
    :param tip: radius at the ends, mm.
    """
    flow = np.zeros(len(parents))
    is_end = np.ones(len(parents), dtype=bool)
    is_end[parents[parents >= 0]] = False
    flow[is_end] = 1.0
    for child in range(len(parents) - 1, -1, -1):
        if parents[child] >= 0:
            flow[parents[child]] += flow[child]
    return tip * flow ** (1 / power)


def tree_paths(place: np.ndarray, parents: np.ndarray, radius: np.ndarray, thinnest: float = 0.0) -> list[np.ndarray]:
    """Pieces (2, 4) of a tree that are at least ``thinnest`` mm in radius."""
    pieces = []
    for child, parent in enumerate(parents):
        if parent >= 0 and radius[child] >= thinnest:
            first = [*place[parent], min(radius[parent], radius[child] * 1.25)]
            pieces.append(np.array([first, [*place[child], radius[child]]]))
    return pieces


def paint_trees(
    scene: Scene, lung: np.ndarray, stems: dict[str, list[np.ndarray]], rng: np.random.Generator, number: int
) -> np.ndarray:
    """Arteries, veins and bronchi in both lungs.

    :param number: ends of each tree; more are worth drawing on a finer grid.
    :returns: share of each voxel that vessels fill.
    """
    grid, habitus = scene.grid, scene.habitus
    inside = np.argwhere(lung[::2, ::2, ::2] < -5) * 2
    is_right = grid.axis(2)[inside[:, 2]] < 0
    pieces: dict[str, list[np.ndarray]] = {"arteries": [], "veins": []}
    airways = []
    for name, paths in stems.items():
        side, kind = name.split()
        own = inside[is_right == (side == "right")]
        if len(own) == 0:
            continue
        chosen = own[rng.integers(0, len(own), number)]
        points = np.stack([grid.axis(2)[chosen[:, 2]], grid.axis(1)[chosen[:, 1]], grid.axis(0)[chosen[:, 0]]], axis=1)
        points += rng.uniform(-2, 2, points.shape)
        place, parents = grow(paths, points)
        radius = np.minimum(calibres(parents, 0.62), 6.5)
        pieces[kind] += tree_paths(place, parents, radius)
        if kind == "arteries":  # a bronchus runs beside each larger artery
            airways += tree_paths(place + np.array([1.2, 0.8, 0.5]), parents, radius * 0.8, 1.5)
    share = np.zeros(grid.shape, dtype=np.float32)
    for kind, value in (("veins", habitus.blood_left), ("arteries", habitus.blood_right)):
        filled = thin_tubes_share(grid, pieces[kind], scene.width)
        scene.fill(filled, value if value > 60 else 38.0, "vessel in lung")
        np.maximum(share, filled, out=share)
    _paint_airways(scene, airways, lung)
    return share


def _paint_airways(scene: Scene, pieces: list[np.ndarray], lung: np.ndarray) -> None:
    offset = np.array([0, 0, 0, 1.0])
    moved = [p + np.array([p[0, 3] + p[1, 3], 0, 0, 0]) for p in pieces]
    within = coverage(lung - 3, scene.width)
    wall = thin_tubes_share(scene.grid, [m + offset * 0.7 for m in moved], scene.width) * within
    lumen = thin_tubes_share(scene.grid, moved, scene.width) * within
    paint(scene.hu, wall, -250.0)
    scene.fill(lumen, -980.0, "airway")


def paint_lobar_bronchi(scene: Scene, paths: list[np.ndarray]) -> None:
    """Walls and lumens of the lobar bronchi, through hilum and lung alike."""
    wall = thin_tubes_share(scene.grid, [p + np.array([0, 0, 0, 0.9]) for p in paths], scene.width)
    lumen = thin_tubes_share(scene.grid, paths, scene.width)
    paint(scene.hu, wall, -80.0)
    scene.fill(lumen, -985.0, "airway")


def paint_lungs(
    scene: Scene, parts: Mediastinum, stems: dict[str, list[np.ndarray]], rng: np.random.Generator, vessels: int
) -> np.ndarray:
    """Vessel trees and hilar bronchi on lungs that :func:`paint_parenchyma` has painted.

    :returns: share of each voxel that vessels fill.
    """
    from .mediastinum import add_bronchi

    share = paint_trees(scene, scene.distance["lung"], stems, rng, vessels)
    paint_lobar_bronchi(scene, add_bronchi(scene))
    scene.fill(coverage(parts.lumen, scene.width), -990.0, "airway")
    return share
