"""IBSI-1 features by their tags, as far as PyRadiomics' feature classes (and our local peak) offer them.

Zwanenburg et al., Radiology 2020;295:328, and the IBSI reference manual (arXiv:1612.07003). Aggregation: ``2D_avg``
and ``2D_comb`` are PyRadiomics' classes on each slice, averaged; ``2_5D_avg`` and ``2_5D_comb`` its ``force2D`` on the
whole region; ``3D_avg`` and ``3D_comb`` on the volume. ``comb`` merges directions first (``no_weighting``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import SimpleITK as sitk

from .classes import Outcome, run_class
from .pet_measures import local_means
from .prepare import Prepared
from .sharing import Binned, sharing_class
from .textures import Neighbourhood, TextureMatrices

SHAPE = {
    "morph_volume": "MeshVolume", "morph_vol_approx": "VoxelVolume", "morph_area_mesh": "SurfaceArea",
    "morph_av": "SurfaceVolumeRatio", "morph_sphericity": "Sphericity", "morph_diam": "Maximum3DDiameter",
    "morph_pca_maj_axis": "MajorAxisLength", "morph_pca_min_axis": "MinorAxisLength",
    "morph_comp_1": "Compactness1", "morph_comp_2": "Compactness2", "morph_sph_dispr": "SphericalDisproportion",
    "morph_pca_least_axis": "LeastAxisLength", "morph_pca_elongation": "Elongation", "morph_pca_flatness": "Flatness",
}  # fmt: skip
INTENSITY = {
    "mean": "Mean", "var": "Variance", "skew": "Skewness", "kurt": "Kurtosis", "median": "Median", "min": "Minimum",
    "p10": "10Percentile", "p90": "90Percentile", "max": "Maximum", "iqr": "InterquartileRange", "range": "Range",
    "mad": "MeanAbsoluteDeviation", "rmad": "RobustMeanAbsoluteDeviation",
}  # fmt: skip
STATISTICS = {**INTENSITY, "energy": "Energy", "rms": "RootMeanSquared"}
HISTOGRAM = {**INTENSITY, "entropy": "Entropy", "uniformity": "Uniformity"}
TEXTURE = {
    "cm": ("glcm", {
        "joint_max": "MaximumProbability", "joint_avg": "JointAverage", "joint_var": "SumSquares",
        "joint_entr": "JointEntropy", "diff_avg": "DifferenceAverage", "diff_var": "DifferenceVariance",
        "diff_entr": "DifferenceEntropy", "sum_avg": "SumAverage", "sum_var": "ClusterTendency",
        "sum_entr": "SumEntropy", "energy": "JointEnergy", "contrast": "Contrast",
        "dissimilarity": "DifferenceAverage", "inv_diff": "Id", "inv_diff_norm": "Idn", "inv_diff_mom": "Idm",
        "inv_diff_mom_norm": "Idmn", "inv_var": "InverseVariance", "corr": "Correlation",
        "auto_corr": "Autocorrelation", "clust_tend": "ClusterTendency", "clust_shade": "ClusterShade",
        "clust_prom": "ClusterProminence", "info_corr1": "Imc1", "info_corr2": "Imc2",
    }),
    "rlm": ("glrlm", {
        "sre": "ShortRunEmphasis", "lre": "LongRunEmphasis", "lgre": "LowGrayLevelRunEmphasis",
        "hgre": "HighGrayLevelRunEmphasis", "srlge": "ShortRunLowGrayLevelEmphasis",
        "srhge": "ShortRunHighGrayLevelEmphasis", "lrlge": "LongRunLowGrayLevelEmphasis",
        "lrhge": "LongRunHighGrayLevelEmphasis", "glnu": "GrayLevelNonUniformity",
        "glnu_norm": "GrayLevelNonUniformityNormalized", "rlnu": "RunLengthNonUniformity",
        "rlnu_norm": "RunLengthNonUniformityNormalized", "r_perc": "RunPercentage", "gl_var": "GrayLevelVariance",
        "rl_var": "RunVariance", "rl_entr": "RunEntropy",
    }),
    "szm": ("glszm", {
        "sze": "SmallAreaEmphasis", "lze": "LargeAreaEmphasis", "lgze": "LowGrayLevelZoneEmphasis",
        "hgze": "HighGrayLevelZoneEmphasis", "szlge": "SmallAreaLowGrayLevelEmphasis",
        "szhge": "SmallAreaHighGrayLevelEmphasis", "lzlge": "LargeAreaLowGrayLevelEmphasis",
        "lzhge": "LargeAreaHighGrayLevelEmphasis", "glnu": "GrayLevelNonUniformity",
        "glnu_norm": "GrayLevelNonUniformityNormalized", "zsnu": "SizeZoneNonUniformity",
        "zsnu_norm": "SizeZoneNonUniformityNormalized", "z_perc": "ZonePercentage", "gl_var": "GrayLevelVariance",
        "zs_var": "ZoneVariance", "zs_entr": "ZoneEntropy",
    }),
    "ngt": ("ngtdm", {
        "coarseness": "Coarseness", "contrast": "Contrast", "busyness": "Busyness", "complexity": "Complexity",
        "strength": "Strength",
    }),
    "ngl": ("gldm", {
        "lde": "SmallDependenceEmphasis", "hde": "LargeDependenceEmphasis", "lgce": "LowGrayLevelEmphasis",
        "hgce": "HighGrayLevelEmphasis", "ldlge": "SmallDependenceLowGrayLevelEmphasis",
        "ldhge": "SmallDependenceHighGrayLevelEmphasis", "hdlge": "LargeDependenceLowGrayLevelEmphasis",
        "hdhge": "LargeDependenceHighGrayLevelEmphasis", "glnu": "GrayLevelNonUniformity",
        "dcnu": "DependenceNonUniformity", "dcnu_norm": "DependenceNonUniformityNormalized",
        "gl_var": "GrayLevelVariance", "dc_var": "DependenceVariance", "dc_entr": "DependenceEntropy",
    }),
}  # fmt: skip
_MERGES = ("cm", "rlm")  # families whose directions can be averaged or merged


def intensity_tags(prepared: Prepared, setting: dict[str, Any], binned: Binned) -> dict[str, float]:
    """``stat_…``, ``ih_…`` (PyRadiomics' first order on the discretised image) and ``loc_peak_…``."""
    image, mask = prepared.crop(prepared.image), prepared.crop(prepared.mask)
    values = _tags("stat_", STATISTICS, _class_values("firstorder", image, mask, binned, setting))
    levels = sitk.GetImageFromArray(binned.array.astype(np.float64))
    levels.CopyInformation(image)
    values |= _tags("ih_", HISTOGRAM, _class_values("firstorder", levels, mask, binned, setting))
    means = local_means(prepared.image, prepared.mask)
    inside = sitk.GetArrayViewFromImage(prepared.mask) == 1
    grey = sitk.GetArrayViewFromImage(prepared.image)[inside]
    values["loc_peak_glob"] = float(means.max())
    values["loc_peak_loc"] = float(means[grey == grey.max()].max())
    return values


def texture_tags(
    prepared: Prepared, setting: dict[str, Any], binned: Binned, *, flat: bool, volume: bool
) -> dict[str, float]:
    """Texture features in every aggregation.

    :param flat: compute those by slice (2D and 2.5D).
    :param volume: compute those in three dimensions.
    """
    image, mask = prepared.crop(prepared.image), prepared.crop(prepared.mask)
    inside = sitk.GetArrayFromImage(mask) == 1
    values: dict[str, float] = {}
    for family, (class_name, features) in TEXTURE.items():
        for merging in ("avg", "comb") if family in _MERGES else ("",):
            own = {**setting, "weightingNorm": "no_weighting"} if merging == "comb" else dict(setting)
            ending = f"_{merging}" if merging else ""
            if volume:
                found = _class_values(class_name, image, mask, _with_textures(binned, inside, None), own)
                values |= _tags(f"{family}_", features, found, f"_3D{ending}")
            if flat:
                own |= {"force2D": True, "force2Ddimension": 0}
                found = _class_values(class_name, image, mask, _with_textures(binned, inside, 0), own)
                values |= _tags(f"{family}_", features, found, f"_2_5D{ending}")
                by_slice = [_class_values(class_name, *parts, own) for parts in _slices(image, inside, binned)]
                values |= _tags(f"{family}_", features, _mean_of(by_slice), f"_2D{ending}")
    return values


def _tags(start: str, names: dict[str, str], found: dict[str, float], end: str = "") -> dict[str, float]:
    return {f"{start}{tag}{end}": found[feature] for tag, feature in names.items() if feature in found}


def _with_textures(binned: Binned, inside: np.ndarray, flat_axis: int | None) -> Binned:
    around = Neighbourhood((inside,), flat_axis)
    return Binned(binned.array, binned.levels, TextureMatrices(around, binned.array[inside]), binned.top)


def _slices(image: sitk.Image, inside: np.ndarray, binned: Binned) -> Iterator[tuple[sitk.Image, sitk.Image, Binned]]:
    """Image, mask and bins of each slice of the region."""
    for number, plane in enumerate(inside):
        if not plane.any():
            continue
        start, size = [0, 0, number], [*image.GetSize()[:2], 1]
        part = sitk.RegionOfInterest(image, size, start)
        mask = sitk.GetImageFromArray(plane[None].astype(np.uint8))
        mask.CopyInformation(part)
        levels = binned.array[number][None]
        own = Binned(levels, np.unique(levels[plane[None]]), None, int(binned.levels[-1]))
        yield part, mask, _with_textures(own, plane[None], 0)


def _mean_of(parts: list[dict[str, float]]) -> dict[str, float]:
    names = {name for part in parts for name in part}
    return {name: float(np.mean([part[name] for part in parts if name in part])) for name in names}


def _class_values(
    class_name: str, image: sitk.Image, mask: sitk.Image, binned: Binned, setting: dict[str, Any]
) -> dict[str, float]:
    from radiomics import getFeatureClasses

    features = [f for f, deprecated in getFeatureClasses()[class_name].getFeatureNames().items() if not deprecated]
    outcome = Outcome()
    with np.errstate(all="ignore"):
        calculator = sharing_class(class_name)(image, mask, **setting, binned=binned)
        run_class(outcome, calculator, "", tuple(features))
    return outcome.values
