"""Training the 3D-CNN on cached patches; a killed run goes on at its last finished epoch with the same result.

On the processor the same seed gives the same bytes. On a GPU, which is used when there is one, convolutions run in
bfloat16 where PyTorch finds that safe. With ``torchrun`` several processes share each batch.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import ranks
from .network import NetworkSpec, build_network
from .patch import PatchSpec, without_pet
from .presets import NetworkFit
from .training_augment import Augmenter, plain_tensors

if TYPE_CHECKING:
    import numpy as np
    import torch

_INNER_FOLDS = 6  # one of which tells when to stop
_SHORTEST_CYCLE = 10  # steps; PyTorch's learning-rate cycle divides by zero for fewer


def network_preprocessing(fit: NetworkFit, *, survival: bool = False) -> str:
    """What happens to images, and how the network is trained, in words for the signature."""
    changes = "flips, rotation, scaling, shift" if fit.flips else "rotation, scaling"
    loss = "Cox partial likelihood" if survival else "binary cross-entropy"
    optimiser = "AdamW, one learning-rate cycle" if fit.optimiser == "adamw" else f"Adam at {fit.learning_rate:g}"
    stop = f", stopped after {fit.patience} epochs without gain on an inner fold" if fit.patience else ""
    return (
        "patch of fixed physical size around the tumour's centre of mass; CT in windows, square root of SUVbw, mask;"
        f" training with {changes}, contrast, noise (MONAI), PET dropout; {loss}, {optimiser}{stop}"
    )


def network_spec(patch: PatchSpec, fit: NetworkFit) -> NetworkSpec:
    """The architecture that the preset asks for."""
    return NetworkSpec(patch.channels, fit.features, fit.dropout, fit.head_dropout, fit.kind)


@dataclass
class Labels:
    """What the network is trained on: the response, or the time to an event.

    :param outcome: (patients,) of 0 and 1. :param time: (patients,) months, or ``None``. :param event: (patients,).
    """

    outcome: np.ndarray
    time: np.ndarray | None = None
    event: np.ndarray | None = None

    def loss(self, logits: torch.Tensor, rows: np.ndarray) -> torch.Tensor:
        """Binary cross-entropy, or the negative partial likelihood (per event) within these patients."""
        import torch

        if self.time is None:
            target = torch.tensor(self.outcome[rows], dtype=torch.float32, device=logits.device)
            return torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        time = torch.tensor(self.time[rows], device=logits.device)
        event = torch.tensor(self.event[rows], dtype=torch.float32, device=logits.device)
        hazard = -logits
        at_risk = (time[None, :] >= time[:, None]).to(hazard.dtype)
        risk = torch.logsumexp(hazard[None, :] + torch.log(at_risk + 1e-30), dim=1)
        return (event * (risk - hazard)).sum() / event.sum().clamp_min(1.0)

    @property
    def strata(self) -> np.ndarray:
        """(patients,) what folds are balanced by."""
        return self.outcome if self.event is None else self.event.astype(int)


@dataclass
class _State:
    """Where a run is: what a checkpoint holds besides the weights."""

    epochs: int = 0
    best_loss: float = float("inf")
    best_epoch: int = 0
    best: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def is_over(self, fit: NetworkFit) -> bool:
        waited = self.epochs - self.best_epoch
        return self.epochs >= fit.epochs or (fit.patience > 0 and waited >= fit.patience)


def train_network(
    patches: np.ndarray,
    outcome: np.ndarray | Labels,
    patch: PatchSpec,
    fit: NetworkFit,
    seed: int,
    checkpoint: Path | None = None,
    on_epoch: Callable[[int], None] = lambda _: None,
) -> torch.nn.Module:
    """Train on the given patches.

    With ``fit.patience`` an inner fold of these patients tells when to stop, and the best epoch's weights are kept;
    otherwise all epochs are trained on all of them.

    :param patches: (patients, channels, z, y, x) float32.
    :param outcome: (patients,) of 0 and 1, or :class:`Labels`.
    :param checkpoint: written after each epoch and continued from when it exists; removed by the caller.
    :param on_epoch: told the number of finished epochs.
    :returns: the network in evaluation mode on the processor; its ``epochs`` are those that were trained (or, with
        patience, the best one).
    """
    import torch

    labels = outcome if isinstance(outcome, Labels) else Labels(outcome)
    trainer = _Trainer(patches, labels, patch, fit, seed)
    state = trainer.resume(checkpoint)
    with plain_tensors():
        while not state.is_over(fit):
            trainer.train_epoch(seed * 10_007 + state.epochs)
            state.epochs += 1
            trainer.judge(state)
            trainer.save(checkpoint, state)
            on_epoch(state.epochs)
    network = trainer.network.cpu().to(memory_format=torch.contiguous_format)
    if state.best:
        network.load_state_dict(state.best)
    network.epochs = state.best_epoch if fit.patience else state.epochs
    return network.eval()


class _Trainer:
    def __init__(self, patches: np.ndarray, labels: Labels, patch: PatchSpec, fit: NetworkFit, seed: int) -> None:
        import numpy as np
        import torch

        torch.manual_seed(seed)
        self._device = ranks.device()
        self.network = build_network(network_spec(patch, fit)).to(memory_format=torch.channels_last_3d)
        self.network = self.network.to(self._device)
        self._patches, self._labels, self._patch, self._fit = patches, labels, patch, fit
        self._rows, self._inner = np.arange(len(patches)), np.zeros(0, dtype=int)
        if fit.patience:
            self._rows, self._inner = _inner_fold(labels.strata, seed)
        self._augment = Augmenter(flips=fit.flips)
        parameters = self.network.parameters()
        self._schedule = None
        if fit.optimiser == "adam":
            self._optimiser = torch.optim.Adam(parameters, lr=fit.learning_rate, weight_decay=fit.weight_decay)
        else:
            self._optimiser = torch.optim.AdamW(parameters, lr=fit.learning_rate, weight_decay=fit.weight_decay)
            steps = max(fit.epochs * max(1, len(self._rows) // fit.batch), _SHORTEST_CYCLE)
            self._schedule = torch.optim.lr_scheduler.OneCycleLR(
                self._optimiser, fit.learning_rate, total_steps=steps + 1, pct_start=0.2
            )
        self._shared: Any = None

    def _module(self) -> Any:
        """The network, or what averages its gradients between processes."""
        if ranks.world() > 1 and self._shared is None:
            from torch.nn.parallel import DistributedDataParallel

            self._shared = DistributedDataParallel(self.network)
        return self._shared or self.network

    def _precision(self) -> contextlib.AbstractContextManager:
        import torch

        if self._device == "cpu":
            return contextlib.nullcontext()
        return torch.autocast("cuda", dtype=torch.bfloat16)

    def train_epoch(self, seed: int) -> None:
        """One pass over the training patients in random order."""
        import numpy as np
        import torch

        fit = self._fit
        torch.manual_seed(seed + ranks.rank())
        self._augment.seed((seed + ranks.rank()) % (2**31))
        random = np.random.default_rng(seed)
        order = self._rows[random.permutation(len(self._rows))]
        drop = random.random(len(self._patches)) < fit.pet_dropout
        module = self._module()
        module.train()
        # A last batch that is not full would shake the batch statistics; its patients come again next epoch.
        for start in range(0, max(len(order) - fit.batch + 1, 1), fit.batch):
            rows = order[start : start + fit.batch][ranks.rank() :: ranks.world()]
            chosen = [without_pet(self._patches[i], self._patch) if drop[i] else self._patches[i] for i in rows]
            batch = torch.stack([self._augment(np.asarray(p)) for p in chosen])
            batch = batch.to(self._device, memory_format=torch.channels_last_3d)
            self._optimiser.zero_grad(set_to_none=True)
            with self._precision():
                logits = module(batch)
            self._labels.loss(logits.float(), rows).backward()
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
            self._optimiser.step()
            if self._schedule is not None:
                self._schedule.step()

    def judge(self, state: _State) -> None:
        """Whether this epoch is the best so far on the inner fold."""
        import torch

        if not self._fit.patience:
            return
        loss = 0.0
        if ranks.is_first():
            self.network.eval()
            logits = network_logits(self.network, self._patches[self._inner])
            loss = float(self._labels.loss(torch.from_numpy(logits), self._inner))
        loss = ranks.from_first(loss)
        if loss < state.best_loss:
            state.best_loss, state.best_epoch = loss, state.epochs
            weights = self.network.state_dict()
            state.best = {name: copy.deepcopy(tensor.cpu()) for name, tensor in weights.items()}

    def save(self, checkpoint: Path | None, state: _State) -> None:
        """Write the checkpoint aside and put it in place."""
        if checkpoint is None or not ranks.is_first():
            return
        import torch

        kept = {"network": self.network.state_dict(), "optimiser": self._optimiser.state_dict()}
        kept |= {"schedule": self._schedule.state_dict()} if self._schedule else {}
        progress = {"epochs": state.epochs, "best_loss": state.best_loss, "best_epoch": state.best_epoch}
        aside = checkpoint.with_name(checkpoint.name + ".new")
        torch.save({**kept, **progress, "best": dict(state.best)}, aside)
        os.replace(aside, checkpoint)  # noqa: PTH105 the same as Path.replace, named for what matters: it is atomic

    def resume(self, checkpoint: Path | None) -> _State:
        """Where the run is; at the start without a checkpoint or with one of another network."""
        if checkpoint is None or not checkpoint.is_file():
            return _State()
        import torch

        try:
            kept = torch.load(checkpoint, weights_only=True, map_location=self._device)
            self.network.load_state_dict(kept["network"])
            self._optimiser.load_state_dict(kept["optimiser"])
            if self._schedule is not None:
                self._schedule.load_state_dict(kept["schedule"])
            best = {name: tensor.cpu() for name, tensor in kept["best"].items()}
            return _State(int(kept["epochs"]), float(kept["best_loss"]), int(kept["best_epoch"]), best)
        except (RuntimeError, KeyError, ValueError, EOFError):
            return _State()


def _inner_fold(strata: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices to train on, and of the inner fold that tells when to stop."""
    import numpy as np
    from sklearn.model_selection import StratifiedKFold

    smallest = int(np.bincount(strata - strata.min()).min())
    if smallest < 2:
        return np.arange(len(strata)), np.arange(len(strata))
    splitter = StratifiedKFold(min(_INNER_FOLDS, smallest), shuffle=True, random_state=seed % 2**31)
    return next(splitter.split(np.zeros(len(strata)), strata))


def network_logits(network: torch.nn.Module, patches: np.ndarray) -> np.ndarray:
    """(patients,) logits of (patients, channels, z, y, x) patches, in small batches."""
    import numpy as np
    import torch

    device = next(network.parameters()).device
    found = [np.zeros(0)]
    with torch.inference_mode():
        for start in range(0, len(patches), 32):
            batch = torch.from_numpy(np.array(patches[start : start + 32])).to(device)
            found.append(network(batch).double().cpu().numpy())
    return np.concatenate(found)
