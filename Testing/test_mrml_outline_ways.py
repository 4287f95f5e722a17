"""Outlines of nodes by PET and by a model, through the worker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")

from NSCLCResponseSegmentLib.core.errors import SegmentationError
from NSCLCResponseSegmentLib.core.outline_settings import OutlineMethod, OutlineSettings, PetMethod
from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids


def an_empty_bundle(folder: Path) -> Path:
    """A bundle whose network never finds anything."""
    import torch

    network = torch.nn.Conv3d(1, 2, 1)
    with torch.no_grad():
        network.weight[:] = 0
        network.bias[:] = torch.tensor([1.0, 0.0])
    load = [{"_target_": "LoadImaged", "keys": "image"}, {"_target_": "EnsureChannelFirstd", "keys": "image"}]
    config = {
        "network_def": {"_target_": "torch.nn.Conv3d", "in_channels": 1, "out_channels": 2, "kernel_size": 1},
        "preprocessing": {"_target_": "Compose", "transforms": load},
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": [96, 96, 96], "sw_batch_size": 1},
        "postprocessing": {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
    }
    for part in ("configs", "models"):
        (folder / part).mkdir(parents=True)
    (folder / "configs" / "inference.json").write_text(json.dumps(config))
    (folder / "configs" / "metadata.json").write_text(json.dumps({"name": "never"}))
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    return folder


def test_pet_and_models_outline_nodes(a_simulated_patient: Path, tmp_path: Path):
    from slicer import vtkMRMLScene

    from NSCLCResponseSegmentLib.mrml.logic import SegmentLogic

    logic = SegmentLogic(vtkMRMLScene())
    ct, pet = (logic.loadCt(a_simulated_patient / "ct.nii.gz"), logic.loadPet(a_simulated_patient / "pet.nii.gz"))
    truth = sitk.ReadImage(str(a_simulated_patient / "mask.nii.gz"), sitk.sitkUInt8)
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(truth)
    x, y, z = statistics.GetCentroid(1)
    node = logic.outlineOnPet(ct, pet, [(-x, -y, z)], PetMethod.GRADIENT)
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(mask_from_segment(node, segment_ids(node)[0], truth), truth)
    assert overlap.GetDiceCoefficient() > 0.7
    assert node.GetAttribute("NSCLCResponse.Origin") == "PET gradient"
    with pytest.raises(SegmentationError, match="no PET"):
        logic.startOutline(ct, OutlineSettings(OutlineMethod.PET), [(-x, -y, z)])
    with pytest.raises(SegmentationError, match=r"No tumour was found \(model never\)"):
        logic.outlineByModel(ct, str(an_empty_bundle(tmp_path / "b")))
