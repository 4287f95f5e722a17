"""``nsclc-response radiomics``: the features of each lesion and region as one table."""

from __future__ import annotations

import argparse
import sys

from .arguments import absolute, add_case_arguments
from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("radiomics", help="features of each lesion and of the tissue around it, as a table")
    add_case_arguments(parser)
    parser.add_argument(
        "--settings", type=absolute, metavar="FILE", help="PyRadiomics parameter file for the CT (default: ct.yaml)"
    )
    parser.add_argument(
        "--pet-settings", type=absolute, metavar="FILE", help="the same for the PET (default: pet.yaml)"
    )
    parser.add_argument("--patient-id", default="", help="identifier for the table (default: the one in the files)")
    parser.add_argument("--out", required=True, type=absolute, metavar="FILE", help="e.g. features.csv")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there already")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    arguments = {
        "ct": args.ct,
        "series": args.series,
        "pet": args.pet,
        "pet_series": args.pet_series,
        "mask": args.mask,
        "roi": args.roi,
        "settings": args.settings,
        "pet_settings": args.pet_settings,
        "patient_id": args.patient_id,
        "out": args.out,
        "overwrite": args.overwrite,
    }
    result = run_with_bar("radiomics", arguments)
    sys.stdout.write(result["summary"] + "\n")
    return 0
