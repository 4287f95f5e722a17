"""Features of one patient, or of many, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import require_space, staged_file
from NSCLCResponseSegmentLib.core.errors import MaskError, OutputError

if TYPE_CHECKING:
    from NSCLCResponseSegmentLib.core.progress import Progress

    from ..core.radiomics.case_features import FeatureRequest, FeatureRow
    from ..core.radiomics.cases import CaseSource
    from ..worker import TaskContext

_FREE_BYTES_NEEDED = 20_000_000


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Measure and write ``features.csv`` and, beside it, ``features.json``.

    :param arguments: see ``nsclc-response radiomics``.
    :returns: ``summary`` (text), ``out``, ``record`` (path of the JSON file), ``rows``, ``failed_cases``.
    :raises NSCLCResponseError: the input cannot be used; nothing is written then.
    """
    out = Path(arguments["out"])
    if out.suffix.lower() != ".csv":
        raise OutputError(f"{out} does not end in .csv.", "Give a name like features.csv.")
    require_space(out, _FREE_BYTES_NEEDED)
    record = out.with_suffix(".json")
    with staged_file(out, overwrite=bool(arguments.get("overwrite")), token=context.token) as aside:
        request = _request(arguments)
        rows, failures = _measure(arguments, request, context.progress.part(0.0, 0.95))
        _write(rows, failures, request, aside)
        aside.with_suffix(".json").replace(record)
    context.progress.report(1.0, "Done")
    return {
        "summary": _summary(rows, failures, out, record),
        "out": str(out),
        "record": str(record),
        "rows": len(rows),
        "failed_cases": failures,
    }


def _request(arguments: dict[str, Any]) -> FeatureRequest:
    from ..core.radiomics.case_features import FeatureRequest
    from ..core.radiomics.regions import parse_regions
    from ..core.radiomics.settings import load_settings, shipped_settings

    given = {name: arguments.get(name) for name in ("settings", "pet_settings")}
    ct = load_settings(Path(given["settings"])) if given["settings"] else shipped_settings("ct")
    pet = load_settings(Path(given["pet_settings"])) if given["pet_settings"] else shipped_settings("pet")
    regions = tuple(parse_regions(arguments.get("regions") or "tumour"))
    each, ibsi = not arguments.get("whole_outline"), bool(arguments.get("ibsi"))
    return FeatureRequest(ct, pet, regions, each_lesion=each, ibsi=ibsi)


def _measure(
    arguments: dict[str, Any], request: FeatureRequest, progress: Progress
) -> tuple[list[FeatureRow], dict[str, str]]:
    if not arguments.get("cases"):
        return _measure_one(arguments, request, progress), {}
    from ..core.radiomics.cases import extract

    out = Path(arguments["out"])
    rows: list[FeatureRow] = []
    failures: dict[str, str] = {}
    for case in extract(_sources(arguments), request, store=out.with_name(f"{out.stem}-cases"), progress=progress):
        rows += case.rows
        if case.error:
            failures[case.patient] = case.error
            progress.warn(f"{case.patient}: {case.error}")
    return rows, failures


def _measure_one(arguments: dict[str, Any], request: FeatureRequest, progress: Progress) -> list[FeatureRow]:
    from NSCLCResponseSegmentLib.core.reading import read_case

    from ..core.radiomics.case_features import measure_case

    if not arguments.get("mask"):
        raise MaskError("There is no outline to measure.", "Give --mask with the tumour's outline.")
    case = read_case(
        ct=Path(arguments["ct"]),
        series=arguments.get("series", ""),
        pet=Path(arguments["pet"]) if arguments.get("pet") else None,
        pet_series=arguments.get("pet_series", ""),
        mask=Path(arguments["mask"]),
        roi=arguments.get("roi", ""),
        patient_id=arguments.get("patient_id", ""),
        progress=progress.part(0.0, 0.4),
    )
    rows = measure_case(case, request, progress.part(0.4, 1.0))
    for note in dict.fromkeys([*case.notes, *(w for row in rows for w in row.warnings)]):
        progress.warn(note)
    return rows


def _sources(arguments: dict[str, Any]) -> list[CaseSource]:
    from ..core.batch_cases import read_cases
    from ..core.radiomics.cases import CaseSource

    sources = []
    for case in read_cases(Path(arguments["cases"])):
        wanted = ("ct", "series", "pet", "pet_series", "mask", "roi")
        sources.append(CaseSource.from_files(case.patient, **{k: v for k, v in case.arguments.items() if k in wanted}))
    return sources


def _write(rows: list[FeatureRow], failures: dict[str, str], request: FeatureRequest, aside: Path) -> None:
    from ..core.radiomics.table import write_csv, write_record

    write_csv(rows, aside)
    settings = {"ct": request.ct_settings, "pet": request.pet_settings}
    names = {name: {"name": s.name, "sha256": s.sha256} for name, s in settings.items() if s is not None}
    write_record(rows, aside.with_suffix(".json"), settings=names, failed_cases=failures)


def _summary(rows: list[FeatureRow], failures: dict[str, str], out: Path, record: Path) -> str:
    lines = []
    for row in rows[:20]:
        text = f"{row.patient}, lesion {row.lesion}, {row.region}: {len(row.values)} features"
        if row.failed:
            reasons = dict.fromkeys(row.failed.values())
            text += f", {len(row.failed)} without a value ({'; '.join(list(reasons)[:2])})"
        lines.append(text)
    if len(rows) > 20:
        lines.append(f"… and {len(rows) - 20} rows more")
    lines += [f"{patient}: failed. {why}" for patient, why in failures.items()]
    return "\n".join([*lines, f"Written: {out}", f"Reasons, settings and diagnostics: {record}"])
