"""PyRadiomics parameter files: read, checked, and identified by their hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.errors import SettingsError
from NSCLCResponseSegmentLib.core.resources import resource

_SECTIONS = {"setting", "imageType", "featureClass", "voxelSetting"}


@dataclass(frozen=True)
class RadiomicsSettings:
    """One parameter file.

    :param sha256: of the file's bytes; every result carries it.
    :param parameters: the file's content as PyRadiomics takes it.
    """

    path: Path
    sha256: str
    parameters: dict[str, Any]

    @property
    def name(self) -> str:
        """File name without its ending."""
        return self.path.stem


def load_settings(path: Path) -> RadiomicsSettings:
    """Read a parameter file.

    :raises SettingsError: it is missing, no YAML, or has a key that PyRadiomics does not know; names the line.
    """
    import yaml

    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
        parameters = yaml.safe_load(text)
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.", "Check the path.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "its encoding"
        raise SettingsError(
            f"The settings file {path} is not valid YAML at {where}.", "Compare it with Resources/Settings/ct.yaml."
        ) from error
    if not isinstance(parameters, dict):
        raise SettingsError(f"The settings file {path} is empty.", "Compare it with Resources/Settings/ct.yaml.")
    _check_against_pyradiomics(parameters, text, path)
    return RadiomicsSettings(path, hashlib.sha256(raw).hexdigest(), parameters)


def shipped_settings(name: str) -> RadiomicsSettings:
    """A parameter file of ``Resources/Settings``: ``ct``, ``ct-quick``, ``pet``."""
    return load_settings(resource("Settings", f"{name}.yaml"))


def _line_of(key: str, text: str) -> str:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip().startswith((f"{key}:", f'"{key}"')):
            return f"line {number}"
    return "an unknown line"


def _refuse(path: Path, text: str, key: str, section: str, known: list[str]) -> None:
    place = f"in section '{section}'" if section else "at the top level"
    raise SettingsError(
        f"The settings file {path} has the unknown key '{key}' {place} ({_line_of(key, text)}).",
        f"Known there: {', '.join(known)}.",
    )


def _check_against_pyradiomics(parameters: dict[str, Any], text: str, path: Path) -> None:
    from radiomics import getFeatureClasses, getImageTypes

    known = {"imageType": sorted(getImageTypes()), "featureClass": sorted(getFeatureClasses())}
    for section, content in parameters.items():
        if section not in _SECTIONS:
            _refuse(path, text, section, "", sorted(_SECTIONS))
        if section in known:
            for key in content or {}:
                if key not in known[section]:
                    _refuse(path, text, key, section, known[section])
    width = (parameters.get("setting") or {}).get("binWidth")
    if width is not None and not (isinstance(width, (int, float)) and width > 0):
        raise SettingsError(
            f"The settings file {path} has binWidth {width!r} ({_line_of('binWidth', text)}).", "Give a number above 0."
        )
