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
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.errors import SettingsError

_COLUMN_KEYS = ("patient", "lesion", "ct", "pet", "mask", "center", "date")
_KEYS = (*_COLUMN_KEYS, "roi", "endpoint", "clinical", "radiomics", "split", "simulated", "units", "aggregate")


@dataclass(frozen=True)
class Endpoint:
    """What is to be predicted.

    :param kind: ``response`` (CR or PR against SD or PD), ``durable_benefit`` (event-free at ``months``), ``survival``.
    :param column: of the response. :param time: of the time in months. :param event: 1 when it ended in an event.
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
        return f"time to event ({self.time})"


@dataclass(frozen=True)
class Split:
    """Which rows train and which are held out, by the values of one column."""

    column: str
    train: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class Roles:
    """Columns of a cohort table by what they mean; an empty name means there is no such column."""

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
        line = next((i for i, row in enumerate(self._lines, 1) if row.strip().startswith(f"{key}:")), None)
        where = f"{self._path}, line {line}" if line else str(self._path)
        return SettingsError(f"{where}: {problem}.", remedy)

    def roles(self, data: Mapping[str, Any]) -> Roles:
        for key in data:
            if key not in _KEYS:
                raise self.fail(str(key), f"'{key}' is not a role", f"Known roles are {', '.join(_KEYS)}.")
        for key in ("patient", "endpoint"):
            if not data.get(key):
                raise self.fail(key, f"the role '{key}' is missing", f"Add a line '{key}: …'.")
        columns = {key: self.text(key, data[key]) for key in (*_COLUMN_KEYS, "roi") if data.get(key)}
        listed, prefixes = self.radiomics(data.get("radiomics"))
        return Roles(
            path=self._path,
            endpoint=self.endpoint(data["endpoint"]),
            clinical=self.names("clinical", data.get("clinical") or []),
            radiomics=listed,
            radiomics_prefixes=prefixes,
            split=self.split(data.get("split")),
            simulated=bool(data.get("simulated", False)),
            **columns,
        )

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
        if set(value) == {"time", "event"}:
            return Endpoint("survival", time=str(value["time"]), event=str(value["event"]))
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
