"""Training the 3D-CNN on cached patches; a killed run goes on at its last finished epoch with the same result."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .network import NetworkSpec, build_network
from .patch import PatchSpec, without_pet
from .presets import NetworkFit

if TYPE_CHECKING:
    import numpy as np
    import torch

PREPROCESSING = (
    "patch of fixed physical size around the tumour's centre of mass; CT in two windows, square root of SUVbw, mask;"
    " training with flips, rotation, scaling, shift, contrast, noise (MONAI), PET dropout; binary cross-entropy, AdamW"
)


def network_spec(patch: PatchSpec, fit: NetworkFit) -> NetworkSpec:
    """The architecture that the preset asks for."""
    return NetworkSpec(patch.channels, fit.features, fit.dropout, fit.head_dropout)


class Augmenter:
    """Random changes of one patch (channels, z, y, x); the mask moves with the images and keeps its values.

    Everything random follows from the seed given to :meth:`seed`, so an epoch can be repeated.
    """

    def __init__(self) -> None:
        from monai.transforms import Compose, RandAdjustContrast, RandAffine, RandFlip, RandGaussianNoise

        self._geometry = Compose(
            [
                RandFlip(prob=0.5, spatial_axis=2),  # left-right only: front and back of a patient are not alike
                RandAffine(
                    prob=0.5,
                    rotate_range=(0.25, 0.25, 0.25),
                    scale_range=(0.1, 0.1, 0.1),
                    translate_range=(1.5, 1.5, 1.5),
                    padding_mode="border",
                    mode="bilinear",
                ),
            ]
        )
        contrast = RandAdjustContrast(prob=0.2, gamma=(0.9, 1.1), retain_stats=True)
        self._images = Compose([contrast, RandGaussianNoise(prob=0.3, std=0.03)])

    def seed(self, value: int) -> None:
        """Start the random sequence anew."""
        self._geometry.set_random_state(value)
        self._images.set_random_state(value + 1)

    def __call__(self, patch: np.ndarray) -> torch.Tensor:
        """The changed copy, a plain float32 tensor; to be called inside :func:`_plain_tensors`."""
        import torch

        moved = self._geometry(torch.from_numpy(patch))
        return torch.cat([self._images(moved[:-1]), moved[-1:]]).float()


@contextlib.contextmanager
def _plain_tensors() -> Iterator[None]:
    """MONAI without its metadata on tensors, which nothing here needs and which slows every operation."""
    from monai.data import get_track_meta, set_track_meta

    before = get_track_meta()
    set_track_meta(False)
    try:
        yield
    finally:
        set_track_meta(before)


def train_network(
    patches: np.ndarray,
    outcome: np.ndarray,
    patch: PatchSpec,
    fit: NetworkFit,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int], None] = lambda _: None,
) -> torch.nn.Module:
    """Train on all given patches for a fixed number of epochs; no patch is looked at for choosing when to stop.

    :param patches: (patients, channels, z, y, x) float32.
    :param outcome: (patients,) of 0 and 1.
    :param checkpoint: written after each epoch and continued from when it exists; removed by the caller.
    :param on_epoch: told the number of finished epochs.
    :returns: the network in evaluation mode.
    """
    import torch

    torch.manual_seed(seed)
    network = build_network(network_spec(patch, fit))
    network = network.to(memory_format=torch.channels_last_3d)
    optimiser = torch.optim.AdamW(network.parameters(), lr=fit.learning_rate, weight_decay=fit.weight_decay)
    steps = fit.epochs * max(1, len(outcome) // fit.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, fit.learning_rate, total_steps=steps + 1, pct_start=0.2)
    first = _resume(checkpoint, network, optimiser, schedule)
    augment = Augmenter()
    with _plain_tensors():
        for epoch in range(first, fit.epochs):
            _train_epoch(network, optimiser, schedule, (patches, outcome), patch, fit, augment, seed * 10_007 + epoch)
            _save(checkpoint, network, optimiser, schedule, epoch + 1)
            on_epoch(epoch + 1)
    return network.to(memory_format=torch.contiguous_format).eval()


def _train_epoch(
    network: torch.nn.Module,
    optimiser: Any,
    schedule: Any,
    data: tuple[np.ndarray, np.ndarray],
    patch: PatchSpec,
    fit: NetworkFit,
    augment: Augmenter,
    seed: int,
) -> None:
    import numpy as np
    import torch

    patches, outcome = data
    torch.manual_seed(seed)
    augment.seed(seed % (2**31))
    random = np.random.default_rng(seed)
    order = random.permutation(len(outcome))
    drop = random.random(len(outcome)) < fit.pet_dropout
    network.train()
    # A last batch of fewer than half the size would shake the batch statistics; its patients come again next epoch.
    for start in range(0, max(len(order) - fit.batch + 1, 1), fit.batch):
        rows = order[start : start + fit.batch]
        chosen = [without_pet(patches[i], patch) if drop[i] else np.asarray(patches[i]) for i in rows]
        batch = torch.stack([augment(p) for p in chosen]).to(memory_format=torch.channels_last_3d)
        target = torch.tensor(outcome[rows], dtype=torch.float32)
        optimiser.zero_grad(set_to_none=True)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(batch), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        schedule.step()


def _save(checkpoint: Path | None, network: Any, optimiser: Any, schedule: Any, epochs: int) -> None:
    if checkpoint is None:
        return
    import torch

    state = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
    aside = checkpoint.with_name(checkpoint.name + ".new")
    torch.save({**state, "schedule": schedule.state_dict(), "epochs": epochs}, aside)
    os.replace(aside, checkpoint)  # noqa: PTH105 the same as Path.replace, named for what matters: it is atomic


def _resume(checkpoint: Path | None, network: Any, optimiser: Any, schedule: Any) -> int:
    """Finished epochs; 0 without a checkpoint or with one of another network."""
    if checkpoint is None or not checkpoint.is_file():
        return 0
    import torch

    try:
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
    except (RuntimeError, KeyError, ValueError, EOFError):
        return 0
    return int(state["epochs"])


def network_logits(network: torch.nn.Module, patches: np.ndarray) -> np.ndarray:
    """(patients,) logits of (patients, channels, z, y, x) patches, in small batches."""
    import numpy as np
    import torch

    found = [np.zeros(0)]
    with torch.inference_mode():
        for start in range(0, len(patches), 32):
            batch = torch.from_numpy(np.array(patches[start : start + 32]))
            found.append(network(batch).double().numpy())
    return np.concatenate(found)
