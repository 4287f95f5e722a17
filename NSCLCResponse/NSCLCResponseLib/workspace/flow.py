"""One case from its images to signed results: what outlining and reviewing share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError
from NSCLCResponseSegmentLib.core.jobs import JobProcess, WarmWorker
from NSCLCResponseSegmentLib.mrml.images import PATIENT_ATTRIBUTE, volume_from_loaded
from NSCLCResponseSegmentLib.mrml.lesion_table import prepare_measuring
from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic
from NSCLCResponseSegmentLib.mrml.volumes import LUNG_WINDOW, PET_HOT

from ..core.case_files import CaseFiles
from ..mrml.case_session import CaseSession
from ..render.aim import add_lung_surface
from .job_runner import JobRunner
from .outlining import Outlining
from .reviewing import Reviewing
from .session import WorkspaceState

if TYPE_CHECKING:
    import numpy as np
    from trame_slicer.core import SlicerApp

    from NSCLCResponseSegmentLib.core.case import LoadedImage

    from .views import FourViews


_LUNG_OPACITY = 0.3  # of one layer


class CaseFlow:
    """One case: images, outline, prediction, review; each step by the logic that the panels use.

    :param data: the page's state, written here, read by the page.
    :param flush: sends what was written to the page.
    :param worker: where jobs run; the caller lets it go.
    :param folder: for temporary files; holds ``ct.nrrd`` already.
    :param signature: the signature's folder; the shipped one without it.
    :param contours: how often the outline is redrawn for a prediction's range; the usual number without it.
    """

    def __init__(
        self,
        app: SlicerApp,
        data: WorkspaceState,
        views: FourViews,
        flush: Callable[[], None],
        *,
        worker: WarmWorker,
        folder: Path,
        signature: Path | None,
        contours: int | None = None,
    ) -> None:
        self._app = app  # the scene's colours and logics end with it
        self.scene, self.data, self.views, self.flush = app.scene, data, views, flush
        self.ct = self.pet = self.segmentation = None
        self.worker, self.folder = worker, folder
        self.segment = SegmentLogic(app.scene, worker)
        self.jobs = JobRunner(self.show_job, self.tell)
        self.session = CaseSession(app.scene, by=lambda: data.reviewer, on_change=self._on_review_changed)
        self.reviewing = Reviewing(self, signature, contours)
        self.outlining = Outlining(self, app)
        self._answer: asyncio.Future[bool] | None = None

    # ---------------------------------------------------------------- images

    def show_ct(self, loaded: LoadedImage, body_ras: np.ndarray, patient_id: str) -> None:
        """Put the CT into the scene and into the views.

        :param body_ras: (2, 3), the corners of the box around the body (RAS mm).
        """
        self.ct = volume_from_loaded(self.scene, loaded, "CT", LUNG_WINDOW)
        if not self.ct.GetAttribute(PATIENT_ATTRIBUTE):
            self.ct.SetAttribute(PATIENT_ATTRIBUTE, patient_id or self.data.patient)
        self.data.patient = self.ct.GetAttribute(PATIENT_ATTRIBUTE)
        self.data.images = self.segment.describeImages(self.ct)
        self.views.show_ct(self.ct, body_ras)

    async def complete(self, files: CaseFiles) -> None:
        """What can wait until the CT is seen: PET, outline, lungs in 3D, and libraries that later steps need."""
        loop = asyncio.get_running_loop()
        if files.pet is not None:
            await self._add_pet(files.pet)
        await loop.run_in_executor(None, prepare_measuring)
        if files.mask is not None:
            await self.outlining.import_outline(files)
        await self._show_lungs()

    async def _add_pet(self, path: Path) -> None:
        from NSCLCResponseSegmentLib.core.reading import read_pet

        try:
            loaded = await asyncio.get_running_loop().run_in_executor(None, read_pet, path)
            self.pet = volume_from_loaded(self.scene, loaded, "PET SUVbw", PET_HOT)
        except NSCLCResponseError as error:
            self.tell(str(error), True)
            return
        self.views.show_pet(self.pet)
        self.views.set_overlay_opacity(self.data.overlay_percent / 100)
        self.data.images = self.segment.describeImages(self.ct, self.pet)
        self.data.has_pet = True
        self.flush()

    async def _show_lungs(self) -> None:
        """Faint lungs in 3D, for orientation, and where the lesions lie; by a process of its own beside all else."""
        import SimpleITK as sitk

        from NSCLCResponseSegmentLib.core.anatomy_files import read_anatomy

        loop = asyncio.get_running_loop()
        folder = self.folder / "lungs"
        job = JobProcess("lungs", {"ct": str(self.folder / "ct.nrrd"), "out": str(folder)})
        self.jobs.beside(job)
        while job.running:
            job.poll()
            await asyncio.sleep(0.2)
        try:
            if not job.result()["is_chest"]:
                return
        except NSCLCResponseError:
            return  # it is an ornament: outlining will say what is wrong with this CT
        smooth = await loop.run_in_executor(None, sitk.ReadImage, str(folder / "lungs.nrrd"))
        model = add_lung_surface(self.scene, smooth)
        model.SetSaveWithScene(False)
        model.GetDisplayNode().SetBackfaceCulling(True)  # halves the time of every picture in 3D
        model.GetDisplayNode().SetOpacity(_LUNG_OPACITY)
        self.views.fit_three_d()
        self.outlining.place_by(await loop.run_in_executor(None, read_anatomy, folder / "anatomy"))

    # ---------------------------------------------------------------- the page

    def tell(self, text: str, is_error: bool) -> None:
        """Show a sentence above the views."""
        self.data.message, self.data.message_is_error = text, is_error
        self.flush()

    async def ask(self, text: str, yes: str, no: str) -> bool:
        """Ask the user a question, with the words of the button that agrees and of the other; whether they agreed."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(False)
        answer = self._answer = asyncio.get_running_loop().create_future()
        self.data.question, self.data.question_yes, self.data.question_no = text, yes, no
        self.flush()
        agreed = await answer
        if answer is self._answer:  # otherwise another question is being asked
            self.data.question = ""
            self.flush()
        return agreed

    def answer(self, agreed: bool) -> None:
        """The page's answer to :meth:`ask`."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(bool(agreed))

    def show_job(self, name: str, percent: int, text: str) -> None:
        """A job's bar and words; an empty name when it ended."""
        self.data.job, self.data.job_percent, self.data.job_text = name, percent, text
        self.check_buttons()
        self.flush()

    def check_buttons(self) -> None:
        """Why a button cannot be used now."""
        self.outlining.check_buttons()
        self.reviewing.check_buttons()

    def _on_review_changed(self) -> None:
        self.reviewing.show()
        self.outlining.measure_soon()
        self.flush()

    def close(self) -> None:
        """End jobs."""
        self.jobs.close()
        self.session.close()
