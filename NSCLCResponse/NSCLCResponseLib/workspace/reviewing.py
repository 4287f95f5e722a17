"""Predicting, explaining, signing and saving in the browser."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import ClinicalError, NSCLCResponseError

from ..core.result_card import result_card
from ..core.review import ReviewState
from ..core.signature_io import default_signature
from ..core.signature_list import SignatureInfo, describe_signature
from ..mrml.logic import ResponseLogic
from ..mrml.result_nodes import result_node
from ..mrml.result_tables import feature_table, recent_table, review_table
from ..mrml.review_tracker import mask_state
from ..mrml.save_results import save_results
from .tables import feature_bars, part_bars, rows_of

if TYPE_CHECKING:
    from .flow import CaseFlow

_STALE = "The outline was changed after the prediction: predict again first"
DOWNLOADS = ("report.html", "tumour.seg.nrrd", "scene.mrb", "result.json")


class Reviewing:
    """The last three steps: predict, explain, report and sign.

    :param flow: what this step shares with the others.
    :param signature: its folder; the shipped one without it.
    :param contours: how often the outline is redrawn for a prediction's range; the usual number without it.
    """

    def __init__(self, flow: CaseFlow, signature: Path | None, contours: int | None) -> None:
        self._flow, self._data = flow, flow.data
        self._response = ResponseLogic(flow.scene, flow.worker)
        self._signature: SignatureInfo | None = None
        self._map_id, self._contours = "", contours
        self._choose_signature(signature)

    def _choose_signature(self, folder: Path | None) -> None:
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

    # ---------------------------------------------------------------- predict

    async def predict(self) -> None:
        """Predict on the outline as it is now."""
        flow, data = self._flow, self._data
        if flow.jobs.running:
            return  # the second press of a double click
        if data.predict_blocked:
            flow.tell(data.predict_blocked, True)
            return
        clinical = {name: text for name, text in data.clinical_values.items() if text.strip()}
        checksum, _ = mask_state(flow.segmentation)

        def start() -> Any:
            job = self._response.startPredict(
                flow.ct,
                flow.segmentation,
                flow.pet,
                clinical,
                self._signature.folder,
                contours=self._contours,
            )
            job.mask_checksum = checksum  # a stroke while the images are being written counts as one after them
            return job

        await flow.jobs.run("predict", start, self._finish_predict, self._response.fetchPredict)

    def _finish_predict(self, job: Any) -> None:
        self._response.finishPredict(job)
        self._flow.session.predicted(job.mask_checksum)

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
        self.check_buttons()

    # ---------------------------------------------------------------- sign and save

    def sign(self) -> None:
        """Sign off with the name and comment on the page."""
        self._flow.session.sign_off(self._data.reviewer, self._data.comment)
        self.show()

    async def save(self) -> None:
        """Write all results, to be downloaded."""
        flow, data = self._flow, self._data
        if data.save_blocked or flow.jobs.running:
            return
        flow.show_job("save", 30, "Writing report, outline and scene")
        await asyncio.sleep(0.1)  # the page says so first
        try:
            picture = flow.views.picture(flow.folder / "views.png")
            folder = flow.folder / "results"
            result = flow.session.result()
            save_results(flow.scene, result, flow.segmentation, folder, picture=picture, overwrite=True)
            data.files = [{"name": name, "href": f"results/{name}"} for name in DOWNLOADS]
        finally:
            flow.show_job("", 0, "")

    def result_file(self, name: str) -> Path | None:
        """A file of the results last written."""
        path = self._flow.folder / "results" / name
        return path if name in DOWNLOADS and path.is_file() else None

    # ---------------------------------------------------------------- state

    def show(self) -> None:
        """Bring the page in line with result and review."""
        data, scene, session = self._data, self._flow.scene, self._flow.session
        result = session.result()
        result = result if result is not None and "prediction" in result else None
        prediction = result["prediction"] if result else None
        data.card = asdict(result_card(result)) if result else None
        data.bars = part_bars(prediction) if prediction else []
        data.features = feature_bars(rows_of(feature_table(scene, prediction))) if prediction else []
        self._show_map(result)
        data.is_stale = session.is_stale
        data.review_state = session.record.state.value
        data.review = rows_of(review_table(scene, session.record))
        data.recent = rows_of(recent_table(scene, session.recent()))
        data.files = []
        self.check_buttons()

    def _show_map(self, result: dict[str, Any] | None) -> None:
        """The map of the 3D-CNN over the CT, where the prediction made one."""
        node = result_node(self._flow.scene) if result else None
        volume = node.GetNodeReference("map") if node is not None else None
        if (volume.GetID() if volume is not None else "") == self._map_id:
            return
        self._map_id = volume.GetID() if volume is not None else ""
        self._data.has_map = volume is not None
        self._flow.views.show_map(volume)

    def check_buttons(self) -> None:
        """Why a button cannot be used now."""
        data, lesions = self._data, self._flow.outlining.lesions
        busy = "Wait until this has ended, or cancel it" if data.job else ""
        problem = "" if self._signature else data.signature_label
        no_tumour = "" if lesions else data.lesion_words or "Outline the tumour first"
        data.predict_blocked = busy or no_tumour or problem or data.clinical_problem
        state = self._flow.session.record.state
        if state is ReviewState.PREDICTED:
            data.sign_blocked = busy or ("" if data.reviewer.strip() else "Enter your name first")
        elif state is ReviewState.SIGNED_OFF:
            data.sign_blocked = "This case is signed off"
        else:
            data.sign_blocked = _STALE if data.is_stale else "Predict first"
        data.save_blocked = busy or ("" if data.card else "Predict first")
