"""A prediction as a DICOM Structured Report: TID 1500 (Measurement Report) beside the segmentation, by highdicom.

The group of measurements refers to the tumour's segment. It holds volume and diameter, the probability with the lowest
and highest over redrawn contours, the verdict, and the signature as the algorithm (TID 4019), whose parameters say what
it was trained on, its hash, and every doubt. There are no standard codes for a probability of response to treatment;
ours are in the private scheme 99NSCLCRESPONSE and carry their meaning in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import OutputError

from .. import __version__
from .wording import doubt_sentences

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SCHEME = "99NSCLCRESPONSE"
SEGMENTATION_NAME, REPORT_NAME = "tumour_seg.dcm", "report_sr.dcm"
_VERDICTS = {"responder": "RESPONDER", "non-responder": "NON_RESPONDER", "cannot say": "CANNOT_SAY"}
_LONGEST_PARAMETER = 1000
_NAME_LENGTH = 64


def write_dicom(case: Case, result: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write the segmentation and the report that refers to it.

    :param case: with a CT read from DICOM and an outline.
    :param result: as ``result.json`` holds it.
    :returns: role → file name.
    :raises OutputError: the CT is not DICOM, or its headers are too incomplete.
    """
    import pydicom

    from NSCLCResponseSegmentLib.core.seg_export import Outline, write_dicom_seg
    from NSCLCResponseSegmentLib.core.terminology import side_code

    sides = {side_code(lesion.get("side")) for lesion in result.get("lesions", ())}
    outline = Outline(case.mask.image, ("Tumour",), case.mask.origin, tuple(sides) if len(sides) == 1 else ())
    write_dicom_seg(folder / SEGMENTATION_NAME, outline, case.ct)
    write_report(folder / REPORT_NAME, result, pydicom.dcmread(folder / SEGMENTATION_NAME))
    return {"dicom_seg": SEGMENTATION_NAME, "dicom_sr": REPORT_NAME}


def write_report(path: Path, result: Mapping[str, Any], segmentation: Dataset) -> None:
    """Write the structured report.

    :param segmentation: the DICOM segmentation whose segment 1 is the tumour.
    :raises OutputError: the segmentation lacks what a report must copy from it.
    """
    import highdicom as hd

    seg = hd.seg.Segmentation.from_dataset(segmentation)
    content = _content(result, seg)
    try:
        report = hd.sr.ComprehensiveSR(
            evidence=[seg],
            content=content,
            series_instance_uid=hd.UID(),
            series_number=int(seg.SeriesNumber or 0) + 1,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="NSCLC Response",
            is_complete=True,
            series_description="Response signature (research)",
        )
    except (AttributeError, KeyError, ValueError, TypeError) as problem:
        raise OutputError(
            f"The CT's DICOM files are too incomplete for a structured report ({problem}).",
            "Use report.html and result.json.",
        ) from problem
    report.CodingSchemeIdentificationSequence = [_scheme()]
    report.save_as(str(path))


def _scheme() -> Dataset:
    """What our private scheme is; PS3.3 C.12.1.1 asks for it where a scheme is not one of DICOM's own."""
    from pydicom.dataset import Dataset

    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = "NSCLC Response"
    scheme.CodingSchemeVersion = __version__
    return scheme


def _content(result: Mapping[str, Any], seg: Any) -> Any:
    from highdicom import UID
    from highdicom.sr import (
        CodedConcept,
        DeviceObserverIdentifyingAttributes,
        MeasurementReport,
        ObservationContext,
        ObserverContext,
    )
    from pydicom.sr.codedict import codes

    device = DeviceObserverIdentifyingAttributes(uid=UID(), name="NSCLC Response", model_name=__version__)
    observer = ObserverContext(observer_type=codes.DCM.Device, observer_identifying_attributes=device)
    return MeasurementReport(
        observation_context=ObservationContext(observer_device_context=observer),
        procedure_reported=CodedConcept("24627-2", "LN", "CT Chest"),
        imaging_measurements=[_group(result, seg)],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _group(result: Mapping[str, Any], seg: Any) -> Any:
    from highdicom import UID
    from highdicom.sr import (
        CodedConcept,
        FindingSite,
        QualitativeEvaluation,
        ReferencedSegment,
        SourceSeriesForSegmentation,
        TrackingIdentifier,
        VolumetricROIMeasurementsAndQualitativeEvaluations,
    )
    from pydicom.sr.codedict import codes

    verdict = result["prediction"]["verdict"]
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=UID(), identifier="Tumour"),
        referenced_segment=ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=1,
            source_series=SourceSeriesForSegmentation(seg.ReferencedSeriesSequence[0].SeriesInstanceUID),
        ),
        finding_type=codes.SCT.Neoplasm,
        finding_sites=[FindingSite(codes.SCT.Lung)],
        algorithm_id=_algorithm(result),
        measurements=_measurements(result),
        qualitative_evaluations=[
            QualitativeEvaluation(_own("VERDICT", "Verdict of the signature"), _own(_VERDICTS[verdict], verdict)),
            QualitativeEvaluation(
                _own("ENDPOINT", "Endpoint of the probability"),
                CodedConcept("ENDPOINT_TEXT", SCHEME, result["prediction"]["endpoint"][:_NAME_LENGTH]),
            ),
        ],
    )


def _own(value: str, meaning: str) -> Any:
    from highdicom.sr import CodedConcept

    return CodedConcept(value, SCHEME, meaning[:_NAME_LENGTH])


def _algorithm(result: Mapping[str, Any]) -> Any:
    from highdicom.sr import AlgorithmIdentification, CodedConcept

    prediction = result["prediction"]
    name, _, version = prediction["signature_name"].rpartition(" ")
    parameters = [
        f"SHA-256 {prediction['signature_sha256']}",
        f"Training: {prediction['label']}",
        result["notice"],
        *doubt_sentences(prediction),
    ]
    return AlgorithmIdentification(
        name=name or prediction["signature_name"],
        version=version or "1",
        family=CodedConcept("123110", "DCM", "Artificial Intelligence"),
        parameters=[text[:_LONGEST_PARAMETER] for text in parameters],
    )


def _measurements(result: Mapping[str, Any]) -> list[Any]:
    from highdicom.sr import CodedConcept, Measurement
    from pydicom.sr.codedict import codes

    prediction, tumour = result["prediction"], result["tumour"]
    millilitre = CodedConcept("mL", "UCUM", "milliliter")
    found = [
        Measurement(codes.SCT.Volume, tumour["volume_ml"], millilitre),
        Measurement(
            CodedConcept("103339001", "SCT", "Long axis"), tumour["longest_axial_diameter_mm"], codes.UCUM.Millimeter
        ),
        _probability(prediction["probability"]),
    ]
    if prediction.get("probability_range"):
        low, high = prediction["probability_range"]
        found.append(_probability(low, CodedConcept("255605001", "SCT", "Minimum")))
        found.append(_probability(high, CodedConcept("56851009", "SCT", "Maximum")))
    return found


def _probability(value: float, derivation: Any = None) -> Any:
    from highdicom.sr import Measurement
    from pydicom.sr.codedict import codes

    name = _own("PROBABILITY", "Probability of response")
    return Measurement(name, round(float(value), 6), codes.UCUM.NoUnits, derivation=derivation)
