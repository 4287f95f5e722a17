"""What a signature keeps of its training patients so that a prediction can say how sure it is and when it is not.

Goes into ``reference.npz``, as plain arrays: scores for conformal prediction, where patients lie in feature space, and
how their images were made (quantiles, no patient's values).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .conformal import LABELS, to_quantiles
from .feature_space import FEWEST_PATIENTS, fit_space, used_columns
from .fusion import FusionRule, cross_fitted, fit_platt
from .image_facts import FACTS, PHASES, contrast_phase

if TYPE_CHECKING:
    import numpy as np

    from .training import Trained


def reference_arrays(trained: Trained) -> dict[str, np.ndarray]:
    """All of it; an endpoint that is not yes or no has no conformal scores."""
    import numpy as np

    arrays: dict[str, np.ndarray] = {}
    outcome = np.asarray(trained.data.outcome)
    if set(np.unique(outcome).tolist()) == {0, 1}:
        for index, rule in enumerate(trained.rules):
            arrays |= conformal_arrays(index, rule, trained.oof, outcome, trained.folds)
    for name, fit in trained.fits.items():
        if name == "cnn":
            arrays |= _network_space(fit.model, trained.data, trained.data.has_patch)
        elif hasattr(fit.model, "steps"):
            x = trained.data.features[name][1][trained.data.available(name)]
            space = fit_space(x, used_columns(fit.model, x.shape[1]))
            arrays |= space.to_arrays(f"space.{name}") if space else {}
    return arrays | facts_arrays(getattr(trained.data, "facts", []))


def conformal_arrays(
    index: int, rule: FusionRule, table: Mapping[str, np.ndarray], outcome: np.ndarray, folds: np.ndarray
) -> dict[str, np.ndarray]:
    """Quantiles of the scores of one rule, by true outcome: 1 − the probability that the rule gave to what was true.

    Each patient's probability comes from parts, weights and calibration that were fitted without the patient's fold
    (cross-conformal prediction, Vovk 2015).

    :param table: column → (patients,) out-of-fold logits.
    """
    import numpy as np

    logits = np.stack([table[c] for c in rule.columns], axis=1)
    here = np.isfinite(logits).all(axis=1)
    y, fold = outcome[here], folds[here]
    fused = cross_fitted(logits[here], y, fold)
    probability = np.zeros(len(y))
    for number in np.unique(fold):
        test = fold == number
        slope, offset = fit_platt(fused[~test], y[~test])
        probability[test] = 1 / (1 + np.exp(-np.clip(slope * fused[test] + offset, -500, 500)))
    scores = np.where(y == 1, 1 - probability, probability)
    arrays: dict[str, np.ndarray] = {}
    for label, name in LABELS.items():
        arrays |= to_quantiles(scores[y == label], f"conformal.{index}.{name}")
    return arrays


def _network_space(network: Any, data: Any, has_patch: np.ndarray) -> dict[str, np.ndarray]:
    """Where the patches lie in what the network's last layer reads; the CT alone, since many have no PET."""
    import numpy as np

    if data.patches is None or not hasattr(network, "head"):
        return {}
    spec_channels = data.patches.shape[1]
    chosen = np.flatnonzero(has_patch)
    if len(chosen) < FEWEST_PATIENTS:
        return {}
    rows = []
    for start in range(0, len(chosen), 32):
        batch = np.array(data.patches[chosen[start : start + 32]])
        batch[:, spec_channels - 2] = 0  # as patch.without_pet: PET is the last channel but one, then the mask
        rows.append(pooled_features(network, batch))
    pooled = np.concatenate(rows)
    space = fit_space(pooled, np.flatnonzero(pooled.std(axis=0) > 1e-9))
    return space.to_arrays("space.cnn") if space else {}


def pooled_features(network: Any, patches: np.ndarray) -> np.ndarray:
    """(batch, k) of what the network's ``head`` is given for (batch, channels, z, y, x) patches."""
    import torch

    caught: list[Any] = []
    hook = network.head.register_forward_pre_hook(lambda _module, given: caught.append(given[0].detach()))
    try:
        with torch.inference_mode():
            network(torch.from_numpy(patches))
    finally:
        hook.remove()
    return caught[0].flatten(1).double().numpy()


def facts_arrays(facts: Sequence[Mapping[str, float | None]]) -> dict[str, np.ndarray]:
    """Quantiles (facts, 101) of the image facts of the training patients, and how many had which contrast phase."""
    import numpy as np

    known = [own for own in facts if own]
    if not known:
        return {}
    table = np.array([[np.nan if own.get(name) is None else own[name] for name in FACTS] for own in known], dtype=float)
    quantiles = np.full((len(FACTS), 101), np.nan)
    for row, column in zip(quantiles, table.T, strict=True):
        finite = column[np.isfinite(column)]
        if len(finite):
            row[:] = np.quantile(finite, np.linspace(0, 1, 101))
    phases = [contrast_phase(own.get("blood_hu") if own.get("blood_hu") is not None else np.nan) for own in known]
    counts = np.array([phases.count(name) for name in PHASES], dtype=np.int64)
    return {"images.names": np.array(FACTS), "images.quantiles": quantiles, "images.phases": counts}
