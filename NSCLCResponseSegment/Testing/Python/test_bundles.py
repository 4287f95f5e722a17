"""MONAI Bundles: run by their own configuration, refused when they cannot be; the catalogue, downloads, training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core import bundle_run
from NSCLCResponseSegmentLib.core.bundle_files import open_bundle
from NSCLCResponseSegmentLib.core.bundle_measure import compare
from NSCLCResponseSegmentLib.core.bundle_run import run_bundle
from NSCLCResponseSegmentLib.core.errors import CohortError, ImageError, SegmentationError
from support.drawn_chest import drawn_chest
from support.small_bundle import DENSE_HU, a_bundle


def a_chest(tumour: tuple[int, int, int] = (20, 30, 22)) -> tuple[sitk.Image, sitk.Image]:
    """A CT (HU) with one dense ball, and its mask, on axes that run from left to right and from head to feet."""
    images = drawn_chest(tumour, tumour_hu=300, spine=False)
    for image in images:
        image.SetOrigin((150.0, -120.0, 40.0))
        image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, -1))
    return images


def refusal(folder: Path) -> str:
    with pytest.raises(SegmentationError) as caught:
        open_bundle(folder)
    return caught.value.message


# ---------------------------------------------------------------- running


def test_a_bundle_finds_exactly_the_voxels_that_its_network_means(tmp_path: Path):
    ct, tumour = a_chest()
    bundle = open_bundle(a_bundle(tmp_path / "b"))
    mask, notes = run_bundle(bundle, ct, mirror=True)  # without: below
    assert np.array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(tumour))
    assert (mask.GetOrigin(), mask.GetDirection()) == (ct.GetOrigin(), ct.GetDirection())
    assert notes == []
    assert not Path("never").exists()


def test_smaller_windows_when_memory_runs_out_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    ct, tumour = a_chest()
    bundle = open_bundle(a_bundle(tmp_path / "b", window=64))
    whole = bundle_run._watched

    def short_of_memory(limit: int):
        def watched(network, windows, progress):
            run = whole(network, windows, progress)

            def limited(image, *args, **kwargs):
                if image.shape[-1] > limit or len(image) > 1:
                    raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
                return run(image, *args, **kwargs)

            return limited

        return watched

    monkeypatch.setattr(bundle_run, "_watched", short_of_memory(32))
    mask, notes = run_bundle(bundle, ct)
    assert np.array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(tumour))
    assert any("64×64×64" in note and "32×32×32" in note for note in notes)
    monkeypatch.setattr(bundle_run, "_watched", short_of_memory(8))
    with pytest.raises(SegmentationError, match="not enough memory"):
        run_bundle(bundle, ct)


def test_a_bundle_with_an_evaluator_of_its_own_is_run_by_it(tmp_path: Path):
    ct, tumour = a_chest()
    folder = a_bundle(
        tmp_path / "b",
        inferer={"_target_": "scripts.evaluator.Own"},
        input_dict="${'image': 'somewhere', 'label_prompt': [3]}",
        dataset={"data": []},
        evaluator={"_target_": "scripts.evaluator.Own", "inputs": "@input_dict", "out": "@output_dir"},
        run=["$@evaluator.run()"],
    )
    (folder / "scripts").mkdir()
    (folder / "scripts" / "__init__.py").write_text("")
    (folder / "scripts" / "evaluator.py").write_text(
        "import pathlib, SimpleITK as sitk\n"
        "class Own:\n"
        "    def __init__(self, inputs, out):\n"
        "        self.inputs, self.out = inputs, pathlib.Path(out)\n"
        "    def run(self):\n"
        "        self.out.mkdir()\n"
        f"        dense = sitk.ReadImage(self.inputs['image']) > {DENSE_HU}\n"
        "        found = sitk.Cast(dense, sitk.sitkUInt8) * self.inputs['label_prompt'][0]\n"
        "        sitk.WriteImage(found, str(self.out / 'ct_trans.nii.gz'))\n"
    )
    bundle = open_bundle(folder)
    with pytest.raises(SegmentationError, match=r"code of its author: scripts/__init__.py; scripts/evaluator.py"):
        run_bundle(bundle, ct)
    mask, _ = run_bundle(bundle, ct, trusted=True)
    assert np.array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(tumour))


def test_what_cannot_be_run_is_refused_in_words(tmp_path: Path):
    assert "is for MR, not for CT" in refusal(a_bundle(tmp_path / "mr", modality="MR"))
    folder = a_bundle(tmp_path / "b")
    (folder / "models" / "model.pt").unlink()
    assert "models/model.pt is missing" in refusal(folder)
    folder = a_bundle(tmp_path / "c")
    (folder / "configs" / "metadata.json").write_text("{")
    assert "metadata.json cannot be read" in refusal(folder)
    assert "lacks inferer" in refusal(_without(a_bundle(tmp_path / "d"), "inferer"))
    assert "There is no model" in refusal(tmp_path / "nowhere")
    ct, _ = a_chest()
    with pytest.raises(SegmentationError, match="there are: 'lung tumour'"):
        run_bundle(open_bundle(a_bundle(tmp_path / "e")), ct, "liver")
    with pytest.raises(ImageError, match="does not show a chest"):
        run_bundle(open_bundle(a_bundle(tmp_path / "g")), sitk.Maximum(ct, -200))
    network = {"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 3, "kernel_size": 1}
    wrong = a_bundle(tmp_path / "f", network_def=network)
    with pytest.raises(SegmentationError, match="cannot be run"):
        run_bundle(open_bundle(wrong), ct)
    cut = a_bundle(tmp_path / "h") / "models" / "model.pt"
    cut.write_bytes(cut.read_bytes()[:-200])
    with pytest.raises(SegmentationError, match="cannot be run"):
        run_bundle(open_bundle(cut.parents[1]), ct)


def _without(folder: Path, part: str) -> Path:
    path = folder / "configs" / "inference.json"
    config = json.loads(path.read_text())
    del config[part]
    path.write_text(json.dumps(config))
    return folder


def test_a_changed_file_is_noticed(tmp_path: Path):
    from NSCLCResponseSegmentLib.core.bundle_design import write_hashes

    folder = a_bundle(tmp_path / "b")
    write_hashes(folder)
    open_bundle(folder)
    path = folder / "configs" / "metadata.json"
    path.write_text(path.read_text() + " ")
    assert "its SHA-256 differs" in refusal(folder)
    path.unlink()
    assert "metadata.json is missing" in refusal(folder)


def test_measures_of_two_boxes_that_can_be_counted_by_hand():
    array = np.zeros((20, 20, 40), dtype=np.uint8)
    array[5:15, 5:15, 5:15] = 1
    truth = sitk.GetImageFromArray(array)
    truth.SetSpacing((1.0, 1.0, 2.0))
    measured = compare(truth, truth)
    assert (measured["dice"], measured["surface_mm"], measured["hausdorff95_mm"]) == (1.0, 0.0, 0.0)
    array[5:15, 5:15, 15:17] = 1  # two voxels too far on one side
    found = sitk.GetImageFromArray(array)
    found.CopyInformation(truth)
    measured = compare(found, truth)
    assert measured["dice"] == pytest.approx(2 * 1000 / 2200, abs=1e-4)
    assert measured["hausdorff95_mm"] == 2.0
    assert 0.2 < measured["surface_mm"] < 0.8
    array[1:4, 1:4, 28:38] = 1  # something else, far away
    found = sitk.GetImageFromArray(array)
    found.CopyInformation(truth)
    measured = compare(found, truth)
    assert (measured["lesions"], measured["lesions_found"], measured["false_lesions"]) == (1, 1, 1)
    assert measured["hausdorff95_mm"] > 20
    nothing = compare(found * 0, truth)
    assert (nothing["dice"], nothing["lesions_found"], nothing["surface_mm"]) == (0.0, 0, None)


# ---------------------------------------------------------------- training


def test_only_our_own_network_is_fine_tuned_and_four_patients_are_needed(tmp_path: Path):
    from NSCLCResponseSegmentLib.core.bundle_training import TrainingCase, prepare_cases, weights_of

    with pytest.raises(SegmentationError, match="another network"):
        weights_of(a_bundle(tmp_path / "other"))
    gone = [TrainingCase("gone", tmp_path / "no.nrrd", tmp_path / "no.nrrd")]
    with pytest.raises(CohortError, match="at least 4"):
        prepare_cases(gone, tmp_path / "work")
