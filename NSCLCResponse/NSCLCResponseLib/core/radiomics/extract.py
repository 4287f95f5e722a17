"""Features of one region of one image, by PyRadiomics."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.masks import onto_grid
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .settings import RadiomicsSettings

_MANY_BINS, _TOO_MANY_BINS = 256, 1024


@dataclass(frozen=True)
class FeatureResult:
    """What came out for one region.

    :param values: feature name with its prefix (``ct_original_glcm_Contrast``) → value.
    :param failed: feature name → why it has no value, in words.
    :param diagnostics: PyRadiomics' own record of images, masks and versions.
    """

    values: dict[str, float]
    failed: dict[str, str]
    settings_sha256: str
    diagnostics: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def extract_features(
    image: sitk.Image,
    mask: sitk.Image,
    settings: RadiomicsSettings,
    *,
    prefix: str = "ct",
    progress: Progress = SILENT,
) -> FeatureResult:
    """All features that ``settings`` ask for.

    :param image: 3-D, in HU or SUVbw.
    :param mask: unsigned 8-bit, 1 inside; brought onto the image's grid by physical space if it lies on another.
    :param prefix: put before PyRadiomics' names, e.g. ``ct``.
    :raises MaskError: the region has no voxel on the image's grid, or needs more than 1024 bins.
    """
    from radiomics import featureextractor

    _quiet()
    mask, notes = onto_grid(mask, image)
    _check_region(image, mask, settings)
    progress.report(0.05, f"Radiomics of the {prefix.upper()}")
    extractor = featureextractor.RadiomicsFeatureExtractor(copy.deepcopy(settings.parameters))
    raw = extractor.execute(image, mask)
    values: dict[str, float] = {}
    failed: dict[str, str] = {}
    for name, value in raw.items():
        if name.startswith("diagnostics"):
            continue
        number = float(value)
        if np.isfinite(number):
            values[f"{prefix}_{name}"] = number
        else:
            failed[f"{prefix}_{name}"] = "not defined for this region (its value is not a finite number)"
    progress.report(1.0, f"Radiomics of the {prefix.upper()}")
    diagnostics = {name: _plain(value) for name, value in raw.items() if name.startswith("diagnostics")}
    return FeatureResult(values, failed, settings.sha256, diagnostics, tuple(notes))


def _quiet() -> None:
    import radiomics

    radiomics.logger.setLevel(logging.ERROR)


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def _check_region(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> None:
    inside = sitk.GetArrayViewFromImage(image)[sitk.GetArrayViewFromImage(mask) == 1]
    if inside.size == 0:
        raise MaskError(
            "The region has no voxel on the image's grid.", "It is smaller than one voxel, or lies outside the image."
        )
    width = (settings.parameters.get("setting") or {}).get("binWidth", 25)
    bins = (float(inside.max()) - float(inside.min())) / width
    if bins > _TOO_MANY_BINS:
        raise MaskError(
            f"With bins of {width} the region's values would need {bins:.0f} bins; texture would mean nothing.",
            "Use settings whose binWidth fits the image's unit (HU or SUVbw).",
        )
