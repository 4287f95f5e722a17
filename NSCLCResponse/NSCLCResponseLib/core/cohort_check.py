"""Every problem of a cohort at once, before anything is trained on it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from NSCLCResponseSegmentLib.core.errors import CohortError
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .cohort import Cohort, feature_columns, missing_columns, read_cohort, read_table
from .cohort_columns import check_columns, impossible_units
from .cohort_images import check_images, same_images
from .roles import Roles, read_roles

MOST_SHOWN = 5  # rows named for one kind of problem
_MIN_RARER = 8
_SAME_VALUES = 4  # fewer equal values, not counting 0 and 1, never make two rows the same patient
_BY_CHANCE = 0.01  # expected pairs of patients alike by chance, from how often each value occurs; above it they may be


@dataclass(frozen=True)
class Finding:
    """One problem of a cohort.

    :param severity: ``error`` (training refuses) or ``warning`` (somebody should look).
    :param problem: what and where, one sentence. :param remedy: how to mend it, one sentence.
    """

    severity: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity.upper()}: {self.problem} {self.remedy}"


def check_files(
    table: Path, roles_path: Path, holdout: Path | None = None, progress: Progress = SILENT
) -> list[Finding]:
    """Check a cohort table, and a holdout table against it.

    :raises NSCLCResponseError: the roles file or a table cannot be read at all.
    """
    roles = read_roles(roles_path)
    cohort, found = _check_table(table, roles, progress.part(0.0, 0.5 if holdout else 1.0))
    if holdout is not None:
        other, more = _check_table(holdout, roles, progress.part(0.5, 1.0), few_allowed=True)
        found += more
        if cohort is not None and other is not None:
            found += _overlap(cohort, other)
    return sorted(found, key=lambda f: f.severity != "error")


def refuse(findings: Sequence[Finding]) -> None:
    """Stop when there are errors.

    :raises CohortError: names the first and how many there are.
    """
    errors = [f for f in findings if f.severity == "error"]
    if errors:
        more = f" There are {len(errors) - 1} more errors." if len(errors) > 1 else ""
        raise CohortError(
            errors[0].problem + more, f"{errors[0].remedy} 'nsclc-response cohort check' lists every problem."
        )


def _check_table(
    path: Path, roles: Roles, progress: Progress, *, few_allowed: bool = False
) -> tuple[Cohort | None, list[Finding]]:
    progress.report(0.0, f"Checking {path.name}")
    table = read_table(path)
    found: list[Finding] = []
    missing = missing_columns(table, roles)
    if missing:
        columns = ", ".join(map(str, table.columns[:30]))
        remedy = f"Mend the roles file or the table; its columns are {columns}."
        found.append(Finding("error", f"{path} has no column {', '.join(missing)} (named in {roles.path}).", remedy))
        reduced = without_columns(roles, set(missing))
        if reduced is None:
            return None, found
        roles = reduced
    units, wrong = impossible_units(table, roles)
    found += [Finding("error", f"{path}: {problem}", remedy) for problem, remedy in units]
    roles = replace(roles, clinical=tuple(n for n in roles.clinical if n not in wrong))
    problems: list[CohortError] = []
    cohort = read_cohort(path, roles, problems)
    found += _grouped(problems)
    found += [Finding(*item) for item in check_columns(cohort, set(table.columns), table)]
    found += _counts(cohort, few_allowed=few_allowed) + _twins(cohort.patients, f"{path}")
    found += [Finding(*item) for item in check_images(cohort, progress)]
    if roles.radiomics_prefixes and not feature_columns(table, roles):
        names = ", ".join(roles.radiomics_prefixes)
        found.append(Finding("error", f"{path} has no column that begins with {names}.", "Mend 'radiomics:'."))
    return cohort, found


def without_columns(roles: Roles, missing: set[str]) -> Roles | None:
    """The roles without columns that the table lacks; ``None`` when the rest cannot be read."""
    endpoint = roles.endpoint
    split = roles.split.column if roles.split else ""
    if {roles.patient, endpoint.column, endpoint.time, endpoint.event, split, roles.lesion} & missing:
        return None
    single = {n: "" for n in ("ct", "pet", "mask", "roi", "center", "date", "volume") if getattr(roles, n) in missing}
    clinical = tuple(n for n in roles.clinical if roles.column(n) not in missing)
    return replace(roles, clinical=clinical, radiomics=tuple(c for c in roles.radiomics if c not in missing), **single)


def _grouped(problems: Sequence[CohortError]) -> list[Finding]:
    """Problems of cells and rows; of each kind the first few, then how many more."""
    kinds: dict[str, list[CohortError]] = {}
    for problem in problems:
        kind = " ".join(w for w in problem.message.split(": ")[-1].split() if not any(c.isdigit() for c in w))
        kinds.setdefault(kind, []).append(problem)
    found = []
    for kind in kinds.values():
        found += [Finding("error", p.message, p.remedy) for p in kind[:MOST_SHOWN]]
        if len(kind) > MOST_SHOWN:
            rest = f"{len(kind) - MOST_SHOWN} more rows have the problem of the last one"
            found.append(Finding("error", f"{rest}.", kind[0].remedy))
    return found


def _counts(cohort: Cohort, *, few_allowed: bool) -> list[Finding]:
    found = []
    patients = [p for p in cohort.patients if p.group == "train"]
    unknown = [p for p in patients if p.outcome is None]
    if unknown and len(unknown) == len(patients):
        return [Finding("error", "No patient's outcome is known.", "Fill in the endpoint's column.")]
    if unknown and cohort.roles.endpoint.kind != "survival":
        text = f"The outcome of {len(unknown)} of {len(patients)} patients is not known; they take no part in training."
        found.append(Finding("warning", text, "That is right for patients who were censored early or not evaluable."))
    sides = [sum(p.outcome == side for p in patients) for side in (0, 1)]
    if min(sides) < _MIN_RARER and not few_allowed:
        text = f"Only {min(sides)} training patients have the rarer outcome; {_MIN_RARER} are the least to train on."
        found.append(Finding("error", text, "Add patients."))
    return found


Fingerprint = tuple[tuple[str, float], ...]


def _fingerprint(values: Mapping[str, float]) -> Fingerprint | None:
    """What makes a row recognisable: its known values, by name; ``None`` when too few are other than 0 and 1."""
    known = tuple((name, value) for name, value in values.items() if value == value)  # noqa: PLR0124 NaN is not equal
    telling = sum(value not in (0.0, 1.0) for _, value in known)
    return known if telling >= _SAME_VALUES else None


def _fingerprints(patients: Iterable) -> dict[Fingerprint, list[str]]:
    found: dict[Fingerprint, list[str]] = {}
    for patient in patients:
        rows = [lesion.features for lesion in patient.lesions]
        for values in (*rows, {**patient.clinical, "time to event": patient.time}):
            key = _fingerprint(values)
            if key is not None:
                found.setdefault(key, []).append(patient.name)
    return found


def _shared(groups: Mapping[Fingerprint, list[str]], total: int) -> list[Fingerprint]:
    """Fingerprints of more than one patient that chance hardly makes: rare values, or many of them.

    Another patient agrees in a value as often as it occurs elsewhere; over all values and pairs of patients that gives
    how many pairs like this one chance would make, if variables had nothing to do with each other.
    """
    counts = Counter(item for key, names in groups.items() for item in key for _ in set(names))
    pairs = total * (total - 1) / 2
    found = []
    for key, names in groups.items():
        if len(set(names)) > 1:
            expected = pairs * math.prod(min(1.0, (counts[item] - 1) / (total - 1)) for item in key)
            found += [key] if expected < _BY_CHANCE else []
    return found


def _twins(patients: Iterable, where: str) -> list[Finding]:
    """One patient under two names: equal values, or names that differ only in case, blanks or leading zeros."""
    patients = list(patients)
    found = []
    remedy = "Keep one of them: a patient on both sides of a fold makes every number too good."
    groups = _fingerprints(patients)
    pairs = {tuple(dict.fromkeys(groups[key])) for key in _shared(groups, len(patients))}
    for names in sorted(pairs):
        text = f"{where}: {' and '.join(names[:MOST_SHOWN])} have the same values throughout, as one patient would."
        found.append(Finding("error", text, remedy))
    alike: dict[str, list[str]] = {}
    for patient in patients:
        alike.setdefault(patient.name.lower().replace(" ", "").lstrip("0"), []).append(patient.name)
    for names in alike.values():
        if len(names) > 1:
            text = f"{where}: the names {', '.join(names)} may mean one patient."
            found.append(Finding("warning", text, "Write each patient's name in one way."))
    return found


def _overlap(cohort: Cohort, other: Cohort) -> list[Finding]:
    """Patients of the holdout who are in the training cohort, too, by values, by images and by name."""
    found = []
    mine, theirs = _fingerprints(cohort.patients), _fingerprints(other.patients)
    sides = {
        key: [f"1 {n}" for n in mine.get(key, [])] + [f"2 {n}" for n in theirs.get(key, [])] for key in mine | theirs
    }
    shared = _shared(sides, len(cohort.patients) + len(other.patients))
    for key in (key for key in shared if key in mine and key in theirs):
        text = f"{mine[key][0]} of the cohort and {theirs[key][0]} of the holdout have the same values throughout."
        found.append(Finding("error", text, "Remove the patient from one of them."))
    for words, own, name in same_images(cohort, other):
        text = f"{own} of the cohort and {name} of the holdout have one {words}."
        found.append(Finding("error", text, "Remove the patient from one of them."))
    names = sorted({p.name for p in cohort.patients} & {p.name for p in other.patients})
    # Simulated patients are numbered from 1 for every seed; when their images differ, so do they.
    if names and not (cohort.roles.simulated and _all_have_images(cohort) and _all_have_images(other)):
        shown = ", ".join(names[:MOST_SHOWN]) + (" …" if len(names) > MOST_SHOWN else "")
        text = f"{len(names)} names occur in the cohort and in the holdout ({shown})."
        found.append(Finding("warning", text, "Make sure that they are different people."))
    return found


def _all_have_images(cohort: Cohort) -> bool:
    return all(lesion.ct is not None for patient in cohort.patients for lesion in patient.lesions)
