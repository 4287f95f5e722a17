"""Opening a signature folder. No file in it is trusted: each is read once, its SHA-256 compared with the one in
``signature.json``, and only JSON, YAML, safetensors, skops with our own list of types, and plain arrays are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.errors import SignatureError
from NSCLCResponseSegmentLib.core.resources import resource

from .clinical import variables_from_json
from .fusion import FusionRule
from .harmonise import ComBat
from .network import NetworkSpec, network_from_bytes
from .patch import PatchSpec
from .safe_files import load_arrays, load_pipeline
from .signature import FeaturePart, NetworkPart, Signature
from .signature_list import DEFAULT_SIGNATURE

SIGNATURE_SCHEMA = "nsclc-response/signature/1"
MAX_FILE_BYTES = 32_000_000
_SUFFIXES = {".json", ".yaml", ".safetensors", ".skops", ".npz", ".md", ".html", ".png", ".csv"}
_AGAIN = "Get the signature again from its author."


def default_signature() -> Path:
    """The folder of the signature that ships with the extension; it was trained on simulated patients.

    :raises DependencyError: the installation lacks it.
    """
    return resource("Signatures", DEFAULT_SIGNATURE)


def load_signature(folder: Path) -> Signature:
    """Open a signature folder, checking everything before anything is used.

    :raises SignatureError: a file is missing, changed, not listed, of a kind that could run code, or does not fit the
        JSON schema.
    """
    description, files, sha256 = read_files(Path(folder))
    reference = load_arrays(files["reference.npz"], "reference.npz") if "reference.npz" in files else {}
    parts = description["parts"]
    return Signature(
        folder=Path(folder),
        description=description,
        sha256=sha256,
        clinical_variables=variables_from_json(description["inputs"]["clinical"]),
        feature_parts=tuple(_feature_part(p, files, reference) for p in parts if p["kind"] != "cnn"),
        network_part=next((_network_part(p, files) for p in parts if p["kind"] == "cnn"), None),
        rules=tuple(FusionRule.from_json(rule) for rule in description["fusion"]["rules"]),
        reference=reference,
    )


def read_files(folder: Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """``signature.json``, the verified content of every file it lists, and the SHA-256 of ``signature.json`` itself.

    Loads no model, so a panel can list signatures with it.

    :raises SignatureError: as :func:`load_signature`.
    """
    path = folder / "signature.json"
    if not path.is_file():
        raise SignatureError(f"{folder} is not a signature: it has no signature.json.", "Give a signature's folder.")
    raw = _read(path)
    description = _check_description(raw, path)
    listed: Mapping[str, str] = description["files"]
    _check_names(folder, listed)
    files = {}
    for name, digest in listed.items():
        files[name] = _read(folder / name)
        if hashlib.sha256(files[name]).hexdigest() != digest:
            raise SignatureError(f"{name} in {folder} was changed after the signature was made.", _AGAIN)
    for part in description["parts"]:
        for key in ("model", "weights", "settings"):
            if part.get(key) and part[key] not in files:
                raise SignatureError(f"signature.json names {part[key]} but does not list its hash.", _AGAIN)
    return description, files, hashlib.sha256(raw).hexdigest()


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SignatureError(
                f"{path} is too large for a signature (more than {MAX_FILE_BYTES // 10**6} MB).", _AGAIN
            )
        return path.read_bytes()
    except OSError as error:
        raise SignatureError(f"{path} cannot be read: {error.strerror}.", _AGAIN) from error


def _check_description(raw: bytes, path: Path) -> dict[str, Any]:
    import jsonschema

    try:
        description = json.loads(raw.decode("utf-8"))
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise SignatureError(f"{path} is not valid JSON.", _AGAIN) from error
    schema = json.loads(resource("Schemas", "signature.schema.json").read_text(encoding="utf-8"))
    checker = jsonschema.Draft202012Validator(schema)
    problems = sorted(checker.iter_errors(description), key=lambda e: list(map(str, e.path)))
    if problems:
        place = "/".join(map(str, problems[0].path)) or "its top level"
        reason = problems[0].message[:200]
        raise SignatureError(f"{path} does not fit the signature schema at {place}: {reason}.", _AGAIN)
    return description


def _check_names(folder: Path, listed: Mapping[str, str]) -> None:
    for name in listed:
        if Path(name).name != name or Path(name).suffix not in _SUFFIXES:
            raise SignatureError(f"signature.json lists '{name}', a kind of file that signatures do not hold.", _AGAIN)
        if not (folder / name).is_file():
            raise SignatureError(f"{name} is missing in {folder}.", _AGAIN)
    present = {p.name for p in folder.iterdir() if not p.name.startswith(".")}
    unlisted = sorted(present - set(listed) - {"signature.json"})
    if unlisted:
        raise SignatureError(
            f"{folder} holds {', '.join(unlisted)}, which signature.json does not list.",
            f"Remove it, or {_AGAIN[0].lower()}{_AGAIN[1:]}",
        )


def _feature_part(part: Mapping[str, Any], files: Mapping[str, bytes], reference: Mapping[str, Any]) -> FeaturePart:
    name = part["name"]
    pipeline = load_pipeline(files[part["model"]], part["model"])
    features = tuple(feature["name"] for feature in part["features"])
    try:
        quantiles, means = reference[f"{name}.quantiles"], reference[f"{name}.means"]
    except KeyError as error:
        raise SignatureError(f"reference.npz lacks the training quantiles of {name}.", _AGAIN) from error
    if quantiles.shape != (len(features), 101) or getattr(pipeline, "n_features_in_", None) != len(features):
        raise SignatureError(f"{part['model']} and signature.json disagree on the features of {name}.", _AGAIN)
    _try_out(pipeline, len(features), part["model"])
    return FeaturePart(
        name=name,
        kind=part["kind"],
        image=part.get("image", ""),
        features=features,
        units={feature["name"]: feature["unit"] for feature in part["features"]},
        settings=part.get("settings", ""),
        pipeline=pipeline,
        quantiles=quantiles,
        means=means,
        combat=ComBat.from_arrays(f"combat.{name}", reference, len(features)),
    )


def _try_out(pipeline: Any, features: int, name: str) -> None:
    """Run the pipeline on a patient without any value, so that one that is put together wrongly is found here."""
    import numpy as np

    try:
        value = np.asarray(pipeline.decision_function(np.full((1, features), np.nan)), dtype=float)
    except (TypeError, ValueError, AttributeError, IndexError, KeyError) as error:
        raise SignatureError(f"The model in {name} cannot be used: {error}.", _AGAIN) from error
    if value.shape != (1,) or not np.isfinite(value).all():
        raise SignatureError(f"The model in {name} gives no number.", _AGAIN)


def _network_part(part: Mapping[str, Any], files: Mapping[str, bytes]) -> NetworkPart:
    patch = PatchSpec.from_json(part["patch"])
    spec = NetworkSpec.from_json(part["network"])
    if spec.in_channels != patch.channels:
        raise SignatureError("signature.json gives patch and network different numbers of channels.", _AGAIN)
    return NetworkPart(part["name"], patch, network_from_bytes(spec, files[part["weights"]], part["weights"]))
