"""GLCM's maximal correlation coefficient (MCC) by a symmetric eigenproblem: PyRadiomics' values in less time.

PyRadiomics takes the second largest eigenvalue of Q = (P / (px px' + eps)) P from a general solver. Without eps, Q is
similar to B² with the symmetric B = P / sqrt(px px'). Q is projected on B's leading eigenvectors, so eps counts too;
what the projection leaves out is of second order in eps.
"""

from __future__ import annotations

import numpy as np

_RITZ_VECTORS = 8
_ELEMENTS_AT_ONCE = 1_000_000
_FEW_LEVELS, _MANY_LEVELS = 12, 128  # below and above, all eigenvectors are as quick
_SQUARINGS = 8
_RESIDUAL = 1e-7  # of an eigenvalue, relative; it is off by no more (Weyl), in fact by its square


def maximal_correlation(glcm: np.ndarray, eps: float) -> np.ndarray:
    """Maximal correlation coefficient, mean over angles: the same as PyRadiomics'.

    :param glcm: (regions, angles, levels, levels), symmetric and normalised for each angle.
    :returns: one for each region.
    """
    regions, angles, levels, _ = glcm.shape
    if levels < 2:
        return np.ones(regions)  # flat region, as PyRadiomics defines it
    matrices = np.ascontiguousarray(glcm).reshape(regions * angles, levels, levels)
    at_once = max(1, _ELEMENTS_AT_ONCE // levels**2)  # at 1024 levels 13 angles are 109 MB an array
    parts = [_second_eigenvalues(matrices[i : i + at_once], eps) for i in range(0, len(matrices), at_once)]
    return np.concatenate(parts).reshape(regions, angles).mean(axis=1)


def _second_eigenvalues(matrices: np.ndarray, eps: float) -> np.ndarray:
    """Roots of the second largest eigenvalues of Q (angles), for ``matrices`` (angles, levels, levels)."""
    marginal = matrices.sum(axis=2)
    root = np.sqrt(marginal)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    symmetric = matrices * inverse[:, :, None] * inverse[:, None]
    damped = marginal[:, :, None] * marginal[:, None]
    damped /= damped + eps
    damped *= symmetric
    if not _FEW_LEVELS < matrices.shape[1] < _MANY_LEVELS:
        return _projected(symmetric, damped, _all_vectors(symmetric))
    second, is_exact = _second_vectors(symmetric, root)
    found = _projected(symmetric, damped, np.stack([root, second], axis=2))
    others = ~is_exact
    if others.any():
        found[others] = _projected(symmetric[others], damped[others], _all_vectors(symmetric[others]))
    return found


def _projected(symmetric: np.ndarray, damped: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Root of the second largest eigenvalue of Q projected on orthonormal vectors (angles, levels, k)."""
    projected = basis.transpose(0, 2, 1) @ damped @ (symmetric @ basis)
    eigenvalues = np.sort(np.linalg.eigvals(projected).real, axis=1)
    return np.sqrt(np.maximum(eigenvalues[:, -2], 0.0))


def _all_vectors(symmetric: np.ndarray) -> np.ndarray:
    """The eigenvectors (angles, levels, k) of the eigenvalues that are largest in size."""
    values, vectors = np.linalg.eigh(symmetric)
    leading = np.argsort(-np.abs(values), axis=1)[:, :_RITZ_VECTORS]
    return np.take_along_axis(vectors, leading[:, None], axis=2)


def _second_vectors(symmetric: np.ndarray, root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """B²'s second eigenvectors (angles, levels) by the power method, and where that came close enough (angles).

    The first, ``root`` with the eigenvalue 1, is taken out; the power is a product of few matrices, by squaring, which
    costs far less than all eigenvectors of small matrices.
    """
    rest = symmetric @ symmetric - root[:, :, None] * root[:, None]
    power = rest
    for _ in range(_SQUARINGS):
        size = np.abs(power).max(axis=(1, 2), keepdims=True)
        power = power / np.where(size > 0, size, 1.0)
        power = power @ power
    longest = np.argmax(np.einsum("aij,aij->aj", power, power), axis=1)
    vector = power[np.arange(len(power)), :, longest]
    length = np.linalg.norm(vector, axis=1, keepdims=True)
    vector /= np.where(length > 0, length, 1.0)
    image = (rest @ vector[:, :, None])[:, :, 0]
    value = np.sum(vector * image, axis=1)
    residual = np.linalg.norm(image - value[:, None] * vector, axis=1)
    return vector, (residual <= _RESIDUAL * value) & (length[:, 0] > 0)
