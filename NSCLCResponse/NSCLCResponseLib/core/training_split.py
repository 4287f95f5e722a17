"""Setting patients aside who only judge the result."""

from __future__ import annotations

from .cohort import Cohort


def hold_out(cohort: Cohort, share: float, seed: int) -> tuple[Cohort, Cohort]:
    """The patients to train on and those to judge with, outcomes spread evenly; the same seed splits the same way.

    :param share: of the patients with a known outcome that are held out; the others stay with the training patients.
    """
    from sklearn.model_selection import train_test_split

    known = cohort.with_outcome().patients
    _, held = train_test_split(
        [p.name for p in known], test_size=share, random_state=seed, stratify=[str(p.outcome) for p in known]
    )
    aside = set(held)
    sides = (
        tuple(p for p in cohort.patients if p.name not in aside),
        tuple(p for p in cohort.patients if p.name in aside),
    )
    train, test = (Cohort(cohort.name, cohort.roles, side, cohort.feature_columns) for side in sides)
    return train, test
