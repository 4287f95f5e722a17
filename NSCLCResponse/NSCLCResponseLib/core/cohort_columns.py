"""Columns of a cohort that say nothing, are in another unit than they claim, or know the outcome."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from .clinical import variable
from .cohort import Cohort
from .roles import Roles

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Item = tuple[str, str, str]  # severity, problem, remedy

LEAK_AUC = 0.97
LEAK_CORRELATION = 0.97
_ENOUGH = 20  # values from which an AUC near 1 is no accident
_MOSTLY_MISSING = 0.5
#: Words in a column's name that mean it was known only after treatment had begun.
_LATER = re.compile(
    r"(^|_|\b)(pfs|os|dfs|ttp|recist|bor|response|responder|progress\w*|relapse\w*|recurr\w*|death|dead|died|deceased|"
    r"vital|event|censor\w*|surviv\w*|follow\w*|last_visit|outcome|post\w*|after|on_treatment|week_?\d+|cycles?|"
    r"irae\w*|toxicit\w*|discontinu\w*|duration|time_to)(_|\b|$)",
    re.IGNORECASE,
)
_TIME_REMEDY = "If so, write 'units: {{{name}: {unit}}}' in the roles file; if not, 'units: {{{name}: months}}'."


def impossible_units(table: pd.DataFrame, roles: Roles) -> tuple[list[tuple[str, str]], set[str]]:
    """Clinical columns most of whose values are impossible in our unit but possible in another.

    :returns: (problem, remedy) of each, and the names of these variables.
    """
    import numpy as np

    rules: dict[str, tuple[str, Callable[[float], bool]]] = {
        "albumin_g_dl": ("g/L", lambda m: 10 <= m <= 70),
        "age": ("days", lambda m: m > 2000),
        "pdl1_tps_percent": ("fraction", lambda _: False),
    }
    found, wrong = [], set()
    for name in roles.clinical:
        known, column = variable(name), roles.column(name)
        values = _numbers(table, column) * roles.factor(name, column)
        values = values[np.isfinite(values)]
        if name in roles.coding or not len(values) or known.maximum is None:
            continue
        low = -np.inf if known.minimum is None else known.minimum
        if np.mean((values < low) | (values > known.maximum)) > 0.5:
            median = float(np.median(values))
            unit, fits = rules.get(name, ("", lambda _: False))
            guess = f", which looks like {unit}" if unit and fits(median) else ""
            remedy = f"Write 'units: {{{name}: {unit}}}' in the roles file." if guess else "Convert the column."
            text = f"the median of {column} is {median:.4g}, but {known.label} lies between {known.range_words}{guess}."
            found.append((text, remedy))
            wrong.add(name)
    return found, wrong


def _numbers(table: pd.DataFrame, column: str) -> np.ndarray:
    import pandas as pd

    return pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=float)


def check_columns(cohort: Cohort, columns: set[str], table: pd.DataFrame) -> list[Item]:
    """Everything about columns: doubtful units, constants, missing values, leakage."""
    found: list[Item] = [*_endpoint_as_input(cohort, columns), *_doubtful_units(cohort, table)]
    values = _predictors(cohort)
    found += _empty_and_constant(values)
    found += [item for name, column in values.items() for item in _leaks(name, column, cohort)]
    return found + _center_is_outcome(cohort)


def _predictors(cohort: Cohort) -> dict[str, np.ndarray]:
    """Column → (patients,) values, of several lesions the first; NaN where there is none."""
    import numpy as np

    roles, patients = cohort.roles, cohort.patients
    columns = {roles.column(n): np.array([p.clinical.get(n, np.nan) for p in patients]) for n in roles.clinical}
    for name in cohort.feature_columns:
        columns[name] = np.array([p.lesions[0].features.get(name, np.nan) for p in patients])
    return columns


def _endpoint_as_input(cohort: Cohort, columns: set[str]) -> Iterator[Item]:
    roles = cohort.roles
    endpoint = {roles.endpoint.column, roles.endpoint.time, roles.endpoint.event} - {""}
    inputs = {roles.column(n) for n in roles.clinical} | set(cohort.feature_columns)
    for name in sorted(endpoint & inputs):
        yield "error", f"{name} is the endpoint and an input at once.", "Take it out of the inputs in the roles file."
    for name in sorted((inputs - endpoint) & columns):
        if _LATER.search(name):
            text = f"By its name, {name} is known only after treatment has begun."
            yield "warning", text, "Take it out of the roles file unless it was known when the decision was made."


def _doubtful_units(cohort: Cohort, table: pd.DataFrame) -> Iterator[Item]:
    import numpy as np

    roles = cohort.roles
    time = np.array([p.time for p in cohort.patients])
    time = time[np.isfinite(time)]
    name = roles.endpoint.time
    if len(time) and name not in roles.units:
        median, largest = float(np.median(time)), float(time.max())
        where = f"{name} should be in months, but its median is {median:.4g} and its largest value {largest:.4g}"
        if median > 60 or largest > 400:
            yield "error", f"{where}, which looks like days.", _TIME_REMEDY.format(name=name, unit="days")
        elif largest < 6 and median < 2 and len(time) >= _ENOUGH:
            yield "warning", f"{where}, which looks like years.", _TIME_REMEDY.format(name=name, unit="years")
    if "pdl1_tps_percent" in roles.clinical and not {"pdl1_tps_percent", roles.column("pdl1_tps_percent")} & set(
        roles.units
    ):
        column = roles.column("pdl1_tps_percent")
        values = _numbers(table, column)
        values = values[np.isfinite(values)]
        if len(values) >= _ENOUGH and values.max() <= 1:
            text = f"{column} should be in per cent, but no value is above 1, which looks like a fraction."
            yield "warning", text, "If so, write 'units: {pdl1_tps_percent: fraction}' in the roles file."


def _empty_and_constant(values: dict[str, np.ndarray]) -> list[Item]:
    import numpy as np

    empty = [n for n, v in values.items() if not np.isfinite(v).any()]
    constant = [n for n, v in values.items() if np.isfinite(v).any() and np.ptp(v[np.isfinite(v)]) == 0]
    sparse = [n for n, v in values.items() if n not in empty and np.isnan(v).mean() > _MOSTLY_MISSING]
    found = []
    for names, words, remedy in (
        (empty, "has no value at all", "Take it out of the roles file, or fill it in."),
        (constant, "has the same value in every patient, so it says nothing", "Check how it was made."),
        (sparse, "is missing in more than half of the patients", "Its missing values are filled with the median."),
    ):
        if names:
            shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
            found.append(("warning", f"{shown}: {words}.", remedy))
    return found


def _leaks(name: str, values: np.ndarray, cohort: Cohort) -> Iterator[Item]:
    """A column that nearly is the outcome, by its values or by where they are missing."""
    import numpy as np

    from .evaluation import auc

    outcome = np.array([np.nan if p.outcome is None else p.outcome for p in cohort.patients], dtype=float)
    known = np.isfinite(outcome)
    remedy = "Find out how it came about; take it out of the roles file if it was written after the outcome was known."
    here = known & np.isfinite(values)
    if here.sum() >= _ENOUGH and 0 < outcome[here].sum() < here.sum():
        area = auc(outcome[here], values[here])
        if max(area, 1 - area) > LEAK_AUC:
            yield "error", f"{name} alone tells the outcome with an AUC of {max(area, 1 - area):.3f}: a leak.", remedy
            return
    absent = ~np.isfinite(values)
    if known.sum() >= _ENOUGH and 0 < absent[known].sum() < known.sum() and 0 < outcome[known].sum() < known.sum():
        area = auc(outcome[known], absent[known].astype(float))
        if max(area, 1 - area) > LEAK_AUC:
            yield (
                "error",
                f"Where {name} is missing tells the outcome with an AUC of {max(area, 1 - area):.3f}.",
                remedy,
            )
    time = np.array([p.time for p in cohort.patients])
    timed = np.isfinite(time) & np.isfinite(values)
    if timed.sum() >= _ENOUGH and np.ptp(values[timed]) > 0 and np.ptp(time[timed]) > 0:
        r = abs(float(np.corrcoef(_ranks(values[timed]), _ranks(time[timed]))[0, 1]))
        if r > LEAK_CORRELATION:
            yield "error", f"{name} follows the time to the event (rank correlation {r:.3f}): a leak.", remedy


def _ranks(values: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(values)


def _center_is_outcome(cohort: Cohort) -> list[Item]:
    """Centres of which each has one outcome only: a model then learns the scanner."""
    rates: dict[str, list[int]] = {}
    for patient in cohort.patients:
        if patient.center and patient.outcome is not None:
            rates.setdefault(patient.center, []).append(patient.outcome)
    large = {name: sum(v) / len(v) for name, v in rates.items() if len(v) >= 10}
    if len(large) > 1 and all(rate in (0.0, 1.0) for rate in large.values()) and len(set(large.values())) == 2:
        text = "Each centre has one outcome only, so that whatever tells the centre tells the outcome."
        return [("error", text, "Nothing can be learned from these patients; add ones of the other outcome.")]
    return []
