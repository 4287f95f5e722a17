"""What a trained signature says of itself: ``signature.json`` and the files beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clinical import variable
from .clinical_fit import part_words
from .cohort import Cohort, cohort_variable
from .out_of_distribution import training_images_words
from .presets import Preset
from .result import software_versions
from .safe_files import save_arrays
from .signature_io import SIGNATURE_SCHEMA
from .training import Trained
from .training_data import IMAGE_PARTS, TrainingData
from .training_network import network_preprocessing, network_spec
from .training_reference import facts_arrays, reference_arrays
from .training_tables import feature_unit, training_statistics

if TYPE_CHECKING:
    import numpy as np

SIMULATED_LABEL = "Trained on simulated patients. Its probabilities mean nothing for a real patient."


@dataclass(frozen=True)
class Naming:
    """What the person who trains says about the signature."""

    name: str
    version: str = "1"
    label: str = ""
    licence: str = "Apache-2.0"


def default_label(cohort: Cohort, patients: int) -> str:
    """The sentence that stands beside each probability when nobody wrote a better one."""
    if cohort.roles.simulated:
        return SIMULATED_LABEL
    return f"Trained on {patients} patients of the cohort {cohort.name}; not validated on patients of other hospitals."


def label(naming: Naming, cohort: Cohort, patients: int) -> str:
    """The given sentence or the default one; of simulated patients it always says that they are."""
    if naming.label and cohort.roles.simulated and "simulated" not in naming.label.lower():
        return f"{SIMULATED_LABEL} {naming.label}"
    return naming.label or default_label(cohort, patients)


def build(
    trained: Trained, cohort: Cohort, preset: Preset, naming: Naming, settings: Mapping[str, Path]
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """``signature.json`` without hashes, and the files by name."""
    files: dict[str, bytes] = {}
    reference: dict[str, np.ndarray] = {}
    parts = [_part(name, trained, preset, settings, files, reference) for name in trained.fits]
    files["reference.npz"] = save_arrays({**reference, **reference_arrays(trained)})
    files["metrics.json"] = (json.dumps({"performance": trained.performance}, indent=1) + "\n").encode()
    return _description(trained, cohort, preset, naming, parts), files


def _part(
    name: str,
    trained: Trained,
    preset: Preset,
    settings: Mapping[str, Path],
    files: dict[str, bytes],
    reference: dict[str, np.ndarray],
) -> dict[str, Any]:
    fit = trained.fits[name]
    if name == "cnn":
        files["cnn.safetensors"] = fit.model_bytes
        spec = network_spec(preset.patch, preset.network)
        shape = {"patch": preset.patch.to_json(), "network": spec.to_json()}
        about = {
            "preprocessing": network_preprocessing(preset.network, survival=trained.data.is_survival),
            "chosen": fit.chosen,
        }
        return {"name": name, "kind": "cnn", "weights": "cnn.safetensors", **shape, **about}
    files[f"{name}.skops"] = fit.model_bytes
    names, values = trained.data.features[name]
    here = trained.data.available(name)
    harmonised = values[here]
    if fit.combat is not None:
        reference |= fit.combat.to_arrays(f"combat.{name}")
        centers = [center for center, used in zip(trained.data.centers, here, strict=True) if used]
        harmonised = fit.combat.transform(values[here], centers)
    quantiles, means = training_statistics(fit.model, values[here], harmonised)
    reference |= {f"{name}.quantiles": quantiles, f"{name}.means": means}
    kind = {"clinical": "clinical", "radiomics_table": "table"}.get(name, "radiomics")
    units = [variable(n).unit if kind == "clinical" else feature_unit(n) for n in names]
    part: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "model": f"{name}.skops",
        "features": [{"name": n, "unit": u} for n, u in zip(names, units, strict=True)],
        "preprocessing": part_words(name, preset.table, survival=trained.data.is_survival),
        "chosen": fit.chosen,
    }
    if kind == "radiomics":
        files[f"{name}.yaml"] = settings[name].read_bytes()
        part |= {"image": name.removeprefix("radiomics_"), "settings": f"{name}.yaml"}
    return part


def _description(
    trained: Trained, cohort: Cohort, preset: Preset, naming: Naming, parts: list[dict[str, Any]]
) -> dict[str, Any]:
    data = trained.data
    names = set(trained.fits)
    images = bool(names & set(IMAGE_PARTS))
    clinical = trained.data.features["clinical"][0] if "clinical" in names else []
    endpoint = cohort.roles.endpoint
    return {
        "schema": SIGNATURE_SCHEMA,
        "name": naming.name,
        "version": naming.version,
        "label": label(naming, cohort, len(data.patients)),
        "endpoint": {"name": endpoint.column or endpoint.time, "kind": endpoint.kind, "text": endpoint.text},
        "inputs": {
            "ct": "required" if images else "unused",
            "pet": "optional" if data.has_pet.any() else "unused",
            "mask": "required" if images else "unused",
            "clinical": [cohort_variable(cohort.roles, name).to_json() for name in clinical],
        },
        "parts": parts,
        "fusion": {
            "method": "logistic, weights not below zero, one rule per set of available parts, on out-of-fold logits",
            "rules": [rule.to_json() for rule in trained.rules],
        },
        "calibration": {"method": "Platt scaling of cross-fitted fused logits; slope and offset in each rule"},
        "threshold": {"value": trained.threshold, "rule": "largest sensitivity + specificity, out of fold in training"},
        "training": _training(trained, cohort, preset),
        "performance": chosen_performance(trained.performance),
        "intended_use": "Research on response to immune checkpoint inhibitors in lung cancer (NSCLC). Not for care.",
        "limits": [*_limits(cohort, images=images or "radiomics_table" in names), *_image_limits(data)],
        "licence": naming.licence,
        "versions": software_versions(),
    }


def _training(trained: Trained, cohort: Cohort, preset: Preset) -> dict[str, Any]:
    data = trained.data
    counts = {name: int(data.available(name).sum()) for name in trained.fits}
    return {
        "cohort": cohort.name + (" (simulated)" if cohort.roles.simulated else ""),
        "patients": len(data.patients),
        "events": int((data.outcome == 1).sum()),
        "patients_with": {**counts, "pet": int(data.has_pet.sum())},
        "centers": sorted({center for center in data.centers if center}),
        "preset": preset.name,
        "folds": preset.folds,
        "seed": preset.seed,
        "settings": preset.to_json(),
    }


def _image_limits(data: TrainingData) -> list[str]:
    """What its images were like, where it has seen any."""
    words = training_images_words(facts_arrays(getattr(data, "facts", [])))
    return [words] if words else []


def _limits(cohort: Cohort, *, images: bool) -> list[str]:
    ways = {
        "largest": "Of several lesions only the largest is measured.",
        "volume_weighted_mean": "Features are the mean over a patient's lesions, weighted by volume.",
        "max": "Features are the largest value over a patient's lesions.",
    }
    limits = [ways[cohort.roles.aggregate]] if images else ["It sees no image."]
    if cohort.roles.simulated:
        limits.insert(0, "Simulated patients only: no statement about real ones.")
    return limits


def chosen_performance(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of all sets of parts: everything, each part alone, the largest sets with and without PET and clinical values."""
    keep = entries[:1]
    seen = set()
    for pet in (True, False):
        for clinical in (True, False):
            fitting = [e for e in entries[1:] if e["pet"] == pet and ("clinical" in e["parts"]) == clinical]
            if fitting:
                seen.add(id(max(fitting, key=lambda e: len(e["parts"]))))
    return keep + [e for e in entries[1:] if len(e["parts"]) == 1 or id(e) in seen]
