"""The cheapest closed surface around seeds: a minimal cut with weights for edges and for places, without grid bias.

Minimises ``sum g |grad u| + f u`` over u in [0, 1]; every level set of the minimiser is an optimal region (Chan,
Esedoglu & Nikolova 2006). Solved by the primal-dual method of Chambolle & Pock (2011).
"""

from __future__ import annotations

import numpy as np

_STEP = 0.28  # both steps; their product times the gradient's squared norm (12 in 3-D) stays below 1
_CHECK_EVERY = 20
_STILL = 5e-3  # share of voxels that may still be undecided and moving


def minimal_cut(
    cost: np.ndarray,
    edge_weight: np.ndarray,
    inside: np.ndarray,
    outside: np.ndarray,
    start: np.ndarray,
    iterations: int = 150,
) -> np.ndarray:
    """The minimiser u, 32-bit float in 0 to 1; the region is u > 0.5.

    All arrays are (z, y, x) of one shape.

    :param cost: what it costs to have a voxel in the region; negative where it gains.
    :param edge_weight: what a unit of surface costs there; positive.
    :param inside: voxels that are in the region for sure.
    :param outside: voxels that are not.
    :param start: first guess of u, e.g. the result for a similar cost.
    """
    u = np.array(start, np.float32, order="C")
    cost, edge_weight = np.ascontiguousarray(cost, np.float32), np.ascontiguousarray(edge_weight, np.float32)
    least, most = (inside & ~outside).astype(np.float32), (~outside).astype(np.float32)
    ahead, dual = u.copy(), np.zeros((3, *u.shape), np.float32)
    spare, change = np.empty((2, *u.shape), np.float32), np.empty_like(u)
    for step in range(iterations):
        _ascend(dual, ahead, edge_weight, spare)
        _divergence(dual, out=change)
        change -= cost
        change *= _STEP
        change += u
        np.maximum(change, least, out=change)
        np.minimum(change, most, out=change)
        if step % _CHECK_EVERY == _CHECK_EVERY - 1 and _settled(u, change):
            return change
        np.multiply(change, 2.0, out=ahead)
        ahead -= u
        u, change = change, u
    return u


def _settled(before: np.ndarray, after: np.ndarray) -> bool:
    moving = np.abs(after - before) > 2e-3
    return bool(moving.sum() <= _STILL * max(1, int((after > 0.5).sum())))


def _ascend(dual: np.ndarray, u: np.ndarray, edge_weight: np.ndarray, spare: np.ndarray) -> None:
    """One step of the dual: along the gradient of u, then back to vectors no longer than the edge's weight.

    Neighbours along an axis are a fixed step apart in the flat array, which is much quicker to run through than short
    rows; what a step carries over a side of the box is set to 0, as the dual is there.
    """
    values, length = u.reshape(-1), spare[0]
    for axis, apart in enumerate(_steps(u)):
        step = spare[1].reshape(-1)[:-apart]
        np.subtract(values[apart:], values[:-apart], out=step)
        step *= _STEP
        dual[axis].reshape(-1)[:-apart] += step
    dual[1][:, -1] = 0.0
    dual[2][:, :, -1] = 0.0
    np.multiply(dual[0], dual[0], out=length)
    for axis in (1, 2):
        length += np.multiply(dual[axis], dual[axis], out=spare[1])
    np.sqrt(length, out=length)
    np.maximum(length, edge_weight, out=length)
    np.divide(edge_weight, length, out=length)
    dual *= length


def _divergence(dual: np.ndarray, out: np.ndarray) -> None:
    np.add(dual[0], dual[1], out=out)
    out += dual[2]
    for axis, apart in enumerate(_steps(out)):
        out.reshape(-1)[apart:] -= dual[axis].reshape(-1)[:-apart]


def _steps(array: np.ndarray) -> tuple[int, int, int]:
    """How far apart neighbours along z, y and x lie in the flat array."""
    return array.shape[1] * array.shape[2], array.shape[2], 1
