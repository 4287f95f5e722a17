"""Choosing a signature, and the clinical values that it asks for."""

import re
from collections.abc import Callable
from pathlib import Path

import qt
from slicer.i18n import tr as _

from NSCLCResponseSegmentLib.core.errors import ClinicalError
from NSCLCResponseSegmentLib.gui.errors import shown_errors

from ..core.clinical import ClinicalVariable
from ..core.signature_list import DEFAULT_SIGNATURE, SignatureInfo, describe_signature, shipped_signatures

_NAME_PIXELS, _VALUE_PIXELS = 150, 70  # longer names take two lines; the last column has the rest
_HEADER_PIXELS, _HIGHEST_PIXELS = 30, 300  # above the rows; of the whole table, which scrolls beyond


class SignatureChooser:
    """A combo box of the shipped signatures and of those the user adds.

    :param on_changed: called with the folder that the user chose.
    """

    def __init__(
        self, combo: qt.QComboBox, button: qt.QPushButton, note: qt.QLabel, on_changed: Callable[[str], None]
    ) -> None:
        self._combo, self._note, self._on_changed = combo, note, on_changed
        self._infos: list[SignatureInfo] = []
        self._gone: set[str] = set()  # folders that were looked for; said once, not at each stroke of a brush
        with shown_errors():
            for info in shipped_signatures():
                self._add(info)
        combo.connect("activated(int)", self._on_activated)
        button.connect("clicked(bool)", self._on_other)

    @property
    def current(self) -> SignatureInfo | None:
        """The signature chosen."""
        index = self._combo.currentIndex
        return self._infos[index] if 0 <= index < len(self._infos) else None

    def select(self, folder: str) -> None:
        """Show the signature in ``folder``, the default one when it is empty; a folder that is gone is said once."""
        index = self._index_of(folder)
        if self._infos and self._combo.currentIndex != index:
            self._combo.currentIndex = index
        self._note.text = self.current.label if self.current else _("No signature is installed.")

    def _index_of(self, folder: str) -> int:
        folders = [str(info.folder) for info in self._infos]
        names = [Path(known).name for known in folders]
        if folder in folders:
            return folders.index(folder)
        name = re.split(r"[/\\]", folder)[-1]
        if folder and name in names and not Path(folder).is_dir():  # a shipped one, chosen on another computer
            return names.index(name)
        if folder and folder not in self._gone:
            self._gone.add(folder)
            with shown_errors():
                self._add(describe_signature(Path(folder)))
                return len(self._infos) - 1
        return names.index(DEFAULT_SIGNATURE) if DEFAULT_SIGNATURE in names else min(0, len(names) - 1)

    def _add(self, info: SignatureInfo) -> None:
        self._infos.append(info)
        self._combo.addItem(info.name)
        self._combo.setItemData(self._combo.count - 1, str(info.folder), qt.Qt.ToolTipRole)

    def _on_activated(self, _index: int) -> None:
        self._on_changed(str(self.current.folder))

    def _on_other(self, _checked: bool = False) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self._combo, _("Folder of a signature"))
        if folder:
            with shown_errors():
                describe_signature(Path(folder))
                self._on_changed(folder)


class ClinicalTable:
    """One row per clinical variable of the signature; values are checked as they are entered.

    :param on_changed: called with all values, name to text, after the user changed one.
    """

    _NAME, _VALUE, _UNIT = range(3)

    def __init__(self, table: qt.QTableWidget, note: qt.QLabel, on_changed: Callable[[dict[str, str]], None]) -> None:
        self._table, self._note, self._on_changed = table, note, on_changed
        self._variables: tuple[ClinicalVariable, ...] = ()
        self._filling = False
        table.setColumnCount(3)
        table.setHorizontalHeaderLabels([_("Variable"), _("Value"), _("Possible")])
        table.connect("cellChanged(int,int)", self._on_cell_changed)

    @property
    def asked(self) -> bool:
        """Whether the signature asks for any value."""
        return bool(self._variables)

    def show(self, variables: tuple[ClinicalVariable, ...], values: dict[str, str]) -> None:
        """Show ``variables`` with the values entered so far."""
        self._filling = True
        if variables != self._variables:
            self._variables = variables
            self._table.setRowCount(len(variables))
            for row, variable in enumerate(variables):
                self._set(row, self._NAME, _title(variable))
                self._set(row, self._UNIT, variable.range_words)
            self._table.setColumnWidth(self._NAME, _NAME_PIXELS)
            self._table.setColumnWidth(self._VALUE, _VALUE_PIXELS)
            self._table.resizeRowsToContents()
            rows = self._table.verticalHeader().length()
            self._table.setFixedHeight(min(rows + _HEADER_PIXELS, _HIGHEST_PIXELS))
        for row, variable in enumerate(variables):
            self._set(row, self._VALUE, values.get(variable.name, ""), editable=True)
        self._filling = False
        self._table.visible = bool(variables)
        self._show_problems(values)

    def problem(self, values: dict[str, str]) -> str:
        """The first sentence that is wrong with ``values``; empty when all are possible."""
        for variable in self._variables:
            text = values.get(variable.name, "").strip()
            if not text:
                continue
            try:
                variable.parse(text)
            except ClinicalError:  # its sentence names the variable as files and the command line do
                return _("{name}: '{text}' is not possible. Enter {range}, or leave it empty.").format(
                    name=_title(variable), text=text, range=variable.range_words
                )
        return ""

    def _set(self, row: int, column: int, text: str, *, editable: bool = False) -> None:
        item = self._table.item(row, column)
        if item is None:
            item = qt.QTableWidgetItem(text)
            flags = qt.Qt.ItemIsEnabled | qt.Qt.ItemIsSelectable
            item.setFlags(flags | qt.Qt.ItemIsEditable if editable else flags)
            self._table.setItem(row, column, item)
        elif item.text() != text:
            item.setText(text)

    def _on_cell_changed(self, _row: int, _column: int) -> None:
        if self._filling:
            return
        values = {v.name: self._table.item(row, self._VALUE).text() for row, v in enumerate(self._variables)}
        self._on_changed({name: text for name, text in values.items() if text.strip()})

    def _show_problems(self, values: dict[str, str]) -> None:
        if not self._variables:
            self._note.text = _("This signature takes no clinical values.")
        else:
            self._note.text = self.problem(values)
        self._note.visible = bool(self._note.text)


def _title(variable: ClinicalVariable) -> str:
    return variable.label[:1].upper() + variable.label[1:]
