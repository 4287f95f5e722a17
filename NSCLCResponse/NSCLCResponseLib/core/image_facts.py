"""What can be told from a patient's images alone about how they were made: slices, noise, contrast, size of the tumour.

Measured in training and again for each patient, so that a signature can say where a patient differs from those it has
seen. Header fields are not used: they are missing or wrong too often, and files other than DICOM have none.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import SimpleITK as sitk

from .radiomics.robustness import noise_of

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.anatomy import Anatomy

PHASES = ("unenhanced", "venous", "arterial")
_PHASE_LIMITS_HU = (80.0, 220.0)  # between unenhanced and venous, between venous and arterial
_AROUND_MM = 15.0  # noise is measured in the tumour's box and this margin
_MEDIASTINUM_Z, _MEDIASTINUM_Y = (0.2, 0.7), (0.02, 0.62)  # of the lungs' extent: great vessels, in front of the spine


@dataclass(frozen=True)
class ImageFacts:
    """Facts of one case.

    :param slice_mm: distance of slices. :param pixel_mm: in-plane spacing, the larger of both.
    :param noise_hu: standard deviation of the noise around the tumour.
    :param low_hu: 5th percentile within the tumour. :param high_hu: 95th percentile.
    :param blood_hu: 75th percentile of soft tissue in the middle of the chest, which great vessels fill; NaN where no
        lungs were found.
    """

    slice_mm: float
    pixel_mm: float
    noise_hu: float
    volume_ml: float
    low_hu: float
    high_hu: float
    blood_hu: float

    def to_json(self) -> dict[str, float | None]:
        """JSON-ready dictionary; NaN becomes ``None``."""
        return {name: float(v) if np.isfinite(v) else None for name, v in asdict(self).items()}

    @property
    def phase(self) -> str:
        """The guess of :func:`contrast_phase`."""
        return contrast_phase(self.blood_hu)


FACTS = tuple(field.name for field in fields(ImageFacts))


def contrast_phase(blood_hu: float) -> str:
    """``unenhanced``, ``venous`` or ``arterial`` from the level of blood; empty when it is not known.

    Blood has 30 to 60 HU without contrast medium, 100 to 180 in the venous and over 250 in the arterial phase.
    """
    if not np.isfinite(blood_hu):
        return ""
    return PHASES[int(np.searchsorted(_PHASE_LIMITS_HU, blood_hu, side="right"))]


def measure_facts(
    ct: sitk.Image, mask: sitk.Image, anatomy: Anatomy | None = None, blood_hu: float | None = None
) -> ImageFacts:
    """Facts of one case.

    :param ct: HU. :param mask: on the CT's grid, not 0 inside, not empty.
    :param anatomy: of this CT, if it is known already; half a second without it.
    :param blood_hu: the level of blood, if it is known already.
    """
    x, y, z = ct.GetSpacing()
    labels, whole = sitk.GetArrayViewFromImage(mask), sitk.GetArrayViewFromImage(ct)
    near = _box(labels, (z, y, x))  # the rest of a large CT would only cost time
    inside, grey = labels[near] != 0, whole[near]
    values = grey[inside]
    low, high = np.percentile(values, (5, 95))
    return ImageFacts(
        slice_mm=float(z),
        pixel_mm=float(max(x, y)),
        noise_hu=noise_of(grey.astype(np.float64)),
        volume_ml=float(len(values) * x * y * z / 1000),
        low_hu=float(low),
        high_hu=float(high),
        blood_hu=_blood_hu(ct, anatomy) if blood_hu is None else blood_hu,
    )


def _blood_hu(ct: sitk.Image, anatomy: Anatomy | None) -> float:
    from NSCLCResponseSegmentLib.core.anatomy import segment_anatomy
    from NSCLCResponseSegmentLib.core.errors import ImageError

    try:
        anatomy = anatomy or segment_anatomy(ct)
    except ImageError:  # no body in it, as on a crop
        return float("nan")
    return blood_level(anatomy.coarse_ct, anatomy.coarse_lungs)


def _box(labels: np.ndarray, spacing: tuple[float, ...]) -> tuple[slice, ...]:
    """Around what is not 0, with a margin."""
    box: list[slice] = []
    part = labels
    for axis in range(3):
        hit = np.flatnonzero(part.any(axis=tuple(a for a in range(3) if a != axis)))
        first, last = int(hit[0]), int(hit[-1]) + 1
        part = np.take(part, range(first, last), axis=axis)
        margin = int(np.ceil(_AROUND_MM / spacing[axis]))
        box.append(slice(max(0, first - margin), last + margin))
    return tuple(box)


def blood_level(ct: sitk.Image, lungs: sitk.Image) -> float:
    """75th percentile of soft tissue between the lungs and in front of the spine, HU; NaN where there is none.

    :param ct: coarse, HU, LPS. :param lungs: on the same grid, 0 or 1.
    """
    from scipy import ndimage

    air = sitk.GetArrayViewFromImage(lungs) > 0
    if not air.any():
        return float("nan")
    z, y, x = np.nonzero(air)
    top, bottom = np.quantile(z, _MEDIASTINUM_Z).astype(int)
    front, back = np.quantile(y, (_MEDIASTINUM_Y[0], 0.98))
    behind = int(front + _MEDIASTINUM_Y[1] * (back - front))
    middle, half = int(np.median(x)), max(2, int(x.max() - x.min()) // 6)
    part = sitk.GetArrayViewFromImage(ct)[top : bottom + 1, int(front) : behind, max(0, middle - half) : middle + half]
    soft = ndimage.binary_erosion((part > -20) & (part < 600))
    return float(np.quantile(part[soft], 0.75)) if soft.sum() > 50 else float("nan")
