"""What training needs of each patient, measured once and kept on disk: radiomics, patch, clinical values, outcome.

A killed run finds its finished patients again. A patient whose images cannot be used becomes a sentence, not the end.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import staged_file
from NSCLCResponseSegmentLib.core.errors import CohortError, NSCLCResponseError
from NSCLCResponseSegmentLib.core.progress import Progress

from . import ranks
from .cohort import Cohort, Lesion, Patient
from .patch import PatchSpec, cut_patch, without_pet

if TYPE_CHECKING:
    import numpy as np

    from .radiomics import RadiomicsSettings

_RECORD = 2  # changes with what is kept of a patient
IMAGE_PARTS = ("radiomics_ct", "radiomics_pet", "cnn")
SETTINGS_OF = {"radiomics_ct": "signature-ct", "radiomics_pet": "signature-pet"}


@dataclass
class TrainingData:
    """All patients of a training run, in one order; missing values are NaN.

    :param groups: (patients,) names; folds never part one.
    :param features: part → (names, (patients, features)).
    :param patches: (patients, channels, z, y, x) float32 or ``None``; zeros for a patient without images.
    :param outcome: (patients,) of 0 and 1; with a time also -1 where a patient was censored before the endpoint's
        months.
    :param has_patch: (patients,). :param has_pet: (patients,).
    :param time: (patients,) months to the event or to the last visit; ``None`` when the endpoint is a response or a
        durable benefit. :param event: (patients,) of bool, with ``time``. :param months: for which a probability is
        given.
    :param facts: of each patient's images, see :mod:`image_facts`; empty without images.
    """

    patients: list[str]
    centers: list[str]
    outcome: np.ndarray
    features: dict[str, tuple[list[str], np.ndarray]]
    patches: np.ndarray | None
    has_patch: np.ndarray
    has_pet: np.ndarray
    problems: dict[str, str] = field(default_factory=dict)
    time: np.ndarray | None = None
    event: np.ndarray | None = None
    months: float = 0.0
    facts: list[dict[str, float | None]] = field(default_factory=list)

    @property
    def is_survival(self) -> bool:
        """Whether parts are fitted to a time to an event."""
        return self.time is not None

    def available(self, part: str) -> np.ndarray:
        """(patients,) who have what the part needs."""
        import numpy as np

        return self.has_patch if part == "cnn" else np.isfinite(self.features[part][1]).any(axis=1)


@dataclass(frozen=True)
class _Measured:
    values: dict[str, float]
    patch: Path | None
    has_pet: bool
    problem: str = ""
    facts: dict[str, float | None] = field(default_factory=dict)


def collect(
    cohort: Cohort,
    parts: tuple[str, ...],
    settings: Mapping[str, Path],
    patch: PatchSpec,
    work: Path,
    progress: Progress,
    *,
    shuffled: bool = False,
) -> TrainingData:
    """Measure every patient whose outcome is known.

    :param settings: radiomics part → PyRadiomics parameter file.
    :param work: folder that keeps what was measured.
    :param shuffled: deal the voxels inside each tumour out anew first, as a control (see :mod:`controls_shuffled`).
    :raises CohortError: nobody is left, or only one outcome occurs.
    """
    import numpy as np

    patients = cohort.with_outcome().patients
    plan = _Plan(parts, _load_all(settings, parts), patch, work / "patients", cohort.roles.aggregate, shuffled)
    measured = _measure_all(patients, plan, progress)
    outcome = np.array([-1 if p.outcome is None else p.outcome for p in patients], dtype=int)
    if len(set(outcome.tolist()) - {-1}) < 2:
        raise CohortError(
            f"The cohort {cohort.name} has {len(patients)} patients with a known outcome, all the same.",
            "Training needs responders and non-responders.",
        )
    timed = cohort.roles.endpoint.kind == "survival"
    patches = _stack([m.patch for m in measured], patch) if "cnn" in parts else None
    return TrainingData(
        patients=[p.name for p in patients],
        centers=[p.center for p in patients],
        outcome=outcome,
        features=_feature_tables(patients, measured, parts, cohort.roles.aggregate),
        patches=patches,
        has_patch=np.array([m.patch is not None for m in measured]),
        has_pet=np.array([m.has_pet for m in measured]),
        time=np.array([p.time for p in patients]) if timed else None,
        event=np.array([p.event for p in patients], dtype=bool) if timed else None,
        months=cohort.roles.endpoint.months,
        problems={p.name: m.problem for p, m in zip(patients, measured, strict=True) if m.problem},
        facts=[m.facts for m in measured],
    )


def _measure_all(patients: Sequence[Patient], plan: _Plan, progress: Progress) -> list[_Measured]:
    """All patients, each measured once; a problem with images becomes a warning."""
    if ranks.world() > 1:
        for patient in patients[ranks.rank() :: ranks.world()]:
            _measure(patient, plan)  # each process its share; below all read what all have kept
        ranks.wait()
    measured = []
    for index, patient in enumerate(patients):
        progress.report(index / max(len(patients), 1), f"Measuring {len(patients)} patients")
        measured.append(_measure(patient, plan))
        if measured[-1].problem:
            progress.warn(f"{patient.name} takes part without images: {measured[-1].problem}")
    return measured


@dataclass(frozen=True)
class _Plan:
    """What is measured of each patient, and where it is kept."""

    parts: tuple[str, ...]
    settings: Mapping[str, RadiomicsSettings]
    patch: PatchSpec
    folder: Path
    aggregate: str
    shuffled: bool = False

    def read(self, patient: Patient, lesion: Lesion) -> Any:
        """The lesion's images; one case, see :class:`NSCLCResponseSegmentLib.core.case.Case`."""
        from NSCLCResponseSegmentLib.core.reading import read_case

        case = read_case(ct=lesion.ct, pet=lesion.pet, mask=lesion.mask, roi=lesion.roi, patient_id=patient.name)
        if not self.shuffled:
            return case
        from .controls_shuffled import shuffled_case

        return shuffled_case(case, f"{patient.name}/{lesion.name}")

    def key(self, patient: str, lesions: list[Lesion]) -> str:
        """Changes whenever an image, a settings file or the patch changes, not when the cohort's folder is moved."""
        digest = hashlib.sha256(
            json.dumps([_RECORD, patient, self.patch.to_json(), sorted(self.parts), self.aggregate]).encode()
        )
        digest.update(b"shuffled" if self.shuffled else b"")
        for name in sorted(self.settings):
            digest.update(self.settings[name].sha256.encode())
        for lesion in lesions:
            for path in (lesion.ct, lesion.pet, lesion.mask):
                known = path is not None and path.exists()
                stamp = f"{path.stat().st_mtime_ns}|{path.stat().st_size}" if known else ""
                digest.update(f"{path.name if path else ''}|{stamp}|{lesion.roi}".encode())
        return digest.hexdigest()[:24]


