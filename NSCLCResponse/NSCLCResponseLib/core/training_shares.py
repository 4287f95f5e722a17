"""Which share of a training's time each step takes, so that the time left that is shown means something.

Rough seconds on two cores; only their ratios matter, since the pace so far sets the scale.
"""

from __future__ import annotations

from itertools import pairwise

from .controls_network import shortened
from .presets import NetworkFit, Preset
from .training_fits import left_out_sets

_MEASURE, _READ_TABLE = 1.0, 0.005  # a patient's images; a patient's row
_TABLE_FIT = 3.0
_NETWORK_PATIENT = 0.02  # one patient of one epoch at 32³ voxels
_PERMUTATION = 0.15  # of one light model
_MOST_SHUFFLED = 150
_FIRST, _LAST = 0.02, 0.97  # before: the check of the cohort; after: writing


def network_seconds(fit: NetworkFit, preset: Preset, patients: int) -> float:
    """Of one fit of the 3D-CNN; with early stopping half of the epochs are guessed."""
    epochs = fit.epochs / 2 if fit.patience else fit.epochs
    return _NETWORK_PATIENT * (preset.patch.size / 32) ** 3 * epochs * patients


def fit_seconds(part: str, preset: Preset, patients: int) -> float:
    """Of one fit of a part."""
    return network_seconds(preset.network, preset, patients) if part == "cnn" else _TABLE_FIT


def steps(
    preset: Preset, patients: int, *, images: bool, permutations: int, network_draws: int
) -> dict[str, tuple[float, float]]:
    """``measure``, ``train`` and ``controls`` → where each begins and ends on the bar, 0 to 1.

    :param images: whether the cohort has images; without them nobody has what the 3D-CNN needs.
    """
    parts = [part for part in preset.parts if images or part in ("clinical", "radiomics_table")]
    tables = [part for part in parts if part != "cnn"]
    fits = len(left_out_sets(preset.folds, nested=preset.nested))
    measure = patients * (_MEASURE if images else _READ_TABLE)
    train = fits * sum(fit_seconds(part, preset, patients) for part in parts)
    controls = _TABLE_FIT * len(tables) * preset.folds + _PERMUTATION * permutations * len(tables)
    controls += _MEASURE * min(patients, _MOST_SHUFFLED) if images else 0.0
    if "cnn" in parts:
        controls += (1 + network_draws) * network_seconds(shortened(preset.network), preset, patients)
    total = measure + train + controls
    ends, done = [_FIRST], 0.0
    for seconds in (measure, train, controls):
        done += seconds
        ends.append(_FIRST + (_LAST - _FIRST) * done / total)
    return dict(zip(("measure", "train", "controls"), pairwise(ends), strict=True))
