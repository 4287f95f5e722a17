"""Features of many contours on images that are filtered once: all contours of one image together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk

from .batches import measure_together
from .classes import Outcome, compute_classes
from .engine import Plan
from .prepare import Prepared
from .shape import compute_shape
from .textures import Neighbourhood

_EMPTY = "a redrawn contour leaves nothing of it"


@dataclass(frozen=True)
class SharedImage:
    """A filtered image on the working grid, with filtered noise of the original's strength, or none.

    :param name: as in the features' names (``wavelet-LLH``).
    :param setting: settings for its feature classes.
    :param noise: a cube (z, y, x) that is laid out again and again.
    """

    name: str
    setting: dict[str, Any]
    image: sitk.Image
    noise: np.ndarray | None


@dataclass(frozen=True)
class Contour:
    """What one contour holds of the working grid.

    :param start: first index of its box (z, y, x).
    :param inside: boolean, within its box (z, y, x); of size 0 when it holds nothing.
    :param shift: where the noise starts that is added to its images (z, y, x).
    """

    start: tuple[int, ...]
    inside: np.ndarray
    shift: tuple[int, ...] = (0, 0, 0)

    @classmethod
    def of(cls, inside: np.ndarray, start: Sequence[int] = (0, 0, 0), shift: tuple[int, ...] = (0, 0, 0)) -> Contour:
        """A contour from what it holds of an array (z, y, x) that begins at ``start`` of the working grid."""
        hits = [np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
        if not len(hits[0]):
            return cls(tuple(start), np.zeros((0, 0, 0), bool), shift)
        box = tuple(slice(int(hit[0]), int(hit[-1]) + 1) for hit in hits)
        return cls(tuple(int(s) + b.start for s, b in zip(start, box, strict=True)), inside[box], shift)

    def cut(self, image: sitk.Image) -> sitk.Image:
        """The contour's box out of an image on the working grid."""
        return sitk.RegionOfInterest(image, list(self.inside.shape[::-1]), list(self.start[::-1]))

    def mask(self, image: sitk.Image) -> sitk.Image:
        """Unsigned 8-bit, 1 inside, on the whole of the working grid, which ``image`` has."""
        whole = np.zeros(image.GetSize()[::-1], np.uint8)
        whole[tuple(slice(s, s + n) for s, n in zip(self.start, self.inside.shape, strict=True))] = self.inside
        mask = sitk.GetImageFromArray(whole)
        mask.CopyInformation(image)
        return mask


