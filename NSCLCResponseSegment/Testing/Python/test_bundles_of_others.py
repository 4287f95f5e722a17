"""Bundles as the MONAI Model Zoo lays them out: run by their own words, and what of them counts as code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.bundle_crop import chest_box
from NSCLCResponseSegmentLib.core.bundle_files import label_named, open_bundle
from NSCLCResponseSegmentLib.core.bundle_run import run_bundle
from NSCLCResponseSegmentLib.core.bundle_trust import code_of, question_of_trust, trust
from NSCLCResponseSegmentLib.core.errors import SegmentationError
from NSCLCResponseSegmentLib.core.model_catalog import FOLDER_VARIABLE
from support.drawn_chest import drawn_chest
from support.small_bundle import a_bundle

WINDOW = 32
NETWORK = {
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "init_filters": 8,
    "blocks_down": [1, 1],
    "blocks_up": [1],
}
CONFIG: dict[str, Any] = {
    "displayable_configs": {"highres": True, "sw_overlap": 0.25},
    "imports": ["$import glob", "$import numpy", "$import os"],
    "bundle_root": ".",
    "image_key": "image",
    "output_dir": "$@bundle_root + '/eval'",
    "output_dtype": "$numpy.float32",
    "datalist": "$list(sorted(glob.glob('/nowhere/*.nii.gz')))",
    "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
    "pixdim": "$[4.0, 4.0, 4.0] if @displayable_configs#highres else [8.0, 8.0, 8.0]",
    "network_def": {"_target_": "SegResNet", **NETWORK},
    "network": "$@network_def.to(@device)",
    "preprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "LoadImaged", "keys": "@image_key"},
            {"_target_": "EnsureTyped", "keys": "@image_key"},
            {"_target_": "EnsureChannelFirstd", "keys": "@image_key"},
            {"_target_": "Orientationd", "keys": "@image_key", "axcodes": "RAS", "labels": None},
            {"_target_": "Spacingd", "keys": "@image_key", "pixdim": "@pixdim", "mode": "bilinear"},
            {
                "_target_": "ScaleIntensityRanged",
                "keys": "@image_key",
                "a_min": -1000,
                "a_max": 1000,
                "b_min": -1,
                "b_max": 1,
                "clip": True,
            },
        ],
    },
    "dataset": {"_target_": "Dataset", "data": "$[{'image': i} for i in @datalist]", "transform": "@preprocessing"},
    "inferer": {
        "_target_": "SlidingWindowInferer",
        "roi_size": [WINDOW] * 3,
        "sw_batch_size": 4,
        "overlap": "@displayable_configs#sw_overlap",
        "mode": "gaussian",
        "device": "@device",
    },
    "postprocessing": {
        "_target_": "Compose",
        "transforms": [
            {"_target_": "Activationsd", "keys": "pred", "softmax": True},
            {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            {
                "_target_": "Invertd",
                "keys": "pred",
                "transform": "@preprocessing",
                "orig_keys": "@image_key",
                "nearest_interp": True,
                "to_tensor": True,
            },
            {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "output_dtype": "@output_dtype"},
        ],
    },
    "checkpointloader": {"_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/models/model.pt'"},
    "evaluator": {"_target_": "SupervisedEvaluator", "network": "@network", "amp": True},
    "initialize": ["$setattr(torch.backends.cudnn, 'benchmark', True)", "$@checkpointloader(@evaluator)"],
    "run": ["$@evaluator.run()"],
}


def metadata(channels: dict[str, str], output: str = "image", modality: object = "CT") -> dict[str, Any]:
    """As the zoo's bundles describe themselves, as far as it matters here."""
    image = {"type": "image", "format": "hounsfield", "modality": modality, "num_channels": 1}
    pred = {"type": output, "format": "segmentation", "num_channels": len(channels), "channel_def": channels}
    formats = {"inputs": {"image": image}, "outputs": {"pred": pred}}
    return {"version": "0.1.0", "task": "CT segmentation", "monai_version": "1.3.0", "network_data_format": formats}


def another_bundle(folder: Path, *, as_yaml: bool = False) -> tuple[Path, Any]:
    """A SegResNet of random weights and three labels, the second of which is a lung tumour; and the network."""
    import torch
    from monai.networks.nets import SegResNet

    torch.manual_seed(3)
    network = SegResNet(**NETWORK).eval()
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True)
    if as_yaml:
        import yaml

        (folder / "configs" / "inference.yaml").write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    else:
        (folder / "configs" / "inference.json").write_text(json.dumps(CONFIG))
    names = {"0": "background", "1": "pancreatic tumor", "2": "lung tumor"}
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata(names)))
    torch.save({"model": network.state_dict()}, folder / "models" / "model.pt")
    return folder, network


