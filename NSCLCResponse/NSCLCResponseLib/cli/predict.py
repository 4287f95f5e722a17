"""``nsclc-response predict``: one patient, from images to probability, pictures and report."""

from __future__ import annotations

import argparse
import sys

from NSCLCResponseSegmentLib.core.errors import ClinicalError

from .arguments import (
    absolute,
    add_case_arguments,
    add_click_arguments,
    add_contours,
    add_lesion_choice,
    add_out_folder,
)
from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("predict", help="probability of response for one patient, with pictures and report")
    add_case_arguments(parser, ct_required=False)
    add_click_arguments(parser)
    add_lesion_choice(parser)
    parser.add_argument(
        "--clinical", nargs="+", action="extend", default=[], metavar="NAME=VALUE", help="e.g. pdl1_tps_percent=80"
    )
    parser.add_argument(
        "--center", default="", metavar="NAME", help="hospital, for a signature whose features are harmonised by ComBat"
    )
    parser.add_argument("--signature", type=absolute, metavar="DIR", help="signature folder (default: the shipped one)")
    parser.add_argument(
        "--patient-id", default="", help="identifier for the results (default: the one in the DICOM files)"
    )
    parser.add_argument(
        "--what-if",
        action="append",
        default=[],
        metavar="CHANGE",
        help="also say what would change, e.g. pdl1_tps_percent=10, no-pet, erode=2, dilate=2; may be repeated",
    )
    add_contours(parser)
    parser.add_argument("--level", type=_level, metavar="SHARE", help="level of the conformal set (default: 0.8)")
    add_out_folder(parser)
    parser.set_defaults(run=run)


def _level(text: str) -> float:
    """0.5 to 0.99."""
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0.5 <= level <= 0.99:
        raise argparse.ArgumentTypeError(f"'{text}' is not a share from 0.5 to 0.99")
    return level


def parse_clinical(pairs: list[str]) -> dict[str, str]:
    """``NAME=VALUE`` pairs as a dictionary; the signature checks names and values.

    :raises ClinicalError: a pair lacks its ``=``, or a name comes twice.
    """
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise ClinicalError(f"'{pair}' is not NAME=VALUE.", "Write it like pdl1_tps_percent=80.")
        if name.strip() in values:
            raise ClinicalError(f"The clinical variable {name.strip()} is given twice.", "Give it once.")
        values[name.strip()] = value.strip()
    return values


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    arguments = {
        "ct": args.ct,
        "series": args.series,
        "pet": args.pet,
        "pet_series": args.pet_series,
        "mask": args.mask,
        "roi": args.roi,
        "click_ras": args.click_ras,
        "click_ijk": args.click_ijk,
        "lesions": args.lesions,
        "clinical": parse_clinical(args.clinical),
        "center": args.center,
        "signature": args.signature,
        "patient_id": args.patient_id,
        "what_if": args.what_if,
        "redraws": args.contours,
        "level": args.level,
        "out": args.out,
        "overwrite": args.overwrite,
    }
    result = run_with_bar("predict", arguments)
    sys.stdout.write(result["summary"] + "\n")
    return 0
