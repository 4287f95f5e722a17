"""Tumour burden of a patient over all lesions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from NSCLCResponseSegmentLib.core.lesions import Lesion


def tumour_burden(lesions: Sequence[Lesion]) -> dict[str, float]:
    """Count, volumes (mL) and dissemination of the lesions.

    ``Dmax`` is the largest distance (mm) between the centres of two lesions (Cottereau 2020), 0 for a single one.
    Specks (``is_tiny``) count only if there is nothing else.
    """
    real = [lesion for lesion in lesions if not lesion.is_tiny] or list(lesions)
    if not real:
        return {"LesionCount": 0.0, "TotalVolume": 0.0, "LargestVolume": 0.0, "Dmax": 0.0}
    centres = np.array([lesion.centre_ras for lesion in real])
    apart = np.linalg.norm(centres[:, None] - centres[None], axis=2)
    volumes = [lesion.volume_ml for lesion in real]
    return {
        "LesionCount": float(len(real)),
        "TotalVolume": float(sum(volumes)),
        "LargestVolume": float(max(volumes)),
        "Dmax": float(apart.max()),
    }
