"""The main job: one patient from files to ``result.json``, features, segmentation, pictures, report and scene."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import require_space, staged_folder
from NSCLCResponseSegmentLib.core.case import Case, TumourMask
from NSCLCResponseSegmentLib.core.errors import OutputError, SegmentationError

from ..core.clinical_text import summary_paragraph
from ..core.review import ReviewRecord
from .predict_clinical import predict_clinical, wants_no_image

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.anatomy import Anatomy
    from NSCLCResponseSegmentLib.core.progress import Progress

    from ..core.explain_map import NetworkMap
    from ..core.predict import PredictionOutcome
    from ..worker import TaskContext

ALL_OUTPUTS = ("core", "segmentation", "overlay", "report", "scene", "dicom")
_FREE_BYTES_NEEDED = 200_000_000  # a 512×512×300 CT in scene.mrb, twice, while it is being written


@dataclass
class Run:
    """What the steps of one prediction hand on to each other."""

    arguments: dict[str, Any]
    folder: Path
    progress: Progress
    warnings: list[str] = field(default_factory=list)
    timings: dict[str, float] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, start: float, end: float, text: str) -> Iterator[Progress]:
        """Time a step and give it its share of the bar."""
        part = self.progress.part(start, end)
        part.report(0.0, text)
        began = time.monotonic()
        yield part
        self.timings[name] = time.monotonic() - began

    def file(self, role: str, name: str) -> Path:
        """Path of an output, noted in the result."""
        self.files[role] = name
        return self.folder / name

    def wants(self, output: str) -> bool:
        return output in (self.arguments.get("outputs") or ALL_OUTPUTS)


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Predict for one patient and write the results.

    :param arguments: see ``nsclc-response predict``; ``outputs`` limits what is written to some of
        :data:`ALL_OUTPUTS` (``core`` is result.json, features.csv and the maps, and is always written).
    :returns: ``summary`` (text), ``out`` (folder) and ``result`` (as result.json).
    :raises NSCLCResponseError: the input cannot be used; nothing is written then.
    """
    out = Path(arguments["out"])
    require_space(out, _FREE_BYTES_NEEDED)
    with staged_folder(out, overwrite=bool(arguments.get("overwrite")), token=context.token) as folder:
        current = Run(arguments, folder, context.progress)
        result = _predict_into(current)
    return {"summary": f"{summary_paragraph(result)}\nResults: {out}", "out": str(out), "result": result}


def _predict_into(current: Run) -> dict[str, Any]:
    from NSCLCResponseSegmentLib.core.lesion_choice import LesionChoice
    from NSCLCResponseSegmentLib.core.lesion_record import find_lesions, keep_lesions

    from ..core.clinical import parse_values
    from ..core.predict import predict_case
    from ..core.predict_settings import explain_settings
    from ..core.signature_io import default_signature, load_signature
    from ..core.what_if import parse_change, what_if

    arguments = current.arguments
    changes = [parse_change(text) for text in arguments.get("what_if") or ()]
    choice = LesionChoice.parse(arguments.get("lesions") or "")
    with current.step("read signature", 0.0, 0.05, "Opening the signature"):
        signature = load_signature(Path(arguments.get("signature") or default_signature()))
        clinical = parse_values(arguments.get("clinical") or {}, signature)
    signature, notes = signature.at_center(arguments.get("center") or "")
    current.warnings += notes
    if wants_no_image(arguments, signature):
        return predict_clinical(current, signature, clinical)
    with current.step("read images", 0.05, 0.2, "Reading the images") as progress:
        case, anatomy = _read(arguments, clinical, progress)
        case = replace(case, center=arguments.get("center") or "")
    with current.step("outline", 0.2, 0.3, "Outlining the tumour") as progress:
        case = _outlined(case, arguments, progress)
        case = replace(case, mask=keep_lesions(case.mask, choice))
        names = choice.names_after or {int(n): name for n, name in (arguments.get("lesion_names") or {}).items()}
        lesions = find_lesions(case.mask.image, anatomy, names)
    with current.step("predict", 0.3, 0.68, "Measuring and predicting") as progress:
        outcome = predict_case(case, signature, progress, explain_settings(arguments), anatomy)
    with current.step("what if", 0.68, 0.7, "Trying what would change") as progress:
        alternatives = [what_if(case, signature, outcome, change, progress).to_json() for change in changes]
    current.warnings += [*case.notes, *outcome.prediction.warnings]
    for warning in current.warnings:
        current.progress.warn(warning)
    review = _review(case, outcome, sum(lesion.measures.volume_ml for lesion in lesions))
    result = _write_core(current, case, outcome, lesions, review, alternatives)
    _write_rest(current, case, result, outcome, anatomy)
    return result


