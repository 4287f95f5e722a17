"""What we ask of PyRadiomics, and how: its parameters with defaults filled in, its classes, silence.

PyRadiomics' own extractor keeps state for the whole process (SimpleITK's tolerances, loggers); its functions and
feature classes, which this package calls, do not.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_BINNED_FIRSTORDER = frozenset({"Entropy", "Uniformity"})


@dataclass(frozen=True)
class Plan:
    """A parameter file, completed.

    :param setting: PyRadiomics' settings with its defaults; ``label`` is always 1, the value inside our masks.
    :param image_types: name (``LoG``) → settings of its own.
    :param classes: feature class → names of its features, in PyRadiomics' order.
    :param ibsi: resample and discretise as IBSI-1 prescribes instead of as PyRadiomics does.
    :param outlier_sigmas: with ``ibsi``: voxels farther from the mean are left out, after ``resegmentRange``; 0 is off.
    """

    setting: dict[str, Any]
    image_types: dict[str, dict[str, Any]]
    classes: dict[str, tuple[str, ...]]
    ibsi: bool = False
    outlier_sigmas: float = 0.0

    def expected_names(self) -> list[str]:
        """Names of all features, in PyRadiomics' order (``original_shape_Elongation``)."""
        shapes = [f"original_{c}_{f}" for c, names in self.classes.items() if c.startswith("shape") for f in names]
        grey = [(c, names) for c, names in self.classes.items() if not c.startswith("shape")]
        images = [image for kind in self.image_types for image in self.image_names(kind)]
        return shapes + [f"{image}_{c}_{f}" for image in images for c, names in grey for f in names]

    def image_names(self, kind: str) -> list[str]:
        """Names of the images that one image type gives (``log-sigma-1-0-mm-3D``)."""
        own = {**self.setting, **self.image_types[kind]}
        if kind == "LoG":
            return [f"log-sigma-{str(sigma).replace('.', '-')}-mm-3D" for sigma in own.get("sigma", [])]
        if kind == "Wavelet":
            return list(_wavelet_names(own))
        if kind == "LBP3D":
            return [f"lbp-3D-m{n + 1}" for n in range(own.get("lbp3DLevels", 2))] + ["lbp-3D-k"]
        return ["lbp-2D" if kind == "LBP2D" else kind.lower()]


def make_plan(parameters: Mapping[str, Any], *, ibsi: bool = False, outlier_sigmas: float = 0.0) -> Plan:
    """Complete the content of a (checked) parameter file."""
    from radiomics import getFeatureClasses
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    quiet()
    setting = RadiomicsFeatureExtractor._getDefaultSettings()
    setting.update(copy.deepcopy(parameters.get("setting") or {}))
    setting["label"] = 1
    images = {kind: dict(own or {}) for kind, own in (parameters.get("imageType") or {"Original": {}}).items()}
    known = getFeatureClasses()
    wanted = parameters.get("featureClass") or {name: None for name in known if name != "shape2D"}
    classes = {}
    for name, features in wanted.items():
        current = [f for f, deprecated in known[name].getFeatureNames().items() if not deprecated]
        classes[name] = tuple(features or current)
    return Plan(setting, images, classes, ibsi, outlier_sigmas)


def quiet() -> None:
    """Keep PyRadiomics' log to errors; what a user must know we say ourselves."""
    logging.getLogger("radiomics").setLevel(logging.CRITICAL)


def uses_bins(feature_class: str, feature: str) -> bool:
    """Whether a feature depends on the discretised image."""
    return feature_class != "firstorder" or feature in _BINNED_FIRSTORDER


def _wavelet_names(own: Mapping[str, Any]) -> Iterator[str]:
    axes = 2 if own.get("force2D") else 3
    level = own.get("level", 1)
    letters = [""]
    for _ in range(axes):
        letters = [word + letter for word in letters for letter in "LH"]
    for number in range(1, level + 1):
        start = "wavelet" if number == 1 else f"wavelet{number}"
        yield from (f"{start}-{word}" for word in letters[1:])
    yield f"{'wavelet' if level == 1 else f'wavelet{level}'}-{'L' * axes}"
