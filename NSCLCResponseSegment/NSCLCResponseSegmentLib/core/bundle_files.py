"""MONAI Bundles on disk: what a folder must hold, what it says of itself, and whether it is as it was published."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import DependencyError, MaskError, SegmentationError
from .masks import choose_region

HASHES = "sha256.json"
_CONFIGS = ("inference.json", "inference.yaml", "inference.yml")
_WEIGHTS = ("model.safetensors", "model.pt")
_PARTS = ("preprocessing", "inferer", "postprocessing")
_LEAVE = "Give a bundle for CT."


@dataclass(frozen=True)
class Bundle:
    """A MONAI Bundle that can be run.

    :param labels: value in the result → name, background left out. :param config: of inference, as read.
    """

    folder: Path
    name: str
    metadata: dict[str, Any]
    config: dict[str, Any]
    weights: Path
    labels: dict[int, str]
    notes: tuple[str, ...] = ()

    @property
    def has_own_evaluator(self) -> bool:
        """Whether windows and prompts are the business of a script in the bundle, as for VISTA3D."""
        inferer = self.config.get("inferer")
        return isinstance(inferer, dict) and str(inferer.get("_target_", "")).startswith("scripts.")


def open_bundle(folder: Path) -> Bundle:
    """Check a bundle's folder; runs nothing of it.

    :param folder: with ``configs/metadata.json``, ``configs/inference.json`` (or .yaml) and ``models/model.pt`` (or
        .safetensors), as the MONAI Bundle specification lays out.
    :raises SegmentationError: a file is missing, changed or unreadable, or the model is for another modality.
    """
    if not folder.is_dir():
        raise SegmentationError(f"There is no model {folder}.", "See 'nsclc-response models list', or give a folder.")
    configs = folder / "configs"
    config_path = next((configs / name for name in _CONFIGS if (configs / name).is_file()), configs / _CONFIGS[0])
    weights = next((folder / "models" / n for n in _WEIGHTS if (folder / "models" / n).is_file()), None)
    for path in (configs / "metadata.json", config_path, weights or folder / "models" / "model.pt"):
        if not path.is_file():
            raise SegmentationError(
                f"The model in {folder} is incomplete: {path.relative_to(folder)} is missing.", "Get the bundle again."
            )
    _check_hashes(folder)
    metadata, config = _read(configs / "metadata.json"), _read(config_path)
    notes = _check_modality(folder, metadata)
    missing = [part for part in (*_PARTS, "network_def") if part not in config]
    if missing:
        raise SegmentationError(
            f"{config_path} lacks {', '.join(missing)}, by which a bundle is run here.",
            "Give a bundle whose inference configuration follows the MONAI Model Zoo.",
        )
    name = str(metadata.get("name") or folder.name)
    return Bundle(folder, name, metadata, config, weights, _labels(metadata), tuple(notes))


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".json":
            content = json.loads(path.read_text(encoding="utf-8"))
        else:
            import yaml

            content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except Exception as problem:
        raise SegmentationError(f"{path} cannot be read: {problem}.", "Get the bundle again.") from problem
    if not isinstance(content, dict):
        raise SegmentationError(f"{path} is not a bundle's configuration.", "Get the bundle again.")
    return content


def _check_hashes(folder: Path) -> None:
    """Whether all files are those that ``sha256.json`` lists; bundles without it are not checked."""
    path = folder / HASHES
    if not path.is_file():
        return
    for name, expected in _read(path).items():
        file = folder / name
        if not file.is_file():
            raise SegmentationError(f"The model in {folder} is incomplete: {name} is missing.", "Get the bundle again.")
        if hashlib.sha256(file.read_bytes()).hexdigest() != expected:
            raise SegmentationError(
                f"{file} is not the file that this model was published with: its SHA-256 differs.",
                "Get the bundle again; do not use one that was changed.",
            )


def _format(metadata: dict[str, Any]) -> dict[str, Any]:
    return metadata.get("network_data_format") or {}


def _check_modality(folder: Path, metadata: dict[str, Any]) -> list[str]:
    inputs = _format(metadata).get("inputs") or {}
    image = inputs.get("image") or next(iter(inputs.values()), {})
    said = image.get("modality") or ""
    modality = ", ".join(map(str, said)) if isinstance(said, list) else str(said)
    if modality and not re.search(r"(?<!\w)(CT|computed tomography)(?!\w)", modality, re.IGNORECASE):
        raise SegmentationError(f"The model in {folder} is for {modality}, not for CT.", _LEAVE)
    pred = next(iter((_format(metadata).get("outputs") or {}).values()), {})
    if pred.get("type") == "object":
        raise SegmentationError(f"The model in {folder} finds boxes, not outlines.", "Give a model that segments.")
    if int(image.get("num_channels") or 1) != 1:
        raise SegmentationError(f"The model in {folder} needs {image['num_channels']} images at once.", _LEAVE)
    if not modality:
        return ["The model does not say for which modality it was made; CT was taken for granted."]
    return []


def _labels(metadata: dict[str, Any]) -> dict[int, str]:
    outputs = _format(metadata).get("outputs") or {}
    pred = outputs.get("pred") or next(iter(outputs.values()), {})
    names = {int(k): str(v) for k, v in (pred.get("channel_def") or {}).items()}
    labels = {k: v for k, v in names.items() if k > 0 and v.lower() != "background"}
    return labels or {1: "lesion"}


_LUNG_TUMOUR = re.compile(r"(lung|pulmonary).*(tumou?r|lesion|nodule|cancer|neoplasm|mass)", re.IGNORECASE)


def label_named(bundle: Bundle, roi: str = "") -> int:
    """The value that stands for the tumour in the bundle's result.

    :param roi: the name that is meant; when empty, the only label, the only one of a lung tumour (of VISTA3D's 132 it
        is 23), or the only one named like a tumour.
    :raises SegmentationError: none or several fit; the sentence lists the names.
    """
    values, names = list(bundle.labels), list(bundle.labels.values())
    likely = [value for value, name in bundle.labels.items() if _LUNG_TUMOUR.search(name)]
    if not roi and len(likely) == 1:
        return likely[0]
    try:
        return values[choose_region(names, roi, bundle.folder)]
    except MaskError as problem:
        raise SegmentationError(problem.message, problem.remedy) from problem


def cannot_run(folder: Path, problem: Exception) -> SegmentationError | DependencyError:
    """What to tell when something in a bundle raised: the library that is missing, or its first words."""
    cause = problem.__cause__ or problem
    while cause is not None:
        if isinstance(cause, ImportError):
            name = getattr(cause, "name", None) or str(cause)
            return DependencyError(
                f"The model in {folder} needs the library {name}.", f"Install it: pip install {name}"
            )
        cause = cause.__cause__
    text = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
    return SegmentationError(f"The model in {folder} cannot be run: {text}.", "Ask its author, or take another model.")
