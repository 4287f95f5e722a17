"""PyRadiomics' feature classes, given what their sisters know already: bins, matrices, moments.

The formulas stay PyRadiomics'; what is replaced is how their inputs are made, and two computations that cost most.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .correlation import maximal_correlation
from .textures import TextureMatrices


@dataclass(frozen=True)
class Binned:
    """The discretised image, of one region or of several that are measured together.

    :param array: (z, y, x), levels from 1 inside the region, 0 outside; of no meaning with several regions.
    :param levels: those that occur.
    :param textures: its texture matrices, or ``None`` where PyRadiomics has to make them (other distances).
    :param top: the highest level of the whole region, where this is only a part of it (a slice); 0 otherwise.
    :param values: grey values of each region; without them they are taken from the image.
    """

    array: np.ndarray
    levels: np.ndarray
    textures: TextureMatrices | None = None
    top: int = 0
    values: tuple[np.ndarray, ...] = ()

    @property
    def tops(self) -> int | np.ndarray:
        """The highest level; of several regions that of each, so that it can be laid over (regions, levels, angles)."""
        if self.textures is not None and self.textures.regions > 1:
            return self.textures.tops()[:, None, None]
        return self.top or int(self.levels[-1])


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
        self.coefficients["Ng"] = binned.tops
        return binned.array

    @property
    def textures(self) -> TextureMatrices | None:
        """Our matrices, when they are what these settings ask for."""
        return None if self.settings.get("weightingNorm") is not None else self.settings["binned"].textures


class _FirstOrder:
    """Sorted values, all percentiles at once, and each central moment once."""

    def _initCalculation(self, voxelCoordinates: None = None) -> None:
        del voxelCoordinates
        binned = self.settings["binned"]
        regions = binned.values or (self.imageArray[self.maskArray],)
        self._sizes = [len(values) for values in regions]
        self.targetVoxelArray = np.full((len(regions), max(self._sizes)), np.nan)  # PyRadiomics' formulas pass over NaN
        for row, values in zip(self.targetVoxelArray, regions, strict=True):
            row[: len(values)] = np.sort(values.astype(float))
        if binned.textures is not None:
            counts = binned.textures.voxels
        else:
            counts = np.bincount(self.discretizedImageArray[self.maskArray])
            counts = counts[counts > 0].reshape((1, -1))
        self.coefficients["p_i"] = counts / counts.sum(axis=1, keepdims=True)
        self._moments: dict[int, np.ndarray] = {}
        self._percentiles = {q: self._percentile(q / 100) for q in (10, 25, 50, 75, 90)}

    def _percentile(self, share: float) -> np.ndarray:
        """Interpolated linearly between the values before and after, as NumPy's; of each region."""
        place = share * (np.array(self._sizes) - 1)
        before = place.astype(int)
        rows = np.arange(len(self._sizes))
        low = self.targetVoxelArray[rows, before]
        high = self.targetVoxelArray[rows, np.minimum(before + 1, np.array(self._sizes) - 1)]
        return low + (high - low) * (place - before)

    def get10PercentileFeatureValue(self) -> np.ndarray:
        return self._percentiles[10]

    def get90PercentileFeatureValue(self) -> np.ndarray:
        return self._percentiles[90]

    def getMedianFeatureValue(self) -> np.ndarray:
        return self._percentiles[50]

    def getInterquartileRangeFeatureValue(self) -> np.ndarray:
        return self._percentiles[75] - self._percentiles[25]

    def getRobustMeanAbsoluteDeviationFeatureValue(self) -> np.ndarray:
        found = []
        for row, size, low, high in zip(
            self.targetVoxelArray, self._sizes, self._percentiles[10], self._percentiles[90], strict=True
        ):
            values = row[:size]
            middle = values[np.searchsorted(values, low) : np.searchsorted(values, high, "right")]
            found.append(np.mean(np.abs(middle - middle.mean())) if len(middle) else np.nan)
        return np.array(found)

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
            counts = counts + counts.transpose(0, 1, 3, 2)
        sums = counts.sum(axis=(2, 3))
        if counts.shape[1] > 1:
            counts, sums = counts[:, sums.any(axis=0)], sums[:, sums.any(axis=0)]
        shares = counts / np.where(sums > 0, sums, np.nan)[:, :, None, None]
        return shares.transpose(0, 2, 3, 1)  # the angles stay outermost in memory: sums run along it

    def _calculateCoefficients(self) -> None:
        if self.textures is None or self.P_glcm.shape[3] == 0:
            super()._calculateCoefficients()
            return
        levels, top = self.coefficients["grayLevels"], int(np.max(self.coefficients["Ng"]))
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
        return maximal_correlation(self.P_glcm.transpose(0, 3, 1, 2), self.coefficients["eps"])