class _Measured:
    """One contour with what all images need of it.

    :ivar contour: where grey values count.
    :ivar places: its voxels in the flat working grid (n).
    """

    def __init__(self, contour: Contour, size: tuple[int, ...], flat_axis: int | None) -> None:
        self.contour = contour
        self.around = Neighbourhood((contour.inside,), flat_axis)
        self._within = np.nonzero(contour.inside)
        where = [axis + start for axis, start in zip(self._within, contour.start, strict=True)]
        self.places = np.ravel_multi_index(where, size)
        self._noise_places: dict[tuple[int, ...], np.ndarray] = {}

    def values(self, grey: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        """Its voxels of an image on the working grid (n), with the noise that falls on them."""
        found = grey.ravel()[self.places]
        if noise is None:
            return found
        if noise.shape not in self._noise_places:
            axes = [(a + s) % n for a, s, n in zip(self._within, self.contour.shift, noise.shape, strict=True)]
            self._noise_places[noise.shape] = np.ravel_multi_index(axes, noise.shape)
        return found + noise.ravel()[self._noise_places[noise.shape]]

    def image(self, own: SharedImage) -> sitk.Image:
        """Its box of an image, with the noise that falls on it."""
        if own.noise is None:
            return self.contour.cut(own.image)
        box = tuple(slice(s, s + n) for s, n in zip(self.contour.start, self.contour.inside.shape, strict=True))
        grey = sitk.GetArrayViewFromImage(own.image)[box]
        axes = (np.arange(n) + s for n, s in zip(grey.shape, self.contour.shift, strict=True))
        tiles = np.ix_(*(a % n for a, n in zip(axes, own.noise.shape, strict=True)))
        noisy = sitk.GetImageFromArray(grey + own.noise[tiles])
        noisy.SetSpacing(own.image.GetSpacing())  # all that feature classes ask of its geometry
        return noisy


def measure_contours(
    contours: Sequence[Contour], prepared: Prepared, filtered: Sequence[SharedImage], plan: Plan
) -> list[Outcome]:
    """Features of each contour, without the image's prefix; contours that are alike should follow each other.

    :param prepared: holds all contours; its own mask does not count.
    """
    outcomes = [Outcome() for _ in contours]
    measured: dict[int, _Measured] = {}
    for number, (contour, outcome) in enumerate(zip(contours, outcomes, strict=True)):
        found = _usable(contour, outcome, prepared, plan)
        if found is not None:
            measured[number] = found
    names = {name: features for name, features in plan.classes.items() if not name.startswith("shape")}
    arounds = [one.around for one in measured.values()]
    joined: dict[tuple[int, ...], Neighbourhood] = {}
    for own in filtered:
        what = (own.name, names)
        grey = sitk.GetArrayViewFromImage(own.image)
        values = [one.values(grey, own.noise) for one in measured.values()]
        spacing = own.image.GetSpacing()
        how = {"ibsi": plan.ibsi, "joined": joined}
        together = measure_together(arounds, values, what, own.setting, spacing, **how)
        for place, (number, one) in enumerate(measured.items()):
            outcomes[number].take(together[place] if place in together else _alone(one, own, what, plan))
    return outcomes


def _alone(one: _Measured, own: SharedImage, what: tuple[str, dict[str, Any]], plan: Plan) -> Outcome:
    """One contour that cannot be measured together with others."""
    image = one.image(own)
    mask = sitk.GetImageFromArray(one.contour.inside.astype(np.uint8))
    mask.CopyInformation(image)
    return compute_classes(image, mask, one.around, what, own.setting, ibsi=plan.ibsi)


def _usable(contour: Contour, outcome: Outcome, prepared: Prepared, plan: Plan) -> _Measured | None:
    """Shape features of a contour, and what its grey-value features need; ``None`` where it has none."""
    from radiomics import imageoperations

    setting = plan.setting
    if not contour.inside.any():
        outcome.fail(plan.expected_names(), _EMPTY)
        return None
    image = contour.cut(prepared.image)
    mask = sitk.GetImageFromArray(contour.inside.astype(np.uint8))
    mask.CopyInformation(image)
    grey = contour
    if setting.get("resegmentRange") is not None:
        try:
            within = sitk.Cast(imageoperations.resegmentMask(image, mask, **setting), sitk.sitkUInt8)
        except ValueError as problem:
            outcome.fail(plan.expected_names(), str(problem).splitlines()[0])
            return None
        grey = Contour.of(sitk.GetArrayFromImage(within) == 1, contour.start, contour.shift)
        mask = within if setting.get("resegmentShape") else mask
    if not grey.inside.size or sum(n > 1 for n in grey.inside.shape) < setting.get("minimumROIDimensions", 2):
        few = f"a redrawn contour leaves fewer than {setting.get('minimumROIDimensions', 2)} dimensions of it"
        outcome.fail(plan.expected_names(), few if grey.inside.size else _EMPTY)
        return None
    first = [g - c for g, c in zip(grey.start[::-1], contour.start[::-1], strict=True)]
    box = np.array([v for a, n in zip(first, grey.inside.shape[::-1], strict=True) for v in (a, a + n - 1)])
    outcome.take(compute_shape(Prepared(image, mask, mask, box), plan))
    flat_axis = setting.get("force2Ddimension", 0) if setting.get("force2D") else None
    return _Measured(grey, prepared.image.GetSize()[::-1], flat_axis)
