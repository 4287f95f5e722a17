"""The scripted command line module: its XML as Slicer reads it, and a run as Slicer starts it."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "NSCLCResponseCLI"


def run_module(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Start the script as Slicer does: another process, no library on the path."""
    command = [sys.executable, str(FOLDER / "NSCLCResponseCLI.py"), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.fixture(scope="module")
def description() -> ElementTree.Element:
    return ElementTree.parse(FOLDER / "NSCLCResponseCLI.xml").getroot()  # noqa: S314 our own file


def test_the_script_is_one_that_slicer_takes_for_a_command_line_module():
    script = FOLDER / "NSCLCResponseCLI.py"
    assert script.read_text(encoding="utf-8").startswith("#!/usr/bin/env python-real\n")
    shown = run_module("--xml")
    assert shown.stdout == (FOLDER / "NSCLCResponseCLI.xml").read_text(encoding="utf-8")


def test_xml_and_script_know_the_same_arguments(description):
    from NSCLCResponseLib.cli.slicer_module import _parser

    flags = {flag.text for flag in description.iter("longflag")}
    known = {o.lstrip("-") for action in _parser()._actions for o in action.option_strings if o.startswith("--")}
    assert flags == known - {"help", "returnparameterfile"}
    defaults = {p.findtext("name"): p.findtext("channel") for p in description.iter() if p.find("name") is not None}
    returned = {n for n, channel in defaults.items() if channel == "output"} - {"features", "result"}
    assert returned == {"probability", "verdict", "label"}


def test_what_is_not_chosen_stays_empty_in_slicers_form(description):
    """Slicer's button for a directory has no empty state: it would pass the working directory."""
    assert description.find(".//directory") is None
    for name in ("roi", "signature", "settings", "clinical"):
        (parameter,) = (p for p in description.iter() if p.findtext("name") == name)
        assert not parameter.findtext("default")


def test_a_prediction_in_the_background(a_simulated_patient, tmp_path):
    images = [f"--{name}={a_simulated_patient / name}.nii.gz" for name in ("ct", "pet", "mask")]
    outputs = [f"--{name}={tmp_path / file}" for name, file in (("features", "f.csv"), ("result", "r.json"))]
    done = run_module(*images, *outputs, "--clinical", "age=61 sex=f", "--returnparameterfile", tmp_path / "returned")
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "Slicer reports it as an error"
    assert "Note: The values of pet.nii.gz were taken as SUVbw" in done.stdout
    assert "<filter-progress>" in done.stdout
    assert done.stdout.rstrip().endswith("</filter-end>")
    result = json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))
    returned = dict(line.split(" = ", 1) for line in (tmp_path / "returned").read_text().splitlines())
    assert float(returned["probability"]) == pytest.approx(result["prediction"]["probability"], abs=1e-4)
    assert returned["label"] == result["prediction"]["label"]
    assert result["inputs"]["clinical"] == {"age": 61.0, "sex": 0.0}
    with (tmp_path / "f.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) > 50
    assert {"feature", "value"} <= set(rows[0])


def test_bad_input_is_one_sentence_and_exit_code_2(a_simulated_patient):
    ct = a_simulated_patient / "ct.nii.gz"
    done = run_module("--task", "radiomics", "--ct", ct, "--mask", ct)
    assert done.returncode == 2
    assert done.stderr.strip() == "No table for the features is chosen. Choose or create one under Results."


def test_radiomics_of_one_of_several_labels_in_the_background(a_simulated_patient, tmp_path):
    mask = sitk.ReadImage(str(a_simulated_patient / "mask.nii.gz"), sitk.sitkUInt8) * 2
    mask[0, 0, 0] = 1
    sitk.WriteImage(mask, str(tmp_path / "mask.nrrd"))
    images = [f"--ct={a_simulated_patient / 'ct.nii.gz'}", f"--mask={tmp_path / 'mask.nrrd'}", "--roi=2"]
    settings = ROOT / "Resources" / "Settings" / "ct-quick.yaml"
    done = run_module("--task=radiomics", *images, f"--settings={settings}", f"--features={tmp_path / 'f.csv'}")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "f.csv").open(newline="") as stream:
        values = {row["feature"]: row["value"] for row in csv.DictReader(stream)}
    assert float(values["ct_original_shape_MeshVolume"]) > 0


def test_a_slicer_without_our_packages_is_told_how_to_get_them(monkeypatch, capsys, tmp_path):
    from NSCLCResponseLib.cli import slicer_module

    def run_job(*_arguments, **_options):
        import psutil  # as the end of a worker does

        del psutil

    monkeypatch.setattr(slicer_module, "run_job", run_job)
    monkeypatch.setitem(sys.modules, "psutil", None)
    code = slicer_module.run(["--ct", "ct.nrrd", "--mask", "mask.nrrd", "--result", str(tmp_path / "result.json")])
    assert code == 2
    assert capsys.readouterr().err.startswith("The Python package psutil is missing. Start a prediction")