def test_a_bundle_of_the_zoo_s_layout_gives_what_its_network_gives(tmp_path: Path):
    import torch
    from monai.inferers import sliding_window_inference

    folder, network = another_bundle(tmp_path / "b", as_yaml=True)
    ct, _ = drawn_chest((25, 32, 22))
    mask, notes = run_bundle(open_bundle(folder), ct)
    box, _ = chest_box(ct)
    array = sitk.GetArrayFromImage(box).transpose(2, 1, 0)[::-1, ::-1].astype(np.float32)  # LPS to RAS
    image = torch.from_numpy(np.clip(array / 1000, -1, 1).copy())[None, None]
    with torch.inference_mode():
        out = sliding_window_inference(image, [WINDOW] * 3, 4, network, overlap=0.25, mode="gaussian")
    label = out[0].argmax(dim=0).numpy()[::-1, ::-1].transpose(2, 1, 0)
    expected = sitk.GetImageFromArray((label == 2).astype(np.uint8))
    expected.CopyInformation(box)
    expected = sitk.Resample(expected, ct, sitk.Transform(), sitk.sitkNearestNeighbor)
    assert 100 < sitk.GetArrayViewFromImage(expected).sum() < label.size
    assert np.mean(sitk.GetArrayFromImage(mask) != sitk.GetArrayFromImage(expected)) < 1e-4  # ties by rounding
    assert notes == []


def test_which_label_is_the_tumour(tmp_path: Path):
    folder, _ = another_bundle(tmp_path / "b")
    path = folder / "configs" / "metadata.json"

    def label(channels: dict[str, str], roi: str = "") -> int:
        path.write_text(json.dumps(metadata(channels, modality=["CT"])))
        return label_named(open_bundle(folder), roi)

    vista = {"0": "background", "1": "liver", "20": "lung", "23": "lung tumor", "24": "pancreatic tumor"}
    assert (label(vista), label(vista, "Liver")) == (23, 1)
    assert label({"0": "background", "1": "nodule"}) == 1
    with pytest.raises(SegmentationError, match="not plain"):
        label({"0": "background", "1": "liver", "2": "spleen"})
    path.write_text(json.dumps(metadata({}, output="object")))
    with pytest.raises(SegmentationError, match="finds boxes"):
        open_bundle(folder)


@pytest.mark.parametrize(
    "changes",
    [
        {"imports": ["$import subprocess"]},
        {"imports": ["$import os as torch"]},
        {"inferer": {"_target_": "run_cmd", "cmd_list": ["ls"]}},
        {"inferer": {"_target_": "os.system", "command": "ls"}},
        {"inferer": {"_target_": "SlidingWindowInferer", "roi_size": "$__import__('os').system('ls')"}},
        {"inferer": {"_target_": "SlidingWindowInferer", "roi_size": "@size"}, "size": "$open('x', 'w') and 32"},
        {"inferer": {"_target_": "SlidingWindowInferer", "roi_size": "$().__class__.__base__.__subclasses__()"}},
        {"inferer": {"_target_": "SlidingWindowInferer", "roi_size": "%other.json::size"}},
        {"network_def": "$torch.hub.load('somebody/model', 'net')"},
        {"network_def": {"_target_": "scripts.net.Net"}},
    ],
)
def test_what_counts_as_code(tmp_path: Path, changes: dict[str, Any]):
    bundle = open_bundle(a_bundle(tmp_path / "b", **changes))
    assert len(code_of(bundle)) == 1
    with pytest.raises(SegmentationError, match="would run code of its author") as caught:
        run_bundle(bundle, drawn_chest((25, 32, 22))[0])
    assert "models trust" in caught.value.remedy


def test_a_trusted_bundle_runs_its_code_until_that_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    mark = tmp_path / "ran"
    inferer = {"_target_": "SlidingWindowInferer", "roi_size": f"$32 + open({str(mark)!r}, 'w').write('')"}
    folder = a_bundle(tmp_path / "b", inferer=inferer)
    ct, tumour = drawn_chest((25, 32, 22), tumour_hu=300, spine=False)
    with pytest.raises(SegmentationError, match=r"\$32 \+ open"):
        run_bundle(open_bundle(folder), ct)
    assert "$32 + open" in question_of_trust(open_bundle(folder))
    assert not mark.exists()
    trust(open_bundle(folder))
    assert question_of_trust(open_bundle(folder)) == ""
    mask, _ = run_bundle(open_bundle(folder), ct)
    assert mark.exists()
    assert np.array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(tumour))
    path = folder / "configs" / "inference.json"
    path.write_text(path.read_text() + " ")
    with pytest.raises(SegmentationError, match="code of its author"):
        run_bundle(open_bundle(folder), ct)
