"""``nsclc-response evaluate``: how good a signature is on patients who took no part in its training."""

from __future__ import annotations

import argparse
import sys

from .arguments import absolute
from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("evaluate", help="judge a signature on a cohort that it was not trained on")
    parser.add_argument("--signature", required=True, type=absolute, metavar="DIR", help="folder of the signature")
    parser.add_argument(
        "--cohort", required=True, type=absolute, metavar="TABLE", help="CSV or XLSX, one row per lesion"
    )
    parser.add_argument(
        "--roles",
        required=True,
        type=absolute,
        metavar="YAML",
        help="what the table's columns mean; with a split, its test patients are judged",
    )
    parser.add_argument("--no-shuffle", action="store_true", help="leave out the control with shuffled voxels")
    parser.add_argument("--seed", type=int, default=0, help="of bootstrap intervals and controls")
    parser.add_argument("--out", required=True, type=absolute, metavar="DIR", help="new folder for report and measures")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are already there")
    parser.add_argument("--keep-work", action="store_true", help="keep DIR.work with all measurements")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    names = ("signature", "cohort", "roles", "no_shuffle", "seed", "out", "overwrite", "keep_work")
    result = run_with_bar("evaluate", {name: getattr(args, name) for name in names})
    sys.stdout.write(result["summary"] + "\n")
    return 0
