"""Downloads models when asked: taken up again after an interruption, and used only when the checksum is right."""

from __future__ import annotations

import hashlib
import shutil
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

from .atomic import require_space, staged_folder
from .errors import OutputError, SegmentationError
from .model_catalog import ModelEntry, models_folder
from .progress import SILENT, Progress

_CHUNK = 1 << 20
_READ = 1 << 16  # at once from the network: as much as may be lost when a slow download is cancelled
_TIMEOUT_SECONDS = 60


def download_model(entry: ModelEntry, progress: Progress = SILENT, token: str | None = None) -> Path:
    """Fetch a model of the catalogue, check it, and unpack it.

    What was fetched stays as ``NAME.zip.part`` when the connection breaks or the process is ended, and the next call
    goes on from there.

    :param token: name of this run's unfinished files, see :func:`.atomic.new_token`.
    :returns: the bundle's folder.
    :raises SegmentationError: it ships already, the server cannot be reached, or the file is not the published one.
    :raises OutputError: the disk is full or read-only.
    """
    if entry.is_here:
        raise SegmentationError(f"The model '{entry.name}' is there already, in {entry.folder}.", "Use it as it is.")
    source = entry.data["download"]
    models_folder().mkdir(parents=True, exist_ok=True)
    part = models_folder() / f"{entry.name}.zip.part"
    require_space(part, int(2.5e6 * entry.data.get("size_mb", 1000)))
    _fetch(source["url"], part, progress.part(0.0, 0.9))
    progress.report(0.9, "Checking the file")
    algorithm, expected = next((k, source[k]) for k in ("sha256", "sha1") if k in source)
    found = _digest(part, algorithm)
    if found != expected:
        part.unlink()
        raise SegmentationError(
            f"What {source['url']} sent is not the published file: its {algorithm.upper()} is {found}, not {expected}.",
            "It was removed; try again later, and tell the model's publisher if it happens again.",
        )
    progress.report(0.95, "Unpacking")
    with staged_folder(entry.folder, token=token) as aside:
        _unpack(part, aside, entry.name)
    part.unlink()
    progress.report(1.0, "Downloaded")
    return entry.folder


def _fetch(url: str, part: Path, progress: Progress) -> None:
    """Append what is missing of ``part``; servers that cannot continue send all of it again."""
    held = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={held}-"} if held else {})  # noqa: S310 from the catalogue
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
            if held and answer.status != 206:
                held = 0
            total = held + int(answer.headers.get("Content-Length") or 0)
            told = 0
            with part.open("ab" if held else "wb", buffering=0) as stream:
                while chunk := answer.read(_READ):
                    stream.write(chunk)
                    held += len(chunk)
                    if held - told >= _CHUNK or not told:
                        told = held
                        progress.report(held / total if total else 0.5, f"Downloading, {held / 1e6:.0f} MB")
    except urllib.error.HTTPError as problem:
        if problem.code == 416 and held:  # nothing is missing
            return
        raise SegmentationError(f"{url} answered: {problem.code} {problem.reason}.", "Try again later.") from problem
    except (urllib.error.URLError, TimeoutError, ConnectionError) as problem:
        raise SegmentationError(
            f"{url} cannot be reached: {getattr(problem, 'reason', problem)}.",
            "Check the network and run the same command again; it goes on where it stopped.",
        ) from problem
    except OSError as problem:
        raise OutputError(f"{part} cannot be written: {problem.strerror}.", "Free some space.") from problem
    if total and held < total:
        raise SegmentationError(
            f"The connection broke after {held / 1e6:.0f} of {total / 1e6:.0f} MB.",
            "Run the same command again; it goes on where it stopped.",
        )


def _digest(path: Path, algorithm: str) -> str:
    digest: Any = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _unpack(archive: Path, target: Path, name: str) -> None:
    """All files of a zip, without the folder that holds them all, and none outside ``target``."""
    try:
        with zipfile.ZipFile(archive) as held:
            members = [m for m in held.infolist() if not m.is_dir()]
            paths = [PurePosixPath(m.filename) for m in members]
            if any(p.is_absolute() or ".." in p.parts for p in paths):
                raise SegmentationError(f"The archive of '{name}' would write outside its folder.", "Do not use it.")
            above = len({p.parts[0] for p in paths}) == 1 and all(len(p.parts) > 1 for p in paths)
            for member, path in zip(members, paths, strict=True):
                file = target.joinpath(*(path.parts[1:] if above else path.parts))
                file.parent.mkdir(parents=True, exist_ok=True)
                with held.open(member) as source, file.open("wb") as stream:
                    shutil.copyfileobj(source, stream)
    except zipfile.BadZipFile as problem:
        raise SegmentationError(f"The archive of '{name}' is damaged.", "Download it again.") from problem
