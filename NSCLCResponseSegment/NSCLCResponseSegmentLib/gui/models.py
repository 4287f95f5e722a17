"""Choosing a segmentation model: those of the catalogue that are on this computer, or the user's own bundle."""

import json
from collections.abc import Callable
from pathlib import Path

import qt
import slicer
from slicer.i18n import tr as _

from ..core.bundle_files import open_bundle
from ..core.bundle_trust import question_of_trust, trust
from ..core.errors import NSCLCResponseError
from ..core.model_catalog import ModelEntry, find_model
from ..core.resources import resource


class ModelChooser:
    """A combo box of models, and a note with what is to be known of the one chosen.

    :param on_changed: called with the catalogue's name, or the bundle's folder, that the user chose.
    """

    def __init__(
        self, combo: qt.QComboBox, button: qt.QPushButton, note: qt.QLabel, on_changed: Callable[[str], None]
    ) -> None:
        self._combo, self._note, self._on_changed = combo, note, on_changed
        self._models: list[str] = []  # names and folders, in the combo box's order
        self._notes: dict[str, tuple[str, str]] = {}  # in short, and in full for the tooltip
        self._missing: list[str] = []
        self._is_filled = False
        combo.connect("activated(int)", self._on_activated)
        button.connect("clicked(bool)", self._on_other)

    @property
    def reason(self) -> str:
        """Why there is nothing to choose."""
        if not self._missing:
            return _("Choose the folder of a model first")
        return _(
            "No model is on this computer: choose the folder of a MONAI Bundle by 'Other…',"
            " or run 'nsclc-response models download {name}'"
        ).format(name=self._missing[0])

    def select(self, model: str) -> None:
        """Show ``model``; without one, the first of the catalogue is taken."""
        if not self._is_filled:
            self._is_filled = True
            self._fill()
        if model and model not in self._models:
            self._add(model, Path(model).name, model, model)
        if not model and self._models:
            self._on_changed(self._models[0])
            return
        if model:
            self._combo.currentIndex = self._models.index(model)
        self._note.text, self._note.toolTip = self._notes.get(model, ("", "")) if model else (self.reason, "")
        self._note.visible = bool(self._note.text)

    def _fill(self) -> None:
        try:
            entries = json.loads(resource("Models", "catalog.json").read_text(encoding="utf-8"))["models"]
        except (OSError, ValueError, NSCLCResponseError):
            return  # without a catalogue there are only the user's own models
        for data in entries:
            entry = ModelEntry(data["name"], data)
            if entry.is_here:
                short = _("Trained on: {cohort} {use}").format(cohort=data["trained_on"], use=data["intended_use"])
                self._add(entry.name, data["title"], short, entry.describe())
            else:
                self._missing.append(entry.name)

    def _add(self, model: str, title: str, note: str, full: str) -> None:
        self._models.append(model)
        self._notes[model] = note, full
        self._combo.addItem(title)
        self._combo.setItemData(self._combo.count - 1, full, qt.Qt.ToolTipRole)

    def _on_activated(self, index: int) -> None:
        self._on_changed(self._models[index])

    def _on_other(self, _checked: bool = False) -> None:
        folder = qt.QFileDialog.getExistingDirectory(self._combo, _("Folder of a MONAI Bundle"))
        if folder:
            self._on_changed(folder)


def may_run(model: str) -> bool:
    """Ask before code that a model brings from its author runs; whether it may. Who says yes is asked once only.

    :param model: name of the catalogue, or the bundle's folder.
    :raises NSCLCResponseError: there is no such model, or it is incomplete.
    """
    with slicer.util.WaitCursor():  # its files are checked against their sums
        bundle = open_bundle(find_model(model))
        question = question_of_trust(bundle)
    if question and not slicer.util.confirmYesNoDisplay(question, _("NSCLC Response")):
        return False
    if question:
        trust(bundle)
    return True
