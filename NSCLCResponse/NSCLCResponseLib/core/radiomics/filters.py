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


@dataclass(frozen=True)
class FilterRun:
    """One run of a filter, which may give several images (wavelets).

    :param names: of its images.
    :param make: gives those images on the working grid that the filter could make, by name.
    :param setting: settings for their feature classes.
    """

    names: tuple[str, ...]
    make: Callable[[], dict[str, sitk.Image]]
    setting: dict[str, Any]


def filter_runs(prepared: Prepared, plan: Plan) -> Iterator[FilterRun]:
    """The filters of a plan, in PyRadiomics' order; nothing is computed yet."""
    for kind, own in plan.image_types.items():
        setting = {**plan.setting, **own}
        names = tuple(plan.image_names(kind))
        if kind == "Original":
            yield FilterRun(("original",), lambda: {"original": prepared.image}, setting)
        elif kind == "LoG":
            for sigma, name in zip(setting.get("sigma", []), names, strict=True):
                yield FilterRun((name,), partial(_filtered, kind, prepared, {**setting, "sigma": [sigma]}), setting)
        else:
            yield FilterRun(names, partial(_filtered, kind, prepared, setting), setting)


def filtered_images(prepared: Prepared, plan: Plan) -> Iterator[FilteredImage]:
    """All image types of a plan, in PyRadiomics' order.

    Filters that give several images at once (wavelets) are computed here, once; the others when they are asked for.
    """
    for run in filter_runs(prepared, plan):
        made = run.make().get if len(run.names) > 1 else lambda name, run=run: run.make().get(name)
        for name in run.names:
            yield FilteredImage(name, partial(made, name), run.setting)


def _filtered(kind: str, prepared: Prepared, setting: dict[str, Any]) -> dict[str, sitk.Image]:
    try:
        return {name: image for image, name, _ in _generator(kind)(prepared.image, prepared.mask, **setting)}
    except (RuntimeError, ValueError):  # too small for it
        return {}


def _generator(kind: str) -> Callable[..., Iterator[tuple[sitk.Image, str, dict[str, Any]]]]:
    from radiomics import imageoperations

    return getattr(imageoperations, f"get{kind}Image")
