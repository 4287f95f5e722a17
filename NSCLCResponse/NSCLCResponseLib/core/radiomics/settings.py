"""PyRadiomics parameter files: read, checked, and identified by their hash."""

from __future__ import annotations

import copy
import hashlib
import logging
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.errors import SettingsError
from NSCLCResponseSegmentLib.core.resources import resource

_SECTIONS = ("setting", "imageType", "featureClass", "voxelSetting")
_SCHEMA_PATH = re.compile(r"Path: '([^']*)'")
_UNKNOWN_KEY = re.compile(r"Key '([^']*)' was not defined")
_COMPARE = "Compare it with Resources/Settings/ct.yaml."


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
    """Read a parameter file and check it with PyRadiomics' own schema.

    :raises SettingsError: it is missing, no YAML, or PyRadiomics does not take it; names line and key.
    """
    import yaml

    path = Path(path)
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
        parameters = yaml.safe_load(text)
        lines = _Lines(yaml.compose(text))
    except OSError as error:
        raise SettingsError(f"The settings file {path} cannot be read: {error.strerror}.", "Check the path.") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise SettingsError(f"The settings file {path} is no text in UTF-8 (line {line}).", _COMPARE) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise SettingsError(f"The settings file {path} is not valid YAML{where}.", _COMPARE) from error
    if not isinstance(parameters, dict):
        raise SettingsError(f"The settings file {path} holds no settings.", _COMPARE)
    _Check(path, parameters, lines).run()
    return RadiomicsSettings(path, hashlib.sha256(raw).hexdigest(), parameters)


def shipped_settings(name: str) -> RadiomicsSettings:
    """A parameter file of ``Resources/Settings``: ``ct``, ``ct-quick``, ``pet``, ``delta``."""
    return load_settings(resource("Settings", f"{name}.yaml"))


