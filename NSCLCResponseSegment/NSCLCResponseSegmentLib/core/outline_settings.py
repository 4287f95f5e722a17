"""How the first outline is made: what panel, browser and command line all ask the user."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class OutlineMethod(str, Enum):
    """Ways to a first outline."""

    CLICK = "click"
    FILE = "file"


@dataclass(frozen=True)
class OutlineSettings:
    """The user's choices besides the images and points.

    ``mask_file`` and ``mask_roi`` belong to :attr:`OutlineMethod.FILE`; the region may be empty when there is only one.
    """

    method: OutlineMethod = OutlineMethod.CLICK
    mask_file: str = ""
    mask_roi: str = ""
