"""The roles file: a short YAML that tells what the columns of a cohort table mean, so that tables are left as they are.

patient: patient
ct: ct
pet: pet
mask: mask
center: center
endpoint: {response: response}
clinical: [age, sex, pdl1_tps_percent]
radiomics: {prefix: [original_, wavelet-]}
split: {column: center, train: [A, B], test: [C]}

Columns with other names or units stay as they are, too:

clinical: {age: Age at start, albumin_g_dl: ALB, stage: Stage}
units: {albumin_g_dl: g/L, PFS: days}
coding: {stage: {I: 1, II: 2, III: 3, IV: 4}}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.errors import SettingsError

_COLUMN_KEYS = ("patient", "lesion", "ct", "pet", "mask", "center", "date", "volume", "roi")
_OTHER_KEYS = ("endpoint", "clinical", "radiomics", "split", "simulated", "units", "coding", "aggregate")
_KEYS = (*_COLUMN_KEYS, *_OTHER_KEYS)
AGGREGATES = ("largest", "volume_weighted_mean", "max")
SURVIVAL_HORIZON_MONTHS = 12.0  # a probability needs a date; without one in the roles file it is a year

#: Unit → factor to the unit that the program uses, by kind of quantity.
UNITS: dict[str, dict[str, float]] = {
    "time": {"days": 1 / 30.4375, "weeks": 7 / 30.4375, "months": 1.0, "years": 12.0},
    "albumin_g_dl": {"g/dL": 1.0, "g/L": 0.1},
    "pdl1_tps_percent": {"%": 1.0, "fraction": 100.0},
    "tmb_mut_per_mb": {"mutations/Mb": 1.0, "mutations/exome": 1 / 30.0},
    "ldh_u_l": {"U/L": 1.0, "ukat/L": 60.0},
    "age": {"years": 1.0, "months": 1 / 12, "days": 1 / 365.25},
}


@dataclass(frozen=True)
class Endpoint:
    """What is to be predicted.

    :param kind: ``response`` (CR or PR against SD or PD), ``durable_benefit`` (event-free at ``months``), ``survival``.
    :param column: of the response. :param time: of the time in months. :param event: 1 when it ended in an event.
    :param months: of the benefit; for ``survival`` the time for which a probability is given.
    """

    kind: str
    column: str = ""
    time: str = ""
    event: str = ""
    months: float = 0.0

    @property
    def text(self) -> str:
        """The endpoint in words."""
        if self.kind == "response":
            return "CR or PR by RECIST 1.1"
        if self.kind == "durable_benefit":
            return f"no event for {self.months:g} months or longer ({self.time})"
        return f"no event for {self.months:g} months or longer, from the time to event ({self.time})"


@dataclass(frozen=True)
class Split:
    """Which rows train and which are held out, by the values of one column."""

    column: str
    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Roles:
    """Columns of a cohort table by what they mean; an empty name means there is no such column.

    :param clinical: names of the variables. :param clinical_columns: variable → column, where they differ.
    :param units: column or variable → factor to our unit (months, g/dL, …).
    :param coding: variable → word in the table (lower case) → number.
    :param volume: column with the lesion's volume, for ``aggregate`` of features that came with the table.
    :param aggregate: how several lesions become one patient, see :data:`AGGREGATES`.
    """

    path: Path
    patient: str
    endpoint: Endpoint
    lesion: str = ""
    ct: str = ""
    pet: str = ""
    mask: str = ""
    roi: str = ""
    center: str = ""
    date: str = ""
    clinical: tuple[str, ...] = ()
    radiomics: tuple[str, ...] = ()
    radiomics_prefixes: tuple[str, ...] = ()
    split: Split | None = None
    simulated: bool = False
    volume: str = ""
    aggregate: str = "largest"
    clinical_columns: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, float] = field(default_factory=dict)
    coding: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def column(self, variable: str) -> str:
        """The table's column of a clinical variable."""
        return self.clinical_columns.get(variable, variable)

    def factor(self, *names: str) -> float:
        """What a value of the column or variable is multiplied with to be in our unit."""
        return next((self.units[name] for name in names if name in self.units), 1.0)


def read_roles(path: Path) -> Roles:
    """Read and check a roles file.

    :raises SettingsError: it cannot be read, or a key is unknown, missing or of the wrong kind; names file and line.
    """
    import yaml

    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The roles file {path} cannot be read: {error}.", "Give a YAML file.") from error
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        remedy = "Compare it with the example in the manual."
        raise SettingsError(f"{path}{where} is not valid YAML.", remedy) from error
    if not isinstance(data, Mapping):
        raise SettingsError(f"{path} does not name any columns.", "Write lines like 'patient: NAME_OF_COLUMN'.")
    return _Checker(path, text).roles(data)


