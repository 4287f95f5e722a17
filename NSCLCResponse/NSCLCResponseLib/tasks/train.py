"""The training job: cohort table in, signature folder out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import staged_folder
from NSCLCResponseSegmentLib.core.errors import OutputError

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.progress import Progress

    from ..core.cohort import Cohort
    from ..core.presets import Preset
    from ..core.training_data import TrainingData
    from ..worker import TaskContext

_HELD_OUT = {"test": "held-out part of the cohort", "holdout": "holdout cohort"}


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Train a signature.

    :param arguments: see ``nsclc-response train``. What was measured and fitted is kept in ``OUT.work`` until the
        signature is written; a rerun after a stop goes on there.
    :returns: ``summary`` (text), ``out``, ``performance``.
    :raises NSCLCResponseError: the cohort, the roles or the folder cannot be used.
    """
    from ..core import ranks
    from ..core.training import train
    from ..core.training_describe import Naming, build
    from .train_report import Finished, controls, finish, write_report

    out = Path(arguments["out"])
    overwrite = bool(arguments.get("overwrite"))
    if out.exists() and not overwrite and (out.is_file() or any(out.iterdir())):
        raise OutputError(f"{out} already holds results.", "Choose another folder, or add --overwrite.")
    ranks.start()
    chosen = _preset(arguments)
    work = out.with_name(f"{out.name}.work")
    settings = _settings(arguments, chosen)
    despite = _check(arguments, context.progress.part(0.0, 0.02))
    cohorts = _cohorts(arguments, chosen)
    shares = _shares(cohorts, chosen, arguments)
    data = _collect(cohorts, chosen, settings, work, context.progress.part(*shares["measure"]))
    if arguments.get("icc"):
        data["train"] = _robust(data["train"], arguments, context.progress)
    trained = train(data["train"], chosen, work, context.progress.part(*shares["train"]))
    naming = Naming(
        arguments.get("name") or out.name,
        arguments.get("version") or "1",
        arguments.get("label") or "",
        arguments.get("licence") or "Apache-2.0",
    )
    description, files = build(trained, cohorts["train"], chosen, naming, settings)
    description["limits"] += despite
    ranks.leave()
    if not ranks.is_first():
        return {"summary": "", "out": str(out), "performance": []}
    finished = Finished(arguments, trained, chosen, cohorts, data, settings, work)
    found = controls(finished, context.progress.part(*shares["controls"]))
    with staged_folder(out, overwrite=overwrite, token=context.token) as folder:
        context.progress.report(0.97, "Writing the signature")
        _write_and_judge(folder, description, files, cohorts, data)
        metrics, judged = finish(finished, found, description, files, folder)
    write_report(finished, metrics, judged, out, overwrite=True, token=context.token)
    if not arguments.get("keep_work"):
        shutil.rmtree(work, ignore_errors=True)
    return {"summary": _summary(out, description, metrics), "out": str(out), "performance": description["performance"]}


def _preset(arguments: Mapping[str, Any]) -> Preset:
    """The preset with the choices of the command line."""
    from ..core.presets import preset

    parts, seed = tuple(arguments.get("parts") or ()), int(arguments.get("seed") or 0)
    more = {name: arguments.get(name) for name in ("epochs", "folds", "selector", "model", "harmonise", "reference")}
    return preset(arguments.get("preset") or "default", parts=parts, seed=seed, **more)


def _check(arguments: Mapping[str, Any], progress: Progress) -> list[str]:
    """Check the cohort before anything is fitted; returns what the signature must say of errors that were ignored.

    :raises CohortError: there are errors, and nobody said that they may be ignored.
    """
    from ..core.cohort_check import check_files, refuse

    holdout = Path(arguments["holdout"]) if arguments.get("holdout") else None
    found = check_files(Path(arguments["cohort"]), Path(arguments["roles"]), holdout, progress)
    if not arguments.get("despite_errors"):
        refuse(found)
    for finding in found:
        progress.warn(f"{finding.problem} {finding.remedy}")
    return [f"Trained although the check of the cohort said: {f.problem}" for f in found if f.severity == "error"]


def _robust(data: TrainingData, arguments: Mapping[str, Any], progress: Progress) -> TrainingData:
    """Only features whose ICC under redrawn contours is good enough."""
    from ..core.robust_features import DEFAULT_LEAST, keep_robust, read_icc

    least = arguments.get("icc_min")
    return keep_robust(
        data, read_icc(Path(arguments["icc"])), DEFAULT_LEAST if least is None else float(least), progress
    )


