"""Keyboard shortcuts of a panel, alive only while its module is shown."""

from collections.abc import Callable, Mapping

import qt
import slicer


class Shortcuts:
    """Installs key sequences on the main window and removes them again.

    :param actions: key sequence, e.g. ``"Shift+C"``, to what it does.
    """

    def __init__(self, actions: Mapping[str, Callable[[], None]]) -> None:
        self._actions = dict(actions)
        self._installed: list[tuple[qt.QShortcut, Callable[[], None]]] = []

    def install(self) -> None:
        """The module is shown."""
        window = slicer.util.mainWindow()
        if window is None or self._installed:
            return
        for keys, action in self._actions.items():
            shortcut = qt.QShortcut(window)
            shortcut.setKey(qt.QKeySequence(keys))
            shortcut.connect("activated()", action)
            self._installed.append((shortcut, action))

    def uninstall(self) -> None:
        """Another module is shown."""
        for shortcut, action in self._installed:
            shortcut.disconnect("activated()", action)
            shortcut.setParent(None)
            shortcut.deleteLater()
        self._installed = []