class _Checker:
    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._lines = text.splitlines()

    def fail(self, key: str, problem: str, remedy: str) -> SettingsError:
        rows = list(enumerate(self._lines, 1))
        line = next((i for i, row in rows if row.strip().startswith(f"{key}:")), None)
        line = line or next((i for i, row in rows if f"{key}:" in row), None)
        where = f"{self._path}, line {line}" if line else str(self._path)
        return SettingsError(f"{where}: {problem}.", remedy)

    def roles(self, data: Mapping[str, Any]) -> Roles:
        for key in data:
            if key not in _KEYS:
                raise self.fail(str(key), f"'{key}' is not a role", f"Known roles are {', '.join(_KEYS)}.")
        for key in ("patient", "endpoint"):
            if not data.get(key):
                raise self.fail(key, f"the role '{key}' is missing", f"Add a line '{key}: …'.")
        columns = {key: self.text(key, data[key]) for key in _COLUMN_KEYS if data.get(key)}
        listed, prefixes = self.radiomics(data.get("radiomics"))
        clinical = self.clinical(data.get("clinical") or [])
        aggregate = str(data.get("aggregate") or AGGREGATES[0])
        if aggregate not in AGGREGATES:
            raise self.fail("aggregate", f"there is no way '{aggregate}'", f"Choose one of {', '.join(AGGREGATES)}.")
        endpoint = self.endpoint(data["endpoint"])
        return Roles(
            path=self._path,
            endpoint=endpoint,
            clinical=tuple(clinical),
            clinical_columns={name: column for name, column in clinical.items() if name != column},
            radiomics=listed,
            radiomics_prefixes=prefixes,
            split=self.split(data.get("split")),
            simulated=bool(data.get("simulated", False)),
            aggregate=aggregate,
            units=self.units(data.get("units") or {}, endpoint),
            coding=self.coding(data.get("coding") or {}, clinical),
            **columns,
        )

    def clinical(self, value: Any) -> dict[str, str]:
        """Variable → column; a list names both at once."""
        if not isinstance(value, Mapping):
            value = {name: name for name in self.names("clinical", value)}
        for name, column in value.items():
            self.text("clinical", column)
            if not re.fullmatch(r"[A-Za-z0-9_]+", str(name)):
                remedy = f"Write 'clinical: {{short_name: \"{name}\"}}'."
                raise self.fail("clinical", f"'{name}' cannot name a variable (letters, digits, _ only)", remedy)
        return {str(name): str(column) for name, column in value.items()}

    def units(self, value: Any, endpoint: Endpoint) -> dict[str, float]:
        """Column or variable → factor to our unit."""
        if not isinstance(value, Mapping):
            raise self.fail("units", "'units' must give columns their unit", "Write 'units: {PFS: days}'.")
        factors = {}
        for name, unit in value.items():
            known = UNITS["time"] if name == endpoint.time else UNITS.get(str(name), {})
            if unit not in known:
                remedy = f"Known are {', '.join(known)}." if known else f"Units are known of {', '.join(UNITS)}."
                raise self.fail(str(name), f"the unit '{unit}' of {name} is not known", remedy)
            factors[str(name)] = known[unit]
        return factors

    def coding(self, value: Any, clinical: Mapping[str, str]) -> dict[str, dict[str, float]]:
        """Variable → word in lower case → number."""
        remedy = "Write 'coding: {stage: {I: 1, II: 2, III: 3, IV: 4}}'."
        if not isinstance(value, Mapping):
            raise self.fail("coding", "'coding' must give words numbers", remedy)
        codes: dict[str, dict[str, float]] = {}
        for name, words in value.items():
            numbers = list(words.values()) if isinstance(words, Mapping) else []
            if name not in clinical or not numbers or not all(isinstance(n, (int, float)) for n in numbers):
                raise self.fail(str(name), f"the coding of '{name}' is of no clinical variable or no numbers", remedy)
            codes[str(name)] = {str(word).lower(): float(number) for word, number in words.items()}
        return codes

    def text(self, key: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self.fail(key, f"'{key}' must be the name of one column", f"Write '{key}: NAME_OF_COLUMN'.")
        return value

    def names(self, key: str, value: Any) -> tuple[str, ...]:
        values = [value] if isinstance(value, str) else value
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
            raise self.fail(key, f"'{key}' must be a list of columns", f"Write '{key}: [A, B]'.")
        return tuple(values)

    def radiomics(self, value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        if isinstance(value, Mapping):
            return (), self.names("prefix", value.get("prefix") or [])
        return self.names("radiomics", value or []), ()

    def endpoint(self, value: Any) -> Endpoint:
        remedy = "Write 'endpoint: {response: COLUMN}' or 'endpoint: {time: COLUMN, event: COLUMN}'."
        if not isinstance(value, Mapping):
            raise self.fail("endpoint", "'endpoint' must say what is predicted", remedy)
        if set(value) == {"response"}:
            return Endpoint("response", column=self.text("endpoint", value["response"]))
        if set(value) == {"durable_benefit"} and isinstance(value["durable_benefit"], Mapping):
            inner = value["durable_benefit"]
            if set(inner) == {"time", "event", "months"} and isinstance(inner["months"], (int, float)):
                return Endpoint(
                    "durable_benefit", time=str(inner["time"]), event=str(inner["event"]), months=float(inner["months"])
                )
            raise self.fail("endpoint", "'durable_benefit' needs time, event and months", remedy)
        if {"time", "event"} <= set(value) <= {"time", "event", "months"}:
            months = value.get("months", SURVIVAL_HORIZON_MONTHS)
            if not isinstance(months, (int, float)) or months <= 0:
                raise self.fail("endpoint", "'months' must be a number above zero", remedy)
            return Endpoint("survival", time=str(value["time"]), event=str(value["event"]), months=float(months))
        raise self.fail("endpoint", "'endpoint' is neither a response nor a time with an event", remedy)

    def split(self, value: Any) -> Split | None:
        if value is None:
            return None
        if not isinstance(value, Mapping) or set(value) != {"column", "train", "test"}:
            remedy = "Write 'split: {column: C, train: […], test: […]}'."
            raise self.fail("split", "'split' needs column, train and test", remedy)
        sides = [value[side] if isinstance(value[side], list) else [value[side]] for side in ("train", "test")]
        train, test = (tuple(map(str, side)) for side in sides)
        return Split(self.text("split", value["column"]), train, test)
