"""What makes radiomics fast, each step with a switch that turns it off (``Testing/bench_radiomics.py --steps``).

A switch replaces the step by what PyRadiomics does, within the process that calls it; values stay the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import SimpleITK as sitk


def _whole_image_is_resampled() -> None:
    from NSCLCResponseLib.core.radiomics import prepare

    def never(interpolator: Any) -> bool:
        del interpolator
        return False

    prepare._can_crop = never


def _one_process() -> None:
    from NSCLCResponseLib.core.radiomics import extract

    side_by_side = extract.side_by_side

    def alone(tasks: Sequence[Callable[[], Any]], processes: int | None) -> Iterator[tuple[int, Any]]:
        del processes
        return side_by_side(tasks, 1)

    extract.side_by_side = alone


def _stock_mesh() -> None:
    from radiomics import getFeatureClasses

    from NSCLCResponseLib.core.radiomics import shape

    shape._shape_class = lambda name: getFeatureClasses()[name]


def _stock_matrices() -> None:
    from NSCLCResponseLib.core.radiomics import classes

    def none(*arguments: Any) -> None:
        del arguments

    classes.TextureMatrices = none


def _stock_correlation() -> None:
    from NSCLCResponseLib.core.radiomics import sharing

    del sharing._Glcm.getMCCFeatureValue


def _stock_classes() -> None:
    """No shared bins, matrices, moments or percentiles: every class works for itself."""
    from radiomics import getFeatureClasses

    from NSCLCResponseLib.core.radiomics import classes

    classes.sharing_class = lambda name: getFeatureClasses()[name]


def _stock_diagnostics() -> None:
    from NSCLCResponseLib.core.radiomics import extract

    def describe(image: sitk.Image, mask: sitk.Image, prepared: Any, plan: Any) -> dict[str, Any]:
        from radiomics.generalinfo import GeneralInfo

        info = GeneralInfo()
        info.addGeneralSettings(plan.setting)
        info.addEnabledImageTypes(plan.image_types)
        info.addImageElements(image)
        info.addMaskElements(image, mask, 1)
        info.addImageElements(prepared.image, "interpolated")
        info.addMaskElements(prepared.image, prepared.mask, 1, "interpolated")
        return {name: str(value) for name, value in info.getGeneralInfo().items()}

    extract.describe = describe


SWITCHES: dict[str, tuple[str, Callable[[], None]]] = {
    "crop": ("cropping before resampling", _whole_image_is_resampled),
    "mesh": ("mesh by counting cubes, few pairs for diameters", _stock_mesh),
    "matrices": ("neighbours found once for all texture matrices", _stock_matrices),
    "correlation": ("symmetric eigenproblem for GLCM's MCC", _stock_correlation),
    "classes": ("both, and bins, moments, sums shared by the classes", _stock_classes),
    "diagnostics": ("hashes of the buffers, statistics of boxes", _stock_diagnostics),
    "processes": ("image types side by side", _one_process),
}
