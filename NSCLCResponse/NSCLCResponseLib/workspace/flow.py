"""The steps of a case in the browser: outline, correct, predict, sign, save; each by the logic that the panels use."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import ClinicalError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.jobs import WarmWorker
from NSCLCResponseSegmentLib.core.lesions import Lesion
from NSCLCResponseSegmentLib.core.outline_settings import OutlineMethod, OutlineSettings
from NSCLCResponseSegmentLib.mrml.lesion_table import fill_lesion_table, jump_to, lesions_of, lesions_summary
from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic
from NSCLCResponseSegmentLib.mrml.tables import shown_table
from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume

from ..core.result_card import result_card
from ..core.review import ReviewState
from ..core.signature_list import SignatureInfo, describe_signature
from ..mrml.case_session import CaseSession
from ..mrml.logic import ResponseLogic
from ..mrml.result_tables import feature_table, recent_table, review_table
from ..mrml.review_tracker import mask_state
from ..mrml.save_results import save_results
from ..render.aim import add_lung_model, coarse_body, lungs_within
from .case_files import CaseFiles
from .job_runner import JobRunner, in_background
from .session import WorkspaceState
from .tables import feature_bars, part_bars, rows_of
from .tools import OutlineTools

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp

    from .views import FourViews, Point

_MEASURE_AFTER_SECONDS = 0.4  # of quiet after the last stroke
_LESION_TABLE = "NSCLCResponseLesions"
DOWNLOADS = ("report.html", "tumour.seg.nrrd", "scene.mrb", "result.json")


class CaseFlow:
    """One case from its files to signed results.

    :param data: the page's state, written here, read by the page.
    :param flush: sends what was written to the page.
    """

    def __init__(
        self,
        app: SlicerApp,
        data: WorkspaceState,
        views: FourViews,
        flush: Callable[[], None],
        signature: Path | None,
    ) -> None:
        self._scene, self._data, self._views, self._flush = app.scene, data, views, flush
        self._worker = WarmWorker()
        self._segment = SegmentLogic(app.scene)
        self._response = ResponseLogic(app.scene, self._worker)
        self._session = CaseSession(app.scene, by=lambda: data.reviewer, on_change=self._on_review_changed)
        self.tools = OutlineTools(app, self._on_undo_changed)
        self.jobs = JobRunner(self._show_job, self.tell)
        self._folder = tempfile.TemporaryDirectory(prefix="nsclc-response-review-", ignore_cleanup_errors=True)
        self._measure_task: asyncio.Future | None = None
        self._lesions: list[Lesion] = []
        self._inside: list[Point] = []
        self._outside: list[Point] = []
        self.ct = self.pet = self.segmentation = None
        self._signature: SignatureInfo | None = None
        self._choose_signature(signature)

    # ---------------------------------------------------------------- load

    def load(self, files: CaseFiles) -> None:
        """Read CT and PET into the scene and show them.

        :raises NSCLCResponseError: one of them cannot be used.
        """
        data = self._data
        self.ct = self._segment.loadCt(files.ct, files.series)
        self.pet = self._segment.loadPet(files.pet) if files.pet else None
        if not self.ct.GetAttribute("NSCLCResponse.PatientId"):
            self.ct.SetAttribute("NSCLCResponse.PatientId", files.patient_id or files.ct.name.split(".")[0])
        for node in filter(None, (self.ct, self.pet)):
            node.AddDefaultStorageNode()
            node.GetStorageNode().SetCompressionParameter("gzip_fastest")
        data.patient = self.ct.GetAttribute("NSCLCResponse.PatientId")
        data.images = self._segment.describeImages(self.ct, self.pet)
        data.has_pet = self.pet is not None
        self._views.show(self.ct, self.pet)

    async def show_lungs(self) -> None:
        """Faint lungs in 3D, for orientation; found beside everything else."""
        from NSCLCResponseSegmentLib.core.anatomy import segment_anatomy

        image = image_from_volume(self.ct)
        loop = asyncio.get_running_loop()
        try:
            anatomy = await loop.run_in_executor(None, segment_anatomy, image)
        except NSCLCResponseError:
            return  # no body in it: outlining will say so
        if not anatomy.is_chest:
            return
        body = await loop.run_in_executor(None, coarse_body, image)
        lungs = await loop.run_in_executor(None, lungs_within, anatomy.coarse_lungs, body)
        model = add_lung_model(self._scene, lungs, body)
        model.SetSaveWithScene(False)
        self._views.fit_three_d()

    def _choose_signature(self, folder: Path | None) -> None:
        from ..core.signature_io import default_signature

        data = self._data
        try:
            self._signature = describe_signature(folder or default_signature())
        except NSCLCResponseError as error:
            data.signature_label = str(error)
            return
        data.signature, data.signature_label = self._signature.name, self._signature.label
        data.clinical = [
            {"name": v.name, "label": v.label, "possible": v.range_words} for v in self._signature.clinical_variables
        ]

    # ---------------------------------------------------------------- outline

    async def import_outline(self, files: CaseFiles) -> None:
        """Take the outline that came with the case."""
        settings = OutlineSettings(OutlineMethod.FILE, str(files.mask), files.roi)
        await self.jobs.run("outline", lambda: self._segment.startOutline(self.ct, settings), self._finish_outline)

    async def outline_at(self, point: Point) -> None:
        """Outline the tumour at a point (RAS mm), with the points before when the mode says so."""
        mode = self._data.click_mode
        inside, outside = list(self._inside), list(self._outside)
        if mode == "new" or not inside:
            inside, outside = [point], []
        else:
            (inside if mode == "add" else outside).append(point)

        def finish(job: Any) -> None:
            self._finish_outline(job)
            self._inside, self._outside = inside, outside

        await self.jobs.run(
            "outline",
            lambda: self._segment.startOutline(self.ct, OutlineSettings(), inside, excludeRas=outside),
            finish,
        )

    def _finish_outline(self, job: Any) -> None:
        node = self._segment.finishOutline(job)
        before, self.segmentation = self.segmentation, node
        self._inside, self._outside = [], []
        self._session.follow(node)
        self.tools.edit(node, self.ct)
        if before is not None:
            self._scene.RemoveNode(before)
        self._data.has_outline = True
        self._data.tool = "look"
        self.tools.activate("look")
        self._measure()
        if self._lesions:
            self._views.move_to(self._lesions[0].centre_ras)
        self._views.fit_three_d()
        self._on_review_changed()

    def jump_to_lesion(self, row: int) -> None:
        """The centre of a lesion into the middle of all views."""
        if 0 <= row < len(self._lesions):
            jump_to(self._scene, self._lesions[row].centre_ras)
            self._views.move_to(self._lesions[row].centre_ras)

    def _measure_soon(self) -> None:
        if self._measure_task is not None:
            self._measure_task.cancel()

        async def measure() -> None:
            await asyncio.sleep(_MEASURE_AFTER_SECONDS)
            self._measure()
            self._flush()

        self._measure_task = in_background(measure())

    def _measure(self) -> None:
        data = self._data
        try:
            self._lesions = lesions_of(self.segmentation, self.ct)
            data.lesion_words = lesions_summary(self._lesions)
        except NSCLCResponseError as error:
            self._lesions, data.lesion_words = [], str(error)
        table = shown_table(self._scene, _LESION_TABLE)
        fill_lesion_table(table, self._lesions)
        data.lesions = rows_of(table)
        self._check_buttons()

    # ---------------------------------------------------------------- predict

    async def predict(self) -> None:
        """Predict on the outline as it is now."""
        if self._data.predict_blocked:
            self.tell(self._data.predict_blocked, True)
            return
        clinical = {name: text for name, text in self._data.clinical_values.items() if text.strip()}
        checksum, _ = mask_state(self.segmentation)

        def start() -> Any:
            job = self._response.startPredict(self.ct, self.segmentation, self.pet, clinical, self._signature.folder)
            job.mask_checksum = checksum  # a stroke while the images are being written counts as one after them
            return job

        await self.jobs.run("predict", start, self._finish_predict)

    def _finish_predict(self, job: Any) -> None:
        self._response.finishPredict(job)
        self._session.predicted(job.mask_checksum)

    def check_clinical(self) -> None:
        """Say what is wrong with the clinical values entered."""
        self._data.clinical_problem = ""
        for variable in self._signature.clinical_variables if self._signature else ():
            text = self._data.clinical_values.get(variable.name, "").strip()
            try:
                if text:
                    variable.parse(text)
            except ClinicalError as error:
                self._data.clinical_problem = str(error)
                break
        self._check_buttons()

    # ---------------------------------------------------------------- review

    def sign(self) -> None:
        """Sign off with the name and comment on the page."""
        try:
            self._session.sign_off(self._data.reviewer, self._data.comment)
        except NSCLCResponseError as error:
            self.tell(str(error), True)
            return
        self._on_review_changed()

    async def save(self) -> None:
        """Write all results, to be downloaded."""
        data = self._data
        if data.save_blocked or self.jobs.running:
            return
        self._show_job("save", 30, "Writing report, outline and scene")
        await asyncio.sleep(0.1)  # the page says so first
        folder = Path(self._folder.name)
        try:
            picture = self._views.picture(folder / "views.png")
            save_results(
                self._scene,
                self._session.result(),
                self.segmentation,
                folder / "results",
                picture=picture,
                overwrite=True,
            )
            data.files = [{"name": name, "href": f"results/{name}"} for name in DOWNLOADS]
        except NSCLCResponseError as error:
            self.tell(str(error), True)
        finally:
            self._show_job("", 0, "")

    def result_file(self, name: str) -> Path | None:
        """A file of the results last written."""
        path = Path(self._folder.name) / "results" / name
        return path if name in DOWNLOADS and path.is_file() else None

    # ---------------------------------------------------------------- state

    def tell(self, text: str, is_error: bool) -> None:
        """Show a sentence above the views."""
        self._data.message, self._data.message_is_error = text, is_error
        self._flush()

    def _show_job(self, name: str, percent: int, text: str) -> None:
        self._data.job, self._data.job_percent, self._data.job_text = name, percent, text
        self._check_buttons()
        self._flush()

    def _on_undo_changed(self) -> None:
        self._data.can_undo, self._data.can_redo = self.tools.can_undo, self.tools.can_redo

    def _on_review_changed(self) -> None:
        data, result = self._data, self._session.result()
        result = result if result is not None and "prediction" in result else None
        prediction = result["prediction"] if result else None
        data.card = asdict(result_card(result)) if result else None
        data.bars = part_bars(prediction) if prediction else []
        data.features = feature_bars(rows_of(feature_table(self._scene, prediction))) if prediction else []
        data.is_stale = self._session.is_stale
        data.review_state = self._session.record.state.value
        data.review = rows_of(review_table(self._scene, self._session.record))
        data.recent = rows_of(recent_table(self._scene, self._session.recent()))
        data.files = []
        self._check_buttons()
        self._measure_soon()
        self._flush()

    def _check_buttons(self) -> None:
        """Why a button cannot be used now."""
        data = self._data
        busy = "Wait until this has ended, or cancel it" if data.job else ""
        data.edit_blocked = "" if data.has_outline else "Outline the tumour first"
        problem = "" if self._signature else data.signature_label
        no_tumour = "" if self._lesions else data.lesion_words or "Outline the tumour first"
        data.predict_blocked = busy or no_tumour or problem or data.clinical_problem
        state = self._session.record.state
        if state is ReviewState.PREDICTED:
            data.sign_blocked = busy or ("" if data.reviewer.strip() else "Enter your name first")
        elif state is ReviewState.SIGNED_OFF:
            data.sign_blocked = "This case is signed off"
        else:
            data.sign_blocked = "The mask changed: predict again first" if data.is_stale else "Predict first"
        data.save_blocked = busy or ("" if data.card else "Predict first")

    def reviewer_changed(self) -> None:
        """The name on the page was changed."""
        self._check_buttons()

    def close(self) -> None:
        """End jobs, remove temporary files."""
        self.jobs.close()
        self._session.close()
        self._worker.close()
        self._folder.cleanup()
