"""Random changes of patches while the 3D-CNN is trained."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


class Augmenter:
    """Random changes of one patch (channels, z, y, x); the mask moves with the images and keeps its values.

    Everything random follows from the seed given to :meth:`seed`, so an epoch can be repeated.

    :param flips: left-right flips and shifts besides rotation, scaling, contrast and noise.
    """

    def __init__(self, *, flips: bool = True) -> None:
        from monai.transforms import Compose, RandAdjustContrast, RandAffine, RandFlip, RandGaussianNoise

        moves = RandAffine(
            prob=0.5,
            rotate_range=(0.25, 0.25, 0.25),
            scale_range=(0.1, 0.1, 0.1),
            translate_range=(1.5, 1.5, 1.5) if flips else None,
            padding_mode="border",
            mode="bilinear",
        )
        # left-right only: front and back of a patient are not alike
        self._geometry = Compose([RandFlip(prob=0.5, spatial_axis=2), moves] if flips else [moves])
        contrast = RandAdjustContrast(prob=0.2, gamma=(0.9, 1.1), retain_stats=True)
        self._images = Compose([contrast, RandGaussianNoise(prob=0.3, std=0.03)])

    def seed(self, value: int) -> None:
        """Start the random sequence anew."""
        self._geometry.set_random_state(value)
        self._images.set_random_state(value + 1)

    def __call__(self, patch: np.ndarray) -> torch.Tensor:
        """The changed copy, a plain float32 tensor; to be called inside :func:`plain_tensors`."""
        import torch

        moved = self._geometry(torch.from_numpy(patch))
        return torch.cat([self._images(moved[:-1]), moved[-1:]]).float()


@contextlib.contextmanager
def plain_tensors() -> Iterator[None]:
    """MONAI without its metadata on tensors, which nothing here needs and which slows every operation."""
    from monai.data import get_track_meta, set_track_meta

    before = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(before)
