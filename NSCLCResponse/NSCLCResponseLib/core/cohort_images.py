"""Images of a cohort: are they there, and is each of them its patient's own?"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from pathlib import Path

from NSCLCResponseSegmentLib.core.progress import Progress

from .cohort import Cohort

Item = tuple[str, str, str]  # severity, problem, remedy

_SHOWN = 5
_CHUNK = 1 << 20
_SAMPLES, _SAMPLE_BYTES = 64, 4096


def check_images(cohort: Cohort, progress: Progress) -> list[Item]:
    """Missing files, images without a mask, and one image under two patients."""
    found = [*_missing(cohort), *_incomplete(cohort)]
    for kind, words in (("ct", "CT"), ("pet", "PET"), ("mask", "mask")):
        found += _identical(cohort, kind, words, progress)
    return found


def _files(cohort: Cohort, kind: str) -> Iterator[tuple[str, Path]]:
    for patient in cohort.patients:
        for lesion in patient.lesions:
            path = getattr(lesion, kind)
            if path is not None:
                yield patient.name, path


def _missing(cohort: Cohort) -> list[Item]:
    gone = [(name, path) for kind in ("ct", "pet", "mask") for name, path in _files(cohort, kind) if not path.exists()]
    found = [
        ("error", f"{path} of patient {name} does not exist.", "Mend the path; it is relative to the table's folder.")
        for name, path in gone[:_SHOWN]
    ]
    if len(gone) > _SHOWN:
        found.append(("error", f"{len(gone) - _SHOWN} more files do not exist.", "Mend their paths."))
    return found


def _incomplete(cohort: Cohort) -> Iterator[Item]:
    lesions = [(p.name, lesion) for p in cohort.patients for lesion in p.lesions]
    if not any(lesion.ct for _, lesion in lesions):
        return
    for text, names in (
        ("a CT but no mask", [n for n, lesion in lesions if lesion.ct and not lesion.mask]),
        ("a mask but no CT", [n for n, lesion in lesions if lesion.mask and not lesion.ct]),
        ("neither CT nor mask", [n for n, lesion in lesions if not lesion.mask and not lesion.ct]),
    ):
        if names:
            shown = ", ".join(names[:_SHOWN]) + (" …" if len(names) > _SHOWN else "")
            remedy = "They take part without images."
            yield "warning", f"{len(names)} lesions have {text} (patients {shown}).", remedy


def _identical(cohort: Cohort, kind: str, words: str, progress: Progress) -> Iterator[Item]:
    """The same voxels under two patients' names. Only files that look alike are read."""
    patients: dict[Path, set[str]] = {}
    for name, path in _files(cohort, kind):
        if path.exists():
            patients.setdefault(path, set()).add(name)
    if kind != "mask":
        for path, names in patients.items():
            if len(names) > 1:
                text = f"The patients {' and '.join(sorted(names)[:_SHOWN])} have one {words}, {path}."
                yield "error", text, "Give each patient the own images; lesions of one patient share the name."
    by_size: dict[object, list[Path]] = {}
    for path in patients:
        by_size.setdefault(_size_key(path), []).append(path)
    doubtful = [path for paths in by_size.values() if len(paths) > 1 for path in paths]
    by_hash: dict[str, list[Path]] = {}
    for index, path in enumerate(doubtful):
        progress.report(index / len(doubtful), f"Comparing {words} images")
        by_hash.setdefault(content_hash(path), []).append(path)
    for paths in by_hash.values():
        names = sorted({name for path in paths for name in patients[path]})
        if len(names) > 1:
            text = f"The {words} files of the patients {' and '.join(names[:_SHOWN])} have the same content."
            yield "error", text, "Keep one of them: a patient on both sides of a fold makes every number too good."


def same_images(cohort: Cohort, other: Cohort) -> list[tuple[str, str, str]]:
    """Patients of two cohorts who have one CT or PET: what (CT or PET), name in the first, name in the second.

    Names need not be equal, and equal names need not mean one person. Only files that look alike are read.
    """
    found = []
    for kind, words in (("ct", "CT"), ("pet", "PET")):
        by_size: dict[object, list[tuple[str, Path]]] = {}
        for name, path in dict.fromkeys(_files(cohort, kind)):
            if path.exists():
                by_size.setdefault(_size_key(path), []).append((name, path))
        for name, path in dict.fromkeys(_files(other, kind)):
            for mine, known in by_size.get(_size_key(path), []) if path.exists() else []:
                if content_hash(known) == content_hash(path):
                    found.append((words, mine, name))
    return found


def _size_key(path: Path) -> object:
    """Differs whenever sizes differ, and mostly when contents do, without reading much.

    For gzip it is the checksum and size of what is inside, which the file ends with.
    """
    if path.is_dir():
        files = sorted((p.stat().st_size, p) for p in path.rglob("*") if p.is_file())
        middle = _sample(files[len(files) // 2][1]) if files else ""
        return "folder", tuple(size for size, _ in files), middle
    size = path.stat().st_size
    if path.suffix == ".gz" and size > 8:
        with path.open("rb") as stream:
            stream.seek(-8, 2)
            return "gzip", struct.unpack("<II", stream.read(8))
    return "file", size, _sample(path)


def _sample(path: Path) -> str:
    """Hash of a few places of a file; two files that differ there need not be read."""
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb") as stream:
        for place in range(_SAMPLES):
            stream.seek(size * place // _SAMPLES)
            digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def content_hash(path: Path) -> str:
    """SHA-256 of a file's content (inside gzip, so that how it was packed does not matter), or of a folder's files."""
    digest = hashlib.sha256()
    if path.is_dir():
        for one in sorted(content_hash(p) for p in path.rglob("*") if p.is_file()):
            digest.update(one.encode())
        return digest.hexdigest()
    import gzip

    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except (OSError, EOFError):
        digest.update(str(path).encode())  # damaged: reading it for training says so
    return digest.hexdigest()
