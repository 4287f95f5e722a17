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
    u = start.astype(np.float32)
    cost, edge_weight = cost.astype(np.float32), edge_weight.astype(np.float32)
    ahead, dual = u.copy(), np.zeros((3, *u.shape), np.float32)
    length, change = np.empty_like(u), np.empty_like(u)
    for step in range(iterations):
        _ascend(dual, ahead, edge_weight, length)
        _divergence(dual, out=change)
        change -= cost
        change *= _STEP
        change += u
        np.clip(change, 0.0, 1.0, out=change)
        change[inside] = 1.0
        change[outside] = 0.0
        if step % _CHECK_EVERY == _CHECK_EVERY - 1 and _settled(u, change):
            return change
        np.multiply(change, 2.0, out=ahead)
        ahead -= u
        u, change = change, u
    return u


def _settled(before: np.ndarray, after: np.ndarray) -> bool:
    moving = np.abs(after - before) > 2e-3
    return bool(moving.sum() <= _STILL * max(1, int((after > 0.5).sum())))


def _ascend(dual: np.ndarray, u: np.ndarray, edge_weight: np.ndarray, length: np.ndarray) -> None:
    """One step of the dual: along the gradient of u, then back to vectors no longer than the edge's weight."""
    dual[0][:-1] += _STEP * (u[1:] - u[:-1])
    dual[1][:, :-1] += _STEP * (u[:, 1:] - u[:, :-1])
    dual[2][:, :, :-1] += _STEP * (u[:, :, 1:] - u[:, :, :-1])
    np.einsum("azyx,azyx->zyx", dual, dual, out=length)
    np.sqrt(length, out=length)
    np.maximum(length, edge_weight, out=length)
    np.divide(edge_weight, length, out=length)
    dual *= length


def _divergence(dual: np.ndarray, out: np.ndarray) -> None:
    np.add(dual[0], dual[1], out=out)
    out += dual[2]
    out[1:] -= dual[0][:-1]
    out[:, 1:] -= dual[1][:, :-1]
    out[:, :, 1:] -= dual[2][:, :, :-1]
