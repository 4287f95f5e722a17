"""Body, lungs and airways from CT without a network, and whether this is a chest at all.

All of it is worked out on a coarse copy of the CT (voxels of about 3 mm), which takes a second and is as exact as its
uses need: cropping, background for outlining, checks. :class:`Anatomy` gives each mask on the CT's own grid on demand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import SimpleITK as sitk

from .anatomy_field import LungField, lung_field
from .anatomy_grid import coarse_copy
from .anatomy_masks import airway_mask, body_mask, lung_mask
from .errors import ImageError
from .progress import SILENT, Progress

_CHEST_LUNG_ML = 700.0  # both lungs of a small adult hold over 1.5 L; half of one is still a chest
_CUT_SHARE = 0.5  # of each side of the image that body fills where the field of view is cut to an organ
_CONTRAST_HU = 180.0
_CHAMBER_MM, _CHAMBERS_ML = 9.0, 40.0  # deeper in contrast medium than vessels are wide or bones thick, and how much
_CHEST_LUNG_SHARE = 0.06  # of the body; an abdomen with the lung bases in view stays below, a chest is at 0.15 to 0.4


@dataclass(frozen=True)
class Anatomy:
    """Masks (unsigned 8-bit, 0 or 1) of one CT.

    ``coarse_*`` are on the coarse grid, oriented LPS; ``body``, ``lungs`` and ``airways`` are on the CT's grid.
    """

    ct: sitk.Image
    coarse_ct: sitk.Image  # 32-bit float, HU, averaged
    coarse_body: sitk.Image
    coarse_lungs: sitk.Image  # air-filled lung with the vessels in it, without trachea and main bronchi
    coarse_airways: sitk.Image
    is_chest: bool
    reason: str  # why it is not a chest; empty when it is
    shows_heart: bool = False  # cut to the heart, which contrast medium fills

    @property
    def lung_share(self) -> float:
        """Volume of air-filled lung over that of the body in view."""
        return _count(self.coarse_lungs) / max(1, _count(self.coarse_body))

    @cached_property
    def field(self) -> LungField:
        """How far each place lies beyond where lung is expected."""
        return lung_field(self.coarse_ct, self.coarse_body, self.coarse_lungs)

    @cached_property
    def body(self) -> sitk.Image:
        """The patient without table and clothes, holes filled."""
        return self.on_ct_grid(self.coarse_body)

    @cached_property
    def lungs(self) -> sitk.Image:
        """Air-filled lung with the vessels in it, without trachea and main bronchi."""
        return self.on_ct_grid(self.coarse_lungs)

    @cached_property
    def airways(self) -> sitk.Image:
        """Trachea and main bronchi."""
        return self.on_ct_grid(self.coarse_airways)

    def on_ct_grid(self, coarse: sitk.Image) -> sitk.Image:
        """A coarse mask on the CT's grid; its surface is smooth, not in steps of the coarse voxels."""
        soft = sitk.Cast(coarse, sitk.sitkFloat32)
        return sitk.Resample(soft, self.ct, sitk.Transform(), sitk.sitkLinear, 0.0) >= 0.5


def segment_anatomy(
    ct: sitk.Image, progress: Progress = SILENT, meanwhile: Callable[[sitk.Image], None] | None = None
) -> Anatomy:
    """Find body, lungs and airways.

    :param ct: 3-D, in HU, any orientation.
    :param meanwhile: called with the coarse CT as soon as it is there, to start what needs no more than that.
    :raises ImageError: it holds no body at all.
    """
    progress.report(0.0, "Finding body and lungs")
    coarse = coarse_copy(ct)
    if meanwhile is not None:
        meanwhile(coarse)
    body = body_mask(coarse)
    progress.report(0.4, "Finding body and lungs")
    airways = airway_mask(coarse, body)
    lungs = lung_mask(coarse, body, airways)
    shows_heart = _shows_heart(coarse, body)
    reason = "it is cut to the heart, which contrast medium fills" if shows_heart else _why_not_a_chest(body, lungs)
    progress.report(1.0, "Body and lungs found")
    return Anatomy(ct, coarse, body, lungs, airways, not reason, reason, shows_heart)


def require_chest(ct: sitk.Image, progress: Progress = SILENT) -> Anatomy:
    """The anatomy of a CT that shows lung.

    A CT cut to a small field of view (a crop around a tumour) passes when the lung in view is substantial: what matters
    is whether a lung tumour can be judged, not whether the thorax is complete.

    :raises ImageError: there is no lung to speak of, as on a CT of the abdomen or the head; or it is a CT angiography
        of the heart.
    """
    anatomy = segment_anatomy(ct, progress)
    if not anatomy.is_chest:
        raise ImageError(
            f"This CT does not show a chest: {anatomy.reason}.", "Give the CT of the thorax, in Hounsfield units."
        )
    return anatomy


def _why_not_a_chest(body: sitk.Image, lungs: sitk.Image) -> str:
    voxel_ml = _voxel_ml(body)
    lung_ml, body_ml = (_count(m) * voxel_ml for m in (lungs, body))
    share = lung_ml / body_ml if body_ml else 0.0
    if lung_ml >= _CHEST_LUNG_ML and share >= _CHEST_LUNG_SHARE:
        return ""
    if lung_ml < 1.0:
        return "no lung was found in it"
    return f"only {lung_ml:.0f} mL of lung are in view, {share:.0%} of the body"


def _shows_heart(coarse: sitk.Image, body: sitk.Image) -> bool:
    """Whether all four sides cut the body and its middle holds chambers full of contrast medium: a CT of the heart."""
    from scipy import ndimage

    inside = sitk.GetArrayViewFromImage(body) > 0
    if min(side.mean() for side in (inside[:, 0], inside[:, -1], inside[:, :, 0], inside[:, :, -1])) < _CUT_SHARE:
        return False
    bright = (sitk.GetArrayViewFromImage(coarse) > _CONTRAST_HU) & inside
    depth = ndimage.distance_transform_edt(np.pad(bright, 1), sampling=coarse.GetSpacing()[::-1])
    return bool((depth > _CHAMBER_MM).sum() * _voxel_ml(coarse) > _CHAMBERS_ML)


def _voxel_ml(image: sitk.Image) -> float:
    x, y, z = image.GetSpacing()
    return x * y * z / 1000.0


def _count(mask: sitk.Image) -> int:
    return int(sitk.GetArrayViewFromImage(mask).sum(dtype="int64"))
