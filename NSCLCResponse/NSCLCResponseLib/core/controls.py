"""Controls that stand beside every performance: what simpler explanations reach on the same patients.

A famous lung signature was tumour volume in disguise (Welch et al., Radiotherapy and Oncology 130 (2019) 2: the same
C-index with shuffled voxels), and selection outside the folds makes noise look like a signature. So: single quantities
in a direction that is fixed beforehand, labels drawn anew, and whether the features know the hospital.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .evaluation import auc
from .training_tables import make_pipeline

if TYPE_CHECKING:
    import numpy as np

PERMUTATIONS = 200
FOLDS = 5
FEWEST_OF_A_CENTRE = 10
_KEEP, _STRENGTH = 15, 0.03
_VOLUMES = ("ct_shape_MeshVolume", "shape_MeshVolume", "ct_shape_VoxelVolume", "shape_VoxelVolume")

#: Control → (clinical variable, sign of the direction in which response is more likely).
_SINGLE = {
    "PD-L1 alone": ("pdl1_tps_percent", 1.0),
    "TMB alone": ("tmb_mut_per_mb", 1.0),
    "albumin alone": ("albumin_g_dl", 1.0),
    "NLR alone (lower is better)": ("nlr", -1.0),
}


def single_quantities(features: Mapping[str, tuple[list[str], np.ndarray]]) -> dict[str, np.ndarray]:
    """Name → (patients,) of what needs no model: volume, PD-L1, TMB …; larger for responders by what is known.

    Nothing is fitted, not even the direction, so the same numbers are honest on training patients and on others.

    :param features: part → (names, (patients, features)).
    """
    found = {}
    names, values = features.get("clinical", ([], None))
    for control, (variable, sign) in _SINGLE.items():
        if variable in names:
            found[control] = sign * values[:, names.index(variable)]
    loris = loris_score(names, values)
    if loris is not None:
        found["LORIS (Chang 2024)"] = loris
    volume = tumour_volume(features)
    if volume is not None:
        found["volume alone (smaller is better)"] = -volume
    return found


def tumour_volume(features: Mapping[str, tuple[list[str], np.ndarray]]) -> np.ndarray | None:
    """(patients,) volume of the measured lesion, from whichever part holds it."""
    for part in ("radiomics_ct", "radiomics_table", "radiomics_pet"):
        names, values = features.get(part, ([], None))
        for index, name in enumerate(names):
            if name in _VOLUMES or name.endswith(("_shape_MeshVolume", "_shape_VoxelVolume")):
                return values[:, index]
    return None


def loris_score(names: Sequence[str], values: np.ndarray | None) -> np.ndarray | None:
    """The published score for lung cancer: T.-G. Chang et al., Nature Cancer 5 (2024) 1158 (LORIS, NSCLC-specific).

    :param names: of the clinical variables. :param values: (patients, variables).
    :returns: (patients,) logit of response, NaN where one of its variables is missing; ``None`` without a variable.
    """
    import numpy as np

    needed = ("tmb_mut_per_mb", "pdl1_tps_percent", "prior_systemic_therapy", "albumin_g_dl", "nlr")
    if values is None or not set(needed) <= set(names):
        return None
    tmb, pdl1, prior, albumin, nlr = (values[:, list(names).index(name)] for name in needed)
    score = 0.0353 * np.minimum(tmb, 50) + 0.0111 * pdl1 - 0.375 * prior + 0.2924 * albumin
    return score - 0.0103 * np.minimum(nlr, 25) - 1.5593


class LightModel:
    """A fast cross-validated model of a table, for labels that are drawn anew hundreds of times.

    What does not look at the labels (imputation, ranks, scaling) is done once per fold; selection of features and the
    penalised logistic regression are done again for every draw, inside the folds.

    :param x: (patients, features), NaN where a value is missing.
    :param folds: (patients,) fold numbers, drawn without looking at the labels.
    """

    def __init__(self, x: np.ndarray, folds: np.ndarray) -> None:
        import numpy as np

        from .table_fit import make_front

        self._folds = folds
        self._sides = []
        for fold in np.unique(folds):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            front = make_front(len(train), ranks=True).fit(x[train])
            self._sides.append((train, test, front.transform(x[train]), front.transform(x[test])))

    def probability(self, y: np.ndarray) -> np.ndarray:
        """(patients,) out-of-fold probability."""
        import warnings

        import numpy as np

        found = np.zeros(len(y))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of constant features, which are never selected
            for train, test, inside, outside in self._sides:
                if len(set(y[train].tolist())) < 2:
                    found[test] = y[train].mean()
                    continue
                tail = make_pipeline(len(train), min(_KEEP, inside.shape[1]), _STRENGTH)[-2:]
                found[test] = tail.fit(inside, y[train]).predict_proba(outside)[:, 1]
        return found


def random_folds(count: int, seed: int, folds: int = FOLDS) -> np.ndarray:
    """(count,) fold numbers that look at no label, so that every draw of labels meets the same folds."""
    import numpy as np

    return np.random.default_rng(seed).permutation(np.arange(count) % folds)


def permuted_labels(
    x: np.ndarray,
    outcome: np.ndarray,
    seed: int = 0,
    repeats: int = PERMUTATIONS,
    on_step: Callable[[int], None] = lambda _: None,
) -> dict[str, Any]:
    """The light model's cross-validated AUC with the true labels and with labels dealt out anew.

    :returns: ``auc``, quantiles of the permuted ones, and ``p`` = (1 + as good or better) / (1 + repeats).
    """
    import numpy as np

    model = LightModel(x, random_folds(len(outcome), seed))
    true = auc(outcome, model.probability(outcome))
    random = np.random.default_rng(seed + 1)
    drawn = []
    for index in range(repeats):
        on_step(index)
        labels = random.permutation(outcome)
        drawn.append(auc(labels, model.probability(labels)))
    low, middle, high = np.quantile(drawn, [0.025, 0.5, 0.975])
    return {
        "permutations": repeats,
        "auc": round(true, 4),
        "permuted_median": round(float(middle), 4),
        "permuted_low": round(float(low), 4),
        "permuted_high": round(float(high), 4),
        "p": round((1 + int(np.sum(np.array(drawn) >= true))) / (1 + repeats), 5),
    }


def center_from_features(x: np.ndarray, centers: Sequence[str], seed: int = 0) -> dict[str, Any] | None:
    """Whether a light model can tell the centre: its cross-validated AUC, each centre against the others.

    :returns: ``None`` with fewer than two centres of enough patients; near 0.5 is good, near 1 means that an effect of
        the hospital (scanner, protocol, population) could pass for one of the tumour.
    """
    import numpy as np

    names = [n for n in dict.fromkeys(centers) if n and sum(c == n for c in centers) >= FEWEST_OF_A_CENTRE]
    if len(names) < 2:
        return None
    rows = np.array([c in names for c in centers])
    own = np.array(centers, dtype=object)[rows]
    model = LightModel(x[rows], random_folds(int(rows.sum()), seed))
    single = {}
    for name in sorted(names):
        y = (own == name).astype(int)
        single[name] = round(auc(y, model.probability(y)), 4)
    values = list(single.values())
    return {"auc": round(float(np.mean(values)), 4), "centers": single, "patients": int(rows.sum())}


def selected_features(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(features,) of bool: what the light model's selection keeps on these patients."""
    import warnings

    from .table_fit import make_front

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        front = make_front(len(x), ranks=True).fit(x)
        return make_pipeline(len(x), min(_KEEP, x.shape[1]), _STRENGTH)[-2].fit(front.transform(x), y).get_support()
