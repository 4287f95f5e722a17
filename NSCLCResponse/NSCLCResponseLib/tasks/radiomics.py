"""Features of one patient, or of many, as a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import require_space, staged_file
from NSCLCResponseSegmentLib.core.errors import MaskError, OutputError, SettingsError

if TYPE_CHECKING:
    import SimpleITK as sitk

    from NSCLCResponseSegmentLib.core.case import Case
    from NSCLCResponseSegmentLib.core.progress import Progress

    from ..core.radiomics.case_features import FeatureRequest, FeatureRow
    from ..core.radiomics.case_robustness import Robustness
    from ..core.radiomics.cases import CaseSource
    from ..worker import TaskContext

_FREE_BYTES_NEEDED = 20_000_000


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Measure and write ``features.csv`` and, beside it, ``features.json``.

    :param arguments: see ``nsclc-response radiomics``; instead of ``mask``, ``lesion_masks`` (name → file) may give
        lesions that are known one by one, and ``lesion_problems`` (name → reason) those that have no usable outline.
    :returns: ``summary`` (text), ``out``, ``record`` (path of the JSON file), ``rows``, ``failed_cases``.
    :raises NSCLCResponseError: the input cannot be used; nothing is written then.
    """
    out = Path(arguments["out"])
    if out.suffix.lower() != ".csv":
        raise OutputError(f"{out} does not end in .csv.", "Give a name like features.csv.")
    require_space(out, _FREE_BYTES_NEEDED)
    with staged_file(out, overwrite=bool(arguments.get("overwrite")), token=context.token) as aside:
        request = _request(arguments)
        found = _measure(arguments, request, context.progress.part(0.0, 0.95))
        files = _write(found, request, aside, with_values=bool(arguments.get("with_values")))
        for name in files:
            aside.with_name(name).replace(out.with_name(name))
    context.progress.report(1.0, "Done")
    return {
        "summary": _summary(found, out, files),
        "out": str(out),
        "record": str(out.with_suffix(".json")),
        "rows": len(found.rows),
        "failed_cases": found.failures,
        "robustness": found.robustness.summary() if found.robustness else None,
    }


@dataclass
class _Found:
    """What was measured."""

    rows: list[FeatureRow] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    robustness: Robustness | None = None


def _request(arguments: dict[str, Any]) -> FeatureRequest:
    from ..core.radiomics.case_features import FeatureRequest
    from ..core.radiomics.regions import parse_regions
    from ..core.radiomics.settings import load_settings, shipped_settings

    given = {name: arguments.get(name) for name in ("settings", "pet_settings")}
    ct = load_settings(Path(given["settings"])) if given["settings"] else shipped_settings("ct")
    pet = load_settings(Path(given["pet_settings"])) if given["pet_settings"] else shipped_settings("pet")
    regions = tuple(parse_regions(arguments.get("regions") or "tumour"))
    return FeatureRequest(
        ct,
        pet,
        regions,
        each_lesion=not arguments.get("whole_outline"),
        ibsi=bool(arguments.get("ibsi")),
        perturb=_redraws(arguments),
        seed=int(arguments.get("seed") or 0),
    )


def _redraws(arguments: dict[str, Any]) -> int:
    count = int(arguments.get("perturb") or 0)
    if count < 0 or count == 1:
        raise SettingsError(f"{count} redrawn contours tell nothing.", "Give --perturb with 2 or more, e.g. 20.")
    return count


def _measure(arguments: dict[str, Any], request: FeatureRequest, progress: Progress) -> _Found:
    if not arguments.get("cases"):
        return _measure_one(arguments, request, progress)
    from ..core.radiomics.case_robustness import assess
    from ..core.radiomics.cases import extract

    out = Path(arguments["out"])
    found = _Found()
    redraws = []
    for case in extract(_sources(arguments), request, store=out.with_name(f"{out.stem}-cases"), progress=progress):
        found.rows += case.rows
        if case.redraws:
            redraws.append(case.redraws)
        if case.error:
            found.failures[case.patient] = case.error
            progress.warn(f"{case.patient}: {case.error}")
    if redraws:
        found.robustness = assess(redraws)
    return found


