"""The end of a training: measures, controls, report and model card of what was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import staged_folder

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.progress import Progress

    from ..core.cohort import Cohort
    from ..core.evaluation_cohort import Judged
    from ..core.presets import Preset
    from ..core.training import Trained
    from ..core.training_data import TrainingData

_NETWORK_NOTES = {
    True: "The 3D-CNN takes no part in left-out centres; its labels are permuted a few times only, with fewer epochs.",
    False: "The 3D-CNN takes no part in permuted labels and left-out centres.",
}
_HELD_OUT = {"test": "held-out part of", "holdout": "holdout cohort"}


@dataclass(frozen=True)
class Finished:
    """What a training hands over to its report.

    :param data: ``train`` and, where there are such patients, ``test`` and ``holdout``, as ``cohorts``.
    """

    arguments: Mapping[str, Any]
    trained: Trained
    preset: Preset
    cohorts: Mapping[str, Cohort]
    data: Mapping[str, TrainingData]
    settings: Mapping[str, Path]
    work: Path


def permutations(arguments: Mapping[str, Any]) -> tuple[int, int]:
    """How often labels are dealt out anew for the light models, and for the 3D-CNN."""
    from ..core.controls import PERMUTATIONS
    from ..core.controls_network import NETWORK_PERMUTATIONS

    given, network = arguments.get("permutations"), arguments.get("cnn_permutations")
    light = PERMUTATIONS if given is None else int(given)
    return light, min(NETWORK_PERMUTATIONS, light) if network is None else int(network)


def controls(finished: Finished, progress: Progress) -> dict[str, Any]:
    """All controls of the training cohort; ``--permutations 0`` and ``--no-shuffle`` leave the long ones out."""
    from ..core.controls_network import permuted_network
    from ..core.controls_run import training_controls

    light_draws, draws = permutations(finished.arguments)
    shuffled = _shuffled(finished, progress.part(0.0, 0.3))
    with_network = "cnn" in finished.trained.fits
    light = progress.part(0.3, 0.6 if with_network else 1.0)
    found = training_controls(finished.trained, finished.preset, light, shuffled, permutations=light_draws)
    if with_network:
        data, step = finished.trained.data, progress.part(0.6, 1.0)
        permuted = permuted_network(data, finished.preset, draws, finished.work, step)
        if permuted is not None:
            found["permuted_labels"]["cnn"] = permuted
        found["notes"] = [_NETWORK_NOTES[permuted is not None]]
    return found


def _shuffled(finished: Finished, progress: Progress) -> TrainingData | None:
    """Some of the training patients, measured again with shuffled voxels."""
    from ..core.controls_run import some_patients
    from ..core.training_data import collect

    parts = tuple(p for p in finished.trained.fits if p in ("radiomics_ct", "radiomics_pet"))
    if not parts or finished.arguments.get("no_shuffle"):
        return None
    cohort = some_patients(finished.cohorts["train"], finished.preset.seed)
    if len({p.outcome for p in cohort.patients} - {None}) < 2:
        return None
    return collect(cohort, parts, finished.settings, finished.preset.patch, finished.work, progress, shuffled=True)


def judge_all(finished: Finished, folder: Path) -> list[Judged]:
    """The training patients out of fold, and all held-out ones by the signature in ``folder``."""
    from ..core.evaluation_run import follow_up_of, judged_outside, judged_training
    from ..core.signature_io import load_signature

    tables = {name: Path(finished.arguments["cohort"]) for name in ("train", "test")}
    if finished.arguments.get("holdout"):
        tables["holdout"] = Path(finished.arguments["holdout"])
    follow_up = {
        name: follow_up_of(tables[name], finished.cohorts[name], data.patients) for name, data in finished.data.items()
    }
    judged = [judged_training(finished.trained, follow_up["train"])]
    for name, words in _HELD_OUT.items():
        if name in finished.data:
            title = f"{words} {finished.cohorts[name].name}, not used in training"
            one = judged_outside(load_signature(folder), finished.data[name], title, follow_up[name])
            for other, compared in finished.trained.comparison.items():
                own, _ = compared.judge(finished.data[name], finished.preset.seed)
                one.models[f"{other.replace('_', ' ')} on all radiomics"] = own
            judged.append(one)
    return judged


def finish(
    finished: Finished,
    found: Mapping[str, Any],
    description: dict[str, Any],
    files: dict[str, bytes],
    folder: Path,
) -> tuple[dict[str, Any], list[Judged]]:
    """Judge the signature that lies in ``folder`` and write it again with its model card.

    :param found: of :func:`controls`. :returns: metrics, and what they were measured on.
    """
    import hashlib

    from ..core.cohort_report import model_card
    from ..core.evaluation_outputs import metrics_of
    from ..core.signature_write import write_signature

    judged = judge_all(finished, folder)
    metrics = metrics_of(description, judged, found, finished.preset.seed)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    files["model_card.md"] = model_card(description, metrics, hashes).encode()
    write_signature(folder, description, files)
    return metrics, judged


def write_report(
    finished: Finished,
    metrics: Mapping[str, Any],
    judged: list[Judged],
    out: Path,
    *,
    overwrite: bool,
    token: str,
) -> Path:
    """Write ``OUT.evaluation`` beside the signature ``OUT``; patients' rows do not belong into a signature."""
    from ..core.evaluation_outputs import write_evaluation
    from ..core.feature_weights import feature_weights
    from ..core.signature_io import load_signature

    parts = {
        name: (fit.model, finished.trained.data.features[name][0])
        for name, fit in finished.trained.fits.items()
        if name != "cnn"
    }
    target = out.with_name(f"{out.name}.evaluation")
    with staged_folder(target, overwrite=overwrite, token=token) as folder:
        write_evaluation(folder, load_signature(out).description, metrics, judged, feature_weights(parts))
    return target