def _read(arguments: dict[str, Any], clinical: dict[str, float], progress: Progress) -> tuple[Case, Anatomy]:
    from NSCLCResponseSegmentLib.core.anatomy import require_chest
    from NSCLCResponseSegmentLib.core.reading import read_case

    clicks = [*arguments.get("click_ras", ()), *arguments.get("click_ijk", ())]
    if arguments.get("mask") and clicks:
        raise SegmentationError("Both a mask and a click are given.", "Give either --mask or --click-ras.")
    if not arguments.get("mask") and not clicks:
        raise SegmentationError(
            "The tumour's outline is missing.",
            "Give --mask with an outline, or --click-ras with a point in the tumour.",
        )
    case = read_case(
        ct=Path(arguments["ct"]),
        series=arguments.get("series", ""),
        pet=Path(arguments["pet"]) if arguments.get("pet") else None,
        pet_series=arguments.get("pet_series", ""),
        mask=Path(arguments["mask"]) if arguments.get("mask") else None,
        roi=arguments.get("roi", ""),
        clinical=clinical,
        patient_id=arguments.get("patient_id", ""),
        progress=progress.part(0.0, 0.8),
    )
    progress.report(0.8, "Checking that this is a chest")
    return case, require_chest(case.ct.image)


def _outlined(case: Case, arguments: dict[str, Any], progress: Progress) -> Case:
    if case.mask is not None:
        if arguments.get("mask_origin"):  # the caller knows better than the name of its temporary file
            choice = arguments.get("lesion_choice")
            return replace(case, mask=replace(case.mask, origin=arguments["mask_origin"], lesion_choice=choice))
        return case
    from NSCLCResponseSegmentLib.core.one_click import outline_click
    from NSCLCResponseSegmentLib.core.reading import check_pet_covers

    points = [tuple(p) for p in arguments.get("click_ras", ())]
    for index in arguments.get("click_ijk", ()):
        x, y, z = case.ct.image.TransformContinuousIndexToPhysicalPoint([float(v) for v in index])
        points.append((-x, -y, z))
    result = outline_click(case.ct.image, points, progress=progress)
    mask = TumourMask(result.mask, origin="one click", notes=tuple(result.notes))
    if case.pet is not None:
        check_pet_covers(case.pet, mask)
    return replace(case, mask=mask)


def _review(case: Case, outcome: PredictionOutcome, volume_ml: float) -> ReviewRecord:
    review = ReviewRecord()
    chosen = case.mask.lesion_choice
    whole_ml = sum(part["volume_ml"] for part in (*chosen["kept"], *chosen["dropped"])) if chosen else volume_ml
    review.outlined(case.mask.origin, whole_ml)
    if chosen:
        review.lesions_chosen("", chosen, whole_ml, volume_ml)
    review.predicted(outcome.prediction.signature_name, volume_ml)
    return review


def _write_core(
    current: Run,
    case: Case,
    outcome: PredictionOutcome,
    lesions: list[Any],
    review: ReviewRecord,
    alternatives: list[dict[str, Any]],
) -> dict[str, Any]:
    from ..core.result import build_result, write_result

    current.timings.update({f"predict: {name}": seconds for name, seconds in outcome.timings.items()})
    _write_features(current.file("features", "features.csv"), case, outcome)
    if outcome.network_map is not None:
        with current.step("map", 0.7, 0.71, "Writing the map of the 3D-CNN"):
            _write_maps(current, case, outcome.network_map)
    for output, role, name in _OPTIONAL_FILES:
        if current.wants(output):
            current.file(role, name)
    result = build_result(
        case,
        prediction=outcome.prediction.to_json(),
        lesions=[lesion.to_json() for lesion in lesions],
        review=review.to_json(),
        warnings=current.warnings,
        failed_features=outcome.failed_features,
        timings=current.timings,
        files=current.files,
        image_facts=outcome.facts.to_json() if outcome.facts is not None else None,
        what_if=alternatives,
    )
    write_result(result, current.folder / "result.json")
    return result


