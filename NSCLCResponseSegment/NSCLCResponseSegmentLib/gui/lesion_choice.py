"""Which lesions belong to the outline: keep, merge, rename and drop the rows that are chosen in the table."""

import re
from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from ..core.lesion_choice import LesionChoice, LesionGroup
from ..mrml.lesion_segments import apply_choice
from .errors import explain_button, shown_errors
from .lesions import LesionTable


class LesionButtons:
    """The buttons under the table of lesions.

    :param ui: the panel's widgets.
    :param table: the table; its owner calls :meth:`update` when lesions or chosen rows change.
    :param nodes: gives the segmentation and the CT.
    :param before: called before the segmentation changes, to make it undoable.
    """

    def __init__(self, ui: Any, table: LesionTable, nodes: Callable[[], tuple[Any, Any]], before: Callable) -> None:
        self._ui, self._table, self._nodes, self._before = ui, table, nodes, before
        ui.keepButton.connect("clicked(bool)", lambda _checked: self._keep(table.selected()))
        ui.dropButton.connect("clicked(bool)", lambda _checked: self._keep(self._others()))
        ui.mergeButton.connect("clicked(bool)", lambda _checked: self._merge(table.selected()))
        ui.renameButton.connect("clicked(bool)", lambda _checked: self._rename(table.selected()))
        self.update()

    def update(self) -> None:
        """Enable what is possible with the rows that are chosen; a disabled button says why."""
        ui, count, all_count = self._ui, len(self._table.selected()), len(self._table.lesions)
        none = "" if all_count else _("Outline the tumour first")
        one = _("Choose one row of the table first")
        choose = _("Choose rows of the table first (Ctrl or Shift for several)")
        several = _("Choose two or more rows of the table first (with Ctrl or Shift)")
        if all_count == 1:
            several = _("There is only one lesion")
        rest = ("" if count else choose) if count < all_count else _("At least one lesion must stay")
        explain_button(ui.keepButton, none or rest, _("Drop all lesions but the chosen ones"))
        explain_button(ui.dropButton, none or rest, _("Take the chosen lesions out of the outline"))
        explain_button(ui.mergeButton, none or ("" if count > 1 else several), _("Take the chosen lesions as one"))
        explain_button(ui.renameButton, none or ("" if count == 1 else one), _("Name this lesion"))

    def _others(self) -> list[int]:
        chosen = self._table.selected()
        return [lesion.label for lesion in self._table.lesions if lesion.label not in chosen]

    def _name(self, label: int) -> str:
        return self._table.names.get(label) or _("Lesion {number}").format(number=label)

    def _keep(self, labels: Sequence[int]) -> None:
        self._apply({label: self._name(label) for label in labels})

    def _merge(self, labels: Sequence[int]) -> None:
        names = {lesion.label: self._name(lesion.label) for lesion in self._table.lesions}
        self._apply({label: names[labels[0]] if label in labels else name for label, name in names.items()})

    def _rename(self, labels: Sequence[int]) -> None:
        (label,) = labels
        before = self._name(label)
        answer = qt.QInputDialog.getText(self._ui.renameButton, _("Lesion"), _("Name:"), qt.QLineEdit.Normal, before)
        name = re.sub("[,=]", " ", answer).strip()  # a choice of lesions is written with commas and equals signs
        if name and name != before:
            names = {lesion.label: self._name(lesion.label) for lesion in self._table.lesions}
            self._apply({**names, label: name})

    def _apply(self, names: dict[int, str]) -> None:
        """Lesions of one name become one segment."""
        groups: dict[str, list[int]] = {}
        for label, name in names.items():
            groups.setdefault(name, []).append(label)
        choice = LesionChoice(tuple(LesionGroup(tuple(labels), name) for name, labels in groups.items()))
        segmentation, ct = self._nodes()
        with shown_errors():
            self._before()
            apply_choice(segmentation, ct, choice)
            self._table.refresh()
