"""The control with shuffled voxels: the same outline and the same values, dealt out anew inside the tumour.

What a model still finds then is shape, volume and histogram; what it loses was texture or arrangement (Welch 2019).
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import SimpleITK as sitk

    from NSCLCResponseSegmentLib.core.case import Case
    from NSCLCResponseSegmentLib.core.progress import Progress

    from .cohort import Cohort
    from .signature import Signature


def shuffled_case(case: Case, name: str) -> Case:
    """The case with the voxels of CT and PET inside the tumour dealt out anew, the same way for the same ``name``."""
    seed = zlib.crc32(name.encode())
    ct = replace(case.ct, image=_shuffled(case.ct.image, case.mask.image, seed))
    pet = None if case.pet is None else replace(case.pet, image=_shuffled(case.pet.image, case.mask.image, seed + 1))
    return replace(case, ct=ct, pet=pet)


def _shuffled(image: sitk.Image, mask: sitk.Image, seed: int) -> sitk.Image:
    import numpy as np
    import SimpleITK as sitk

    here = sitk.Resample(mask, image, sitk.Transform(), sitk.sitkNearestNeighbor, 0, mask.GetPixelID())
    inside = sitk.GetArrayFromImage(here) > 0
    values = sitk.GetArrayFromImage(image)
    values[inside] = np.random.default_rng(seed).permutation(values[inside])
    made = sitk.GetImageFromArray(values)
    made.CopyInformation(image)
    return made


def measure_shuffled(
    signature: Signature, cohort: Cohort, work: Path, progress: Progress, seed: int = 0
) -> dict[str, Any] | None:
    """What the finished signature reaches on tumours with shuffled voxels; ``None`` without parts that see images.

    The clinical part is left out on both sides, since it does not change.
    """
    import numpy as np

    from .evaluation_cohort import discrimination, enough
    from .holdout import collect_for, image_probability

    parts = [name for name in signature.part_names if name.startswith(("radiomics_ct", "radiomics_pet", "cnn"))]
    if not parts or not any(lesion.ct and lesion.mask for p in cohort.patients for lesion in p.lesions):
        return None
    sides = [
        collect_for(signature, cohort, work, progress.part(side / 2, (side + 1) / 2), shuffled=bool(side))
        for side in (0, 1)
    ]
    plain, changed = (image_probability(signature, data) for data in sides)
    rows = np.isfinite(plain) & np.isfinite(changed) & (sides[0].outcome >= 0)
    y = sides[0].outcome[rows]
    if not enough(y):
        return None
    return {
        "patients": int(rows.sum()),
        "as_they_are": discrimination(y, plain[rows], seed)["auc"],
        "shuffled": discrimination(y, changed[rows], seed)["auc"],
    }
