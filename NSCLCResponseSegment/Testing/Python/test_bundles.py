"""MONAI Bundles: run by their own configuration, refused when they cannot be; the catalogue, downloads, training."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core import bundle_run
from NSCLCResponseSegmentLib.core.bundle_files import open_bundle
from NSCLCResponseSegmentLib.core.bundle_measure import compare
from NSCLCResponseSegmentLib.core.bundle_run import run_bundle
from NSCLCResponseSegmentLib.core.errors import CohortError, ImageError, OutputError, SegmentationError
from NSCLCResponseSegmentLib.core.model_catalog import (
    FOLDER_VARIABLE,
    ModelEntry,
    delete_model,
    entry_named,
    find_model,
    read_catalog,
)
from NSCLCResponseSegmentLib.core.model_download import download_model
from support.drawn_chest import drawn_chest

DENSE_HU = 200.0


def a_chest(tumour: tuple[int, int, int] = (20, 30, 22)) -> tuple[sitk.Image, sitk.Image]:
    """A CT (HU) with one dense ball, and its mask, on axes that run from left to right and from head to feet."""
    images = drawn_chest(tumour, tumour_hu=300, spine=False)
    for image in images:
        image.SetOrigin((150.0, -120.0, 40.0))
        image.SetDirection((-1, 0, 0, 0, 1, 0, 0, 0, -1))
    return images


def a_bundle(folder: Path, *, modality: str = "CT", window: int = 32, **changes: object) -> Path:
    """A bundle whose network calls everything above 200 HU tumour: what it must find is known by voxel."""
    import torch

    network = torch.nn.Conv3d(1, 2, 1)
    with torch.no_grad():
        network.weight[:] = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1, 1)
        network.bias[:] = torch.tensor([0.0, -DENSE_HU])
    config = {
        "network_def": {"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 2, "kernel_size": 1},
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS", "labels": None},
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [window] * 3, "sw_batch_size": 2},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Invertd", "keys": "pred", "transform": "@preprocessing", "orig_keys": "image"},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "never"},
            ],
        },
        **changes,
    }
    formats = {
        "inputs": {"image": {"modality": modality, "num_channels": 1}},
        "outputs": {"pred": {"channel_def": {"0": "background", "1": "lung tumour"}}},
    }
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps({"network_data_format": formats}))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(SegmentationError) as caught:
        open_bundle(folder)
    return caught.value.message


# ---------------------------------------------------------------- running


@pytest.mark.parametrize("mirror", [False, True])
def test_a_bundle_finds_exactly_the_voxels_that_its_network_means(tmp_path: Path, mirror: bool):
    ct, tumour = a_chest()
    bundle = open_bundle(a_bundle(tmp_path / "b"))
    mask, notes = run_bundle(bundle, ct, mirror=mirror)
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
    mask, _ = run_bundle(open_bundle(folder), ct)
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


# ---------------------------------------------------------------- the catalogue


def test_the_shipped_catalogue_fits_its_schema_and_its_models_are_whole():
    entries = read_catalog()
    assert len({entry.name for entry in entries}) == len(entries)
    for entry in entries:
        if entry.is_shipped:
            bundle = open_bundle(entry.folder)
            assert (entry.folder / "sha256.json").is_file()
            assert sum(f.stat().st_size for f in entry.folder.rglob("*")) < 10e6
            assert "simulated" in bundle.metadata["description"]
    with pytest.raises(SegmentationError, match="there are: "):
        entry_named("no-such-model")


@pytest.fixture
def a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, bytes, list[str]]]:
    """A server that sends half of a file, then breaks the connection, and can go on from any byte."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    held = io.BytesIO()
    source = a_bundle(tmp_path / "source")
    with zipfile.ZipFile(held, "w") as archive:
        for file in sorted(p for p in source.rglob("*") if p.is_file()):
            archive.write(file, f"some-model/{file.relative_to(source).as_posix()}")
    content, asked = held.getvalue(), []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Range", ""))
            start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if asked[-1] else 0
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:] if len(asked) > 1 else content[: len(content) // 2])

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/model.zip", content, asked
    server.shutdown()
    server.server_close()


def _entry(url: str, sha256: str) -> ModelEntry:
    return ModelEntry("some-model", {"name": "some-model", "download": {"url": url, "sha256": sha256}, "size_mb": 1})


def test_a_download_goes_on_where_it_stopped_and_is_checked(a_server):
    url, content, asked = a_server
    entry = _entry(url, hashlib.sha256(content).hexdigest())
    with pytest.raises(SegmentationError, match="The connection broke"):
        download_model(entry)
    assert not entry.is_here
    folder = download_model(entry)
    assert asked == ["", f"bytes={len(content) // 2}-"]
    assert open_bundle(folder).labels == {1: "lung tumour"}
    assert [p.name for p in folder.parent.iterdir()] == ["some-model"]
    with pytest.raises(SegmentationError, match="there already"):
        download_model(entry)


def test_a_file_that_is_not_the_published_one_is_thrown_away(a_server):
    url, _, asked = a_server
    asked.append("")  # the whole file at once
    entry = _entry(url, "0" * 64)
    with pytest.raises(SegmentationError, match="is not the published file"):
        download_model(entry)
    assert list(entry.folder.parent.iterdir()) == []


def test_models_are_found_by_name_and_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(SegmentationError) as caught:
        find_model("vista3d")
    assert "models download vista3d" in caught.value.remedy
    with pytest.raises(SegmentationError, match="has not been downloaded"):
        delete_model("vista3d")
    a_bundle(tmp_path / "vista3d")
    assert find_model("vista3d") == tmp_path / "vista3d"
    delete_model("vista3d")
    assert not (tmp_path / "vista3d").exists()
    with pytest.raises(OutputError, match="ships with this installation"):
        delete_model("simulated-ct")


# ---------------------------------------------------------------- training


def test_training_is_taken_up_again_and_writes_a_bundle_that_runs(tmp_path: Path):
    import torch

    from NSCLCResponseSegmentLib.core.bundle_design import write_bundle
    from NSCLCResponseSegmentLib.core.bundle_training import (
        TrainingCase,
        TrainingPlan,
        prepare_cases,
        split_cases,
        train,
        weights_of,
    )

    cases = []
    for number in range(4):
        ct, mask = a_chest((14 + 3 * number, 30, 22))
        paths = [tmp_path / f"{kind}-{number}.nrrd" for kind in ("ct", "mask")]
        for image, path in zip((ct, mask), paths, strict=True):
            sitk.WriteImage(image, str(path))
        cases.append(TrainingCase(f"p{number}", *paths))
    cases.append(TrainingCase("gone", tmp_path / "no.nrrd", tmp_path / "no.nrrd"))
    files, failed = prepare_cases(cases, tmp_path / "work")
    assert (len(files), list(failed)) == (4, ["gone"])
    training, held_out = split_cases(files, TrainingPlan())
    assert sorted([*training, *held_out]) == sorted(files)
    train(training, TrainingPlan(steps=1), tmp_path / "work")
    again = train(training, TrainingPlan(steps=2), tmp_path / "work")
    assert again["steps"] == 2
    facts = {"description": "Trained on balls."}
    write_bundle(tmp_path / "bundle", "balls", again["weights"], facts)
    bundle = open_bundle(tmp_path / "bundle")
    assert all(torch.equal(weights_of(bundle.folder)[k], v) for k, v in again["weights"].items())
    with pytest.raises(SegmentationError, match="another network"):
        weights_of(a_bundle(tmp_path / "other"))
    with pytest.raises(CohortError, match="at least 4"):
        prepare_cases(cases[3:], tmp_path / "work")
