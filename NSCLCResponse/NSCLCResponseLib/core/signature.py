"""A signature in memory: what turns one patient's features, patch and clinical values into logits.

Nothing here reads files; :mod:`signature_io` opens a folder and :mod:`signature_write` makes one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import SignatureError

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
    :param center: of the patients whose centre is not given with their features; empty when nobody knows.
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
    center: str = ""

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

        :param centers: (patients,) names, for a part that is harmonised between centres; :attr:`center` without.
        :raises SignatureError: the part is harmonised, a centre is unknown, and there is no reference centre.
        """
        return self.pipeline.decision_function(self._harmonised(x, centers))

    def _harmonised(self, x: np.ndarray, centers: Sequence[str] | None = None) -> np.ndarray:
        if self.combat is None:
            return x
        return self.combat.transform(x, [self.center] * len(x) if centers is None else centers)

    @property
    def knows_center(self) -> bool:
        """Whether features of a patient of :attr:`center` can be used: as they are, moved, or as the reference's."""
        return self.combat is None or bool(self.combat.reference) or self.center in self.combat.centers

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

    def at_center(self, center: str) -> tuple[Signature, tuple[str, ...]]:
        """The signature for patients of one centre, and sentences for the user about it.

        A signature that is not harmonised asks for no centre and stays as it is.

        :param center: as in the training cohort's table; empty when nobody knows.
        :raises SignatureError: the parts are harmonised, the centre is unknown, and there is no reference centre.
        """
        combats = [part.combat for part in self.feature_parts if part.combat is not None]
        if not combats:
            return self, ()
        notes: tuple[str, ...] = ()
        if not any(center in combat.centers for combat in combats):
            words = f"The centre '{center}' took no part in training" if center else "No centre is given"
            known, reference = combats[0].centers, combats[0].reference
            if not reference:
                raise SignatureError(
                    f"{words}, and the signature '{self.name}' harmonises features between {', '.join(known)}.",
                    "Give --center with one of these (in a batch the column center), or use a signature that was"
                    " trained with a reference centre (--reference).",
                )
            notes = (f"{words}; the features are taken as those of the reference centre {reference}.",)
        parts = tuple(replace(part, center=center) for part in self.feature_parts)
        return replace(self, feature_parts=parts), notes

    @property
    def part_names(self) -> tuple[str, ...]:
        """All parts, in the order of ``signature.json``."""
        return tuple(part["name"] for part in self.description["parts"])

    def feature_part(self, name: str) -> FeaturePart | None:
        """The part called ``name``, if there is one."""
        return next((part for part in self.feature_parts if part.name == name), None)
