"""Choosing among the sizes that one click found: three buttons, and the keys 1, 2, 3 until correcting begins."""

from collections.abc import Callable, Sequence
from typing import Any

import slicer
from slicer.i18n import tr as _

from .shortcuts import Shortcuts


class SizeChooser:
    """Buttons for up to three outlines of different size; the likeliest is the first.

    Slicer's Segment Editor gives the keys 1, 2, 3 to its effects. While sizes are offered and no effect is active the
    keys belong to the sizes; the first effect, or :meth:`clear`, gives them back.

    :param frame: shown while there is a choice.
    :param buttons: one per size, checkable.
    :param editor: gives its keys up and takes them back (``suspend_keys``, ``resume_keys``).
    :param choose: called with the number of the size that the user wants.
    """

    def __init__(self, frame: Any, buttons: Sequence[Any], editor: Any, choose: Callable[[int], None]) -> None:
        self._frame, self._buttons, self._editor, self._choose = frame, list(buttons), editor, choose
        self._keys = Shortcuts({str(n + 1): b.click for n, b in enumerate(self._buttons)})
        self._is_offered = self._is_entered = self._has_keys = False
        for number, button in enumerate(self._buttons):
            button.connect("clicked(bool)", lambda _checked, n=number: self._on_clicked(n))
        frame.visible = False

    def offer(self, volumes_ml: Sequence[float], chosen: int) -> None:
        """Offer outlines of these volumes; fewer than two are no choice."""
        if len(volumes_ml) < 2:
            self.clear()
            return
        for number, button in enumerate(self._buttons):
            button.visible = number < len(volumes_ml)
            if number < len(volumes_ml):
                words = _("{volume:.1f} mL").format(volume=volumes_ml[number])
                button.text = f"{number + 1}: {words}"
                tip = _("The likeliest size (key {key})") if number == 0 else _("Take this size instead (key {key})")
                button.toolTip = tip.format(key=number + 1)
        self._check(chosen)
        self._frame.visible = True
        self._is_offered = True
        self._take_keys()

    def clear(self) -> None:
        """There is no choice (any more)."""
        self._give_keys_back()
        self._is_offered = False
        self._frame.visible = False

    def enter(self) -> None:
        """The panel is shown: the keys choose sizes, if there are any."""
        self._is_entered = True
        self._take_keys()

    def exit(self) -> None:
        """The panel is left; a click that ends elsewhere takes no keys."""
        self._is_entered = False
        self._give_keys_back()

    def _take_keys(self) -> None:
        if self._is_offered and self._is_entered and slicer.util.mainWindow() is not None:
            self._editor.suspend_keys(self)
            self._keys.install()
            self._has_keys = True

    def _give_keys_back(self) -> None:
        if self._has_keys:
            self._keys.uninstall()
            self._editor.resume_keys(self)
            self._has_keys = False

    def _check(self, chosen: int) -> None:
        for number, button in enumerate(self._buttons):
            button.checked = number == chosen

    def _on_clicked(self, number: int) -> None:
        self._check(number)
        self._choose(number)
