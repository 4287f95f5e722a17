"""How tables are shown in a panel: no text cut off, as high as their rows up to a limit, hidden while empty."""

from typing import Any

import qt

_ROWS_SHOWN = 8
_FRAME = 2  # pixels above and below the rows
_SCROLL_BAR = 16  # pixels


class FittedTable:
    """Keeps a ``qMRMLTableView`` readable in a narrow panel: long texts wrap, the height follows the rows.

    :param view: ``qMRMLTableView``.
    :param widest: columns but the last are at most so wide, in pixels; the last takes what is left.
    """

    def __init__(self, view: Any, widest: int = 110) -> None:
        self._view, self._widest = view, widest
        self._is_fitting = False
        header = view.horizontalHeader()
        header.setStretchLastSection(False)  # it only widens; a long last column would be cut off
        header.connect("sectionResized(int,int,int)", lambda _column, _old, _new: self._fit_rows())

    def show(self, table_node: Any) -> None:
        """Show a table node, or nothing."""
        view = self._view
        view.setMRMLTableNode(table_node)
        header, last = view.horizontalHeader(), view.model().columnCount() - 1
        header.setSectionResizeMode(qt.QHeaderView.Interactive)
        for column in range(last):
            view.resizeColumnToContents(column)
            if view.columnWidth(column) > self._widest:
                view.setColumnWidth(column, self._widest)
        if last >= 0:
            header.setSectionResizeMode(last, qt.QHeaderView.Stretch)
        self._fit_rows()

    def _fit_rows(self) -> None:
        if self._is_fitting:  # another height may show or hide the scroll bar, and so resize the last column
            return
        self._is_fitting = True
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
        self._is_fitting = False
