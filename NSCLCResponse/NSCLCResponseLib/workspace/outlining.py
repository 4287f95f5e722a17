"""Outlining and correcting in the browser: by click, PET, model or file, and by hand; with what is measured on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.bundle_files import open_bundle
from NSCLCResponseSegmentLib.core.bundle_trust import question_of_trust, trust
from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError
from NSCLCResponseSegmentLib.core.lesion_record import find_lesions
from NSCLCResponseSegmentLib.core.lesions import Lesion
from NSCLCResponseSegmentLib.core.model_catalog import find_model, read_catalog
from NSCLCResponseSegmentLib.core.outline_settings import OutlineMethod, OutlineSettings, PetMethod
from NSCLCResponseSegmentLib.mrml.click_outline import ClickOutline, replace_tumour
from NSCLCResponseSegmentLib.mrml.hierarchy import remove_node
from NSCLCResponseSegmentLib.mrml.lesion_names import lesion_names
from NSCLCResponseSegmentLib.mrml.lesion_segments import apply_choice
from NSCLCResponseSegmentLib.mrml.lesion_table import (
    fill_lesion_table,
    jump_to,
    lesion_mask,
    lesions_of,
    lesions_summary,
)
from NSCLCResponseSegmentLib.mrml.logic import ORIGIN_ATTRIBUTE
from NSCLCResponseSegmentLib.mrml.tables import shown_table

from ..core.case_files import CaseFiles
from ..core.review import ReviewState
from .job_runner import in_background
from .layout import Point
from .lesion_rows import choice_of, fresh_rows
from .tables import rows_of
from .tools import LOOK, OutlineTools

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp

    from NSCLCResponseSegmentLib.core.anatomy import Anatomy

    from .flow import CaseFlow

_MEASURE_AFTER_SECONDS = 0.4  # of quiet after the last stroke
_LESION_TABLE = "NSCLCResponseLesions"
_EDITS_LOST = "The outline was corrected by hand. Outlining again replaces it, and the corrections are lost."
_PREDICTED = (ReviewState.PREDICTED, ReviewState.STALE, ReviewState.SIGNED_OFF)


async def may_run(model: str, ask: Callable[[str, str, str], Awaitable[bool]]) -> bool:
    """Whether code that a model brings from its author may run; who says yes is asked once only.

    :param model: name of the catalogue, or the bundle's folder.
    :param ask: shows a question and the words of two buttons, yes and no.
    :raises NSCLCResponseError: there is no such model, or it is incomplete.
    """
    loop = asyncio.get_running_loop()
    bundle = await loop.run_in_executor(None, lambda: open_bundle(find_model(model)))  # checks its files' sums
    question = question_of_trust(bundle)
    if question and not await ask(question, "Run it", "Leave it"):
        return False
    if question:
        trust(bundle)
    return True


class Outlining:
    """The first two steps: outline, correct.

    :param flow: what this step shares with the others.
    """

    def __init__(self, flow: CaseFlow, app: SlicerApp) -> None:
        self._flow, self._data = flow, flow.data
        self.tools = OutlineTools(app, self._on_undo_changed)
        self.lesions: list[Lesion] = []
        self._clicking = ClickOutline(flow.scene, flow.worker)
        self._sizes: tuple[Any, ...] = ()  # masks on the CT's grid, the likeliest first
        self._measure_task: asyncio.Future | None = None
        self._anatomy: Anatomy | None = None  # until it has been found
        self._data.models = [entry.name for entry in read_catalog() if entry.is_here]
        self._data.model = self._data.models[0] if self._data.models else ""
        self.check_buttons()

    # ---------------------------------------------------------------- outline

    async def import_outline(self, files: CaseFiles) -> None:
        """Take the outline that came with the case."""
        await self._by_settings(OutlineSettings(OutlineMethod.FILE, str(files.mask), files.roi))

    async def outline_by_model(self) -> None:
        """Have the tumour found by the model that is chosen on the page."""
        model = self._data.model
        if await may_run(model, self._flow.ask) and await self._may_replace():
            self._put_tool_away()
            await self._by_settings(OutlineSettings(OutlineMethod.MODEL, model=model))

    async def click_at(self, point: Point) -> None:
        """What a click in a slice means now: outline the tumour there (on CT or PET), or correct the outline."""
        data = self._data
        if data.has_outline and data.click_mode in ("add", "exclude"):
            await self._correct_at(point)
        elif not await self._may_replace():
            return
        elif data.click_on == "pet" and data.has_pet:
            settings = OutlineSettings(OutlineMethod.PET, pet_method=PetMethod(data.pet_method), use_ct=data.pet_use_ct)
            await self._by_settings(settings, point)
        else:
            flow = self._flow
            await flow.jobs.run(
                "outline",
                lambda: self._clicking.start(flow.ct, [point]),
                self._finish_click,
                self._clicking.fetch,
            )

    async def _by_settings(self, settings: OutlineSettings, *points: Point) -> None:
        flow = self._flow
        await flow.jobs.run(
            "outline",
            lambda: flow.segment.startOutline(flow.ct, settings, points, flow.pet),
            lambda job: self._take(flow.segment.finishOutline(job)),
            flow.segment.fetchOutline,
        )

    def _finish_click(self, job: Any) -> None:
        clicked = self._clicking.finish(job)
        self._take(clicked.node)
        if len(clicked.masks) > 1:
            self._sizes = clicked.masks
            self._data.sizes = [f"{volume:.1f}" for volume in clicked.volumes_ml]
            self._data.size = clicked.chosen

    async def _correct_at(self, point: Point) -> None:
        """Add or take away what is around a point; the rest of the outline stays as it is."""
        flow = self._flow
        include, exclude = ([point], []) if self._data.click_mode == "add" else ([], [point])

        def finish(job: Any) -> None:
            with self.tools.step():
                self._clicking.finish(job)

        self.forget_sizes()
        await flow.jobs.run(
            "outline",
            lambda: self._clicking.start(flow.ct, include, exclude, flow.segmentation),
            finish,
            self._clicking.fetch,
        )

    async def _may_replace(self) -> bool:
        """Whether a new outline may take the place of the one there is: asked when that was corrected by hand."""
        is_edited = self._flow.session.record.is_edited_by_hand
        return not is_edited or await self._flow.ask(_EDITS_LOST, "Outline again", "Keep it")

    def _take(self, node: Any) -> None:
        """Work with a new outline from now on."""
        flow = self._flow
        before, flow.segmentation = flow.segmentation, node
        flow.session.follow(node)
        self.tools.edit(node, flow.ct)
        if before is not None:
            remove_node(flow.scene, before)
        self.forget_sizes()
        self._data.has_outline = True
        self._data.click_mode = "new"
        self._put_tool_away()
        self._measure()
        self._note_outlined(node.GetAttribute(ORIGIN_ATTRIBUTE) or "")
        if self.lesions:
            flow.views.move_to(self.lesions[0].centre_ras)
        flow.views.fit_three_d()

    def _put_tool_away(self) -> None:
        self._data.tool = LOOK
        self.tools.activate(LOOK)

    def _note_outlined(self, origin: str) -> None:
        self._flow.session.outlined(origin, sum(lesion.volume_ml for lesion in self.lesions))

    # ---------------------------------------------------------------- sizes

    def choose_size(self, number: int) -> None:
        """Take another of the sizes that the click gave (counted from 0)."""
        data, flow = self._data, self._flow
        if not 0 <= number < len(self._sizes) or number == data.size or data.job:
            return
        had_prediction = flow.session.record.state in _PREDICTED
        with self.tools.step():
            replace_tumour(flow.segmentation, self._sizes[number])
        data.size = number
        self._measure()
        if not had_prediction:
            self._note_outlined(f"one click, size {number + 1} of {len(self._sizes)}")

    def undo(self) -> None:
        """Take the last step back; the size that it brings back can be chosen again."""
        self.tools.undo()
        self._data.size = -1

    def redo(self) -> None:
        """Do it again."""
        self.tools.redo()
        self._data.size = -1

    def forget_sizes(self) -> None:
        """A correction has begun: the other sizes are no longer offered."""
        self._sizes, self._data.sizes, self._data.size = (), [], 0

    # ---------------------------------------------------------------- lesions

    def jump_to_lesion(self, row: int) -> None:
        """The centre of a lesion into the middle of all views."""
        if 0 <= row < len(self.lesions):
            jump_to(self._flow.scene, self.lesions[row].centre_ras)
            self._flow.views.move_to(self.lesions[row].centre_ras)

    def apply_lesions(self, rows: list[dict[str, Any]]) -> None:
        """Keep, merge and name lesions as the user said; each becomes a segment of its own.

        :param rows: of each lesion, ``keep`` and ``name``.
        :raises NSCLCResponseError: the choice cannot be made.
        """
        flow = self._flow
        self._data.lesion_rows = rows
        if len(rows) != len(self.lesions):
            return  # the outline has changed since
        choice = choice_of(rows)
        self.forget_sizes()
        apply_choice(flow.segmentation, flow.ct, choice)
        self.tools.edit(flow.segmentation, flow.ct)
        self.tools.restyle()
        self._data.lesion_rows = []
        self._measure()
        flow.tell("", False)  # what was said of a choice that could not be made

    def place_by(self, anatomy: Anatomy) -> None:
        """Say where the lesions lie, of this outline and of those to come.

        :param anatomy: of the CT.
        """
        self._anatomy = anatomy
        if self.lesions:
            self.measure_soon(0.0)

    def measure_soon(self, seconds: float = _MEASURE_AFTER_SECONDS) -> None:
        """Measure when the strokes of the brush pause, beside the event loop; with the lesions' places, once known."""
        self._stop_measuring()

        async def measure() -> None:
            await asyncio.sleep(seconds)
            loop = asyncio.get_running_loop()
            try:
                mask = lesion_mask(self._flow.segmentation, self._flow.ct)
                names = lesion_names(self._flow.segmentation, self._flow.ct)
                found = await loop.run_in_executor(None, find_lesions, mask, self._anatomy)
            except NSCLCResponseError as error:
                self._show_lesions([], problem=str(error))
            else:
                self._show_lesions([lesion.measures for lesion in found], names)
                self._data.lesion_places = [lesion.place.words() if lesion.place else "" for lesion in found]
            self._flow.flush()

        self._measure_task = in_background(measure())

    def _stop_measuring(self) -> None:
        """What is being measured is of an outline that there is no more."""
        if self._measure_task is not None:
            self._measure_task.cancel()

    def _measure(self) -> None:
        self._stop_measuring()
        try:
            lesions = lesions_of(self._flow.segmentation, self._flow.ct)
            self._show_lesions(lesions, lesion_names(self._flow.segmentation, self._flow.ct))
        except NSCLCResponseError as error:
            self._show_lesions([], problem=str(error))
        if self._anatomy is not None:
            self.measure_soon(0.0)

    def _show_lesions(self, lesions: list[Lesion], names: Mapping[int, str] | None = None, problem: str = "") -> None:
        flow, data = self._flow, self._data
        self.lesions, data.lesion_words = lesions, problem or lesions_summary(lesions)
        table = shown_table(flow.scene, _LESION_TABLE)
        fill_lesion_table(table, self.lesions, names)
        data.lesions, data.lesion_places = rows_of(table), []
        if len(data.lesion_rows) != len(self.lesions):
            data.lesion_rows = fresh_rows(len(self.lesions), names)
        flow.check_buttons()

    # ---------------------------------------------------------------- state

    def check_buttons(self) -> None:
        """Why a tool cannot be used now."""
        data = self._data
        busy = "Wait until this has ended, or cancel it" if data.job else ""
        data.outline_blocked = busy
        data.model_blocked = busy or ("" if data.models else "No model is installed: see nsclc-response models list")
        is_being_replaced = bool(data.has_outline and data.job == "outline")  # what is drawn now would be lost
        data.edit_blocked = busy if is_being_replaced else "" if data.has_outline else "Outline the tumour first"

    def _on_undo_changed(self) -> None:
        self._data.can_undo, self._data.can_redo = self.tools.can_undo, self.tools.can_redo
