"""Trains a segmentation network on CTs with outlines, in steps that can be taken up again after an interruption."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from .atomic import staged_file
from .bundle_crop import chest_box
from .bundle_design import NETWORK, PATCH, preprocessing
from .errors import CohortError, NSCLCResponseError, SegmentationError, SettingsError
from .masks import read_mask
from .progress import SILENT, Progress
from .reading import read_ct

if TYPE_CHECKING:
    import torch

_LEAST_CASES = 4
_CHECKPOINT_EVERY_SECONDS = 30.0
_LEARNING_RATE = 1e-3
_TUMOUR_SHARE = 0.7  # of the patches that are centred on tumour


@dataclass(frozen=True)
class TrainingCase:
    """One patient's files."""

    name: str
    ct: Path
    mask: Path
    roi: str = ""
    series: str = ""


@dataclass(frozen=True)
class TrainingPlan:
    """How long and how.

    :param minutes: of computing, those of an interrupted run included. :param steps: at most so many, 0 for no limit.
    :param held_out: share of the patients that are only measured on. :param start_from: weights to fine-tune.
    """

    minutes: float = 60.0
    steps: int = 0
    seed: int = 1
    held_out: float = 0.15
    start_from: dict[str, Any] | None = None


def prepare_case(case: TrainingCase, folder: Path) -> Path:
    """CT and mask as the network sees them, cut to the chest, as ``NAME.npz`` (made once, and anew if a file changed).

    ``image`` is float16 and ``label`` unsigned 8-bit, both (x, y, z) in RAS order, 2.5 mm.

    :raises NSCLCResponseError: the patient's files cannot be used.
    """
    from monai.bundle import ConfigParser

    target, made_from = folder / f"{case.name}.npz", _fingerprint(case)
    if target.is_file():
        with np.load(target, allow_pickle=False) as held:
            if str(held["made_from"]) == made_from:
                return target
    ct = read_ct(case.ct, case.series)
    mask = read_mask(case.mask, ct, case.roi)
    box, _ = chest_box(ct.image)
    label = sitk.Resample(mask.image, box, sitk.Transform(), sitk.sitkNearestNeighbor, 0, sitk.sitkUInt8)
    keys, modes = ["image", "label"], ["bilinear", "nearest"]
    parser = ConfigParser({"prepare": {"_target_": "Compose", "transforms": preprocessing(keys, modes)}})
    prepare = parser.get_parsed_content("prepare")
    with staged_file(target) as aside:
        files = {"image": aside.with_name("image.nii"), "label": aside.with_name("label.nii")}
        sitk.WriteImage(box, str(files["image"]))
        sitk.WriteImage(label, str(files["label"]))
        data = prepare({key: str(path) for key, path in files.items()})
        image = data["image"][0].numpy().astype(np.float16)
        label_array = data["label"][0].numpy().astype(np.uint8)
        np.savez_compressed(aside, image=image, label=label_array, made_from=made_from)
    return target


def _fingerprint(case: TrainingCase) -> str:
    """What a prepared patient depends on: the files' places, sizes and times, and what was chosen in them."""
    files = [p for path in (case.ct, case.mask) for p in ([path] if path.is_file() else sorted(path.rglob("*")))]
    states = [(str(p), s.st_size, s.st_mtime_ns) for p in files if p.is_file() for s in [p.stat()]]
    return hashlib.sha256(repr((states, case.roi, case.series)).encode()).hexdigest()