def _measure_one(arguments: dict[str, Any], request: FeatureRequest, progress: Progress) -> _Found:
    from NSCLCResponseSegmentLib.core.reading import read_case

    from ..core.radiomics.case_features import measure_case, unmeasured_row
    from ..core.radiomics.case_robustness import assess, redraw_case

    if arguments.get("pet_mask") and not arguments.get("pet"):
        raise MaskError("There is an outline for the PET but no PET.", "Give the PET with --pet.")
    if not arguments.get("mask") and not arguments.get("lesion_masks"):
        raise MaskError("There is no outline to measure.", "Give --mask with the tumour's outline.")
    by_segment = _by_segment(arguments)
    measured = 0.6 if request.perturb else 1.0
    case = read_case(
        ct=Path(arguments["ct"]),
        series=arguments.get("series", ""),
        pet=Path(arguments["pet"]) if arguments.get("pet") else None,
        pet_series=arguments.get("pet_series", ""),
        mask=None if by_segment else Path(arguments["mask"]),
        roi=arguments.get("roi", ""),
        patient_id=arguments.get("patient_id", ""),
        gaps=True,
        progress=progress.part(0.0, measured / 2),
    )
    masks, problems = _segments(arguments, case) if by_segment else (None, {})
    outlines = {"lesion_masks": masks, "pet_mask": _pet_mask(arguments, case)}
    found = _Found(measure_case(case, request, progress.part(measured / 2, measured), **outlines))
    found.rows += [unmeasured_row(case, request, name, why) for name, why in problems.items()]
    if request.perturb:
        redraws = redraw_case(case, request, **outlines, progress=progress.part(measured, 1.0))
        found.robustness = assess([redraws])
    for note in dict.fromkeys([*case.notes, *(w for row in found.rows for w in row.warnings)]):
        progress.warn(note)
    return found


def _by_segment(arguments: dict[str, Any]) -> bool:
    return bool(arguments.get("lesion_masks") or arguments.get("each_segment") or "," in (arguments.get("roi") or ""))


def _segments(arguments: dict[str, Any], case: Case) -> tuple[dict[str, sitk.Image], dict[str, str]]:
    """Lesions that are known as such (files of their own, or segments of one file): masks, and why some have none."""
    from NSCLCResponseSegmentLib.core.masks import read_mask

    from ..core.radiomics.segments import read_segments

    if arguments.get("lesion_masks"):
        masks = {name: read_mask(Path(path), case.ct).image for name, path in arguments["lesion_masks"].items()}
        return masks, dict(arguments.get("lesion_problems") or {})
    names = tuple(part.strip() for part in (arguments.get("roi") or "").split(",") if part.strip())
    return read_segments(Path(arguments["mask"]), case.ct, names)


def _pet_mask(arguments: dict[str, Any], case: Case) -> sitk.Image | None:
    """The outline that was drawn on the PET, on the PET's grid."""
    if not arguments.get("pet_mask"):
        return None
    from NSCLCResponseSegmentLib.core.masks import read_mask

    return read_mask(Path(arguments["pet_mask"]), case.pet, arguments.get("pet_roi", "")).image


def _sources(arguments: dict[str, Any]) -> list[CaseSource]:
    from ..core.batch_cases import read_cases
    from ..core.radiomics.cases import CaseSource

    sources = []
    for case in read_cases(Path(arguments["cases"])):
        wanted = ("ct", "series", "pet", "pet_series", "mask", "roi")
        sources.append(CaseSource.from_files(case.patient, **{k: v for k, v in case.arguments.items() if k in wanted}))
    return sources


def _write(found: _Found, request: FeatureRequest, aside: Path, *, with_values: bool) -> list[str]:
    """Write the table and what belongs to it; returns the names of the files beside the table."""
    from ..core.radiomics.case_robustness import write_robustness
    from ..core.radiomics.table import write_csv, write_record

    write_csv(found.rows, aside)
    settings = {"ct": request.ct_settings, "pet": request.pet_settings}
    names = {name: {"name": s.name, "sha256": s.sha256} for name, s in settings.items() if s is not None}
    more: dict[str, Any] = {"settings": names, "failed_cases": found.failures}
    files = [f"{aside.stem}.json"]
    if found.robustness is not None:
        more["robustness"] = found.robustness.summary()
        files.append(f"{aside.stem}-robustness.csv")
        write_robustness(found.robustness, aside.with_name(files[-1]))
    write_record(found.rows, aside.with_name(files[0]), with_values=with_values, **more)
    return files


def _summary(found: _Found, out: Path, files: list[str]) -> str:
    lines = []
    for row in found.rows[:20]:
        text = f"{row.patient}, lesion {row.lesion}, {row.region}: {len(row.values)} features"
        if row.failed:
            reasons = dict.fromkeys(row.failed.values())
            text += f", {len(row.failed)} without a value ({'; '.join(list(reasons)[:2])})"
        lines.append(text)
    if len(found.rows) > 20:
        lines.append(f"… and {len(found.rows) - 20} rows more")
    if found.robustness is not None:
        lines += _robustness_lines(found.robustness)
    lines += [f"{patient}: failed. {why}" for patient, why in found.failures.items()]
    beside = ", ".join(str(out.with_name(name)) for name in files)
    return "\n".join([*lines, f"Written: {out}", f"Reasons, settings, diagnostics and more: {beside}"])


def _robustness_lines(robustness: Robustness) -> list[str]:
    told = robustness.summary()
    lines = [f"ICC(2,1) over {len(robustness.targets)} targets and {robustness.redraws} redrawn contours:"]
    for kind, own in told["by_class"].items():
        lines.append(
            f"  {kind:11}{own['features']:5} features; ICC ≥ 0.75: {own['share ≥ 0.75']:4.0%},"
            f" ≥ 0.9: {own['share ≥ 0.9']:4.0%}"
        )
    return lines
