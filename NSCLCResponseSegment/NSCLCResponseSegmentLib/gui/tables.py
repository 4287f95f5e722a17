"""How tables are shown in a panel: no text cut off, as high as their rows up to a limit, hidden while empty."""

from collections.abc import Sequence
from typing import Any

import qt

_ROWS_SHOWN = 8
_FRAME = 2  # pixels above and below the rows
_SCROLL_BAR = 16  # pixels
_NARROWEST = 24  # pixels of any column
_LAST = 76  # pixels that the others leave to the last column, if they can


def fitting_widths(natural: Sequence[int], room: int) -> list[int]:
    """Widths in pixels of columns that share ``room``: the widest give way first, down to a limit.

    :param natural: the widths that show each column's longest text on one line.
    """
    cap = max(natural, default=0)
    while cap > _NARROWEST and sum(min(width, cap) for width in natural) > room:
        cap -= 1
    return [min(width, cap) for width in natural]


class _NoPaste(qt.QObject):
    """Event filter: Slicer's table view pastes also into a table that is locked, and adds rows to it."""

    def eventFilter(self, _watched: Any, event: Any) -> bool:
        """Whether the event goes no further."""
        return event.type() == qt.QEvent.KeyPress and event.matches(qt.QKeySequence.Paste)


class FittedTable:
    """Keeps a ``qMRMLTableView`` readable in a narrow panel: long texts wrap, the height follows the rows. Shows only.

    The columns but the last are as wide as their texts, or as the panel lets them; the last takes what is left.

    :param view: ``qMRMLTableView``.
    :param widest: columns but the last are at most so wide, in pixels.
    """

    def __init__(self, view: Any, widest: int = 110) -> None:
        self._view, self._widest = view, widest
        self._natural: list[int] = []
        self._room = 0
        self._is_fitting = False
        self._no_paste = _NoPaste()
        view.installEventFilter(self._no_paste)
        header = view.horizontalHeader()
        header.setStretchLastSection(False)  # it only widens; a long last column would be cut off
        header.connect("sectionResized(int,int,int)", self._on_resized)

    def show(self, table_node: Any) -> None:
        """Show a table node, or nothing."""
        view = self._view
        self._is_fitting = True
        view.setMRMLTableNode(table_node)
        header, last = view.horizontalHeader(), view.model().columnCount() - 1
        header.minimumSectionSize = _NARROWEST  # Slicer sets 60 each time, too much for a column of numbers
        header.setSectionResizeMode(qt.QHeaderView.Interactive)
        self._natural = []
        for column in range(last):
            view.resizeColumnToContents(column)
            self._natural.append(min(view.columnWidth(column), self._widest))
        if last >= 0:
            header.setSectionResizeMode(last, qt.QHeaderView.Stretch)
        self._is_fitting = False
        self._fit(columns=True)

    def _on_resized(self, _column: int, _old: int, _new: int) -> None:
        if not self._is_fitting:  # a column whose edge the user drags stays as he wants it
            self._fit(columns=self._view.viewport().width != self._room)

    def _fit(self, *, columns: bool) -> None:
        """Heights, and widths where the panel has another width; showing the table may be what gives it one."""
        self._is_fitting = True
        if columns:
            self._fit_columns()
        self._fit_rows()
        if self._view.viewport().width != self._room:
            self._fit_columns()
            self._fit_rows()
        self._is_fitting = False

    def _fit_columns(self) -> None:
        view = self._view
        self._room = view.viewport().width
        for column, width in enumerate(fitting_widths(self._natural, self._room - _LAST)):
            if view.columnWidth(column) != width:
                view.setColumnWidth(column, width)

    def _fit_rows(self) -> None:
        view = self._view
        view.resizeRowsToContents()
        rows = [view.rowHeight(row) for row in range(view.model().rowCount())]
        view.visible = bool(rows)
        header = view.horizontalHeader()
        height = header.sizeHint.height() + sum(rows[:_ROWS_SHOWN]) + 2 * _FRAME
        if header.length() > view.width:
            height += _SCROLL_BAR
        if view.maximumHeight != height:
            view.setFixedHeight(height)
