"""What a prediction may be given: no image at all where the signature needs none, a centre where it asks for one."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from NSCLCResponseLib.core.batch_cases import read_cases
from NSCLCResponseLib.core.signature_io import load_signature
from NSCLCResponseSegmentLib.core.errors import CohortError, NSCLCResponseError, SignatureError
from NSCLCResponseSegmentLib.core.progress import SILENT
from NSCLCResponseSegmentLib.core.resources import resource
from support.cli import nsclc_response
from support.small_signature import small_preset

# ---------------------------------------------------------------- clinical values alone

VALUES = {"pdl1_tps_percent": "80", "albumin_g_dl": "4.1", "nlr": "3"}


@pytest.fixture(scope="module")
def a_clinical_signature() -> Path:
    return resource("Signatures", "ici-clinical")


def test_clinical_values_alone_give_a_result_and_a_report_that_says_so(a_clinical_signature: Path, tmp_path: Path):
    pairs = [f"{name}={value}" for name, value in VALUES.items()]
    arguments = ("--signature", a_clinical_signature, "--patient-id", "P1", "--what-if", "pdl1_tps_percent=0")
    done = nsclc_response("predict", "--clinical", *pairs, *arguments, "--out", tmp_path / "o")
    assert done.code == 0, done.err
    assert "No image was looked at" in done.err
    result = json.loads((tmp_path / "o" / "result.json").read_text(encoding="utf-8"))
    assert result["inputs"]["ct"] is None
    assert result["tumour"] is None
    assert result["lesions"] == []
    part = load_signature(a_clinical_signature).feature_part("clinical")
    rules = load_signature(a_clinical_signature).rules
    logit = rules[0].logit({"clinical": part.logit({name: float(value) for name, value in VALUES.items()})})
    assert result["prediction"]["probability"] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)
    assert result["what_if"][0]["difference"] < 0
    page = (tmp_path / "o" / "report.html").read_text(encoding="utf-8")
    assert "No image was looked at" in page
    assert "<img" not in page
    assert "Lesions" not in page
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["report.html", "result.json"]


def test_a_batch_of_clinical_values(a_clinical_signature: Path, tmp_path: Path):
    (tmp_path / "cases.csv").write_text("patient,nlr,pdl1_tps_percent\na,3,80\nb,12,0\nc,,\n")
    arguments = ("--cases", tmp_path / "cases.csv", "--signature", a_clinical_signature, "--workers", 1)
    done = nsclc_response("batch", *arguments, "--out", tmp_path / "o")
    assert done.code == 1, done.err
    with (tmp_path / "o" / "summary.csv").open(encoding="utf-8", newline="") as stream:
        rows = {row["patient"]: row for row in csv.DictReader(stream)}
    assert float(rows["a"]["probability"]) > float(rows["b"]["probability"])
    assert rows["a"]["volume_ml"] == ""
    assert "no clinical values given" in rows["c"]["reason"]
    assert (tmp_path / "o" / "summary.html").is_file()
    with pytest.raises(CohortError, match="no column ct"):
        read_cases(tmp_path / "cases.csv")


def test_what_is_missing_is_told(a_clinical_signature: Path, a_warm_worker, tmp_path: Path):
    from NSCLCResponseSegmentLib.core.jobs import follow

    wrong = (
        ({"clinical": VALUES}, "The CT is missing"),
        ({"signature": str(a_clinical_signature), "clinical": VALUES, "mask": "m.nii.gz"}, "without the CT"),
        ({"signature": str(a_clinical_signature)}, "no clinical values given"),
        ({"signature": str(a_clinical_signature), "clinical": VALUES, "what_if": ["erode=2"]}, "no outline"),
    )
    for arguments, words in wrong:
        with pytest.raises(NSCLCResponseError, match=words):
            follow(a_warm_worker.start("predict", {**arguments, "out": str(tmp_path / "o")}))
        assert not (tmp_path / "o").exists()


# ---------------------------------------------------------------- centres


_SETTINGS = """\
imageType: {Original: {}}
featureClass: {firstorder: , shape: }
setting: {label: 1, binWidth: 25, geometryTolerance: 0.0001}
"""


def train_harmonised(folder: Path, patient: Path, reference: str = "") -> Path:
    """A signature on CT features around those of ``patient``, harmonised between A and B, whose values are larger."""
    import SimpleITK as sitk

    from NSCLCResponseLib.core.cohort import read_cohort
    from NSCLCResponseLib.core.radiomics import extract_features, load_settings
    from NSCLCResponseLib.core.roles import read_roles
    from NSCLCResponseLib.core.signature_write import write_signature
    from NSCLCResponseLib.core.training import train
    from NSCLCResponseLib.core.training_data import TrainingData
    from NSCLCResponseLib.core.training_describe import Naming, build

    folder.mkdir(exist_ok=True)
    settings, out = folder / "radiomics_ct.yaml", folder / f"signature{reference}"
    settings.write_text(_SETTINGS)
    ct, mask = (sitk.ReadImage(str(patient / f"{name}.nii.gz")) for name in ("ct", "mask"))
    own = extract_features(ct, mask, load_settings(settings), prefix="ct").values
    random, count = np.random.default_rng(0), 60
    y, second = np.arange(count) % 2, np.arange(count) % 3 == 0
    x = np.array(list(own.values())) * (1 + 0.2 * random.normal(size=(count, len(own))) + 0.2 * y[:, None])
    x[second] *= 1.4
    centers = ["B" if there else "A" for there in second]
    rows = [f"p{i},{y[i]},{centers[i]}" for i in range(count)]
    (folder / "cohort.csv").write_text("\n".join(["patient,response,center", *rows]) + "\n")
    (folder / "roles.yaml").write_text("patient: patient\ncenter: center\nendpoint: {response: response}\n")
    cohort = read_cohort(folder / "cohort.csv", read_roles(folder / "roles.yaml"))
    nobody = np.zeros(count, dtype=bool)
    features = {"radiomics_ct": (list(own), x)}
    data = TrainingData([p.name for p in cohort.patients], centers, y, features, None, nobody, nobody)
    whole = small_preset()
    table = replace(whole.table, harmonise="combat", reference=reference, keep=(3,), strengths=(0.1,))
    chosen = replace(whole, parts=("radiomics_ct",), nested=False, table=table)
    trained = train(data, chosen, folder / f"work{reference}", SILENT)
    out.mkdir()
    write_signature(out, *build(trained, cohort, chosen, Naming("h", label="Ours."), {"radiomics_ct": settings}))
    return out


def test_a_harmonised_signature_takes_the_patients_centre_from_the_caller_to_the_features(
    a_simulated_patient: Path, a_warm_worker, tmp_path: Path
):
    from NSCLCResponseSegmentLib.core.jobs import follow

    folder = train_harmonised(tmp_path / "training", a_simulated_patient)
    signature = load_signature(folder)
    paths = {name: str(a_simulated_patient / f"{name}.nii.gz") for name in ("ct", "mask")}
    found = {}
    for center in ("A", "B"):
        arguments = {**paths, "signature": str(folder), "center": center, "outputs": ["core"], "redraws": 0}
        result = follow(a_warm_worker.start("predict", {**arguments, "out": str(tmp_path / center)}))["result"]
        assert result["inputs"]["center"] == center
        with (tmp_path / center / "features.csv").open(newline="") as stream:
            row = next(csv.DictReader(stream))
        values = {name: float(value) for name, value in row.items() if value and name.startswith("ct_")}
        part = signature.feature_part("radiomics_ct")
        x = part.combat.transform(part.row(values), [center])
        logit = signature.rules[0].logit({"radiomics_ct": part.pipeline.decision_function(x)[0]})
        found[center] = result["prediction"]["probability"]
        assert found[center] == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-6)
    assert found["A"] != found["B"]
    for center, words in (("", "No centre is given"), ("C", "The centre 'C' took no part in training")):
        arguments = {**paths, "signature": str(folder), "center": center, "out": str(tmp_path / "refused")}
        with pytest.raises(SignatureError, match=words) as caught:
            follow(a_warm_worker.start("predict", arguments))
        assert "A, B" in str(caught.value)
        assert "--center" in str(caught.value)


def test_a_reference_centre_stands_in_for_unknown_ones_and_a_batch_reads_the_column(
    a_simulated_patient: Path, tmp_path: Path
):
    signature = load_signature(train_harmonised(tmp_path / "training", a_simulated_patient, reference="A"))
    part = signature.feature_parts[0]
    values = dict(zip(part.features, part.quantiles[:, 50], strict=True))
    logits = {}
    for center in ("A", "B", "C"):
        there, notes = signature.at_center(center)
        logits[center] = there.feature_parts[0].logit(values)
        assert bool(notes) == (center == "C")
    assert logits["C"] == logits["A"] != logits["B"]
    assert "reference centre A" in signature.at_center("")[1][0]
    (tmp_path / "cases.csv").write_text("patient,ct,mask,center\na,x.nii.gz,y.nii.gz,B\n")
    assert read_cases(tmp_path / "cases.csv")[0].arguments["center"] == "B"
