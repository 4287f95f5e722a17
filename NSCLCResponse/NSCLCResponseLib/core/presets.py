"""Presets of training: which parts, how they are fitted, how they are validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from NSCLCResponseSegmentLib.core.errors import SettingsError

from .patch import PatchSpec

PARTS = ("radiomics_ct", "radiomics_pet", "cnn", "clinical")


@dataclass(frozen=True)
class TableFit:
    """How a part on named features is fitted.

    :param keep: numbers of features among which inner cross-validation chooses.
    :param strengths: inverse L2 penalties (scikit-learn's ``C``) among which it chooses.
    """

    keep: tuple[int, ...] = (5, 15, 40)
    strengths: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    inner_folds: int = 5


@dataclass(frozen=True)
class NetworkFit:
    """How the 3D-CNN is trained.

    :param pet_dropout: share of the patches that lose their PET in each epoch, so that its absence is learned.
    """

    epochs: int = 30
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    pet_dropout: float = 0.4
    features: tuple[int, ...] = (16, 32)
    dropout: float = 0.1
    head_dropout: float = 0.3


@dataclass(frozen=True)
class Preset:
    """All choices of one training run; recorded in the signature.

    :param folds: of the patient-grouped cross-validation.
    :param nested: whether fusion, calibration and threshold are validated on folds they have not seen, either.
    """

    name: str
    parts: tuple[str, ...] = PARTS
    folds: int = 5
    nested: bool = True
    seed: int = 0
    table: TableFit = field(default_factory=TableFit)
    network: NetworkFit = field(default_factory=NetworkFit)
    patch: PatchSpec = field(default_factory=PatchSpec)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``signature.json`` holds it."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


PRESETS = {"default": Preset("default")}


def preset(
    name: str, *, parts: tuple[str, ...] = (), seed: int = 0, epochs: int | None = None, folds: int | None = None
) -> Preset:
    """A preset with the choices of the command line.

    :raises SettingsError: the preset or a part is unknown, or there are fewer than three folds.
    """
    if name not in PRESETS:
        raise SettingsError(f"There is no preset '{name}'.", f"Choose one of {', '.join(PRESETS)}.")
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        raise SettingsError(f"There is no part '{unknown[0]}'.", f"Parts are {', '.join(PARTS)}.")
    chosen = replace(PRESETS[name], seed=seed)
    if parts:
        chosen = replace(chosen, parts=tuple(part for part in PARTS if part in parts))
    if folds is not None:
        if folds < 3:
            raise SettingsError(f"{folds} folds are too few.", "Nested cross-validation needs three at the least.")
        chosen = replace(chosen, folds=folds)
    if epochs is not None:
        chosen = replace(chosen, network=replace(chosen.network, epochs=epochs))
    return chosen
