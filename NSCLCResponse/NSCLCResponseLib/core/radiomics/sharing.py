"""PyRadiomics' feature classes, given what their sisters know already: bins, matrices, moments.

The formulas stay PyRadiomics'; what is replaced is how their inputs are made, and two computations that cost most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .textures import TextureMatrices

_RITZ_VECTORS = 8
_ELEMENTS_AT_ONCE = 1_000_000


@dataclass(frozen=True)
class Binned:
    """The discretised image.

    :param array: (z, y, x), levels from 1 inside the region, 0 outside.
    :param levels: those that occur.
    :param top: the highest level of the whole region, where this is only a part of it (a slice); 0 otherwise.
    :param textures: its texture matrices, or ``None`` where PyRadiomics has to make them (other distances).
    """

    array: np.ndarray
    levels: np.ndarray
    textures: TextureMatrices | None = None
    top: int = 0


@lru_cache(maxsize=16)
def sharing_class(name: str) -> type:
    """PyRadiomics' feature class ``name``; its settings must hold ``binned``."""
    from radiomics import getFeatureClasses

    stock = getFeatureClasses()[name]
    bases = (_EXTRAS[name], _SharedBins, stock) if name in _EXTRAS else (_SharedBins, stock)
    return type(stock.__name__, bases, {"__module__": stock.__module__})  # the module names its logger


class _SharedBins:
    """Takes the bins from the settings instead of making them anew."""

    settings: dict[str, Any]
    coefficients: dict[str, Any]

    @classmethod
    @lru_cache(maxsize=16)
    def getFeatureNames(cls) -> dict[str, bool]:
        """As PyRadiomics has it, found out once."""
        return super().getFeatureNames()

    def _applyBinning(self, matrix: np.ndarray) -> np.ndarray:
        del matrix
        binned = self.settings["binned"]
        self.coefficients["grayLevels"] = binned.levels
        self.coefficients["Ng"] = binned.top or int(binned.levels[-1])
        return binned.array

    @property
    def textures(self) -> TextureMatrices | None:
        """Our matrices, when they are what these settings ask for."""
        return None if self.settings.get("weightingNorm") is not None else self.settings["binned"].textures


class _FirstOrder:
    """Sorted values, all percentiles at once, and each central moment once."""

    def _initCalculation(self, voxelCoordinates: None = None) -> None:
        del voxelCoordinates
        self.targetVoxelArray = np.sort(self.imageArray[self.maskArray].astype(float)).reshape((1, -1))
        counts = np.bincount(self.discretizedImageArray[self.maskArray])
        counts = counts[counts > 0].reshape((1, -1))
        self.coefficients["p_i"] = counts / counts.sum()
        self._moments: dict[int, np.ndarray] = {}
        wanted = (10, 25, 50, 75, 90)
        self._percentiles = dict(zip(wanted, np.percentile(self.targetVoxelArray[0], wanted), strict=True))

    def get10PercentileFeatureValue(self) -> float:
        return self._percentiles[10]

    def get90PercentileFeatureValue(self) -> float:
        return self._percentiles[90]

    def getMedianFeatureValue(self) -> float:
        return self._percentiles[50]

    def getInterquartileRangeFeatureValue(self) -> float:
        return self._percentiles[75] - self._percentiles[25]

    def getRobustMeanAbsoluteDeviationFeatureValue(self) -> float:
        values = self.targetVoxelArray[0]
        ends = (np.searchsorted(values, self._percentiles[10]), np.searchsorted(values, self._percentiles[90], "right"))
        middle = values[slice(*ends)]
        return np.mean(np.abs(middle - middle.mean())) if len(middle) else np.nan

    def _moment(self, a: np.ndarray, moment: int = 1) -> Any:
        if moment == 1:
            return float(0)
        if not self._moments:
            centred = a - np.nanmean(a, 1, keepdims=True)
            square = centred * centred
            powers = {2: square, 3: square * centred, 4: square * square}
            self._moments = {order: np.nanmean(power, 1) for order, power in powers.items()}
        return self._moments[moment]


class _Glcm:
    """Our counts and the fast maximal correlation coefficient."""

    def _calculateMatrix(self, voxelCoordinates: None = None) -> np.ndarray:
        if self.textures is None:
            return super()._calculateMatrix(voxelCoordinates)
        counts = self.textures.co_occurrences()
        if self.symmetricalGLCM:
            counts = counts + counts.transpose(1, 0, 2)
        sums = counts.sum(axis=(0, 1))
        if counts.shape[2] > 1:
            counts, sums = counts[:, :, sums > 0], sums[sums > 0]
        return (counts / np.where(sums > 0, sums, np.nan))[None]

    def _calculateCoefficients(self) -> None:
        if self.textures is None or self.P_glcm.shape[3] == 0:
            super()._calculateCoefficients()
            return
        levels, top = self.coefficients["grayLevels"], self.coefficients["Ng"]
        i, j = np.meshgrid(levels.astype(float), levels.astype(float), indexing="ij", sparse=True)
        glcm = self.P_glcm
        eps = np.spacing(1)
        self.coefficients |= {
            "eps": eps,
            "i": i,
            "j": j,
            "kValuesSum": np.arange(2, 2 * top + 1, dtype=float),
            "kValuesDiff": np.arange(0, top, dtype=float),
            "px": glcm.sum(2, keepdims=True),
            "py": glcm.sum(1, keepdims=True),
            "ux": np.sum(i[None, :, :, None] * glcm, (1, 2), keepdims=True),
            "uy": np.sum(j[None, :, :, None] * glcm, (1, 2), keepdims=True),
            "pxAddy": _gathered(glcm, levels[:, None] + levels - 2, 2 * top - 1),
            "pxSuby": _gathered(glcm, np.abs(levels[:, None] - levels), top),
            "HXY": -np.sum(glcm * np.log2(glcm + eps), (1, 2)),
        }

    def _cluster(self, power: int) -> np.ndarray:
        """Central moment of the sum of both levels, from its distribution instead of from the whole matrix."""
        c = self.coefficients
        centred = c["kValuesSum"][None, :, None] - (c["ux"] + c["uy"])[:, :, 0]
        return np.nanmean(np.sum(c["pxAddy"] * centred**power, 1), 1)

    def getClusterTendencyFeatureValue(self) -> np.ndarray:
        return self._cluster(2)

    def getClusterShadeFeatureValue(self) -> np.ndarray:
        return self._cluster(3)

    def getClusterProminenceFeatureValue(self) -> np.ndarray:
        return self._cluster(4)

    def getMCCFeatureValue(self) -> Any:
        if not self.symmetricalGLCM or self.P_glcm.shape[3] == 0 or not np.isfinite(self.P_glcm).all():
            return super().getMCCFeatureValue()
        return maximal_correlation(self.P_glcm[0], self.coefficients["eps"])


