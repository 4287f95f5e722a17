"""Report and results as files, from the panel."""

import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import ctk
import qt
import slicer
from slicer.i18n import tr as _

from ..core.report import write_report
from ..mrml.save_results import save_results


class ReportFiles:
    """Writes what the user opens or saves; temporary files are kept until the application ends, for the browser."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nsclc-response-report-", ignore_cleanup_errors=True)

    def open_report(self, result: Mapping[str, Any]) -> Path:
        """Write the one-page report of ``result`` and open it in the web browser; returns its path."""
        path = Path(self._folder.name) / f"report-{datetime.now().astimezone():%H%M%S}.html"
        write_report(result, self.picture(), path)
        qt.QDesktopServices.openUrl(qt.QUrl.fromLocalFile(str(path)))
        return path

    def save(self, result: Mapping[str, Any], segmentation: Any, parent: Path) -> Path:
        """Save everything in a new folder inside ``parent``, named after patient and time; returns it."""
        patient = "".join(c if c.isalnum() or c in "-_." else "_" for c in result["patient"]["id"]) or "patient"
        folder = parent / f"{patient}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        return save_results(slicer.mrmlScene, result, segmentation, folder, picture=self.picture())

    def picture(self) -> Path | None:
        """The views as they are now (PNG), or ``None`` when the application shows none."""
        layout = slicer.app.layoutManager()
        viewport = layout.viewport() if layout is not None else None
        if viewport is None or slicer.util.mainWindow() is None:
            return None
        slicer.util.forceRenderAllViews()
        path = Path(self._folder.name) / "views.png"
        image = ctk.ctkWidgetsUtils.grabWidget(viewport)
        return path if image.save(str(path)) else None


def choose_folder(parent: Any) -> Path | None:
    """Ask where to save; ``None`` when the user cancels."""
    folder = qt.QFileDialog.getExistingDirectory(parent, _("Save the results in a new folder inside"))
    return Path(folder) if folder else None
