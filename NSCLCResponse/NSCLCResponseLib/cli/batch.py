"""``nsclc-response batch``: many patients, one result folder each, resumable."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from NSCLCResponseSegmentLib.core.errors import CohortError

from .arguments import absolute, add_contours
from .console import ConsoleProgress


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("batch", help="predict for many patients; a rerun does what is missing")
    parser.add_argument(
        "--cases",
        required=True,
        type=absolute,
        metavar="TABLE_OR_FOLDER",
        help="CSV with columns patient, ct, pet, mask, roi, click_ras, center, clinical values; or a patients' folder",
    )
    parser.add_argument("--out", required=True, type=absolute, metavar="DIR", help="folder for all results")
    parser.add_argument("--signature", type=absolute, metavar="DIR", help="signature folder (default: the shipped one)")
    add_contours(parser)
    parser.add_argument("--workers", type=int, default=min(2, os.cpu_count() or 1), help="processes side by side")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="Dask scheduler of a cluster, like tcp://host:8786")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; 1 when a patient failed, 0 when all are done."""
    from ..core import batch, batch_summary
    from ..core.batch_cases import read_cases
    from ..core.signature_io import default_signature, read_files
    from ..core.signature_list import describe_signature

    if args.workers < 1:
        raise CohortError(f"--workers {args.workers} is not possible.", "Give 1 or more.")
    folder = Path(args.signature) if args.signature else default_signature()
    description, _, sha256 = read_files(folder)  # its models are for the workers: they take four seconds to load
    out = Path(args.out)
    images = description["inputs"]["ct"] != "unused"
    variables = describe_signature(folder).clinical_variables
    cases = read_cases(Path(args.cases), [v.name for v in variables], images=images)
    if args.contours is not None:
        cases = [replace(case, arguments={**case.arguments, "redraws": args.contours}) for case in cases]
    out.mkdir(parents=True, exist_ok=True)
    runner = batch.DaskRunner(args.scheduler) if args.scheduler else batch.LocalRunner(args.workers)
    console = ConsoleProgress()
    rows: dict[str, batch.BatchRow] = {}
    try:
        steps = batch.run_batch(
            cases, out, runner, signature=str(folder), signature_sha256=sha256, progress=console.progress
        )
        for row in steps:
            rows[row.folder] = row
            console.clear()
            if not row.was_there:
                sys.stderr.write(f"{row.patient}: {row.status} {row.reason}\n")
            ordered = [rows[case.folder_name] for case in cases if case.folder_name in rows]
            batch_summary.write_csv(ordered, out / "summary.csv")
    finally:
        runner.close()
        console.clear()
    batch_summary.write_html(ordered, out)
    failed = sum(row.status == "failed" for row in ordered)
    kept = sum(row.was_there for row in ordered)
    sys.stdout.write(
        f"{len(ordered) - failed} of {len(cases)} patients predicted ({kept} were there), {failed} failed.\n"
        f"Summary: {out / 'summary.html'}\n"
    )
    return 1 if failed else 0
