"""``result.json``: everything that is known of one prediction, checked against its JSON schema before it is written."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.case import Case, LoadedImage
from NSCLCResponseSegmentLib.core.resources import resource

from .. import __version__

RESULT_SCHEMA = "nsclc-response/result/1"
NOTICE = "For research use only. Not a medical device; no treatment may be based on it."

_LIBRARIES = ("numpy", "SimpleITK", "pyradiomics", "torch", "monai", "scikit-learn", "captum", "pydicom", "highdicom")


def software_versions() -> dict[str, str]:
    """Versions of this software, Python and the libraries that shape the numbers."""
    versions = {"nsclc-response": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def describe_image(image: LoadedImage | None) -> dict[str, Any] | None:
    """What the result says of an input image: where from, units, grid (size and spacing in x, y, z order)."""
    if image is None:
        return None
    return {
        "source": str(image.source),
        "modality": image.modality,
        "unit": image.unit,
        "size": list(image.image.GetSize()),
        "spacing_mm": [round(s, 6) for s in image.image.GetSpacing()],
        "series_uid": image.series_uid,
        "series_description": image.series_description,
        "acquisition_date": image.acquisition_date,
        "facts": dict(image.facts),
    }


def build_result(  # noqa: PLR0913 one for each section of the file
    case: Case,
    *,
    prediction: Mapping[str, Any],
    lesions: Sequence[Mapping[str, Any]],
    review: Mapping[str, Any],
    warnings: Sequence[str],
    failed_features: Mapping[str, str],
    timings: Mapping[str, float],
    files: Mapping[str, str],
    image_facts: Mapping[str, float | None] | None = None,
    what_if: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Assemble the result of one case.

    :param prediction: :meth:`Prediction.to_json`.
    :param lesions: :meth:`Lesion.to_json` of each, largest first; none where no image was looked at.
    :param files: role → file name beside result.json.
    :param image_facts: :meth:`ImageFacts.to_json`.
    :param what_if: :meth:`Alternative.to_json` of each change that was tried.
    """
    mask = case.mask
    return {
        "schema": RESULT_SCHEMA,
        "created": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "notice": NOTICE,
        "patient": {"id": case.patient_id, "study_uid": case.ct.study_uid if case.ct else ""},
        "inputs": {
            "ct": describe_image(case.ct),
            "pet": describe_image(case.pet),
            "mask": {
                "origin": mask.origin if mask else "",
                "source": str(mask.source) if mask and mask.source else None,
                "roi": mask.roi_name if mask else "",
            },
            "clinical": dict(case.clinical),
            **({"center": case.center} if case.center else {}),
        },
        "prediction": dict(prediction),
        "what_if": [dict(alternative) for alternative in what_if],
        "image_facts": dict(image_facts) if image_facts is not None else None,
        "tumour": _tumour(lesions) if case.ct else None,
        "lesions": [dict(lesion) for lesion in lesions],
        "review": dict(review),
        "warnings": list(dict.fromkeys(warnings)),
        "failed_features": dict(failed_features),
        "versions": software_versions(),
        "timings_seconds": {name: round(seconds, 2) for name, seconds in timings.items()},
        "files": dict(files),
    }


def _tumour(lesions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "lesion_count": len(lesions),
        "volume_ml": round(sum(lesion["volume_ml"] for lesion in lesions), 3),
        "longest_axial_diameter_mm": max((le["longest_axial_diameter_mm"] for le in lesions), default=0.0),
    }


def check_result(result: Mapping[str, Any]) -> None:
    """Check against ``Resources/Schemas/result.schema.json``.

    :raises jsonschema.ValidationError: a defect of ours; the result must not be written.
    """
    import jsonschema

    schema = json.loads(resource("Schemas", "result.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(result, schema)


def write_result(result: Mapping[str, Any], path: Path) -> None:
    """Check and write; UTF-8, indented, keys in the order of the schema."""
    check_result(result)
    path.write_text(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
