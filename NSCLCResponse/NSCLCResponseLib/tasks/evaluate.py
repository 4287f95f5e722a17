"""The evaluation job: a signature and a cohort that took no part in its training, in; measures and report, out."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import staged_folder
from NSCLCResponseSegmentLib.core.errors import CohortError, OutputError

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.progress import Progress

    from ..core.cohort import Cohort
    from ..core.signature import Signature
    from ..core.training_data import TrainingData
    from ..worker import TaskContext


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Evaluate a signature.

    :param arguments: see ``nsclc-response evaluate``. What was measured of the patients is kept in ``OUT.work`` until
        the report is written; a rerun after a stop goes on there.
    :returns: ``summary`` (text), ``out``, ``metrics``.
    :raises NSCLCResponseError: signature, cohort, roles or folder cannot be used.
    """
    from ..core.evaluation_outputs import evaluation_summary, metrics_of, write_evaluation
    from ..core.evaluation_run import follow_up_of, judged_outside
    from ..core.feature_weights import feature_weights
    from ..core.holdout import collect_for
    from ..core.signature_io import load_signature

    out = Path(arguments["out"])
    overwrite = bool(arguments.get("overwrite"))
    if out.exists() and not overwrite and (out.is_file() or any(out.iterdir())):
        raise OutputError(f"{out} already holds results.", "Choose another folder, or add --overwrite.")
    signature = load_signature(Path(arguments["signature"]))
    cohort = _cohort(arguments, signature)
    work, progress = out.with_name(f"{out.name}.work"), context.progress
    data = collect_for(signature, cohort, work, progress.part(0.0, 0.5))
    _require_inputs(signature, data, cohort)
    follow_up = follow_up_of(Path(arguments["cohort"]), cohort, data.patients)
    judged = judged_outside(signature, data, f"{cohort.name}, not used in training", follow_up)
    controls = _controls(signature, cohort, data, work, progress.part(0.5, 0.95), arguments)
    progress.report(0.95, "Writing the report")
    metrics = metrics_of(signature.description, [judged], controls, int(arguments.get("seed") or 0))
    metrics["signature"]["sha256"] = signature.sha256
    weights = feature_weights({part.name: (part.pipeline, part.features) for part in signature.feature_parts})
    with staged_folder(out, overwrite=overwrite, token=context.token) as folder:
        write_evaluation(folder, signature.description, metrics, [judged], weights)
    if not arguments.get("keep_work"):
        shutil.rmtree(work, ignore_errors=True)
    lines = [f"Evaluation of '{signature.name}' written to {out}. {signature.label}", *evaluation_summary(metrics)]
    return {"summary": "\n".join(lines), "out": str(out), "metrics": metrics}


def _cohort(arguments: Mapping[str, Any], signature: Signature) -> Cohort:
    """All patients of the table, or those that a split names as test patients."""
    from ..core.cohort import read_cohort
    from ..core.roles import read_roles

    roles = read_roles(Path(arguments["roles"]))
    asked, known = roles.endpoint.kind, signature.description["endpoint"]["kind"]
    if asked != known:
        raise CohortError(
            f"The signature predicts '{signature.endpoint}', the roles file asks for '{roles.endpoint.text}'.",
            "Give the endpoint that the signature was trained for.",
        )
    cohort = read_cohort(Path(arguments["cohort"]), roles)
    return cohort.of_group("test") if roles.split is not None else cohort


def _require_inputs(signature: Signature, data: TrainingData, cohort: Cohort) -> None:
    usable = [part for part in signature.part_names if part == "cnn" or part in data.features]
    usable = [part for part in usable if data.available(part).any()]
    if not usable:
        raise CohortError(
            f"No patient of {cohort.name} has what the signature '{signature.name}' needs"
            f" ({', '.join(signature.part_names)}).",
            "Name images or the clinical variables of the signature in the roles file.",
        )


def _controls(
    signature: Signature,
    cohort: Cohort,
    data: TrainingData,
    work: Path,
    progress: Progress,
    arguments: Mapping[str, Any],
) -> dict[str, Any]:
    from ..core.controls_run import outside_controls, some_patients
    from ..core.controls_shuffled import measure_shuffled

    seed = int(arguments.get("seed") or 0)
    controls = outside_controls(data, seed)
    if not arguments.get("no_shuffle"):
        fewer = some_patients(cohort, seed)
        measured = measure_shuffled(signature, fewer, work, progress, seed)
        if measured is not None:
            controls["shuffled_voxels"] = {"images": measured}
    return controls
