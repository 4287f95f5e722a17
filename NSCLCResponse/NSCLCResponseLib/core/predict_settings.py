"""What a user chooses for a prediction besides the images and the outline."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PredictSettings:
    """The user's choices.

    :param signature: the signature's folder; empty for the one that ships with the extension.
    :param clinical: variable's name to the text that was entered; the signature checks both.
    """

    signature: str = ""
    clinical: dict[str, str] = field(default_factory=dict)