def prepare_cases(
    cases: Sequence[TrainingCase], folder: Path, progress: Progress = SILENT
) -> tuple[list[Path], dict[str, str]]:
    """All cases; those that cannot be used are told, not fatal.

    :returns: the files, and the reasons by name.
    :raises CohortError: fewer than four can be used.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files, failed = [], {}
    for number, case in enumerate(cases):
        progress.report(number / len(cases), f"Preparing {case.name} ({number + 1} of {len(cases)})")
        try:
            files.append(prepare_case(case, folder))
        except NSCLCResponseError as error:
            failed[case.name] = str(error)
            progress.warn(f"{case.name} was left out: {error}")
    if len(files) < _LEAST_CASES:
        raise CohortError(
            f"Only {len(files)} patients can be used for training, at least {_LEAST_CASES} are needed.",
            "Check the table's paths and outlines.",
        )
    return files, failed


def split_cases(files: Sequence[Path], plan: TrainingPlan) -> tuple[list[Path], list[Path]]:
    """Patients to train on, and patients to measure on, by the seed."""
    order = np.random.default_rng(plan.seed).permutation(len(files))
    count = max(1, round(plan.held_out * len(files)))
    held_out = {int(i) for i in order[:count]}
    return [f for i, f in enumerate(files) if i not in held_out], [files[i] for i in sorted(held_out)]


def build_network() -> torch.nn.Module:
    """The network with random weights, made from the same description that the bundle holds."""
    from monai.bundle import ConfigParser

    return ConfigParser({"network_def": NETWORK}).get_parsed_content("network_def")


def weights_of(folder: Path) -> dict[str, Any]:
    """The weights of a bundle that ``segment-train`` made, to be fine-tuned.

    :raises SegmentationError: it is another kind of bundle, incomplete or changed.
    """
    import torch

    from .bundle_files import open_bundle

    bundle = open_bundle(folder)
    if bundle.config.get("network_def") != NETWORK:
        raise SegmentationError(
            f"The model in {folder} has another network than segment-train makes.",
            "Fine-tune it by its own training configuration, or start anew.",
        )
    return torch.load(bundle.weights, map_location="cpu", weights_only=True)


def train(files: Sequence[Path], plan: TrainingPlan, work: Path, progress: Progress = SILENT) -> dict[str, Any]:
    """Train until the plan's minutes or steps are used up; continues from ``work/checkpoint.pt``.

    :param files: of :func:`prepare_cases`. Each step's patches depend on the seed and the step's number alone.
    :returns: ``weights`` (averaged over the last part of the training), ``steps``, ``minutes`` and the mean ``loss`` of
        the last steps.
    :raises SettingsError: ``work`` holds a training of other patients or another seed.
    """
    import torch
    from monai.losses import DiceCELoss

    torch.manual_seed(plan.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = build_network().to(device)
    if plan.start_from is not None:
        network.load_state_dict(plan.start_from)
    optimiser = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=1e-5)
    kind = f"{', '.join(f.name for f in files)}; seed {plan.seed}"
    state = _resume(work / "checkpoint.pt", network, optimiser, kind)
    loss_of = DiceCELoss(softmax=True, to_onehot_y=True, include_background=False, batch=True)
    patches = _Patches(files, plan.seed)
    started, saved = time.monotonic(), float("-inf")  # the first step is kept, then one now and then
    spent = state["seconds"]
    while _share_done(plan, state["step"], spent) < 1:
        rate = _LEARNING_RATE * (1 - 0.95 * _share_done(plan, state["step"], spent))
        for group in optimiser.param_groups:
            group["lr"] = rate
        image, label = patches.take(state["step"])
        network.train()
        optimiser.zero_grad()
        loss = loss_of(network(image.to(device)), label.to(device))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        state["step"] += 1
        state["losses"] = [*state["losses"][-199:], float(loss.detach())]
        _average(state, network)
        spent = state["seconds"] + time.monotonic() - started
        if time.monotonic() - saved > _CHECKPOINT_EVERY_SECONDS:
            _save(work, network, optimiser, state, spent)
            saved = time.monotonic()
        words = f"Step {state['step']}, loss {np.mean(state['losses']):.3f}"
        progress.report(_share_done(plan, state["step"], spent), words)
    _save(work, network, optimiser, state, spent)
    loss = float(np.mean(state["losses"]))
    return {"weights": state["average"], "steps": state["step"], "minutes": spent / 60, "loss": loss}


def _share_done(plan: TrainingPlan, step: int, seconds: float) -> float:
    return max(seconds / 60 / plan.minutes, step / plan.steps if plan.steps else 0.0)


def _average(state: dict[str, Any], network: torch.nn.Module) -> None:
    """Running mean of the weights over about the last 100 steps, which is steadier than any one step's."""
    keep = min(0.99, state["step"] / (state["step"] + 10))
    for name, value in network.state_dict().items():
        if name in state["average"] and value.is_floating_point():
            state["average"][name].mul_(keep).add_(value.detach().cpu(), alpha=1 - keep)
        else:
            state["average"][name] = value.detach().cpu().clone()


