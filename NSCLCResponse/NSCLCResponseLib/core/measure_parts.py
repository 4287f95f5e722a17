"""One patient's logits, part by part, and what was measured for them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .clinical import variable
from .fusion import column
from .patch import cut_patch, fraction_outside, without_pet
from .signature import FeaturePart, NetworkPart, Signature

if TYPE_CHECKING:
    import numpy as np

_MOST_MISSING = 0.2  # a radiomics part with a larger share of failed features is not used
_OUTSIDE_WORTH_SAYING = 0.02


@dataclass
class Findings:
    """What the steps collect.

    :param values: features by name. :param failed: feature → reason.
    :param logits: by column, see :func:`fusion.column`. :param unused: part → why it has no logit.
    :param patch: (channels, z, y, x) that the network was given, with the PET if there is one.
    """

    values: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    logits: dict[str, float] = field(default_factory=dict)
    unused: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    patch: np.ndarray | None = None


def measure_parts(case: Case, signature: Signature, progress: Progress = SILENT) -> Findings:
    """Run every part that the patient has data for; the others say why not.

    :param case: with a mask where the signature needs one; ``case.clinical`` as :func:`clinical.parse_values` gives it.
    :raises MaskError: there is no mask, or it is empty.
    """
    require_mask(case, signature)
    found = Findings()
    shares = len(signature.feature_parts) + 1
    for index, part in enumerate(signature.feature_parts):
        step = progress.part(index / shares, (index + 1) / shares)
        began = time.monotonic()
        if part.kind == "radiomics":
            _radiomics(part, case, signature, found, step)
        elif part.kind == "clinical":
            measure_clinical(part, case.clinical, found)
        else:
            found.unused[part.name] = "its features come with a table"
        found.timings[part.name] = time.monotonic() - began
    if signature.network_part is not None:
        progress.report((shares - 1) / shares, "Running the 3D-CNN")
        began = time.monotonic()
        _network(signature.network_part, case, found)
        found.timings["cnn"] = time.monotonic() - began
    return found


def require_mask(case: Case, signature: Signature) -> None:
    """Refuse a case without an outline, unless the signature needs none.

    :raises MaskError: there is no mask, or it is empty.
    """
    if signature.description["inputs"]["mask"] == "unused":
        return
    if case.mask is None:
        raise MaskError("The tumour's outline is missing.", "Outline the tumour first.")
    import SimpleITK as sitk

    statistics = sitk.StatisticsImageFilter()
    statistics.Execute(case.mask.image)
    if statistics.GetMaximum() <= 0:
        raise MaskError("The tumour's outline is empty.", "Outline the tumour first.")


def _radiomics(part: FeaturePart, case: Case, signature: Signature, found: Findings, progress: Progress) -> None:
    from .radiomics import extract_features, load_settings

    loaded = case.ct if part.image == "ct" else case.pet
    if loaded is None:
        found.unused[part.name] = f"no {part.image.upper()}"
        return
    settings = load_settings(signature.folder / part.settings)
    try:
        result = extract_features(loaded.image, case.mask.image, settings, prefix=part.image, progress=progress)
    except (MaskError, ValueError) as error:  # PyRadiomics refuses regions that are too small with ValueError
        found.unused[part.name] = str(getattr(error, "message", error)).rstrip(".")
        return
    found.warnings += result.warnings
    found.values.update({name: float(value) for name, value in result.values.items()})
    found.failed.update(result.failed)
    if not part.knows_center:
        found.unused[part.name] = f"no training patient of the centre {part.center} had this part"
        return
    missing = part.missing(found.values)
    if len(missing) > _MOST_MISSING * len(part.features):
        reason = result.failed.get(missing[0], "not computed")
        found.unused[part.name] = f"{len(missing)} of {len(part.features)} features failed: {reason}"
        return
    found.logits[part.name] = part.logit(found.values)


def measure_clinical(part: FeaturePart, clinical: Mapping[str, float], found: Findings) -> None:
    """The clinical part's logit, or why there is none; missing values are imputed as in training, and it is said."""
    missing = part.missing(clinical)
    if len(missing) == len(part.features):
        found.unused[part.name] = "no clinical values given"
        return
    if missing:
        names = ", ".join(variable(name).label for name in missing)
        what = "what is usual in training stands in for"
        found.warnings.append(f"Not given: {names}; {what} {'it' if len(missing) == 1 else 'them'}.")
    found.logits[part.name] = part.logit(clinical)


def _network(part: NetworkPart, case: Case, found: Findings) -> None:
    import numpy as np

    mask = case.mask.image
    pet = case.pet.image if case.pet is not None else None
    patch = found.patch = cut_patch(case.ct.image, pet, mask, part.patch)
    outside = fraction_outside(mask, part.patch)
    if outside > _OUTSIDE_WORTH_SAYING:
        found.warnings.append(
            f"{outside:.0%} of the tumour lies outside the {part.patch.field_mm:.0f} mm cube that the 3D-CNN sees."
        )
    patches = np.stack([without_pet(patch, part.patch), patch] if pet is not None else [patch])
    logits = part.logits(patches)
    found.logits[column(part.name, pet=False)] = float(logits[0])
    if pet is not None:
        found.logits[column(part.name, pet=True)] = float(logits[1])