def _settings(arguments: Mapping[str, Any], chosen: Preset) -> dict[str, Path]:
    """Radiomics part → parameter file: the user's, else the preset's, else the one for signatures that we ship."""
    from NSCLCResponseSegmentLib.core.resources import resource

    from ..core.radiomics import load_settings
    from ..core.training_data import SETTINGS_OF

    files = {}
    for part, shipped in SETTINGS_OF.items():
        given = arguments.get(f"{part.removeprefix('radiomics_')}_settings")
        ours = chosen.settings.get(part, shipped)
        files[part] = Path(given) if given else resource("Settings", f"{ours}.yaml")
        load_settings(files[part])  # complains now rather than after the first patient
    return files


def _cohorts(arguments: Mapping[str, Any], chosen: Preset) -> dict[str, Cohort]:
    from ..core.cohort import read_cohort
    from ..core.roles import read_roles
    from ..core.training_split import hold_out

    roles = read_roles(Path(arguments["roles"]))
    whole = read_cohort(Path(arguments["cohort"]), roles)
    cohorts = {"train": whole.of_group("train")}
    if roles.split is not None:
        cohorts["test"] = whole.of_group("test")
    if arguments.get("holdout"):
        cohorts["holdout"] = read_cohort(Path(arguments["holdout"]), roles)
    if len(cohorts) == 1 and chosen.holdout:
        cohorts["train"], cohorts["test"] = hold_out(cohorts["train"], chosen.holdout, chosen.seed)
    return cohorts


def _shares(
    cohorts: Mapping[str, Cohort], chosen: Preset, arguments: Mapping[str, Any]
) -> dict[str, tuple[float, float]]:
    """Where each long step begins and ends on the bar."""
    from ..core.training_shares import steps
    from .train_report import permutations

    patients = sum(len(cohort.patients) for cohort in cohorts.values())
    light, network = permutations(arguments)
    images = bool(cohorts["train"].roles.ct and cohorts["train"].roles.mask)
    return steps(chosen, patients, images=images, permutations=light, network_draws=network)


def _collect(
    cohorts: Mapping[str, Cohort], chosen: Preset, settings: Mapping[str, Path], work: Path, progress: Progress
) -> dict[str, TrainingData]:
    from ..core.training_data import collect

    total, done, data = sum(len(c.patients) for c in cohorts.values()), 0, {}
    for name, cohort in cohorts.items():
        step = progress.part(done / total, (done + len(cohort.patients)) / total)
        data[name] = collect(cohort, chosen.parts, settings, chosen.patch, work, step)
        done += len(cohort.patients)
    return data


def _write_and_judge(
    folder: Path,
    description: dict[str, Any],
    files: dict[str, bytes],
    cohorts: Mapping[str, Cohort],
    data: Mapping[str, TrainingData],
) -> None:
    """Write the signature, open it as a user would, judge it on held-out patients, and write it again with that."""
    from ..core.holdout import judge
    from ..core.signature_io import load_signature
    from ..core.signature_write import write_signature
    from ..core.training_describe import chosen_performance

    write_signature(folder, description, files)
    metrics = json.loads(files["metrics.json"])
    for name, words in _HELD_OUT.items():
        if name in data:
            title = f"{words} ({cohorts[name].name}, not used in training)"
            entries, _ = judge(load_signature(folder), data[name], title)
            metrics["performance"] += entries
            description["performance"] += chosen_performance(entries)
    files["metrics.json"] = (json.dumps(metrics, indent=1) + "\n").encode()
    write_signature(folder, description, files)


def _summary(out: Path, description: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    from ..core.evaluation_outputs import evaluation_summary

    lines = [f"Signature '{description['name']}' written to {out}. {description['label']}"]
    for entry in description["performance"]:
        auc = entry["auc"]
        parts = entry.get("note") or " + ".join(entry["parts"]) + (" with PET" if entry["pet"] else "")
        interval = f"{auc['value']:.3f} ({auc['low']:.3f} to {auc['high']:.3f})"
        lines.append(f"AUC {interval}, {entry['patients']} patients, {entry['cohort']}: {parts}")
    lines += [f"Evaluation, model card and checklists: {out}.evaluation", *evaluation_summary(metrics)]
    return "\n".join(lines)
