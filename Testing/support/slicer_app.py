"""Real Slicer (slicer-core, without its desktop) for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import SimpleITK as sitk

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp


@pytest.fixture
def a_slicer_app() -> SlicerApp:
    """An application with an empty scene."""
    pytest.importorskip("trame_slicer")
    from NSCLCResponseLib.render.app import new_app

    return new_app()


@pytest.fixture
def an_oblique_image() -> sitk.Image:
    """A small CT on a grid that no axis swap can mend: anisotropic, rotated, flipped, off centre."""
    rng = np.random.default_rng(5)
    image = sitk.GetImageFromArray(rng.integers(-1000, 1500, (7, 11, 13)).astype(np.int16))
    image.SetSpacing([0.7, 0.9, 2.5])
    image.SetOrigin([-31.5, 120.25, -700.125])
    angle = np.deg2rad(20)
    rotation = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, -1.0]])
    image.SetDirection(rotation.ravel().tolist())
    return image


def a_blob(image: sitk.Image, low: tuple[int, int, int], high: tuple[int, int, int]) -> sitk.Image:
    """A mask on the image's grid: a box of voxel indices (i, j, k) with one corner cut off, so that no flip fits."""
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    (i0, j0, k0), (i1, j1, k1) = low, high
    array[k0:k1, j0:j1, i0:i1] = 1
    array[k0, j0, i0] = 0
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(image)
    return mask
