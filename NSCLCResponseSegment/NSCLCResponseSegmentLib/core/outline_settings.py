"""How the first outline is made: what panel, browser and command line all ask the user."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class OutlineMethod(str, Enum):
    """Ways to a first outline."""

    CLICK = "click"
    FILE = "file"
    PET = "pet"
    MODEL = "model"


class PetMethod(str, Enum):
    """Where the edge of FDG uptake is drawn; values are those of ``--pet-outline``."""

    PERCENT_41 = "41%"
    FIXED_4 = "4.0"
    FIXED_2_5 = "2.5"
    GRADIENT = "gradient"


@dataclass(frozen=True)
class OutlineSettings:
    """The user's choices besides the images and points.

    ``mask_file`` and ``mask_roi`` belong to :attr:`OutlineMethod.FILE`; the region may be empty when there is only one.
    ``pet_method`` and ``use_ct`` belong to :attr:`OutlineMethod.PET`. ``model`` (a name from the catalogue or the
    folder of a MONAI Bundle) and ``mirror`` (test-time augmentation) belong to :attr:`OutlineMethod.MODEL`.
    """

    method: OutlineMethod = OutlineMethod.CLICK
    mask_file: str = ""
    mask_roi: str = ""
    pet_method: PetMethod = PetMethod.PERCENT_41
    use_ct: bool = True
    model: str = ""
    mirror: bool = False
