"""The network that ``segment-train`` makes: architecture, preprocessing, and the MONAI Bundle around it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SPACING_MM = 2.5
HU_RANGE = (-1000.0, 400.0)
SMOOTHING_VOXELS = 0.5
PATCH = 64  # voxels, 160 mm: most of a lung, so that the network sees where in the chest it is
HASHES = "sha256.json"

#: Written as the bundle's own ``network_def``, so that training and inference cannot differ.
NETWORK = {
    "_target_": "SegResNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 2,
    "init_filters": 8,
    "blocks_down": [1, 2, 2, 2],
    "blocks_up": [1, 1, 1],
    "dropout_prob": 0.0,
}


def preprocessing(keys: str | list[str] = "image", mode: str | list[str] = "bilinear") -> list[dict[str, Any]]:
    """MONAI transforms from a file to what the network sees, as a bundle's configuration lists them.

    Voxels of 2.5 mm in RAS order, slightly smoothed; HU of -1000 to 400 as -1 to 1.
    """
    low, high = HU_RANGE
    return [
        {"_target_": "LoadImaged", "keys": keys, "image_only": True},
        {"_target_": "EnsureChannelFirstd", "keys": keys},
        {"_target_": "Orientationd", "keys": keys, "axcodes": "RAS", "labels": None},
        {"_target_": "Spacingd", "keys": keys, "pixdim": [SPACING_MM] * 3, "mode": mode},
        {
            "_target_": "ScaleIntensityRanged",
            "keys": "image",
            "a_min": low,
            "a_max": high,
            "b_min": -1.0,
            "b_max": 1.0,
            "clip": True,
        },
        {"_target_": "GaussianSmoothd", "keys": "image", "sigma": SMOOTHING_VOXELS},
        {"_target_": "EnsureTyped", "keys": keys},
    ]


def inference_config() -> dict[str, Any]:
    """``configs/inference.json``, with the names that the MONAI Model Zoo uses for its parts."""
    return {
        "imports": ["$import torch"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": NETWORK,
        "network": "$@network_def.to(@device)",
        "preprocessing": {"_target_": "Compose", "transforms": preprocessing()},
        "dataset": {"_target_": "Dataset", "data": [], "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "num_workers": 0},
        "inferer": {
            "_target_": "SlidingWindowInferer",
            "roi_size": [PATCH] * 3,
            "sw_batch_size": 1,
            "overlap": 0.5,
            "mode": "gaussian",
        },
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {
                    "_target_": "Invertd",
                    "keys": "pred",
                    "transform": "@preprocessing",
                    "orig_keys": "image",
                    "nearest_interp": False,
                    "to_tensor": True,
                },
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
                {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "resample": False},
            ],
        },
        "checkpoint": "$torch.load(@bundle_root + '/models/model.pt', map_location=@device, weights_only=True)",
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
        },
        "initialize": ["$@network.load_state_dict(@checkpoint)"],
        "run": ["$@evaluator.run()"],
    }


def metadata(name: str, training: Mapping[str, Any]) -> dict[str, Any]:
    """``configs/metadata.json``.

    :param training: what it was trained on and what was measured; kept under ``nsclc_response``.
    """
    from monai import __version__ as monai_version
    from numpy import __version__ as numpy_version
    from torch import __version__ as torch_version

    patch = [PATCH] * 3
    return {
        "version": "0.1.0",
        "monai_version": monai_version,
        "pytorch_version": torch_version.split("+")[0],
        "numpy_version": numpy_version,
        "name": name,
        "task": "Lung tumour segmentation on chest CT",
        "description": training["description"],
        "intended_use": "Research only: a first outline, to be corrected by a person. Not a medical device.",
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "hounsfield",
                    "modality": "CT",
                    "num_channels": 1,
                    "spatial_shape": patch,
                    "dtype": "float32",
                    "value_range": [-1, 1],
                    "is_patch_data": True,
                    "channel_def": {"0": "image"},
                }
            },
            "outputs": {
                "pred": {
                    "type": "image",
                    "format": "segmentation",
                    "num_channels": 2,
                    "spatial_shape": patch,
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": True,
                    "channel_def": {"0": "background", "1": "lung tumour"},
                }
            },
        },
        "nsclc_response": dict(training),
    }


def write_bundle(folder: Path, name: str, weights: Mapping[str, Any], training: Mapping[str, Any]) -> None:
    """Write a MONAI Bundle into an empty folder: configuration, weights (tensors only) and the SHA-256 of each file.

    :param weights: state dictionary of :data:`NETWORK`.
    """
    import torch

    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    torch.save({k: v.detach().cpu().contiguous() for k, v in weights.items()}, folder / "models" / "model.pt")
    for file, content in (("metadata", metadata(name, training)), ("inference", inference_config())):
        (folder / "configs" / f"{file}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    write_hashes(folder)


def write_hashes(folder: Path) -> None:
    """Write ``sha256.json``: relative path → SHA-256 of each other file in the bundle."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != HASHES)
    hashes = {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}
    (folder / HASHES).write_text(json.dumps(hashes, indent=2) + "\n", encoding="utf-8")
