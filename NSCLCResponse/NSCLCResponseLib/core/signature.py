"""A signature in memory: what turns one patient's features, patch and clinical values into logits.

Nothing here reads files; :mod:`signature_io` opens a folder and :mod:`signature_write` makes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .clinical import ClinicalVariable
from .patch import PatchSpec
from .prediction import FeatureContribution

if TYPE_CHECKING:
    import numpy as np

    from .fusion import FusionRule
    from .harmonise import ComBat


@dataclass(frozen=True)
class FeaturePart:
    """A scikit-learn pipeline on named features; its last step is a classifier or a Cox model (see :mod:`models`).

    :param name: ``radiomics_ct``, ``radiomics_pet``, ``radiomics_table`` or ``clinical``.
    :param kind: ``radiomics``, ``table`` (features that come with a table) or ``clinical``.
    :param image: ``ct`` or ``pet`` for radiomics, empty otherwise.
    :param features: names in the order of the pipeline's columns.
    :param units: name → unit, empty where there is none.
    :param settings: name of the PyRadiomics parameter file in the folder, empty for clinical parts.
    :param quantiles: (features, 101) training quantiles at 0, 1, … 100 %, for percentiles.
    :param means: (selected features,) training mean of what the classifier is given.
    :param combat: harmonisation between centres, ``None`` without.
    """

    name: str
    kind: str
    image: str
    features: tuple[str, ...]
    units: Mapping[str, str]
    settings: str
    pipeline: Any
    quantiles: np.ndarray
    means: np.ndarray
    combat: ComBat | None = None

    def row(self, values: Mapping[str, float]) -> np.ndarray:
        """(1, features), NaN where a value is missing; the pipeline imputes it as in training."""
        import numpy as np

        return np.array([[float(values.get(name, np.nan)) for name in self.features]])

    def missing(self, values: Mapping[str, float]) -> list[str]:
        """Names of features without a finite value."""
        import numpy as np

        return [n for n, v in zip(self.features, self.row(values)[0], strict=True) if not np.isfinite(v)]

    def logit(self, values: Mapping[str, float]) -> float:
        """The part's own logit of response."""
        return float(self.logits(self.row(values))[0])

    def logits(self, x: np.ndarray, centers: Sequence[str] | None = None) -> np.ndarray:
        """(patients,) logits of (patients, features), NaN where a value is missing; for every kind of model.

        :param centers: (patients,) names, for a part that is harmonised between centres.
        :raises SignatureError: the part is harmonised, a centre is unknown, and there is no reference centre.
        """
        return self.pipeline.decision_function(self._harmonised(x, centers))

    def _harmonised(self, x: np.ndarray, centers: Sequence[str] | None = None) -> np.ndarray:
        return x if self.combat is None else self.combat.transform(x, centers)

    @property
    def is_linear(self) -> bool:
        """Whether the logit is a weighted sum of features, so that :meth:`contributions` are exact."""
        has_names = all(hasattr(step, "get_support") for name, step in self.pipeline.steps if name == "select")
        return has_names and hasattr(self.pipeline.steps[-1][1], "coef_")

    def is_additive(self, values: Mapping[str, float]) -> bool:
        """Whether each of these values has its own share in the logit: the model is linear, and no missing value is
        filled from the others."""
        fills_jointly = getattr(self.pipeline.steps[0][1], "fills_from_other_variables", False)
        return self.is_linear and not (fills_jointly and self.missing(values))

    def contributions(self, values: Mapping[str, float]) -> list[FeatureContribution]:
        """Coefficient × (value − training mean) of each feature that the classifier uses, largest first.

        Empty for a model that is not linear (:attr:`is_linear`), which needs Shapley values.
        They sum to the part's logit minus the logit of the training mean. A missing value contributes what the imputed
        one does, which for the median is close to nothing; its ``value`` is then the imputed one.
        """
        import numpy as np

        if not self.is_linear:
            return []
        row = given = self._harmonised(self.row(values))
        names = np.array(self.features, dtype=object)
        for _, step in self.pipeline.steps[:-1]:
            row = step.transform(row)
            if hasattr(step, "get_support"):
                names = names[step.get_support()]
        shares = self.pipeline.steps[-1][1].coef_[0] * (row[0] - self.means)
        imputed = dict(zip(self.features, self.pipeline.steps[0][1].transform(given)[0], strict=True))
        found = [
            FeatureContribution(
                self.name, name, float(imputed[name]), self.units.get(name, ""), self.percentile(name, values), float(c)
            )
            for name, c in zip(names, shares, strict=True)
        ]
        return sorted(found, key=lambda f: (-abs(f.contribution), f.name))

    def percentile(self, name: str, values: Mapping[str, float]) -> float | None:
        """Where the value lies among the training patients, 0 to 100; ``None`` for a missing value."""
        import numpy as np

        value = values.get(name)
        if value is None or not np.isfinite(value):
            return None
        row = self.quantiles[self.features.index(name)]
        below, above = np.searchsorted(row, value, "left"), np.searchsorted(row, value, "right")
        return float(min(max((below + above - 1) / 2, 0.0), 100.0))


@dataclass(frozen=True)
class NetworkPart:
    """The 3D-CNN and the patch it takes.

    :param network: a ``torch.nn.Module`` in evaluation mode, from (batch, channels, z, y, x) to (batch,) logits.
    """

    name: str
    patch: PatchSpec
    network: Any

    def logits(self, patches: np.ndarray) -> np.ndarray:
        """(batch,) logits of (batch, channels, z, y, x) patches."""
        import torch

        with torch.inference_mode():
            return self.network(torch.from_numpy(patches)).double().numpy()


@dataclass(frozen=True)
class Signature:
    """An opened signature.

    :param folder: where it lies.
    :param description: ``signature.json``.
    :param sha256: of ``signature.json``, which holds the hash of every other file.
    """

    folder: Path
    description: Mapping[str, Any]
    sha256: str
    clinical_variables: tuple[ClinicalVariable, ...]
    feature_parts: tuple[FeaturePart, ...]
    network_part: NetworkPart | None
    rules: tuple[FusionRule, ...]
    reference: Mapping[str, np.ndarray]

    @property
    def name(self) -> str:
        """Name and version, as results show it."""
        return f"{self.description['name']} {self.description['version']}"

    @property
    def label(self) -> str:
        """The sentence about the training data that must stand wherever a probability is shown."""
        return self.description["label"]

    @property
    def endpoint(self) -> str:
        """What the probability is of, in words."""
        return self.description["endpoint"]["text"]

    @property
    def threshold(self) -> float:
        """Probability from which a patient is called a responder; fixed on training data."""
        return self.description["threshold"]["value"]

    @property
    def part_names(self) -> tuple[str, ...]:
        """All parts, in the order of ``signature.json``."""
        return tuple(part["name"] for part in self.description["parts"])

    def feature_part(self, name: str) -> FeaturePart | None:
        """The part called ``name``, if there is one."""
        return next((part for part in self.feature_parts if part.name == name), None)
