"""The result in the panel: probability large, with range, verdict, label and reasons for care."""

from collections.abc import Mapping
from html import escape
from typing import Any

from slicer.i18n import tr as _

from ..core.result_card import result_card


class ResultCardView:
    """Fills the labels of the result's frame; ``ui`` are the widgets of the panel's ``.ui`` file."""

    def __init__(self, ui: Any) -> None:
        self._ui = ui

    def show(self, result: Mapping[str, Any] | None, *, is_stale: bool) -> None:
        """Show a result (as result.json), greyed when it is stale; hide the card without one."""
        ui = self._ui
        ui.resultFrame.visible = result is not None
        ui.staleFrame.visible = result is not None and is_stale
        if result is None:
            return
        card = result_card(result)
        ui.probabilityLabel.enabled = not is_stale
        ui.verdictLabel.enabled = not is_stale
        ui.rangeLabel.enabled = not is_stale
        texts = {
            ui.endpointLabel: card.endpoint,
            ui.probabilityLabel: card.probability,
            ui.verdictLabel: card.verdict,
            ui.rangeLabel: card.range,
            ui.labelLabel: card.label,
            ui.reliabilityLabel: card.reliability,
            ui.partsLabel: f"{card.tumour} {card.parts}",
            ui.signatureLabel: card.signature,
            ui.warningsLabel: _list(card.warnings),
        }
        for label, text in texts.items():
            label.text = text
            label.visible = bool(text)


def _list(warnings: tuple[str, ...]) -> str:
    if not warnings:
        return ""
    items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
    return f"{_('Notes')}:<ul style='margin:0 0 0 -20px'>{items}</ul>"
