"""IBSI-1's diagnostic values of image and mask before and after processing, by their tags."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .prepare import Prepared, bounding_box


def image_tags(image: sitk.Image, mask: sitk.Image, prepared: Prepared) -> dict[str, float]:
    """Sizes, spacings, voxel counts and grey values of the initial, interpolated and resegmented stage."""
    values: dict[str, float] = {}
    for stage, picture in (("init_img", image), ("interp_img", prepared.image)):
        for axis, name in enumerate("xyz"):
            values[f"img_dim_{name}_{stage}"] = float(picture.GetSize()[axis])
            values[f"vox_dim_{name}_{stage}"] = float(picture.GetSpacing()[axis])
        array = sitk.GetArrayViewFromImage(picture)
        values |= _grey(array, "", f"_{stage}")
    stages = (
        ("init_roi", image, mask, mask),
        ("interp_roi", prepared.image, prepared.shape_mask, prepared.shape_mask),
        ("reseg_roi", prepared.image, prepared.mask, prepared.shape_mask),
    )
    for stage, picture, grey_mask, shape_mask in stages:
        for kind, part in (("int_mask", grey_mask), ("morph_mask", shape_mask)):
            array = sitk.GetArrayViewFromImage(part) == 1
            box = bounding_box(part)
            values[f"{kind}_vox_count_{stage}"] = float(np.count_nonzero(array))
            for axis, name in enumerate("xyz"):
                values[f"{kind}_dim_{name}_{stage}"] = float(part.GetSize()[axis])
                values[f"{kind}_bb_dim_{name}_{stage}"] = float(box[2 * axis + 1] - box[2 * axis] + 1)
        inside = sitk.GetArrayViewFromImage(grey_mask) == 1
        values |= _grey(sitk.GetArrayViewFromImage(picture)[inside], "int_mask_", f"_{stage}")
    return values


def _grey(array: np.ndarray, start: str, end: str) -> dict[str, float]:
    return {
        f"{start}mean_int{end}": float(array.mean(dtype=float)),
        f"{start}min_int{end}": float(array.min()),
        f"{start}max_int{end}": float(array.max()),
    }
