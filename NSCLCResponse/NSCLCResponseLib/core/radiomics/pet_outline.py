"""An outline that was drawn on the PET, and which lesion each of its voxels belongs to."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import SimpleITK as sitk

ALL_LESIONS = "all"


def share_outline(pet_mask: sitk.Image, lesions: Mapping[str, sitk.Image]) -> dict[str, sitk.Image]:
    """Give each voxel of the PET's outline to the lesion whose nearest voxel centre is closest in space.

    CT and PET of one tumour never fit to the voxel (breathing, voxel size), so nothing is asked of their overlap. The
    lesion ``all``, and a single one, get the whole outline. A lesion to which nothing is nearest has an empty mask.

    :param pet_mask: any integer type, not 0 inside, on any grid.
    :param lesions: name → mask, not 0 inside, not empty.
    :returns: name → unsigned 8-bit mask on ``pet_mask``'s grid.
    """
    whole = sitk.Cast(pet_mask != 0, sitk.sitkUInt8)
    own = [name for name in lesions if name != ALL_LESIONS]
    if len(own) < 2:
        return dict.fromkeys(lesions, whole)
    inside = sitk.GetArrayFromImage(whole) != 0
    points = _centres(whole)
    nearest = np.argmin([_distance(points, _centres(lesions[name])) for name in own], axis=0)
    shares = {}
    for number, name in enumerate(own):
        array = np.zeros(inside.shape, np.uint8)
        array[inside] = nearest == number
        shares[name] = sitk.GetImageFromArray(array)
        shares[name].CopyInformation(whole)
    return shares | ({ALL_LESIONS: whole} if ALL_LESIONS in lesions else {})


def _centres(mask: sitk.Image) -> np.ndarray:
    """Voxel centres of a mask in LPS mm (n, 3), in the array's order."""
    index = np.argwhere(sitk.GetArrayViewFromImage(mask))[:, ::-1]
    axes = np.reshape(mask.GetDirection(), (3, 3)) * np.array(mask.GetSpacing())
    return index @ axes.T + np.array(mask.GetOrigin())


def _distance(points: np.ndarray, lesion: np.ndarray) -> np.ndarray:
    from scipy.spatial import cKDTree

    return cKDTree(lesion).query(points)[0]