class _Glrlm:
    def _calculateMatrix(self, voxelCoordinates: None = None) -> np.ndarray:
        if self.textures is None:
            return super()._calculateMatrix(voxelCoordinates)
        counts = self.textures.runs()
        runs = counts.sum(axis=(0, 1))
        if counts.shape[2] > 1:
            counts, runs = counts[:, :, runs > 0], runs[runs > 0]
        self.coefficients["Nr"] = np.where(runs > 0, runs, np.nan)[None]
        return counts[None]


class _Gldm:
    def _calculateMatrix(self, voxelCoordinates: None = None) -> np.ndarray:
        if self.textures is None:
            return super()._calculateMatrix(voxelCoordinates)
        counts = self.textures.dependences()
        sizes = counts.sum(axis=0)
        counts = counts[:, sizes > 0]
        self.coefficients["Nz"] = np.array([counts.sum()])
        self.coefficients["pd"] = counts.sum(axis=0)[None]
        self.coefficients["pg"] = counts.sum(axis=1)[None]
        self.coefficients["ivector"] = self.coefficients["grayLevels"].astype(float)
        self.coefficients["jvector"] = np.flatnonzero(sizes > 0) + 1.0
        return counts[None]


class _Ngtdm:
    def _calculateMatrix(self, voxelCoordinates: None = None) -> np.ndarray:
        if self.textures is None:
            return super()._calculateMatrix(voxelCoordinates)
        return self.textures.neighbourhood_differences()[None]


_EXTRAS: dict[str, type] = {
    "firstorder": _FirstOrder,
    "glcm": _Glcm,
    "glrlm": _Glrlm,
    "gldm": _Gldm,
    "ngtdm": _Ngtdm,
}


def _gathered(glcm: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """Sums of a GLCM's elements (1, levels, levels, angles) by their ``place`` (levels, levels): (1, count, angles)."""
    flat = place.ravel()
    angles = np.moveaxis(glcm[0], -1, 0).reshape(glcm.shape[3], -1)
    return np.stack([np.bincount(flat, angle, count) for angle in angles], axis=1)[None]


def maximal_correlation(glcm: np.ndarray, eps: float) -> float:
    """Maximal correlation coefficient, mean over angles: the same as PyRadiomics', by a symmetric eigenproblem.

    PyRadiomics takes the second largest eigenvalue of Q = (P / (px px' + eps)) P from a general solver. Without eps, Q
    is similar to B² with the symmetric B = P / sqrt(px px'). Q is projected on B's leading eigenvectors, so eps counts
    as well; what the projection leaves out is of second order in eps.

    :param glcm: (levels, levels, angles), symmetric and normalised for each angle.
    """
    if glcm.shape[0] < 2:
        return 1.0  # flat region, as PyRadiomics defines it
    angles = np.moveaxis(glcm, -1, 0)
    at_once = max(1, _ELEMENTS_AT_ONCE // glcm.shape[0] ** 2)  # at 1024 levels 13 angles are 109 MB an array
    parts = [_second_eigenvalues(angles[i : i + at_once], eps) for i in range(0, len(angles), at_once)]
    return float(np.mean(np.concatenate(parts)))


def _second_eigenvalues(matrices: np.ndarray, eps: float) -> np.ndarray:
    """Roots of the second largest eigenvalues of Q (angles), for ``matrices`` (angles, levels, levels)."""
    matrices = np.ascontiguousarray(matrices)
    marginal = matrices.sum(axis=2)
    root = np.sqrt(marginal)
    inverse = np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
    symmetric = matrices * inverse[:, :, None] * inverse[:, None]
    values, vectors = np.linalg.eigh(symmetric)
    leading = np.argsort(-np.abs(values), axis=1)[:, :_RITZ_VECTORS]
    basis = np.take_along_axis(vectors, leading[:, None], axis=2)
    product = marginal[:, :, None] * marginal[:, None]
    damped = symmetric * (product / (product + eps))
    projected = basis.transpose(0, 2, 1) @ damped @ basis * np.take_along_axis(values, leading, axis=1)[:, None]
    eigenvalues = np.sort(np.linalg.eigvals(projected).real, axis=1)
    return np.sqrt(np.maximum(eigenvalues[:, -2], 0.0))
