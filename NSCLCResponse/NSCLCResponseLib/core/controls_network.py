"""Labels dealt out anew for the 3D-CNN: a few draws with fewer epochs, since each draw is a training of its own.

The true labels go through the same shortened training, so that both are compared like with like. Two folds: each
patient is judged by a network that was trained on the other half.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import staged_file

from .controls import random_folds
from .evaluation import auc
from .presets import NetworkFit, Preset
from .training_network import Labels, network_logits, train_network

if TYPE_CHECKING:
    import numpy as np

    from NSCLCResponseSegmentLib.core.progress import Progress

    from .training_data import TrainingData

NETWORK_PERMUTATIONS = 5
_SHARE_OF_EPOCHS, _FEWEST_EPOCHS = 0.2, 2
_FOLDS = 2


def shortened(fit: NetworkFit) -> NetworkFit:
    """A fifth of the epochs, all of them trained."""
    return replace(fit, epochs=max(_FEWEST_EPOCHS, round(_SHARE_OF_EPOCHS * fit.epochs)), patience=0)


def permuted_network(
    data: TrainingData, preset: Preset, repeats: int, work: Path, progress: Progress
) -> dict[str, Any] | None:
    """The network's cross-validated AUC with the true labels and with labels dealt out anew.

    :param work: keeps each finished draw, so that a stopped control goes on where it was.
    :returns: as :func:`controls.permuted_labels` with ``epochs`` and ``folds``; the range is the smallest and largest
        of the draws. ``None`` without patches or draws.
    """
    import numpy as np

    here = np.flatnonzero(data.has_patch & (data.outcome >= 0))
    if data.patches is None or repeats < 1 or len(set(data.outcome[here].tolist())) < 2:
        return None
    fit = shortened(preset.network)
    random = np.random.default_rng(preset.seed + 2)
    orders = [np.arange(len(here)), *(random.permutation(len(here)) for _ in range(repeats))]
    areas = []
    for number, order in enumerate(orders):
        step = progress.part(number / len(orders), (number + 1) / len(orders))
        words = f"draw {number} of {repeats}" if number else "true labels"
        areas.append(_kept_auc(data, here, order, replace(preset, network=fit), work, (step, words)))
    drawn = np.array(areas[1:])
    return {
        "permutations": repeats,
        "auc": round(areas[0], 4),
        "permuted_median": round(float(np.median(drawn)), 4),
        "permuted_low": round(float(drawn.min()), 4),
        "permuted_high": round(float(drawn.max()), 4),
        "p": round((1 + int((drawn >= areas[0]).sum())) / (1 + repeats), 5),
        "epochs": fit.epochs,
        "folds": _FOLDS,
    }


def _kept_auc(
    data: TrainingData, here: np.ndarray, order: np.ndarray, preset: Preset, work: Path, told: tuple[Progress, str]
) -> float:
    """The AUC of one draw, from disk when an earlier run made it."""
    digest = hashlib.sha256(json.dumps([asdict(preset.network), preset.seed, preset.patch.to_json()]).encode())
    for array in (here, order, data.outcome, data.patches, data.time, data.event):
        digest.update(b"" if array is None else np_bytes(array))
    path = work / "fits" / f"permuted-cnn-{digest.hexdigest()[:20]}.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        found = _auc(data, here, order, preset, told)
        with staged_file(path) as aside:
            aside.write_text(json.dumps(found), encoding="utf-8")
    return float(json.loads(path.read_text(encoding="utf-8")))


def np_bytes(array: np.ndarray) -> memoryview:
    """An array's bytes without a copy of it, which all patches together would be too large for."""
    import numpy as np

    return memoryview(np.ascontiguousarray(array)).cast("B")


def _auc(data: TrainingData, here: np.ndarray, order: np.ndarray, preset: Preset, told: tuple[Progress, str]) -> float:
    import numpy as np

    progress, words = told
    fit, dealt = preset.network, here[order]
    folds = random_folds(len(here), preset.seed, _FOLDS)
    scores = np.zeros(len(here))
    for fold in range(_FOLDS):
        step = progress.part(fold / _FOLDS, (fold + 1) / _FOLDS)
        inside, outside = folds != fold, folds == fold
        labels = Labels(data.outcome[dealt][inside])
        if data.is_survival:
            labels = Labels(labels.outcome, data.time[dealt][inside], data.event[dealt][inside])

        def on_epoch(epoch: int, step: Progress = step) -> None:
            step.report(epoch / fit.epochs, f"Control: permuted labels, 3D-CNN, {words}")

        network = train_network(
            data.patches[here[inside]], labels, preset.patch, fit, preset.seed * 1000 + fold, None, on_epoch
        )
        scores[outside] = network_logits(network, data.patches[here[outside]])
    return auc(data.outcome[dealt], scores)
