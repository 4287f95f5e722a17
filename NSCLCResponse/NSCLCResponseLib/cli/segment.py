"""``nsclc-response segment``: the tumour's outline, from clicks or from another format."""

from __future__ import annotations

import argparse
import sys

from .arguments import absolute, add_case_arguments, add_click_arguments, point
from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "segment", help="outline the tumour from one or more clicks, or bring an outline to the CT's grid"
    )
    add_case_arguments(parser)
    add_click_arguments(parser)
    parser.add_argument(
        "--exclude-ras",
        type=point,
        action="append",
        default=[],
        metavar="R,A,S",
        help="point that does not belong to the tumour, RAS mm",
    )
    parser.add_argument(
        "--candidate",
        type=int,
        choices=(1, 2, 3),
        default=1,
        help="which of the sizes found to write: 1 is the likeliest, 2 and 3 are its rivals",
    )
    parser.add_argument("--out", required=True, type=absolute, metavar="FILE", help="e.g. mask.nii.gz")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there already")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    arguments = {
        "ct": args.ct,
        "series": args.series,
        "mask": args.mask,
        "roi": args.roi,
        "click_ras": args.click_ras,
        "click_ijk": args.click_ijk,
        "exclude_ras": args.exclude_ras,
        "candidate": args.candidate,
        "out": args.out,
        "overwrite": args.overwrite,
    }
    result = run_with_bar("segment", arguments)
    sys.stdout.write(result["summary"] + "\n")
    return 0
