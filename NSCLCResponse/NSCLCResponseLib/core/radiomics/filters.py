"""The images that features are taken from: the original and what PyRadiomics' filters make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import SimpleITK as sitk

from .engine import Plan
from .prepare import Prepared


@dataclass(frozen=True)
class FilteredImage:
    """One image type, computed when asked for.

    :param name: as in the features' names (``wavelet-LLH``).
    :param make: gives the image on the working grid, or ``None`` when the filter cannot be applied.
    :param setting: settings for its feature classes.
    """

    name: str
    make: Callable[[], sitk.Image | None]
    setting: dict[str, Any]


def filtered_images(prepared: Prepared, plan: Plan) -> Iterator[FilteredImage]:
    """All image types of a plan, in PyRadiomics' order.

    Filters that give several images at once (wavelets) are computed here, once; the others when they are asked for.
    """
    for kind, own in plan.image_types.items():
        setting = {**plan.setting, **own}
        if kind == "Original":
            yield FilteredImage("original", lambda: prepared.image, setting)
        elif kind == "LoG":
            for sigma, name in zip(setting.get("sigma", []), plan.image_names(kind), strict=True):
                yield FilteredImage(name, _one_of(kind, prepared, {**setting, "sigma": [sigma]}), setting)
        elif kind in ("Wavelet", "LBP3D"):
            made = _several(kind, prepared, setting)
            for name in plan.image_names(kind):
                yield FilteredImage(name, partial(made.get, name), setting)
        else:
            yield FilteredImage(plan.image_names(kind)[0], _one_of(kind, prepared, setting), setting)


def _several(kind: str, prepared: Prepared, setting: dict[str, Any]) -> dict[str, sitk.Image]:
    try:
        return {name: image for image, name, _ in _generator(kind)(prepared.image, prepared.mask, **setting)}
    except (RuntimeError, ValueError):  # too small for it
        return {}


def _one_of(kind: str, prepared: Prepared, setting: dict[str, Any]) -> Callable[[], sitk.Image | None]:
    def make() -> sitk.Image | None:
        try:
            for image, _, _ in _generator(kind)(prepared.image, prepared.mask, **setting):
                return image
        except (RuntimeError, ValueError):
            pass
        return None

    return make


def _generator(kind: str) -> Callable[..., Iterator[tuple[sitk.Image, str, dict[str, Any]]]]:
    from radiomics import imageoperations

    return getattr(imageoperations, f"get{kind}Image")
