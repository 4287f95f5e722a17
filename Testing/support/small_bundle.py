"""A MONAI Bundle whose result is known by voxel: its network calls everything above 200 HU tumour."""

from __future__ import annotations

import json
from pathlib import Path

DENSE_HU = 200.0


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
