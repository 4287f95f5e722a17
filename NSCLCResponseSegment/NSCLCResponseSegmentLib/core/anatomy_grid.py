"""The coarse copy of a CT that anatomy is worked out on."""

from __future__ import annotations

import SimpleITK as sitk

COARSE_MM = 3.0


def coarse_copy(ct: sitk.Image, spacing_mm: float = COARSE_MM) -> sitk.Image:
    """The CT oriented LPS, averaged to voxels of about ``spacing_mm``, 32-bit float, clipped to -1024…3071 HU.

    Only whole voxels are averaged, so slices thicker than the spacing stay as they are.
    """
    is_upright = ct.GetDirection() == (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    oriented = ct if is_upright else sitk.DICOMOrient(ct, "LPS")
    factors = [max(1, round(spacing_mm / s)) for s in oriented.GetSpacing()]
    factors = [min(f, n) for f, n in zip(factors, oriented.GetSize(), strict=True)]
    return sitk.Clamp(sitk.BinShrink(oriented, factors), sitk.sitkFloat32, -1024.0, 3071.0)
