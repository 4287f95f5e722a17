"""Training a signature: cross-validated parts, late fusion, calibration and threshold, and the measure of all that.

Every number that shapes a prediction is fitted without the patient it is judged on: the parts' imputation, ranks,
scaling, selection and tuning inside the training folds; fusion, calibration and threshold on out-of-fold logits of the
training folds (nested; see :mod:`training_fits`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import CohortError
from NSCLCResponseSegmentLib.core.progress import Progress

from .evaluation import measure, youden_threshold
from .fusion import MIN_PER_CLASS, FusionRule, Times, choose_rule, fit_rules
from .presets import Preset
from .survival_fit import c_index_interval
from .training_compare import Compared, compare
from .training_data import TrainingData
from .training_fits import Fit, Fitter, LeftOut, left_out_sets, patient_folds
from .wording import part_name

if TYPE_CHECKING:
    import numpy as np

Table = dict[str, "np.ndarray"]
RuleKey = tuple[tuple[str, ...], bool]  # parts, pet


@dataclass
class Trained:
    """A trained signature before it is written.

    :param fits: part → the fit on all patients.
    :param rules: fitted on the out-of-fold logits of all patients.
    :param oof: column → (patients,) out-of-fold logits.
    :param probability: (patients,) nested out-of-fold probability from what each patient has.
    :param positive: (patients,) whether it reached the threshold of its fold's training side.
    :param performance: JSON-ready, first of all available parts, then by set of parts.
    :param comparison: other models on all radiomics together, see :mod:`training_compare`.
    """

    data: TrainingData
    folds: np.ndarray
    fits: dict[str, Fit]
    rules: list[FusionRule]
    threshold: float
    oof: Table
    probability: np.ndarray
    positive: np.ndarray
    performance: list[dict[str, Any]] = field(default_factory=list)
    comparison: dict[str, Compared] = field(default_factory=dict)

    @property
    def times(self) -> Times | None:
        """For a time to an event."""
        return times_of(self.data)


def _too_few() -> CohortError:
    return CohortError("No part of the signature has enough patients.", f"{2 * MIN_PER_CLASS} at the least are needed.")


def times_of(data: TrainingData) -> Times | None:
    """What fusion and calibration need of a time to an event; ``None`` for another endpoint."""
    return Times.at(data.time, data.event, data.months) if data.is_survival else None


def train(data: TrainingData, preset: Preset, work: Path, progress: Progress) -> Trained:
    """Train and validate.

    :param work: keeps finished fits, so that a rerun goes on.
    :raises CohortError: too few patients for the cross-validation.
    """
    import numpy as np

    _require_enough(data, preset)
    folds = patient_folds(data.outcome, preset.folds, preset.seed)
    step = progress.part(0.0, 0.9 if preset.compare else 1.0)
    fits = _fit_all(Fitter(data, folds, preset, work), left_out_sets(preset.folds, nested=preset.nested), step)
    oof = _table(fits, folds, np.unique(folds), always=frozenset())
    rules = fit_rules(oof, data.outcome, folds, times_of(data))
    if not rules:
        raise _too_few()
    probability = apply_rules(rules, oof)
    known = np.isfinite(probability) & (data.outcome >= 0)
    threshold = youden_threshold(data.outcome[known], probability[known])
    final = {part: fit for (part, left_out), fit in fits.items() if not left_out}
    trained = Trained(data, folds, final, rules, threshold, oof, probability, np.zeros(len(folds), dtype=bool))
    _validate(trained, fits, preset)
    if preset.compare and not data.is_survival:
        trained.comparison = compare(data, folds, preset, work, progress.part(0.9, 1.0))
    return trained


def fewest_per_class(folds: int) -> int:
    """Patients of the rarer outcome that cross-validation needs: each fold's training side must carry a rule."""
    count = max(2 * folds, MIN_PER_CLASS)
    while count - -(-count // folds) < MIN_PER_CLASS:
        count += 1
    return count


def _require_enough(data: TrainingData, preset: Preset) -> None:
    needed = fewest_per_class(preset.folds)
    smaller = int(min((data.outcome == 1).sum(), (data.outcome == 0).sum()))
    if smaller < needed:
        raise CohortError(
            f"The cohort has only {smaller} patients of the rarer outcome; {preset.folds}-fold cross-validation needs"
            f" {needed}.",
            "Add patients.",
        )


def _fit_all(fitter: Fitter, sets: Sequence[LeftOut], progress: Progress) -> dict[tuple[str, LeftOut], Fit]:
    parts, few = fitter.parts(), fitter.too_few()
    for part, patients in few.items():
        progress.warn(f"{part_name(part)} is left out: only {patients} patients have what it needs.")
    if few and not parts:
        raise _too_few()
    if not parts:
        raise CohortError("The cohort has neither images nor clinical values to train on.", "Check the roles file.")
    weights = {part: fitter.seconds(part) for part in parts}
    total, done = sum(weights.values()) * len(sets), 0.0
    fits = {}
    for part in parts:
        for number, left_out in enumerate(sets, start=1):
            step = progress.part(done / total, (done + weights[part]) / total)
            step.report(0.0, f"Fitting {part_name(part)}, {number} of {len(sets)}")
            fits[part, left_out] = fitter.fit(part, left_out, step)
            done += weights[part]
    return fits


def _table(fits: Mapping[tuple[str, LeftOut], Fit], folds: np.ndarray, wanted: np.ndarray, always: LeftOut) -> Table:
    """Column → (patients,) logits, for the patients of each fold in ``wanted`` from fits without it and ``always``."""
    import numpy as np

    table: Table = {}
    for part in dict.fromkeys(part for part, _ in fits):
        for fold in wanted:
            fit = fits[part, frozenset([int(fold)]) | always]
            for name, logits in fit.logits.items():
                column = table.setdefault(name, np.full(len(folds), np.nan))
                column[folds == fold] = logits[folds == fold]
    return table


def apply_rules(rules: Sequence[FusionRule], table: Mapping[str, np.ndarray]) -> np.ndarray:
    """(patients,) probability of each patient by the rule for what the patient has; NaN for one without anything."""
    import numpy as np

    count = len(next(iter(table.values())))
    found = np.full(count, np.nan)
    for index in range(count):
        logits = {name: float(column[index]) for name, column in table.items() if np.isfinite(column[index])}
        rule = choose_rule(rules, set(logits))
        if rule is not None:
            found[index] = 1 / (1 + np.exp(-rule.logit(logits)))
    return found


def apply_rule(rule: FusionRule, table: Mapping[str, np.ndarray]) -> np.ndarray:
    """(patients,) probability by one rule; NaN for patients who lack a part of it."""
    import numpy as np

    fused = rule.intercept + sum(w * table[c] for w, c in zip(rule.weights, rule.columns, strict=True))
    return 1 / (1 + np.exp(-(rule.slope * fused + rule.offset)))


def _validate(trained: Trained, fits: Mapping[tuple[str, LeftOut], Fit], preset: Preset) -> None:
    """Fusion, calibration and threshold of each fold's training side, judged on the fold; fills ``trained``."""
    import numpy as np

    folds, outcome = trained.folds, trained.data.outcome
    by_rule: dict[RuleKey, tuple[np.ndarray, np.ndarray]] = {}
    for fold in np.unique(folds):
        inner = np.setdiff1d(folds, [fold])
        always = frozenset([int(fold)]) if preset.nested else frozenset()
        rows, test = folds != fold, folds == fold
        table = {name: column[rows] for name, column in _table(fits, folds, inner, always).items()}
        times = None if trained.times is None else trained.times.of(rows)
        rules = fit_rules(table, outcome[rows], folds[rows], times)
        inside = apply_rules(rules, table)
        known = np.isfinite(inside) & (outcome[rows] >= 0)
        if not rules or not known.any():
            raise _too_few()
        threshold = youden_threshold(outcome[rows][known], inside[known])
        held_out = {name: column[test] for name, column in trained.oof.items()}
        trained.probability[test] = apply_rules(rules, held_out)
        trained.positive[test] = trained.probability[test] >= threshold
        for rule in rules:
            blank = np.full(len(folds), np.nan), np.zeros(len(folds), dtype=bool)
            probability, positive = by_rule.setdefault((rule.parts, rule.pet), blank)
            probability[test] = apply_rule(rule, held_out)
            positive[test] = probability[test] >= threshold
    kind = "nested " if preset.nested else ""
    cohort = f"training cohort, out of fold ({kind}{preset.folds}-fold cross-validation)"
    trained.performance = performance_of(trained, by_rule, cohort, preset.seed)


def performance_of(
    trained: Trained, by_rule: Mapping[RuleKey, tuple[np.ndarray, np.ndarray]], cohort: str, seed: int
) -> list[dict[str, Any]]:
    """Measures with all that each patient has, then for each set of parts of the signature."""
    import numpy as np

    outcome = trained.data.outcome
    entries = []
    everything = {
        "cohort": cohort,
        "parts": sorted(trained.fits),
        "pet": bool((trained.data.has_pet & trained.data.has_patch).any()),
        "note": "each patient with what there is",
        **measured(trained.data, trained.probability, trained.positive, seed),
    }
    entries.append(everything)
    for rule in trained.rules:
        probability, positive = by_rule.get((rule.parts, rule.pet), (np.full(len(outcome), np.nan), None))
        known = np.isfinite(probability)
        if len(set(outcome[known].tolist()) - {-1}) == 2:
            own = measured(trained.data, probability, positive, seed)
            entries.append({"cohort": cohort, "parts": list(rule.parts), "pet": rule.pet, **own})
    return entries


def measured(data: TrainingData, probability: np.ndarray, positive: np.ndarray, seed: int) -> dict[str, Any]:
    """Of the patients with a probability; of a time to an event also the C-index, with those censored early."""
    import numpy as np

    known = np.isfinite(probability) & (data.outcome >= 0)
    found = measure(data.outcome[known], probability[known], positive[known], seed)
    if data.is_survival:
        here = np.isfinite(probability)
        interval = c_index_interval(probability[here], data.time[here], data.event[here], seed)
        found["c_index"] = interval.to_json()
    return found