class _Lines:
    """Where each key of a YAML file stands."""

    def __init__(self, root: Any) -> None:
        self._line_of = dict(self._walk(root, ()))

    def _walk(self, node: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
        import yaml

        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*place, str(key.value))
                yield here, key.start_mark.line + 1
                yield from self._walk(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                here = (*place, str(number))
                yield here, value.start_mark.line + 1
                yield from self._walk(value, here)

    def place(self, key: str) -> str:
        """The first place of a key, as ``setting/wavelet``."""
        return "/".join(next((place for place in self._line_of if place[-1] == key), ("setting",)))

    def of(self, *place: str) -> str:
        """``line 7`` of a key, or of the nearest key above it."""
        while place and place not in self._line_of:
            place = place[:-1]
        return f"line {self._line_of[place]}" if place else "line 1"


class _Check:
    """All checks of one file, the plainest first."""

    def __init__(self, path: Path, parameters: dict[str, Any], lines: _Lines) -> None:
        self._path, self._parameters, self._lines = path, parameters, lines

    def run(self) -> None:
        from radiomics import getFeatureClasses, getImageTypes

        self._known("", self._parameters, _SECTIONS)
        for section in _SECTIONS:
            content = self._parameters.get(section)
            if content is not None and not isinstance(content, dict):
                self._refuse(section, "'{key}' is not a list of names with values", section)
        self._known("imageType", self._parameters.get("imageType") or {}, getImageTypes())
        classes = getFeatureClasses()
        features = self._parameters.get("featureClass") or {}
        self._known("featureClass", features, list(classes))
        for name, wanted in features.items():
            for feature in wanted if isinstance(wanted, list) else []:
                if feature not in classes[name].getFeatureNames():
                    self._refuse(f"featureClass/{name}", f"the feature class {name} has no feature '{feature}'", name)
        self._against_schema()
        self._numbers()
        self._meaning()

    def _known(self, section: str, content: dict[str, Any], known: Any) -> None:
        for key in content:
            if key not in known:
                place = f"in section '{section}'" if section else "at the top level"
                line = self._lines.of(*([section] if section else []), str(key))
                raise SettingsError(
                    f"The settings file {self._path} has the unknown key '{key}' {place} ({line}).",
                    f"Known there: {', '.join(sorted(known))}.",
                )

    def _refuse(self, where: str, what: str, key: str) -> None:
        line = self._lines.of(*where.strip("/").split("/"))
        raise SettingsError(
            f"The settings file {self._path} is wrong ({line}): {what.replace('{key}', key)}.", _COMPARE
        )

    def _against_schema(self) -> None:
        """PyRadiomics' own schema: types, ranges, names of interpolators and wavelets."""
        import pykwalify.core
        import pykwalify.errors
        from radiomics import getParameterValidationFiles

        schema, functions = getParameterValidationFiles()
        logging.getLogger("pykwalify").setLevel(logging.CRITICAL + 1)
        data = {k: v for k, v in copy.deepcopy(self._parameters).items() if v is not None}
        for section in ("imageType",):  # None and {} mean the same to us
            if section in data:
                data[section] = {k: v or {} for k, v in data[section].items()}
        core = pykwalify.core.Core(source_data=data, schema_files=[schema], extensions=[functions])
        try:
            core.validate(raise_exception=False)
        except (ValueError, TypeError, pykwalify.errors.PyKwalifyException) as problem:
            text = str(getattr(problem, "msg", problem))
            key = next((k for k in ("interpolator", "weightingNorm", "wavelet") if k.lower() in text.lower()), "")
            self._refuse(self._lines.place(key), text.rstrip(".").replace("Intepolator", "Interpolator"), key)
        for problem in core.validation_errors or ():
            text = str(problem)
            found = _SCHEMA_PATH.search(text)
            where = found.group(1) if found else ""
            what = _SCHEMA_PATH.sub("", text).strip().rstrip(".")
            unknown = _UNKNOWN_KEY.search(what)
            if unknown:
                section = where.strip("/")
                self._refuse(f"{section}/{unknown.group(1)}", f"unknown key '{unknown.group(1)}' in {section}", "")
            key = next((part for part in where.split("/")[::-1] if not part.isdigit()), "")  # not 0 but sigma
            self._refuse(where, f"{key}: {what}" if key else what, key)

    def _numbers(self) -> None:
        """Numbers in quotes, .nan and .inf: the schema takes them for numbers, and the extraction stumbles."""
        for place, value in _leaves(self._parameters):
            try:
                number = float(value)
            except (TypeError, ValueError):
                continue
            key = next(part for part in place[::-1] if not part.isdigit())
            if isinstance(value, str):
                self._refuse("/".join(place), f"{key}: '{value}' is text, write the number without quotes", key)
            if not math.isfinite(number):
                self._refuse("/".join(place), f"{key}: {value} is not a finite number", key)

    def _meaning(self) -> None:
        """What the schema lets pass and PyRadiomics then stumbles over or silently leaves out."""
        setting = self._parameters.get("setting") or {}
        spacing = setting.get("resampledPixelSpacing")
        if spacing is not None and len(spacing) != 3:
            self._refuse(
                "setting/resampledPixelSpacing", "{key} needs three numbers: x, y, z in mm", "resampledPixelSpacing"
            )
        images = self._parameters.get("imageType") or {}
        log = images.get("LoG", {}) or {}
        if "LoG" in images and not (log.get("sigma") or setting.get("sigma")):
            self._refuse("imageType/LoG", "{key} needs sigma, a list of widths in mm", "LoG")
        if self._parameters.get("voxelSetting"):
            self._refuse("voxelSetting", "{key} is for feature maps, which are not made here", "voxelSetting")
        for kind, module in (("LBP2D", "skimage"), ("LBP3D", "trimesh")):
            if kind in images and not _is_installed(module):
                self._refuse(f"imageType/{kind}", f"{kind} needs the Python package {module}, which is missing", kind)


def _leaves(node: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every single value of nested dictionaries and lists, with its place."""
    if isinstance(node, (dict, list)):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _leaves(value, (*place, str(key)))
    else:
        yield place, node


def _is_installed(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None
