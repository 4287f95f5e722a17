"""`cohort check` lists every problem of a table at once, catches planted leaks, and leaves real tables in peace."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path

import numpy as np
import openpyxl
import pytest

from NSCLCResponseLib.core.cohort import read_cohort, read_table
from NSCLCResponseLib.core.cohort_check import Finding, check_files, refuse
from NSCLCResponseLib.core.roles import read_roles
from NSCLCResponseLib.core.training_data import aggregate_lesions
from NSCLCResponseSegmentLib.core.errors import CohortError, SettingsError
from support.cli import nsclc_response
from support.data import shared_data

PATIENTS = 40


def values(seed: int = 0) -> dict[str, list[str]]:
    """A table without problems: column → cells."""
    random = np.random.default_rng(seed)
    response = np.arange(PATIENTS) % 2
    columns = {
        "patient": [f"p{i:02d}" for i in range(PATIENTS)],
        "response": [str(r) for r in response],
        "age": [f"{v:.2f}" for v in random.normal(65, 8, PATIENTS)],
        "albumin_g_dl": [f"{v:.3f}" for v in random.normal(3.8, 0.3, PATIENTS)],
    }
    for index in range(8):
        columns[f"rad_{index}"] = [f"{v:.6f}" for v in random.normal(size=PATIENTS) + response]
    return columns


ROLES = "patient: patient\nendpoint: {response: response}\nclinical: [age, albumin_g_dl]\nradiomics: {prefix: [rad_]}\n"


def check(folder: Path, columns: dict[str, list[str]], roles: str = ROLES) -> list[Finding]:
    folder.mkdir(exist_ok=True)
    rows = [",".join(columns), *(",".join(cells) for cells in zip(*columns.values(), strict=True))]
    (folder / "table.csv").write_text("\n".join(rows) + "\n")
    (folder / "roles.yaml").write_text(roles)
    return check_files(folder / "table.csv", folder / "roles.yaml")


def texts(found: list[Finding], severity: str) -> str:
    return "\n".join(f"{f.problem} {f.remedy}" for f in found if f.severity == severity)


def test_a_good_table_has_no_findings(tmp_path: Path):
    assert check(tmp_path, values()) == []


def test_a_sheet_of_excel_is_read_as_its_reader_sees_it(tmp_path: Path):
    """Text, a truth value, a number, a day, an error, an empty row."""
    book = openpyxl.Workbook()
    for row in (
        ("patient", "response", "age", "first dose"),
        ("007", True, 64.1, datetime.date(2024, 5, 31)),
        (None, None, None, None),
        ("8", 0, "#N/A", 7.0),
    ):
        book.active.append(row)
    book.save(tmp_path / "table.xlsx")
    table = read_table(tmp_path / "table.xlsx")
    assert list(table.columns) == ["patient", "response", "age", "first dose"]
    assert table.iloc[0].tolist() == ["007", "true", "64.1", "2024-05-31"]
    assert table.fillna("").iloc[1].tolist() == ["8", "0", "", "7"]
    (tmp_path / "roles.yaml").write_text("patient: patient\nendpoint: {response: response}\nclinical: [age]\n")
    cohort = read_cohort(tmp_path / "table.xlsx", read_roles(tmp_path / "roles.yaml"))
    assert [(p.name, p.outcome, p.clinical) for p in cohort.patients] == [("007", 1, {"age": 64.1}), ("8", 0, {})]
    (tmp_path / "not.xlsx").write_bytes(b"patient,response")
    with pytest.raises(CohortError, match="no intact XLSX"):
        read_table(tmp_path / "not.xlsx")


def test_all_problems_come_at_once(tmp_path: Path):
    columns = values()
    columns["patient"][5] = "P07"  # as p07, perhaps
    columns["response"][3] = "maybe"
    columns["age"][4] = "650"
    columns["albumin_g_dl"] = [f"{10 * float(v):.2f}" for v in columns["albumin_g_dl"]]
    columns["rad_1"] = ["1.5"] * PATIENTS
    columns["rad_2"][6] = "inf"
    columns["rad_7"] = [str(int(r) + 0.01 * i) if r.isdigit() else "" for i, r in enumerate(columns["response"])]
    columns["rad_7"] = [str(3 * int(i % 2) + 0.01 * i) for i in range(PATIENTS)]  # copies the outcome, with noise
    columns["ct"] = ["gone.nii.gz"] * PATIENTS
    columns["mask"] = ["gone.nii.gz"] * PATIENTS
    found = check(tmp_path, columns, ROLES + "ct: ct\nmask: mask\ndate: seen\n")
    errors, warnings = texts(found, "error"), texts(found, "warning")
    for words in (
        "no column seen", "'maybe'", "age cannot be 650", "looks like g/L", "rad_2 is infinite",
        "rad_7 alone tells the outcome", "gone.nii.gz of patient p00 does not exist",
    ):  # fmt: skip
        assert words in errors, words
    assert "units: {albumin_g_dl: g/L}" in errors
    for words in ("rad_1", "may mean one patient"):
        assert words in warnings, words
    with pytest.raises(CohortError, match=r"There are \d+ more errors"):
        refuse(found)


def test_one_patient_under_two_names_is_caught_by_values_and_by_images(tmp_path: Path):
    columns = values()
    for name in columns:
        if name != "patient":
            columns[name][9] = columns[name][20]
    assert "p09 and p20 have the same values throughout" in texts(check(tmp_path / "a", columns), "error")
    columns = values()
    images = tmp_path / "b"
    images.mkdir()
    random = np.random.default_rng(1)
    for number in range(PATIENTS):
        content = random.bytes(200) if number != 9 else b"same" * 50
        content = b"same" * 50 if number == 20 else content
        packed = gzip.compress(content, compresslevel=1 if number == 9 else 9)  # packed differently, the same inside
        (images / f"{number}.nii.gz").write_bytes(packed)
    columns["ct"] = [f"{number}.nii.gz" for number in range(PATIENTS)]
    found = texts(check(images, columns, ROLES + "ct: ct\n"), "error")
    assert "CT files of the patients p09 and p20 have the same content" in found


def test_four_clinical_values_tell_a_patient_by_how_rare_they_are(tmp_path: Path):
    columns = {name: cells for name, cells in values().items() if not name.startswith("rad_")}
    random = np.random.default_rng(1)
    columns |= {
        "nlr": [f"{v:.2f}" for v in random.normal(5, 1, PATIENTS)],
        "pdl1_tps_percent": [str(5 * (i % 20)) for i in range(PATIENTS)],
    }
    roles = ROLES.replace("albumin_g_dl]", "albumin_g_dl, nlr, pdl1_tps_percent]").replace(
        "radiomics: {prefix: [rad_]}", ""
    )
    for name in set(columns) - {"patient"}:
        columns[name][20] = columns[name][9]
    assert "p09 and p20 have the same values throughout" in texts(check(tmp_path, columns, roles), "error")
    for name, common in (("age", "65"), ("nlr", "5"), ("albumin_g_dl", "4")):
        columns[name] = [common if index % 3 else cell for index, cell in enumerate(columns[name])]
        columns[name][9] = columns[name][20] = common
    assert "same values" not in texts(check(tmp_path, columns, roles), "error"), "two patients may share round numbers"


def test_patients_of_a_holdout_are_told_apart_by_images_not_by_names(tmp_path: Path):
    columns, random = values(), np.random.default_rng(4)
    other = values(seed=9)
    for folder, own in (("cohort", columns), ("holdout", other)):
        (tmp_path / folder).mkdir()
        own["ct"] = [f"{number}.nii.gz" for number in range(PATIENTS)]
        for number in range(PATIENTS):
            (tmp_path / folder / f"{number}.nii.gz").write_bytes(gzip.compress(random.bytes(200)))
    roles = ROLES + "ct: ct\nsimulated: true\n"
    check(tmp_path / "cohort", columns, roles)
    check(tmp_path / "holdout", other, roles)
    paths = [tmp_path / "cohort" / "table.csv", tmp_path / "cohort" / "roles.yaml", tmp_path / "holdout" / "table.csv"]
    assert "names occur in the cohort" not in texts(check_files(*paths), "warning"), "the seeds differ, so do patients"
    copied = gzip.decompress((tmp_path / "cohort" / "3.nii.gz").read_bytes())
    (tmp_path / "holdout" / "7.nii.gz").write_bytes(gzip.compress(copied, compresslevel=1))
    found = texts(check_files(*paths), "error")
    assert "p03 of the cohort and p07 of the holdout have one CT" in found
    paths[1].write_text(ROLES + "ct: ct\n")
    assert f"{PATIENTS} names occur in the cohort" in texts(check_files(*paths), "warning"), "of real people: ask"


def test_times_in_days_are_told_and_converted_when_the_roles_say_so(tmp_path: Path):
    columns = values()
    random = np.random.default_rng(2)
    columns["pfs"] = [f"{v:.0f}" for v in random.exponential(200, PATIENTS)]
    columns["event"] = ["1"] * PATIENTS
    timed = ROLES.replace("{response: response}", "{durable_benefit: {time: pfs, event: event, months: 6}}")
    errors = texts(check(tmp_path, columns, timed), "error")
    assert "looks like days" in errors
    assert "units: {pfs: days}" in errors
    assert "days" not in texts(check(tmp_path, columns, timed + "units: {pfs: days}\n"), "error")
    cohort = read_cohort(tmp_path / "table.csv", read_roles(tmp_path / "roles.yaml"))
    days = float(columns["pfs"][0])
    assert cohort.patients[0].time == pytest.approx(days / 30.4375)
    assert cohort.patients[0].outcome == int(days / 30.4375 >= 6)


def test_columns_of_other_names_units_and_words(tmp_path: Path):
    columns = {
        "ID": [f"p{i}" for i in range(PATIENTS)],
        "BOR": ["CR", "PR", "SD", "PD"] * (PATIENTS // 4),
        "ALB": ["38"] * (PATIENTS - 1) + ["41"],
        "Stage": ["IIIb", "IV"] * (PATIENTS // 2),
        "Sex": ["male", "F"] * (PATIENTS // 2),
    }
    roles = (
        "patient: ID\nendpoint: {response: BOR}\nclinical: {albumin_g_dl: ALB, stage: Stage, sex: Sex}\n"
        "units: {albumin_g_dl: g/L}\ncoding: {stage: {IIIb: 3.5, IV: 4}}\n"
    )
    assert texts(check(tmp_path, columns, roles), "error") == ""
    first = read_cohort(tmp_path / "table.csv", read_roles(tmp_path / "roles.yaml")).patients[0]
    assert first.outcome == 1
    assert first.clinical == {"albumin_g_dl": pytest.approx(3.8), "stage": 3.5, "sex": 1.0}
    with pytest.raises(SettingsError, match=r"line 3.*bushels"):
        check(tmp_path, columns, "patient: ID\nendpoint: {response: BOR}\nunits: {albumin_g_dl: bushels}\n")


def test_a_column_known_after_treatment_and_an_endpoint_among_the_inputs(tmp_path: Path):
    columns = values()
    columns["best_response"] = columns["age"]
    roles = ROLES.replace("[age, albumin_g_dl]", "[age, albumin_g_dl, best_response, response]")
    found = check(tmp_path, columns, roles)
    assert "best_response is known only after treatment" in texts(found, "warning")
    assert "response is the endpoint and an input at once" in texts(found, "error")


def test_centres_with_one_outcome_each(tmp_path: Path):
    columns = values()
    columns["center"] = ["A" if r == "1" else "B" for r in columns["response"]]
    assert "Each centre has one outcome" in texts(check(tmp_path, columns, ROLES + "center: center\n"), "error")


def test_several_lesions_become_one_patient():
    lesions = [(10.0, {"a": 1.0, "b": 5.0}), (30.0, {"a": 3.0, "b": 1.0})]
    assert aggregate_lesions(lesions, "largest") == {"a": 3.0, "b": 1.0}
    assert aggregate_lesions(lesions, "volume_weighted_mean") == {"a": 2.5, "b": 2.0}
    assert aggregate_lesions(lesions, "max") == {"a": 3.0, "b": 5.0}
    with pytest.raises(CohortError, match="volume"):
        aggregate_lesions([(float("nan"), {"a": 1.0}), (2.0, {"a": 2.0})], "largest")


def test_lesions_of_one_patient_are_one_row_of_training_data(tmp_path: Path):
    (tmp_path / "roles.yaml").write_text(
        "patient: p\nlesion: l\nvolume: v\nendpoint: {response: r}\nradiomics: {prefix: [f_]}\naggregate: max\n"
    )
    (tmp_path / "t.csv").write_text("p,l,v,r,f_1\na,1,2,1,5\na,2,3,1,7\nb,1,2,0,1\n")
    cohort = read_cohort(tmp_path / "t.csv", read_roles(tmp_path / "roles.yaml"))
    assert [len(p.lesions) for p in cohort.patients] == [2, 1]
    (tmp_path / "t.csv").write_text("p,l,v,r,f_1\na,1,2,1,5\na,2,3,0,7\nb,1,2,0,1\n")
    with pytest.raises(CohortError, match="more than one outcome"):
        read_cohort(tmp_path / "t.csv", read_roles(tmp_path / "roles.yaml"))


def test_the_command_ends_with_2_and_lists_on_stdout(tmp_path: Path):
    columns = values()
    columns["rad_3"] = columns["response"]
    check(tmp_path, columns)
    done = nsclc_response("cohort", "check", "--cohort", tmp_path / "table.csv", "--roles", tmp_path / "roles.yaml")
    assert done.code == 2
    assert "rad_3 alone tells the outcome with an AUC of 1.000" in done.out
    assert "1 errors, 0 warnings" in done.out


def test_the_real_table_is_left_in_peace(tmp_path: Path):
    table = shared_data("cohorts/ici_clinical.csv")
    (tmp_path / "roles.yaml").write_text(
        "patient: patient\ncenter: center\nendpoint: {response: response}\n"
        "clinical: [age, sex, albumin_g_dl, nlr, tmb_mut_per_mb, pdl1_tps_percent]\n"
    )
    assert check_files(table, tmp_path / "roles.yaml") == []
