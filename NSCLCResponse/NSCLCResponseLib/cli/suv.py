"""``nsclc-response suv``: a PET series as a volume in body-weight SUV."""

from __future__ import annotations

import argparse
import sys

from .arguments import absolute
from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("suv", help="a PET's DICOM folder as one volume in SUVbw")
    parser.add_argument("pet", type=absolute, metavar="DICOM_FOLDER", help="folder that holds the PET series")
    parser.add_argument("--series", default="", help="series number, or part of its description or UID, if several")
    parser.add_argument("--out", required=True, type=absolute, metavar="FILE", help="e.g. suv.nii.gz")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there already")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    arguments = {"pet": args.pet, "series": args.series, "out": args.out, "overwrite": args.overwrite}
    result = run_with_bar("suv", arguments)
    sys.stdout.write(result["summary"] + "\n")
    return 0
