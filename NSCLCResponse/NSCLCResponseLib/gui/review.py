"""Report and sign-off in the panel."""

from collections.abc import Callable
from typing import Any

import slicer
from slicer.i18n import tr as _

from NSCLCResponseSegmentLib.gui.tables import FittedTable

from ..core.review import ReviewRecord, ReviewState
from ..mrml.result_tables import recent_table, review_table


class ReviewView:
    """The review record, the sign-off button and why it is disabled.

    :param sign: called by the button.
    """

    def __init__(self, ui: Any, sign: Callable[[], None]) -> None:
        self._ui = ui
        self._events = FittedTable(ui.reviewTable, widest=98)
        self._recent = FittedTable(ui.recentTable, widest=100)
        self._shown: list[Any] = [None, None]  # what the tables show: they are not filled anew at each keystroke
        ui.signButton.connect("clicked(bool)", lambda _checked: sign())

    def show(self, record: ReviewRecord, reviewer: str) -> None:
        """Show ``record``; ``reviewer`` is the name that would sign."""
        ui = self._ui
        reason = self.reason_not_to_sign(record, reviewer)
        ui.signButton.enabled = not reason
        ui.signButton.toolTip = reason or _(
            "Record that you take responsibility for the outline and have seen the prediction."
        )
        words = _("Review: {state}").format(state=record.state.value)
        is_open = record.state in (ReviewState.STALE, ReviewState.PREDICTED)
        ui.reviewLabel.text = f"{words}. {reason}." if reason and is_open else words
        events = tuple(record.events)
        if events != self._shown[0]:
            self._shown[0] = events
            self._events.show(review_table(slicer.mrmlScene, record))

    @staticmethod
    def reason_not_to_sign(record: ReviewRecord, reviewer: str) -> str:
        """Why the button is disabled; empty when it is not."""
        if record.state is ReviewState.STALE:
            return _("The outline was changed after the prediction: predict again first")
        if record.state is ReviewState.SIGNED_OFF:
            return _("This case is signed off")
        if record.state is not ReviewState.PREDICTED:
            return _("Predict first")
        if not reviewer.strip():
            return _("Enter your name first")
        return ""

    def show_recent(self, results: list[dict[str, Any]]) -> None:
        """Results of this patient side by side, newest first."""
        shown = [(result["created"], result["review"]["state"]) for result in results]
        if shown != self._shown[1]:
            self._shown[1] = shown
            self._recent.show(recent_table(slicer.mrmlScene, results))

    def clear(self) -> None:
        """Let go of the scene's nodes."""
        self._shown = [None, None]
        self._events.show(None)
        self._recent.show(None)
