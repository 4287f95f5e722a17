"""Bad input through the command line: one clear sentence, exit code 2, nothing overwritten, nothing left behind.

Each case checks that the sentence names what is wrong and where, and says how to mend it. The readers' own tests go
through more of them; these are the ones that a user meets at ``nsclc-response predict``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.jobs import WarmWorker
from support.cli import Finished, nsclc_response, nsclc_response_warm
from support.data import shared_data

Refused = Callable[..., str]


def refusal(out: Path, run: Callable[..., Finished], *arguments: object) -> str:
    """Run predict, expect a refusal, and return its sentence."""
    before = {p: p.stat().st_mtime_ns for p in out.parent.rglob("*")} if out.parent.exists() else {}
    done = run("predict", *arguments, "--out", out)
    assert done.code == 2, (done.code, done.err)
    assert "Traceback" not in done.err
    assert {p: p.stat().st_mtime_ns for p in out.parent.rglob("*")} == before, "nothing may be touched"
    assert done.sentence.startswith("nsclc-response predict: ")
    assert done.sentence.rstrip().endswith("."), done.sentence
    return done.sentence


@pytest.fixture
def refused(a_warm_worker: WarmWorker) -> Refused:
    """``refused(out, arguments…)``: the sentence with which predict refuses them."""
    run = partial(nsclc_response_warm, a_warm_worker)
    return lambda out, *arguments: refusal(out, run, *arguments)


@pytest.fixture
def images(a_simulated_patient: Path) -> tuple[object, ...]:
    return ("--ct", a_simulated_patient / "ct.nii.gz", "--mask", a_simulated_patient / "mask.nii.gz")


def test_not_an_image(tmp_path: Path):
    """As a user starts it; the others share a worker."""
    (tmp_path / "notes.txt").write_text("hello")
    sentence = refusal(tmp_path / "out", nsclc_response, "--ct", tmp_path / "notes.txt", "--click-ras", "0,0,0")
    assert "notes.txt" in sentence


def test_a_cut_file(tmp_path: Path, a_simulated_patient: Path, refused: Refused):
    whole = (a_simulated_patient / "ct.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    sentence = refused(tmp_path / "out", "--ct", tmp_path / "cut.nii.gz", "--click-ras", "0,0,0")
    assert "cut.nii.gz" in sentence


def test_a_folder_without_dicom(tmp_path: Path, refused: Refused):
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(tmp_path / "out", "--ct", tmp_path / "empty", "--click-ras", "0,0,0")


def test_missing_slices_of_a_real_ct(tmp_path: Path, refused: Refused):
    slices = sorted(shared_data("lung1-001", "ct").glob("*.dcm"))
    (tmp_path / "ct").mkdir()
    for path in [*slices[:40], *slices[43:]]:
        shutil.copy(path, tmp_path / "ct" / path.name)
    sentence = refused(tmp_path / "out", "--ct", tmp_path / "ct", "--click-ras", "-81,201,-456")
    assert "missing" in sentence
    assert "mm" in sentence


def test_two_series_are_listed_and_one_can_be_chosen(tmp_path: Path, refused: Refused):
    import pydicom
    from pydicom.uid import generate_uid

    slices = sorted(shared_data("lung1-001", "ct").glob("*.dcm"))[:30]
    (tmp_path / "ct").mkdir()
    uid = generate_uid()
    for path in slices:
        shutil.copy(path, tmp_path / "ct" / path.name)
        other = pydicom.dcmread(path)
        other.SeriesInstanceUID, other.SOPInstanceUID = uid, generate_uid()
        other.SeriesDescription = "sharp kernel"
        other.save_as(tmp_path / "ct" / f"b-{path.name}")
    sentence = refused(tmp_path / "out", "--ct", tmp_path / "ct", "--click-ras", "-81,201,-456")
    assert "--series" in sentence
    assert "sharp kernel" in sentence


def test_an_abdomen_is_not_a_chest(tmp_path: Path, refused: Refused):
    abdomen = shared_data("not-a-chest", "abdomen_ct.nii.gz")
    sentence = refused(tmp_path / "out", "--ct", abdomen, "--click-ras", "0,0,0")
    assert "chest" in sentence or "lung" in sentence


def test_a_pet_given_as_ct(tmp_path: Path, refused: Refused):
    sentence = refused(tmp_path / "out", "--ct", shared_data("sts-001", "pet"), "--click-ras", "0,0,0")
    assert "PT" in sentence or "PET" in sentence


def test_unknown_roi_lists_the_ones_there_are(tmp_path: Path, refused: Refused):
    folder = shared_data("lung1-001")
    mask = ("--mask", folder / "rtstruct.dcm", "--roi", "Tumor")
    sentence = refused(tmp_path / "out", "--ct", folder / "ct", *mask)
    assert "GTV-1" in sentence
    assert "Spinal-Cord" in sentence


def test_rtstruct_of_another_patient(tmp_path: Path, refused: Refused):
    mask = ("--mask", shared_data("sts-001", "pet_rtstruct.dcm"))
    sentence = refused(tmp_path / "out", "--ct", shared_data("lung1-001", "ct"), *mask)
    assert "frame of reference" in sentence.lower()


def changed_mask(patient: Path, path: Path, change: str) -> Path:
    mask = sitk.ReadImage(str(patient / "mask.nii.gz"))
    if change == "empty":
        mask = mask * 0
    else:
        mask.SetOrigin([o + 2000 for o in mask.GetOrigin()])
    sitk.WriteImage(mask, str(path))
    return path


@pytest.mark.parametrize(("change", "word"), [("empty", "empty"), ("elsewhere", "outside")])
def test_a_useless_mask(tmp_path: Path, a_simulated_patient: Path, change: str, word: str, refused: Refused):
    mask = changed_mask(a_simulated_patient, tmp_path / "mask.nii.gz", change)
    sentence = refused(tmp_path / "out", "--ct", a_simulated_patient / "ct.nii.gz", "--mask", mask)
    assert word in sentence
    assert "mask.nii.gz" in sentence


def test_a_click_in_air(tmp_path: Path, refused: Refused):
    sentence = refused(tmp_path / "out", "--ct", shared_data("lung1-001", "ct"), "--click-ras", "0,400,-456")
    assert "air" in sentence or "outside" in sentence


def test_neither_mask_nor_click(tmp_path: Path, images: tuple[object, ...], refused: Refused):
    assert "--click-ras" in refused(tmp_path / "out", *images[:2])


def test_pet_that_lies_elsewhere(
    tmp_path: Path, images: tuple[object, ...], a_simulated_patient: Path, refused: Refused
):
    pet = sitk.ReadImage(str(a_simulated_patient / "pet.nii.gz"))
    pet.SetOrigin([o + 2000 for o in pet.GetOrigin()])
    sitk.WriteImage(pet, str(tmp_path / "far.nii.gz"))
    sentence = refused(tmp_path / "out", *images, "--pet", tmp_path / "far.nii.gz")
    assert "overlap" in sentence


@pytest.mark.parametrize(
    ("pair", "word"),
    [("eye_colour=3", "eye_colour"), ("pdl1_tps_percent=140", "100"), ("pdl1_tps_percent=high", "number")],
)
def test_clinical_values(tmp_path: Path, images: tuple[object, ...], pair: str, word: str, refused: Refused):
    assert word in refused(tmp_path / "out", *images, "--clinical", pair)


def test_a_signature_with_a_changed_file(tmp_path: Path, images: tuple[object, ...], refused: Refused):
    from NSCLCResponseLib.core.signature_io import default_signature

    copy = shutil.copytree(default_signature(), tmp_path / "signature")
    weights = next(copy.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    sentence = refused(tmp_path / "out", *images, "--signature", copy)
    assert weights.name in sentence
    assert "changed" in sentence


def test_results_that_are_there_already_are_kept(tmp_path: Path, images: tuple[object, ...], refused: Refused):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "result.json").write_text(json.dumps({"precious": True}))
    assert "--overwrite" in refused(tmp_path / "out", *images)
    assert json.loads((tmp_path / "out" / "result.json").read_text()) == {"precious": True}


@pytest.fixture
def a_tiny_disk(tmp_path: Path):
    """A disk of 1 MB, mounted; needs the right to mount."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_full_disk(a_tiny_disk: Path, images: tuple[object, ...], refused: Refused):
    assert "full" in refused(a_tiny_disk / "out", *images)


def test_a_read_only_disk(a_tiny_disk: Path, images: tuple[object, ...], refused: Refused):
    subprocess.run(["mount", "-o", "remount,ro", str(a_tiny_disk)], check=True)
    assert "read-only" in refused(a_tiny_disk / "out", *images)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(tmp_path: Path, images: tuple[object, ...], refused: Refused):
    (tmp_path / "locked").mkdir(mode=0o500)
    assert "may not write" in refused(tmp_path / "locked" / "out", *images)