def _resume(path: Path, network: torch.nn.Module, optimiser: torch.optim.Optimizer, kind: str) -> dict[str, Any]:
    import torch

    if not path.is_file():
        return {"step": 0, "seconds": 0.0, "losses": [], "average": {}, "kind": kind}
    held = torch.load(path, map_location="cpu", weights_only=True)
    if held["state"].get("kind") != kind:
        raise SettingsError(
            f"{path.parent} holds an unfinished training of other patients or another seed.",
            "Give another --work, or delete that folder.",
        )
    network.load_state_dict(held["network"])
    optimiser.load_state_dict(held["optimiser"])
    return held["state"]


def _save(
    work: Path, network: torch.nn.Module, optimiser: torch.optim.Optimizer, state: dict[str, Any], seconds: float
) -> None:
    import torch

    held = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "state": {**state, "seconds": seconds},
    }
    with staged_file(work / "checkpoint.pt") as aside:
        torch.save(held, aside)
    words = {
        "step": state["step"],
        "minutes": round(seconds / 60, 1),
        "loss": round(float(np.mean(state["losses"])), 4),
    }
    with (work / "training.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(words) + "\n")


class _Patches:
    """Random patches with changes of pose, contrast, noise and sharpness; a step's draw can be repeated."""

    def __init__(self, files: Sequence[Path], seed: int) -> None:
        self._files, self._seed = list(files), seed
        self._held: dict[Path, dict[str, np.ndarray]] = {}

    def take(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Image and label of one step, each (1, 1, PATCH, PATCH, PATCH)."""
        rng = np.random.default_rng([self._seed, step])
        file = self._files[int(rng.integers(len(self._files)))]
        if file not in self._held:
            with np.load(file, allow_pickle=False) as arrays:
                self._held[file] = {"image": arrays["image"], "label": arrays["label"]}
        transform = self._transform()
        transform.set_random_state(int(rng.integers(2**31)))
        held = self._held[file]
        out = transform({"image": held["image"][None].astype(np.float32), "label": held["label"][None]})
        out = out[0] if isinstance(out, list) else out
        return out["image"].as_tensor()[None], out["label"].as_tensor()[None]

    @staticmethod
    def _transform() -> Any:
        from monai import transforms as mt

        keys = ["image", "label"]
        size = [PATCH] * 3
        return mt.Compose(
            [
                mt.SpatialPadd(keys, size, mode="edge"),
                mt.RandCropByPosNegLabeld(keys, "label", size, pos=_TUMOUR_SHARE, neg=1 - _TUMOUR_SHARE, num_samples=1),
                mt.RandAffined(
                    keys,
                    prob=0.5,
                    rotate_range=[0.2] * 3,
                    scale_range=[0.2] * 3,
                    mode=["bilinear", "nearest"],
                    padding_mode="border",
                ),
                mt.RandFlipd(keys, prob=0.5, spatial_axis=0),
                mt.RandGaussianSmoothd("image", prob=0.3, sigma_x=(0.3, 1.0), sigma_y=(0.3, 1.0), sigma_z=(0.3, 1.0)),
                mt.RandAdjustContrastd("image", prob=0.3, gamma=(0.7, 1.5), retain_stats=False),
                mt.RandScaleIntensityd("image", factors=0.15, prob=0.5),
                mt.RandShiftIntensityd("image", offsets=0.1, prob=0.5),
                mt.RandGaussianNoised("image", prob=0.5, std=0.08),
                mt.EnsureTyped(keys),
            ]
        )
