"""Outlining and correcting in the browser: by click, from a file, by hand; with what is measured on the outline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError
from NSCLCResponseSegmentLib.core.lesions import Lesion
from NSCLCResponseSegmentLib.core.outline_settings import OutlineMethod, OutlineSettings
from NSCLCResponseSegmentLib.mrml.lesion_table import fill_lesion_table, jump_to, lesions_of, lesions_summary
from NSCLCResponseSegmentLib.mrml.logic import ORIGIN_ATTRIBUTE
from NSCLCResponseSegmentLib.mrml.tables import shown_table

from ..core.case_files import CaseFiles
from .job_runner import in_background
from .layout import Point
from .tables import rows_of
from .tools import LOOK, OutlineTools

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp

    from .flow import CaseFlow

_MEASURE_AFTER_SECONDS = 0.4  # of quiet after the last stroke
_LESION_TABLE = "NSCLCResponseLesions"
_EDITS_LOST = "The outline was corrected by hand. Outlining again replaces it, and the corrections are lost."


class Outlining:
    """The first two steps: outline, correct.

    :param flow: what this step shares with the others.
    """

    def __init__(self, flow: CaseFlow, app: SlicerApp) -> None:
        self._flow, self._data = flow, flow.data
        self.tools = OutlineTools(app, self._on_undo_changed)
        self.lesions: list[Lesion] = []
        self._inside: list[Point] = []
        self._outside: list[Point] = []
        self._measure_task: asyncio.Future | None = None

    async def import_outline(self, files: CaseFiles) -> None:
        """Take the outline that came with the case."""
        settings = OutlineSettings(OutlineMethod.FILE, str(files.mask), files.roi)
        flow = self._flow
        await flow.jobs.run("outline", lambda: flow.segment.startOutline(flow.ct, settings), self._finish)

    async def outline_at(self, point: Point) -> None:
        """Outline the tumour at a point (RAS mm), with the points before when the mode says so."""
        mode = self._data.click_mode
        inside, outside = list(self._inside), list(self._outside)
        if mode == "new" or not inside:
            inside, outside = [point], []
        else:
            (inside if mode == "add" else outside).append(point)
        if not await self._may_replace():
            return

        def finish(job: Any) -> None:
            self._finish(job)
            self._inside, self._outside = inside, outside

        flow = self._flow
        await flow.jobs.run(
            "outline",
            lambda: flow.segment.startOutline(flow.ct, OutlineSettings(), inside, excludeRas=outside),
            finish,
        )

    async def _may_replace(self) -> bool:
        """Whether a new outline may take the place of the one there is: asked when that was corrected by hand."""
        is_edited = self._flow.session.record.is_edited_by_hand
        return not is_edited or await self._flow.ask(_EDITS_LOST, "Outline again")

    def _finish(self, job: Any) -> None:
        flow = self._flow
        node = flow.segment.finishOutline(job)
        before, flow.segmentation = flow.segmentation, node
        self._inside, self._outside = [], []
        flow.session.follow(node)
        self.tools.edit(node, flow.ct)
        if before is not None:
            flow.scene.RemoveNode(before)
        self._data.has_outline = True
        self._data.tool = LOOK
        self.tools.activate(LOOK)
        self._measure()
        volume_ml = sum(lesion.volume_ml for lesion in self.lesions)
        flow.session.outlined(node.GetAttribute(ORIGIN_ATTRIBUTE) or "", volume_ml)
        if self.lesions:
            flow.views.move_to(self.lesions[0].centre_ras)
        flow.views.fit_three_d()

    # ---------------------------------------------------------------- lesions

    def jump_to_lesion(self, row: int) -> None:
        """The centre of a lesion into the middle of all views."""
        if 0 <= row < len(self.lesions):
            jump_to(self._flow.scene, self.lesions[row].centre_ras)
            self._flow.views.move_to(self.lesions[row].centre_ras)

    def measure_soon(self) -> None:
        """Measure when the strokes of the brush pause."""
        if self._measure_task is not None:
            self._measure_task.cancel()

        async def measure() -> None:
            await asyncio.sleep(_MEASURE_AFTER_SECONDS)
            self._measure()
            self._flow.flush()

        self._measure_task = in_background(measure())

    def _measure(self) -> None:
        flow, data = self._flow, self._data
        try:
            self.lesions = lesions_of(flow.segmentation, flow.ct)
            data.lesion_words = lesions_summary(self.lesions)
        except NSCLCResponseError as error:
            self.lesions, data.lesion_words = [], str(error)
        table = shown_table(flow.scene, _LESION_TABLE)
        fill_lesion_table(table, self.lesions)
        data.lesions = rows_of(table)
        flow.check_buttons()

    # ---------------------------------------------------------------- state

    def check_buttons(self) -> None:
        """Why a tool cannot be used now."""
        self._data.edit_blocked = "" if self._data.has_outline else "Outline the tumour first"

    def _on_undo_changed(self) -> None:
        self._data.can_undo, self._data.can_redo = self.tools.can_undo, self.tools.can_redo
