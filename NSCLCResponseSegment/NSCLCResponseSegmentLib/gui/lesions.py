"""The table of lesions in both panels: follows the segmentation while it is edited, jumps to the lesion clicked."""

from collections.abc import Callable
from typing import Any

import qt
import slicer

from ..core.errors import NSCLCResponseError
from ..core.lesions import Lesion
from ..mrml.lesion_names import lesion_names
from ..mrml.lesion_table import fill_lesion_table, jump_to, lesions_of, lesions_summary
from ..mrml.tables import shown_table
from .tables import FittedTable

_TABLE = "NSCLCResponseLesions"
_QUIET_MS = 400  # measure when the brush has rested for so long


class LesionTable:
    """Shows the lesions of a segmentation's segments.

    :param view: ``qMRMLTableView``.
    :param note: label under it.
    :param on_measured: called after the lesions were measured again.
    :param on_selected: called after the user chose rows.
    :param tag: of the table node; each panel has its own, since they may show different segmentations.
    """

    def __init__(
        self,
        view: Any,
        note: qt.QLabel,
        on_measured: Callable[[], None] = lambda: None,
        on_selected: Callable[[], None] = lambda: None,
        tag: str = _TABLE,
    ) -> None:
        self._view, self._on_selected, self._tag = view, on_selected, tag
        self._table, self._note, self._on_measured = FittedTable(view), note, on_measured
        self._segmentation: Any = None
        self._ct: Any = None
        self._observed: list[tuple[Any, int]] = []
        self._table.show(None)  # hides the empty table
        self.lesions: list[Lesion] = []
        self.names: dict[int, str] = {}
        self._next = -1
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(_QUIET_MS)
        self._timer.connect("timeout()", self.refresh)
        view.connect("clicked(QModelIndex)", self._on_clicked)
        view.selectionModel().connect("selectionChanged(QItemSelection,QItemSelection)", self._on_selection)

    def set_segmentation(self, segmentation: Any, ct: Any) -> None:
        """Follow ``segmentation``, measured on the grid of ``ct``; ``None`` empties the table."""
        if segmentation is self._segmentation and ct is self._ct:
            return
        for observed, tag in self._observed:
            observed.RemoveObserver(tag)
        self._observed = []
        self._segmentation, self._ct = segmentation, ct
        if segmentation is not None:
            content = segmentation.GetSegmentation()
            for event in (
                slicer.vtkSegmentation.SourceRepresentationModified,
                slicer.vtkSegmentation.SegmentModified,  # all that undo and redo say
                slicer.vtkSegmentation.SegmentAdded,
                slicer.vtkSegmentation.SegmentRemoved,
            ):
                self._observed.append((content, content.AddObserver(event, self._on_modified)))
        self.refresh()

    def refresh(self) -> None:
        """Measure now."""
        self._timer.stop()
        if self._segmentation is None or self._ct is None:
            self.lesions = []
            self._table.show(None)
            self._note.text = ""
            self._on_measured()
            return
        try:
            self.lesions = lesions_of(self._segmentation, self._ct)
            self.names = lesion_names(self._segmentation, self._ct)
            self._note.text = lesions_summary(self.lesions)
        except NSCLCResponseError as error:
            self.lesions = []
            self._note.text = str(error)
        table = shown_table(slicer.mrmlScene, self._tag)
        fill_lesion_table(table, self.lesions, self.names)
        self._table.show(table)
        self._on_measured()

    def selected(self) -> list[int]:
        """Numbers of the lesions whose rows are chosen."""
        chosen, top = self._view.selectionModel(), qt.QModelIndex()  # its selectedIndexes is no method in PythonQt
        return [le.label for row, le in enumerate(self.lesions) if chosen.rowIntersectsSelection(row, top)]

    def jump_to_largest(self) -> None:
        """Show the largest lesion in all views."""
        if self.lesions:
            self._jump_to(0)

    def jump_to_next(self) -> None:
        """Show the lesion after the one shown last, from the largest on."""
        if self.lesions:
            self._next = (self._next + 1) % len(self.lesions)
            self._jump_to(self._next)

    def _on_modified(self, _caller: Any = None, _event: Any = None) -> None:
        self._timer.start()

    def _on_clicked(self, index: qt.QModelIndex) -> None:
        if 0 <= index.row() < len(self.lesions):
            self._jump_to(index.row())

    def _on_selection(self) -> None:  # by mouse or keys; takes no arguments, so that none needs a Python form
        self._on_selected()

    def _jump_to(self, row: int) -> None:
        self._next = row
        jump_to(slicer.mrmlScene, self.lesions[row].centre_ras)