class _Glrlm:
    def _calculateMatrix(self, voxelCoordinates: None = None) -> np.ndarray:
        if self.textures is None:
            return super()._calculateMatrix(voxelCoordinates)
        counts = self.textures.runs()
        runs = counts.sum(axis=(2, 3))
        if counts.shape[1] > 1:
            counts, runs = counts[:, runs.any(axis=0)], runs[:, runs.any(axis=0)]
        self.coefficients["Nr"] = np.where(runs > 0, runs, np.nan)
        return counts.transpose(0, 2, 3, 1)


class _Gldm:
    def _calculateMatrix(self, voxelCoordinates: None = None) -> np.ndarray:
        if self.textures is None:
            return super()._calculateMatrix(voxelCoordinates)
        counts = self.textures.dependences()
        sizes = counts.sum(axis=(0, 1))
        counts = counts[:, :, sizes > 0]
        self.coefficients["Nz"] = counts.sum(axis=(1, 2))
        self.coefficients["pd"] = counts.sum(axis=1)
        self.coefficients["pg"] = counts.sum(axis=2)
        self.coefficients["ivector"] = self.coefficients["grayLevels"].astype(float)
        self.coefficients["jvector"] = np.flatnonzero(sizes > 0) + 1.0
        return counts


class _Glszm:
    """Zones by size without the sizes that do not occur, which PyRadiomics leaves out one step later."""

    def _calculateMatrix(self, voxelCoordinates: None = None) -> np.ndarray:
        if self.textures is None:
            return super()._calculateMatrix(voxelCoordinates)
        counts, self._zone_sizes = self.textures.zones()
        return counts

    def _calculateCoefficients(self) -> None:
        if self.textures is None:
            super()._calculateCoefficients()
            return
        by_size = self.P_glszm.sum(axis=1)
        self.coefficients |= {
            "Np": by_size @ self._zone_sizes,
            "Nz": by_size.sum(axis=1),
            "ps": by_size,
            "pg": self.P_glszm.sum(axis=2),
            "ivector": self.coefficients["grayLevels"].astype(float),
            "jvector": self._zone_sizes,
        }


class _Ngtdm:
    def _calculateMatrix(self, voxelCoordinates: None = None) -> np.ndarray:
        if self.textures is None:
            return super()._calculateMatrix(voxelCoordinates)
        return self.textures.neighbourhood_differences()


_EXTRAS: dict[str, type] = {
    "firstorder": _FirstOrder,
    "glcm": _Glcm,
    "glrlm": _Glrlm,
    "glszm": _Glszm,
    "gldm": _Gldm,
    "ngtdm": _Ngtdm,
}


def _gathered(glcm: np.ndarray, place: np.ndarray, count: int) -> np.ndarray:
    """Sums of GLCMs' elements (regions, levels, levels, angles) by their ``place`` (levels, levels).

    :returns: (regions, count, angles).
    """
    regions, levels, _, angles = glcm.shape
    flat = glcm.transpose(0, 3, 1, 2).reshape(regions * angles, levels * levels)
    code = np.add.outer(np.arange(regions * angles) * count, place.ravel())
    sums = np.bincount(code.ravel(), flat.ravel(), regions * angles * count)
    return sums.reshape(regions, angles, count).transpose(0, 2, 1)