def _load_all(settings: Mapping[str, Path], parts: tuple[str, ...]) -> dict[str, RadiomicsSettings]:
    from .radiomics import load_settings

    return {part: load_settings(path) for part, path in settings.items() if part in parts}


def _feature_tables(
    patients: tuple[Patient, ...], measured: list[_Measured], parts: tuple[str, ...], aggregate: str
) -> dict[str, tuple[list[str], np.ndarray]]:
    import numpy as np

    tables = {}
    for part in parts:
        if part == "cnn":
            continue
        prefix = part.removeprefix("radiomics_") + "_"
        if part == "clinical":
            rows = [p.clinical for p in patients]
        elif part == "radiomics_table":
            rows = [aggregate_lesions([(x.volume, x.features) for x in p.lesions], aggregate) for p in patients]
        else:
            own = [m.values for m in measured]
            rows = [{name: value for name, value in values.items() if name.startswith(prefix)} for values in own]
        names = sorted({name for row in rows for name in row})
        if names:
            tables[part] = (names, np.array([[row.get(name, np.nan) for name in names] for row in rows]))
    return tables


def _stack(paths: list[Path | None], spec: PatchSpec) -> np.ndarray:
    import numpy as np

    empty = np.zeros((spec.channels, spec.size, spec.size, spec.size), dtype=np.float32)
    return np.stack([np.load(path, allow_pickle=False) if path else empty for path in paths])


