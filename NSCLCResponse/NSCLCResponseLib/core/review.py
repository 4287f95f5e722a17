"""The review record: what a person did with the outline and the prediction, saved in the scene and in result.json.

States: not reviewed → outlined → edited → predicted → stale as soon as the mask changes → signed off.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError
from NSCLCResponseSegmentLib.core.lesion_choice import choice_words

EDITED = "mask edited"
CHOSEN = "lesions chosen"
_OUTLINED = "outlined: "


class ReviewError(NSCLCResponseError):
    """A step of the review is not possible in this state."""


class ReviewState(str, Enum):
    """Where the review stands."""

    NOT_REVIEWED = "not reviewed"
    OUTLINED = "outlined"
    EDITED = "mask edited"
    PREDICTED = "predicted"
    STALE = "stale"
    SIGNED_OFF = "signed off"


@dataclass(frozen=True)
class ReviewEvent:
    """One thing that happened, by whom and when (ISO 8601, UTC)."""

    what: str
    by: str
    when: str
    volume_before_ml: float | None = None
    volume_after_ml: float | None = None
    comment: str = ""


def _now() -> str:
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds")


@dataclass
class ReviewRecord:
    """The history of one case; every change goes through a method so that the state is always right.

    :param lesion_choice: which lesions the user kept, merged, named and dropped, as :meth:`LesionChoice.record` gives
        it; ``None`` while the outline is one tumour as it was found.
    """

    state: ReviewState = ReviewState.NOT_REVIEWED
    events: list[ReviewEvent] = field(default_factory=list)
    lesion_choice: dict[str, Any] | None = None

    @property
    def is_edited_by_hand(self) -> bool:
        """Whether the mask was changed by hand since it was outlined: a new outline would lose that."""
        for event in reversed(self.events):
            if event.what.startswith(_OUTLINED):
                return False
            if event.what in (EDITED, CHOSEN):
                return True
        return False

    def outlined(self, origin: str, volume_ml: float, by: str = "") -> None:
        """A tumour outline was made or imported; ``origin`` says how."""
        self.events.append(ReviewEvent(f"{_OUTLINED}{origin}", by, _now(), volume_after_ml=volume_ml))
        self.state = ReviewState.OUTLINED
        self.lesion_choice = None

    def edited(self, by: str, volume_before_ml: float, volume_after_ml: float) -> None:
        """The mask was changed by hand; a prediction made before is stale from now on."""
        self.events.append(ReviewEvent(EDITED, by, _now(), volume_before_ml, volume_after_ml))
        self._mask_changed()

    def lesions_chosen(
        self, by: str, choice: Mapping[str, Any], volume_before_ml: float, volume_after_ml: float
    ) -> None:
        """The user kept, merged, named or dropped lesions; a prediction made before is stale from now on.

        :param choice: as :meth:`LesionChoice.record` gives it.
        """
        words = choice_words(choice)
        self.events.append(ReviewEvent(CHOSEN, by, _now(), volume_before_ml, volume_after_ml, words))
        self.lesion_choice = dict(choice)
        self._mask_changed()

    def _mask_changed(self) -> None:
        had_prediction = self.state in (ReviewState.PREDICTED, ReviewState.STALE, ReviewState.SIGNED_OFF)
        self.state = ReviewState.STALE if had_prediction else ReviewState.EDITED

    def predicted(self, signature: str, volume_ml: float | None, by: str = "") -> None:
        """A prediction was made on the mask as it is now; ``volume_ml`` is ``None`` where no image was looked at."""
        self.events.append(ReviewEvent(f"predicted: {signature}", by, _now(), volume_after_ml=volume_ml))
        self.state = ReviewState.PREDICTED

    def signed_off(self, by: str, comment: str = "") -> None:
        """A person takes responsibility for the outline and has seen the prediction.

        :raises ReviewError: there is no current prediction, or no name was given.
        """
        if self.state is not ReviewState.PREDICTED:
            raise ReviewError(f"This case is '{self.state}', so there is nothing to sign.", "Predict first, then sign.")
        if not by.strip():
            raise ReviewError("A sign-off needs a name.", "Enter your name.")
        self.events.append(ReviewEvent("signed off", by.strip(), _now(), comment=comment.strip()))
        self.state = ReviewState.SIGNED_OFF

    def words(self) -> str:
        """The state in words: ``signed off by Dr Müller, 2026-11-21 21:34 UTC: looks right``."""
        if self.state is not ReviewState.SIGNED_OFF:
            return self.state.value
        last = next(event for event in reversed(self.events) if event.what == ReviewState.SIGNED_OFF.value)
        when = dt.datetime.fromisoformat(last.when).astimezone(dt.timezone.utc)
        return f"signed off by {last.by}, {when:%Y-%m-%d %H:%M} UTC" + (f": {last.comment}" if last.comment else "")

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``result.json`` and the scene hold it."""
        events = [asdict(event) for event in self.events]
        return {"state": self.state.value, "events": events, "lesion_choice": self.lesion_choice}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ReviewRecord:
        """The inverse of :meth:`to_json`."""
        events = [ReviewEvent(**event) for event in data["events"]]
        return cls(ReviewState(data["state"]), events, data.get("lesion_choice"))
