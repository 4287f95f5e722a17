"""Presets of training: which parts, how they are fitted, how they are validated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from NSCLCResponseSegmentLib.core.errors import SettingsError

from .patch import PatchSpec

PARTS = ("radiomics_ct", "radiomics_pet", "radiomics_table", "cnn", "clinical")


@dataclass(frozen=True)
class TableFit:
    """How a part on named features is fitted.

    :param keep: numbers of features among which inner cross-validation chooses.
    :param strengths: inverse L2 penalties (scikit-learn's ``C``) among which it chooses.
    :param selector: see :data:`selectors.SELECTORS`. :param model: see :mod:`table_models`; of a time to an event
        ``logistic`` means ``cox``.
    :param ranks: whether values become ranks among the training patients before they are standardised.
    :param harmonise: ``combat``, or empty for none; radiomics parts only. :param reference: the centre that ComBat
        leaves as it is, which is also what a patient of an unknown centre is taken for.
    """

    keep: tuple[int, ...] = (5, 15, 40)
    strengths: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    inner_folds: int = 5
    selector: str = "anova"
    model: str = "logistic"
    ranks: bool = True
    harmonise: str = ""
    reference: str = ""

    def for_survival(self) -> TableFit:
        """The same choices for a time to an event."""
        return replace(self, model="cox") if self.model == "logistic" else self


@dataclass(frozen=True)
class NetworkFit:
    """How the 3D-CNN is trained.

    :param pet_dropout: share of the patches that lose their PET in each epoch, so that its absence is learned.
    :param kind: architecture, see :class:`network.NetworkSpec`.
    :param optimiser: ``adamw`` with one learning-rate cycle, or ``adam`` with a constant rate.
    :param flips: left-right flips and shifts besides rotation, scaling, contrast and noise.
    :param patience: epochs without a better loss on an inner fold of the training patients after which training stops
        (the best epoch is kept); 0 trains all epochs on all of them.
    """

    epochs: int = 30
    batch: int = 8
    learning_rate: float = 2e-3
    weight_decay: float = 1e-2
    pet_dropout: float = 0.4
    features: tuple[int, ...] = (16, 32)
    dropout: float = 0.1
    head_dropout: float = 0.3
    kind: str = "pooled"
    optimiser: str = "adamw"
    flips: bool = True
    patience: int = 0


@dataclass(frozen=True)
class Preset:
    """All choices of one training run; recorded in the signature.

    :param folds: of the patient-grouped cross-validation.
    :param nested: whether fusion, calibration and threshold are validated on folds they have not seen, either.
    :param holdout: share of the patients that only judge the result, when the cohort has no other test patients.
    :param compare: models on all radiomics together whose cross-validated numbers stand beside the signature's.
    :param settings: radiomics part → name of a parameter file of ours; others take the one for signatures.
    """

    name: str
    parts: tuple[str, ...] = PARTS
    folds: int = 5
    nested: bool = True
    seed: int = 0
    table: TableFit = field(default_factory=TableFit)
    network: NetworkFit = field(default_factory=NetworkFit)
    patch: PatchSpec = field(default_factory=PatchSpec)
    holdout: float = 0.0
    compare: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready dictionary, as ``signature.json`` holds it."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else value


#: The protocol of Kothinti 2025: normalised images, augmented by rotation, scaling, contrast and noise; first-order,
#: shape and GLCM features, LASSO, then principal components; a 3D-CNN of 3×3×3 convolutions with batch normalisation,
#: dropout and fully connected layers; Adam at 0.001, binary cross-entropy, batches of 32, 100 epochs; 5-fold
#: cross-validation and a holdout; logistic regression and random forest beside it.
_KOTHINTI = Preset(
    "kothinti2025",
    nested=False,
    table=TableFit(keep=(5, 10, 20), selector="lasso+pca", ranks=False),
    network=NetworkFit(
        epochs=100,
        batch=32,
        learning_rate=1e-3,
        weight_decay=0.0,
        features=(16, 32, 64),
        dropout=0.2,
        head_dropout=0.5,
        kind="plain",
        optimiser="adam",
        flips=False,
    ),
    holdout=0.2,
    compare=("logistic", "random_forest"),
    settings={"radiomics_ct": "kothinti2025-ct", "radiomics_pet": "kothinti2025-pet"},
)

PRESETS = {
    "default": Preset("default", network=NetworkFit(patience=8)),
    "kothinti2025": _KOTHINTI,
}


def preset(
    name: str,
    *,
    parts: tuple[str, ...] = (),
    seed: int = 0,
    epochs: int | None = None,
    folds: int | None = None,
    **table: str | None,
) -> Preset:
    """A preset with the choices of the command line.

    :param table: ``selector``, ``model``, ``harmonise``, ``reference`` in place of the preset's.
    :raises SettingsError: the preset, a part, a selector or a model is unknown, or there are fewer than three folds.
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
    given = {key: value for key, value in table.items() if value}
    return replace(chosen, table=_checked(replace(chosen.table, **given)))


def _checked(table: TableFit) -> TableFit:
    from .selectors import SELECTORS
    from .table_models import MODELS, SURVIVAL_MODELS

    models = tuple(dict.fromkeys((*MODELS, *SURVIVAL_MODELS)))
    for value, known, what in ((table.selector, SELECTORS, "selector"), (table.model, models, "model")):
        if value not in known:
            raise SettingsError(f"There is no {what} '{value}'.", f"Choose one of {', '.join(known)}.")
    if table.harmonise not in ("", "combat"):
        raise SettingsError(f"There is no harmonisation '{table.harmonise}'.", "Choose combat, or leave it out.")
    return table
