"""Many patients one after another: a generator that resumes, and that one patient's failure does not stop."""

from __future__ import annotations

import hashlib
import json
import re
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from NSCLCResponseSegmentLib.core.atomic import staged_file
from NSCLCResponseSegmentLib.core.case import Case
from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .case_features import FeatureRequest, FeatureRow, measure_case
from .case_robustness import redraw_case
from .robustness import Redraws

CASE_SCHEMA = "nsclc-response/case-features/1"


@dataclass(frozen=True)
class CaseSource:
    """A patient who is read only when it is his turn.

    :param patient: identifier; unique among the cases.
    :param load: reads the case.
    :param inputs: what the case is made of (paths, region names); a stored result counts only for the same inputs.
    """

    patient: str
    load: Callable[[Progress], Case]
    inputs: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_files(cls, patient: str, **arguments: Any) -> CaseSource:
        """A patient from files; ``arguments`` as for :func:`reading.read_case` (``ct``, ``mask``, ``roi`` …)."""

        def load(progress: Progress) -> Case:
            from NSCLCResponseSegmentLib.core.reading import read_case

            paths = {k: Path(v) if v and k in ("ct", "pet", "mask") else v for k, v in arguments.items()}
            return read_case(**paths, patient_id=patient, gaps=True, progress=progress)

        inputs = {k: str(v) for k, v in sorted(arguments.items()) if v}
        for name in ("ct", "pet", "mask"):
            if arguments.get(name):
                inputs[f"{name} changed"] = _state(Path(arguments[name]))
        return cls(patient, load, inputs)


@dataclass(frozen=True)
class CaseFeatures:
    """One patient's rows, or why there are none.

    :param was_there: it was measured in an earlier run.
    :param redraws: values under redrawn contours, for ``ct`` and ``pet``, when they were asked for.
    """

    patient: str
    rows: list[FeatureRow]
    error: str = ""
    was_there: bool = False
    redraws: dict[str, Redraws] = field(default_factory=dict)


def extract(
    cases: Iterable[CaseSource], request: FeatureRequest, *, store: Path | None = None, progress: Progress = SILENT
) -> Iterator[CaseFeatures]:
    """Measure patients one after another and yield each as it is finished.

    Whatever goes wrong with one patient is told in his ``error``; only the user's own interruption ends the others too.

    :param store: folder that keeps one file per finished patient. A later run with the same inputs and settings takes
        it from there; failures are tried again.
    """
    cases = list(cases)
    for number, source in enumerate(cases):
        step = progress.part(number / len(cases), (number + 1) / len(cases))
        fingerprint = _fingerprint(source, request)
        place = store / f"{_file_name(source.patient)}.json" if store is not None else None
        kept = _stored(place, fingerprint)
        if kept is not None:
            yield CaseFeatures(source.patient, kept[0], was_there=True, redraws=kept[1])
            continue
        try:
            case = source.load(step.part(0.0, 0.3))
            rows = measure_case(case, request, step.part(0.3, 0.5 if request.perturb else 1.0))
            redraws = {}
            if request.perturb:
                redraws = redraw_case(case, request, parts=False, progress=step.part(0.5, 1.0))
        except NSCLCResponseError as problem:
            yield CaseFeatures(source.patient, [], str(problem))
            continue
        except Exception as problem:  # noqa: BLE001 one patient's files must not end the others' measurement
            yield CaseFeatures(source.patient, [], _unexpected(problem))
            continue
        if place is not None:
            _keep(place, fingerprint, rows, redraws)
        yield CaseFeatures(source.patient, rows, redraws=redraws)


def _unexpected(problem: Exception) -> str:
    """What a patient's row says about an error that nobody foresaw: its kind, its text and where it came from."""
    where = traceback.extract_tb(problem.__traceback__)[-1]
    what = f"{type(problem).__name__}, {' '.join(str(problem).split()) or 'no text'}"
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return f"It could not be measured: {what} (in {place}). Check this patient's files; the others are measured."


def _state(path: Path) -> str:
    """Size and time of a file, or of what a folder holds: changes when the data do."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    parts = [f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in files if p.exists()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _fingerprint(source: CaseSource, request: FeatureRequest) -> str:
    pet = request.pet_settings.sha256 if request.pet_settings else ""
    regions = [region.name for region in request.regions]
    what = [CASE_SCHEMA, source.inputs, request.ct_settings.sha256, pet, regions, request.each_lesion, request.ibsi]
    what += [request.perturb, request.seed]
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()


def _file_name(patient: str) -> str:
    safe = re.sub(r'[<>:"/\\|?*\x00-\x1f]+', "_", patient).strip(". ") or "_"
    return safe if safe == patient else f"{safe}-{hashlib.sha256(patient.encode()).hexdigest()[:8]}"


def _stored(place: Path | None, fingerprint: str) -> tuple[list[FeatureRow], dict[str, Redraws]] | None:
    if place is None or not place.is_file():
        return None
    try:
        data = json.loads(place.read_text(encoding="utf-8"))
        if data["fingerprint"] != fingerprint:
            return None
        rows = [FeatureRow.from_json(row) for row in data["rows"]]
        return rows, {name: Redraws.from_json(own) for name, own in data["redraws"].items()}
    except (ValueError, KeyError, TypeError):  # of another version, or damaged: measure again
        return None


def _keep(place: Path, fingerprint: str, rows: list[FeatureRow], redraws: dict[str, Redraws]) -> None:
    content = {
        "schema": CASE_SCHEMA,
        "fingerprint": fingerprint,
        "rows": [row.to_json() for row in rows],
        "redraws": {name: own.to_json() for name, own in redraws.items()},
    }
    with staged_file(place) as aside:
        aside.write_text(json.dumps(content, allow_nan=False), encoding="utf-8")
