"""A prediction from clinical values alone, for signatures that look at no image: result and report without pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import ImageError, SettingsError

if TYPE_CHECKING:
    from ..core.signature import Signature
    from .predict import Run

NO_IMAGE = "No image was looked at: the signature rests on clinical values alone."


def wants_no_image(arguments: Mapping[str, Any], signature: Signature) -> bool:
    """Whether the prediction can do without images and none (or a CT without an outline) is given.

    :raises ImageError: the signature looks at images and there is no CT.
    :raises SettingsError: an outline or a PET comes without its CT.
    """
    needs = signature.description["inputs"]["ct"] != "unused"
    outlined = any(arguments.get(name) for name in ("mask", "click_ras", "click_ijk"))
    if arguments.get("ct"):
        return not needs and not outlined
    if needs:
        raise ImageError(f"The CT is missing, and the signature '{signature.name}' looks at it.", "Give --ct.")
    if outlined or arguments.get("pet"):
        raise SettingsError(
            "An outline or a PET is given without the CT.", "Give --ct, or leave them out: this signature needs none."
        )
    return True


def predict_clinical(current: Run, signature: Signature, clinical: dict[str, float]) -> dict[str, Any]:
    """Predict and write ``result.json`` and ``report.html``.

    :param clinical: as :func:`clinical.parse_values` gives it.
    :returns: as ``result.json`` holds it; ``tumour`` and ``inputs.ct`` are ``None``.
    :raises SignatureError: no clinical value is given.
    """
    from ..core.predict import predict_case
    from ..core.predict_settings import explain_settings
    from ..core.report import write_report
    from ..core.result import build_result, write_result
    from ..core.review import ReviewRecord
    from ..core.what_if import parse_change, what_if

    arguments = current.arguments
    case = Case(None, clinical=clinical, patient_id=arguments.get("patient_id") or "")
    with current.step("predict", 0.3, 0.9, "Predicting") as progress:
        outcome = predict_case(case, signature, progress, explain_settings(arguments))
        changes = [parse_change(text) for text in arguments.get("what_if") or ()]
        alternatives = [what_if(case, signature, outcome, change, progress).to_json() for change in changes]
    current.warnings += [NO_IMAGE, *outcome.prediction.warnings]
    for warning in current.warnings:
        current.progress.warn(warning)
    review = ReviewRecord()
    review.predicted(outcome.prediction.signature_name, None)
    report = current.file("report", "report.html") if current.wants("report") else None
    result = build_result(
        case,
        prediction=outcome.prediction.to_json(),
        lesions=[],
        review=review.to_json(),
        warnings=current.warnings,
        failed_features=outcome.failed_features,
        timings=current.timings,
        files=current.files,
        what_if=alternatives,
    )
    if report is not None:
        write_report(result, None, report)
    write_result(result, current.folder / "result.json")
    current.progress.report(1.0, "Done")
    return result
