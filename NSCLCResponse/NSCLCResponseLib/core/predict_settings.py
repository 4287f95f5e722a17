"""What a user chooses for a prediction besides the images and the outline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class PredictSettings:
    """The user's choices.

    :param signature: the signature's folder; empty for the one that ships with the extension.
    :param clinical: variable's name to the text that was entered; the signature checks both.
    """

    signature: str = ""
    clinical: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Explain:
    """How thoroughly a prediction is judged and explained.

    :param redraws: how often the contour is redrawn for the range; 0 is off.
    :param seed: of the redrawn contours.
    :param level: at which the conformal set holds the truth, 0 to 1.
    :param network_map: whether to make the 3D-CNN's map.
    """

    redraws: int = 20
    seed: int = 0
    level: float = 0.8
    network_map: bool = True


def explain_settings(arguments: Mapping[str, Any]) -> Explain:
    """The user's choices among a job's arguments; see ``--contours`` and ``--level``."""
    given = {name: arguments.get(name) for name in ("redraws", "level")}
    return Explain(**{name: value for name, value in given.items() if value is not None})
