"""The catalogue of segmentation models: what ships, what can be downloaded, and where downloads lie."""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import OutputError, SegmentationError
from .resources import resource

FOLDER_VARIABLE = "NSCLC_RESPONSE_MODELS"
CATALOG_VARIABLE = "NSCLC_RESPONSE_CATALOG"
_LINE = 100  # letters, of a model's description
_INDENT = {"initial_indent": "  ", "subsequent_indent": "    ", "break_on_hyphens": False}


@dataclass(frozen=True)
class ModelEntry:
    """One model of ``Resources/Models/catalog.json``, whose schema says what each field means."""

    name: str
    data: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Where the bundle lies, or will lie when it has been downloaded."""
        shipped = self.data.get("folder")
        return catalog_path().parent / shipped if shipped else models_folder() / self.name

    @property
    def is_shipped(self) -> bool:
        """Whether it is part of this installation."""
        return "folder" in self.data

    @property
    def is_here(self) -> bool:
        """Whether it can be used now."""
        return (self.folder / "configs").is_dir()

    def describe(self) -> str:
        """The entry in a few lines, for the list."""
        data = self.data
        state = "shipped" if self.is_shipped else "downloaded" if self.is_here else "not downloaded"
        size = f", {data['size_mb']:g} MB" if "size_mb" in data else ""
        lines = [data["title"], f"Licence: {data['licence']}"]
        lines += [f"{name}: {data[key]}" for key, name in _SHOWN.items() if data.get(key)]
        wrapped = [textwrap.fill(line, _LINE, **_INDENT) for line in lines]
        return "\n".join([f"{self.name}  ({state}{size})", *wrapped])


_SHOWN = {
    "trained_on": "Trained on",
    "published_performance": "Published",
    "measured_here": "Measured by us",
    "limits": "Limits",
    "intended_use": "Intended use",
}


def models_folder() -> Path:
    """The user's own folder for downloads; ``NSCLC_RESPONSE_MODELS`` names another."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "nsclc-response" / "models"


def catalog_path() -> Path:
    """The catalogue in use: the shipped one, or the one (a hospital's own) that ``NSCLC_RESPONSE_CATALOG`` names."""
    chosen = os.environ.get(CATALOG_VARIABLE)
    return Path(chosen).expanduser() if chosen else resource("Models", "catalog.json")


def read_catalog(path: Path | None = None) -> list[ModelEntry]:
    """All models, checked against ``Resources/Schemas/models.schema.json``.

    :param path: another catalogue than :func:`catalog_path`.
    :raises SegmentationError: the file is no catalogue.
    """
    import jsonschema

    path = path or catalog_path()
    schema = json.loads(resource("Schemas", "models.schema.json").read_text(encoding="utf-8"))
    try:
        catalog = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(catalog, schema)
    except (OSError, ValueError) as problem:
        raise SegmentationError(f"{path} cannot be read: {problem}.", "Install the extension again.") from problem
    except jsonschema.ValidationError as problem:
        where = "/".join(map(str, problem.absolute_path)) or "catalogue"
        raise SegmentationError(f"{path} is wrong at {where}: {problem.message}.", "Correct it.") from problem
    return [ModelEntry(entry["name"], entry) for entry in catalog["models"]]


def entry_named(name: str, path: Path | None = None) -> ModelEntry:
    """One model.

    :raises SegmentationError: there is none of that name.
    """
    entries = read_catalog(path)
    for entry in entries:
        if entry.name == name:
            return entry
    listed = ", ".join(entry.name for entry in entries)
    raise SegmentationError(f"There is no model '{name}'; there are: {listed}.", "Give a name, or a bundle's folder.")


def find_model(name_or_folder: str) -> Path:
    """The bundle's folder for a name of the catalogue, or a folder of the user's own.

    :raises SegmentationError: there is no such model, or it has not been downloaded.
    """
    folder = Path(name_or_folder).expanduser()
    if folder.is_dir():
        return folder
    if len(folder.parts) > 1:
        raise SegmentationError(
            f"There is no folder {folder}.", "Give the folder of a MONAI Bundle, or a model's name."
        )
    entry = entry_named(name_or_folder)
    if not entry.is_here:
        raise SegmentationError(
            f"The model '{entry.name}' has not been downloaded.",
            f"Run 'nsclc-response models download {entry.name}' (licence: {entry.data['licence']}).",
        )
    return entry.folder


def delete_model(name: str) -> Path:
    """Remove a downloaded model and what is left of an unfinished download; returns where it lay.

    :raises SegmentationError: there is none. :raises OutputError: it ships with the installation.
    """
    entry = entry_named(name)
    if entry.is_shipped:
        raise OutputError(f"The model '{name}' ships with this installation.", "There is no need to delete it.")
    unfinished = sorted(models_folder().glob(f"{name}.zip.part*"))
    if not entry.folder.is_dir() and not unfinished:
        raise SegmentationError(f"The model '{name}' has not been downloaded.", "There is nothing to delete.")
    shutil.rmtree(entry.folder, ignore_errors=True)
    for file in unfinished:
        file.unlink()
    return entry.folder