def _measure(patient: Patient, plan: _Plan) -> _Measured:
    lesions = [lesion for lesion in patient.lesions if lesion.ct and lesion.mask]
    if not lesions or not set(plan.parts) & set(IMAGE_PARTS):
        return _Measured({}, None, has_pet=False)
    kept = plan.folder / plan.key(patient.name, lesions)
    if not (kept.with_suffix(".json")).is_file():
        try:
            record = _measure_images(patient, lesions, plan, kept)
        except NSCLCResponseError as error:
            return _Measured({}, None, has_pet=False, problem=str(error))
        with staged_file(kept.with_suffix(".json")) as aside:
            aside.write_text(json.dumps(record), encoding="utf-8")
    record = json.loads(kept.with_suffix(".json").read_text(encoding="utf-8"))
    patch = kept.with_suffix(".npy") if record["patch"] else None
    return _Measured(record["values"], patch, record["has_pet"], facts=record["facts"])


def _measure_images(patient: Patient, lesions: list[Lesion], plan: _Plan, kept: Path) -> dict[str, Any]:
    """Features of the lesions by the roles' way of aggregating; the patch is of the largest."""
    import numpy as np

    from .image_facts import measure_facts

    case = _largest(patient, lesions, plan)
    if plan.aggregate == "largest":
        values = _image_features(case, plan)
    else:
        cases = (plan.read(patient, lesion) for lesion in lesions)
        measured = [(_volume_ml(one.mask.image), _image_features(one, plan)) for one in cases]
        values = aggregate_lesions(measured, plan.aggregate)
    if "cnn" in plan.parts:
        pet = case.pet.image if case.pet else None
        with staged_file(kept.with_suffix(".npy")) as aside:
            np.save(aside, cut_patch(case.ct.image, pet, case.mask.image, plan.patch))
    record = {"patient": patient.name, "values": values, "patch": "cnn" in plan.parts, "has_pet": case.pet is not None}
    return {**record, "facts": measure_facts(case.ct.image, case.mask.image).to_json()}


def _image_features(case: Any, plan: _Plan) -> dict[str, float]:
    from .radiomics import extract_features

    values: dict[str, float] = {}
    for part, settings in plan.settings.items():
        loaded = case.ct if part == "radiomics_ct" else case.pet
        if loaded is not None:
            prefix = part.removeprefix("radiomics_")
            values.update(extract_features(loaded.image, case.mask.image, settings, prefix=prefix).values)
    return values


def aggregate_lesions(lesions: Sequence[tuple[float, Mapping[str, float]]], how: str) -> dict[str, float]:
    """One patient's features from those of the lesions.

    :param lesions: volume and features of each. :param how: ``largest``, ``volume_weighted_mean`` or ``max``.
    :raises CohortError: there are several lesions, and a volume that is needed is missing.
    """
    import numpy as np

    if len(lesions) == 1:
        return dict(lesions[0][1])
    volumes = np.array([volume for volume, _ in lesions], dtype=float)
    if how != "max" and not (np.isfinite(volumes).all() and (volumes > 0).all()):
        raise CohortError(
            f"Several lesions of a patient cannot become one by '{how}', since not all of them have a volume.",
            "Name the column with 'volume:' in the roles file, or write 'aggregate: max'.",
        )
    if how == "largest":
        return dict(lesions[int(np.argmax(volumes))][1])
    found = {}
    for name in dict.fromkeys(name for _, features in lesions for name in features):
        here = [i for i, (_, features) in enumerate(lesions) if name in features]
        values = np.array([lesions[i][1][name] for i in here])
        found[name] = float(values.max() if how == "max" else np.average(values, weights=volumes[here]))
    return found


def _largest(patient: Patient, lesions: list[Lesion], plan: _Plan) -> Any:
    best, best_volume = None, -1.0
    for lesion in lesions:
        case = plan.read(patient, lesion)
        volume = _volume_ml(case.mask.image)
        if volume > best_volume:
            best, best_volume = case, volume
    return best


def _volume_ml(mask: Any) -> float:
    import SimpleITK as sitk

    x, y, z = mask.GetSpacing()
    return float((sitk.GetArrayViewFromImage(mask) > 0).sum()) * x * y * z / 1000


def patches_for(data: TrainingData, spec: PatchSpec, *, pet: bool) -> np.ndarray:
    """All patches, as they are or with the PET channel emptied."""
    return data.patches if pet else without_pet(data.patches, spec)
