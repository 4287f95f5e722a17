"""A prediction as DICOM SEG and SR, read back with highdicom and with pydicom alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.dicom_sr import SCHEME, write_dicom
from NSCLCResponseSegmentLib.core.errors import OutputError
from NSCLCResponseSegmentLib.core.reading import read_case
from support.dicom_maker import Examination, tumour_mask

RESULT = {
    "prediction": {
        "probability": 0.344,
        "probability_range": [0.29, 0.41],
        "endpoint": "CR or PR by RECIST 1.1",
        "verdict": "cannot say",
        "signature_name": "Simulated CT and PET 2",
        "signature_sha256": "ab" * 32,
        "label": "Trained on simulated patients.",
        "out_of_distribution": ["5 mm slices (trained on 3 mm)"],
    },
    "tumour": {"volume_ml": 1.44, "longest_axial_diameter_mm": 10.0, "lesion_count": 1},
    "notice": "For research use only.",
}


@pytest.fixture
def case(tmp_path: Path):
    folder = tmp_path / "ct"
    Examination().ct(folder)
    plain = read_case(ct=folder)
    mask = sitk.GetImageFromArray(tumour_mask())
    mask.CopyInformation(plain.ct.image)
    path = tmp_path / "mask.nii.gz"
    sitk.WriteImage(mask, str(path))
    return read_case(ct=folder, mask=path)


def items(dataset: pydicom.Dataset) -> list[pydicom.Dataset]:
    """All content items, depth first."""
    found = []
    for item in dataset.get("ContentSequence", ()):
        found += [item, *items(item)]
    return found


def test_the_report_refers_to_the_segment_and_holds_the_numbers(case, tmp_path: Path):
    import highdicom as hd

    files = write_dicom(case, RESULT, tmp_path)
    report = hd.sr.srread(tmp_path / files["dicom_sr"])
    seg = hd.seg.segread(tmp_path / files["dicom_seg"])
    groups = report.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 1
    measured = {
        (m.name.meaning, m.derivation.meaning if m.derivation else ""): m.value for m in groups[0].get_measurements()
    }
    assert measured[("Volume", "")] == pytest.approx(1.44)
    assert measured[("Probability of response", "")] == pytest.approx(0.344)
    assert measured[("Probability of response", "Minimum")] == pytest.approx(0.29)
    assert measured[("Probability of response", "Maximum")] == pytest.approx(0.41)
    assert "cannot say" in [e.value.meaning for e in groups[0].get_qualitative_evaluations()]
    assert groups[0].referenced_segment.referenced_sop_instance_uid == seg.SOPInstanceUID
    assert report.StudyInstanceUID == case.ct.study_uid


def test_another_toolkit_reads_the_same(case, tmp_path: Path):
    """Plain pydicom: template, algorithm with what it was trained on, every code with its scheme."""
    files = write_dicom(case, RESULT, tmp_path)
    report = pydicom.dcmread(tmp_path / files["dicom_sr"])
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert report.VerificationFlag == "UNVERIFIED"
    assert report.CodingSchemeIdentificationSequence[0].CodingSchemeDesignator == SCHEME
    assert report.PatientID == case.patient_id
    texts = [item.TextValue for item in items(report) if item.ValueType == "TEXT"]
    assert "Simulated CT and PET" in texts
    assert "Training: Trained on simulated patients." in texts
    assert "For research use only." in texts
    assert "Not reliable because of 5 mm slices (trained on 3 mm)." in texts
    numbers = [item for item in items(report) if item.ValueType == "NUM"]
    own = [n for n in numbers if n.ConceptNameCodeSequence[0].CodingSchemeDesignator == SCHEME]
    assert sorted(float(n.MeasuredValueSequence[0].NumericValue) for n in own) == [0.29, 0.344, 0.41]
    seg = pydicom.dcmread(tmp_path / files["dicom_seg"])
    assert np.count_nonzero(seg.pixel_array) == 144


def test_a_ct_that_is_no_dicom_has_no_report(case, tmp_path: Path):
    from dataclasses import replace

    plain = replace(case, ct=replace(case.ct, dicom_files=()))
    with pytest.raises(OutputError, match="is not DICOM"):
        write_dicom(plain, RESULT, tmp_path)
