"""PyRadiomics' record of what was measured: versions, settings, hashes, geometry, for image and mask."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import SimpleITK as sitk

from .engine import Plan
from .prepare import Prepared, bounding_box


def describe(image: sitk.Image, mask: sitk.Image, prepared: Prepared | None, plan: Plan) -> dict[str, Any]:
    """The same names and values as PyRadiomics' own (``diagnostics_…``), JSON-ready.

    Its hashes, SHA-1 of the voxels, are taken from the buffers directly; that is what makes them cheap here.
    """
    from radiomics.generalinfo import GeneralInfo

    info = GeneralInfo()
    info.addGeneralSettings(plan.setting)
    info.addEnabledImageTypes(plan.image_types)
    record = dict(info.getGeneralInfo())
    if plan.ibsi:
        record["diagnostics_Configuration_Processing"] = "resampled and discretised as IBSI-1 prescribes"
    record |= _image_record(image, "original") | _mask_record(None, mask, "original")
    if prepared is not None and plan.setting.get("resampledPixelSpacing") is not None:
        record |= _image_record(prepared.image, "interpolated")
        record |= _mask_record(prepared.image, prepared.shape_mask, "interpolated")
    if prepared is not None and plan.setting.get("resegmentRange") is not None:
        record |= _mask_record(prepared.image, prepared.mask, "resegmented")
    return {name: _plain(value) for name, value in record.items()}


def _image_record(image: sitk.Image, stage: str) -> dict[str, Any]:
    array = sitk.GetArrayViewFromImage(image)
    start = f"diagnostics_Image-{stage}_"
    record: dict[str, Any] = {}
    if stage == "original":
        record[f"{start}Hash"] = _sha1(array)
        record[f"{start}Dimensionality"] = f"{image.GetDimension()}D"
    record[f"{start}Spacing"] = image.GetSpacing()
    record[f"{start}Size"] = image.GetSize()
    record[f"{start}Mean"] = float(array.mean(dtype=float))
    record[f"{start}Minimum"] = float(array.min())
    record[f"{start}Maximum"] = float(array.max())
    return record


def _mask_record(image: sitk.Image | None, mask: sitk.Image, stage: str) -> dict[str, Any]:
    start = f"diagnostics_Mask-{stage}_"
    record: dict[str, Any] = {}
    array = sitk.GetArrayViewFromImage(mask)
    if stage == "original":
        record[f"{start}Hash"] = _sha1(array, np.dtype("<u4"))
    record[f"{start}Spacing"] = mask.GetSpacing()
    record[f"{start}Size"] = mask.GetSize()
    if not array.any():
        return record
    box = bounding_box(mask)
    first, size = box[::2], [b - a + 1 for a, b in zip(box[::2], box[1::2], strict=True)]
    part = sitk.RegionOfInterest(mask, size, first) == 1
    inside = sitk.GetArrayViewFromImage(part) == 1
    centre = tuple(float(c) for c in np.argwhere(inside).mean(axis=0)[::-1] + first)
    components = sitk.ConnectedComponentImageFilter()
    components.FullyConnectedOn()
    components.Execute(part)
    record[f"{start}BoundingBox"] = (*first, *size)
    record[f"{start}VoxelNum"] = int(np.count_nonzero(inside))
    record[f"{start}VolumeNum"] = components.GetObjectCount()
    record[f"{start}CenterOfMassIndex"] = centre
    record[f"{start}CenterOfMass"] = mask.TransformContinuousIndexToPhysicalPoint(centre)
    if image is not None:
        values = sitk.GetArrayFromImage(sitk.RegionOfInterest(image, size, first))[inside]
        record[f"{start}Mean"] = float(values.mean(dtype=float))
        record[f"{start}Minimum"] = float(values.min())
        record[f"{start}Maximum"] = float(values.max())
    return record


def _sha1(array: np.ndarray, dtype: np.dtype | None = None) -> str:
    digest = hashlib.sha1(usedforsecurity=False)
    for plane in array:
        digest.update(np.ascontiguousarray(plane, dtype or plane.dtype).data)
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, (float, np.floating)) and not np.isfinite(value):
        return None  # JSON has no NaN
    if isinstance(value, (str, bool, int, float)) or value is None:
        return value
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    return str(value)