def _write_maps(current: Run, case: Case, network_map: NetworkMap) -> None:
    """Integrated gradients (−1 to 1) and Grad-CAM (0 to 1) on the CT's grid; for a scene only what the patch covers."""
    import SimpleITK as sitk

    from ..core.explain_map import onto_ct

    cut = bool(current.arguments.get("cut_map"))
    images = {"cnn_map": network_map.on_ct(case.ct.image, cut=cut)}
    if not cut:
        images["cnn_gradcam"] = onto_ct(network_map.cam, case.ct.image)
    for role, image in images.items():
        path = current.file(role, f"{role}.nrrd")
        sitk.WriteImage(image, str(path), useCompression=True, compressionLevel=1)


_OPTIONAL_FILES = (
    ("segmentation", "segmentation", "tumour.seg.nrrd"),
    ("overlay", "overlay", "overlay.png"),
    ("report", "report", "report.html"),
    ("scene", "scene", "scene.mrb"),
)


def _write_features(path: Path, case: Case, outcome: PredictionOutcome) -> None:
    """One wide row, as ``nsclc-response radiomics`` writes it; failed features are empty and named in result.json."""
    import csv

    names = sorted({*outcome.features, *outcome.failed_features})
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["patient", "lesion", "region", *names])
        values = [repr(float(outcome.features[n])) if n in outcome.features else "" for n in names]
        writer.writerow([case.patient_id, "all", "tumour", *values])


def _write_rest(current: Run, case: Case, result: dict[str, Any], outcome: PredictionOutcome, anatomy: Anatomy) -> None:
    """Outputs that need Slicer's MRML libraries or a renderer; then result.json once more with all timings."""
    from ..core.report import write_report
    from ..core.result import write_result

    if current.wants("dicom"):
        _write_dicom(current, case, result)
    picture = current.folder / "overlay.png" if current.wants("overlay") else None
    if picture or current.wants("segmentation") or current.wants("scene"):
        _write_views(current, case, result, outcome, anatomy)
    result["timings_seconds"] = {name: round(seconds, 2) for name, seconds in current.timings.items()}
    if current.wants("report"):
        write_report(result, picture, current.folder / "report.html")
    write_result(result, current.folder / "result.json")
    current.progress.report(1.0, "Done")


def _write_dicom(current: Run, case: Case, result: dict[str, Any]) -> None:
    """DICOM SEG and SR, for a CT that is DICOM; where that cannot be, a note says why."""
    if not case.ct.dicom_files:
        return
    from ..core.dicom_sr import write_dicom

    with current.step("dicom", 0.71, 0.73, "Writing DICOM segmentation and report"):
        try:
            current.files.update(write_dicom(case, result, current.folder))
            result["files"] = dict(current.files)
        except OutputError as problem:
            result["warnings"].append(problem.message)
            current.progress.warn(problem.message)


def _write_views(
    current: Run, case: Case, result: dict[str, Any], outcome: PredictionOutcome, anatomy: Anatomy
) -> None:
    from NSCLCResponseSegmentLib.mrml.segmentations import write_segmentation

    from ..mrml.scene import build_scene, save_mrb
    from ..render.app import new_app
    from ..render.overlay import render_overlay
    from ..render.views import close_views

    with current.step("segmentation and scene", 0.7, 0.82, "Writing segmentation and scene"):
        app = new_app()
        shown = outcome.network_map.on_ct(case.ct.image, cut=True) if outcome.network_map is not None else None
        nodes = build_scene(app.scene, case, result, outcome.features, shown)
        if current.wants("segmentation"):
            write_segmentation(nodes.segmentation, current.folder / "tumour.seg.nrrd")
        if current.wants("scene"):
            save_mrb(app.scene, current.folder / "scene.mrb")
    if current.wants("overlay"):
        with current.step("overlay", 0.82, 0.98, "Rendering the views"):
            try:
                render_overlay(app, nodes, case, result, current.folder / "overlay.png", anatomy.coarse_lungs)
            finally:
                close_views(app)
