"""The job behind ``nsclc-response segment-train``: patients to a MONAI Bundle, measured on patients held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import discard_leftovers, staged_folder
from NSCLCResponseSegmentLib.core.errors import CohortError, OutputError, SettingsError

from ..core.batch_cases import read_cases

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.bundle_training import TrainingCase, TrainingPlan

    from ..worker import TaskContext


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Train or fine-tune.

    :param arguments: ``cases``, ``out``, ``trained_on``; optional ``name``, ``from_model``, ``minutes``, ``steps``,
        ``seed``, ``work``, ``overwrite``.
    :returns: ``summary`` (text), ``out`` and ``measured`` (on the patients held out).
    :raises NSCLCResponseError: too few patients can be used, or the model to start from does not fit.
    """
    from NSCLCResponseSegmentLib.core.bundle_design import write_bundle
    from NSCLCResponseSegmentLib.core.bundle_measure import measure_bundle
    from NSCLCResponseSegmentLib.core.bundle_training import prepare_cases, split_cases, train

    out = Path(arguments["out"])
    if out.exists() and any(out.iterdir()) and not arguments.get("overwrite"):
        raise OutputError(f"{out} already holds a model.", "Choose another folder, or add --overwrite.")
    plan = _plan(arguments)
    work = Path(arguments.get("work") or out.with_name(out.name + ".work"))
    progress = context.progress
    cases = _cases(Path(arguments["cases"]))
    discard_leftovers(work, work / "cases")
    files, failed = prepare_cases(cases, work / "cases", progress.part(0.0, 0.15))
    training, held_out = split_cases(files, plan)
    done = train(training, plan, work, progress.part(0.15, 0.85))
    facts = {
        "description": f"Trained on {arguments['trained_on'].rstrip('.')}.",
        "trained_on": arguments["trained_on"],
        "patients": len(training),
        "left_out": failed,
        "steps": done["steps"],
        "minutes": round(done["minutes"], 1),
        "seed": plan.seed,
        "fine_tuned_from": arguments.get("from_model") or None,
    }
    name = arguments.get("name") or out.name
    with staged_folder(out, overwrite=bool(arguments.get("overwrite")), token=context.token) as aside:
        write_bundle(aside, name, done["weights"], facts)
        by_name = {case.name: case for case in cases}
        measured = measure_bundle(aside, [by_name[f.stem] for f in held_out], progress.part(0.85, 1.0))
        write_bundle(aside, name, done["weights"], {**facts, "held_out": measured})
    summary = (
        f"Model of {len(training)} patients after {done['steps']} steps ({done['minutes']:.0f} min).\n"
        f"On {len(measured['cases'])} patients held out: {measured['words']}.\nWritten: {out}"
    )
    return {"summary": summary, "out": str(out), "measured": measured}


def _plan(arguments: dict[str, Any]) -> TrainingPlan:
    from NSCLCResponseSegmentLib.core.bundle_training import TrainingPlan, weights_of
    from NSCLCResponseSegmentLib.core.model_catalog import find_model

    minutes = float(arguments.get("minutes") or 60.0)
    if minutes <= 0:
        raise SettingsError("The training's minutes must be more than 0.")
    start = weights_of(find_model(arguments["from_model"])) if arguments.get("from_model") else None
    return TrainingPlan(minutes, int(arguments.get("steps") or 0), int(arguments.get("seed") or 1), start_from=start)


def _cases(source: Path) -> list[TrainingCase]:
    from NSCLCResponseSegmentLib.core.bundle_training import TrainingCase

    cases = []
    for case in read_cases(source):
        if "mask" not in case.arguments:
            raise CohortError(f"{case.patient} in {source} has no outline.", "Fill the column 'mask'.")
        paths = (Path(case.arguments["ct"]), Path(case.arguments["mask"]))
        texts = (case.arguments.get("roi", ""), case.arguments.get("series", ""))
        cases.append(TrainingCase(case.folder_name, *paths, *texts))
    return cases
