"""``nsclc-response radiomics``: the features of each lesion and region as one table."""

from __future__ import annotations

import argparse
import sys

from NSCLCResponseSegmentLib.core.errors import ImageError

from .arguments import absolute, add_case_arguments
from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("radiomics", help="features of each lesion and of the tissue around it, as a table")
    add_case_arguments(parser, ct_required=False)
    parser.add_argument(
        "--pet-mask",
        type=absolute,
        metavar="PATH",
        help="outline drawn on the PET, for the tumour's PET features (default: --mask placed on the PET)",
    )
    parser.add_argument("--pet-roi", default="", help="name of the structure or segment in --pet-mask")
    parser.add_argument(
        "--cases",
        type=absolute,
        metavar="PATH",
        help="instead of --ct: many patients, as a CSV (patient, ct, pet, mask, roi) or a folder with one folder each;"
        " an interrupted run is taken up again",
    )
    parser.add_argument(
        "--settings", type=absolute, metavar="FILE", help="PyRadiomics parameter file for the CT (default: ct.yaml)"
    )
    parser.add_argument(
        "--pet-settings", type=absolute, metavar="FILE", help="the same for the PET (default: pet.yaml)"
    )
    parser.add_argument(
        "--regions",
        default="tumour",
        metavar="NAMES",
        help="tumour, core, rim, ring3, ring5, ring10 (mm around it), ring5lung (within lung), burden; default: tumour",
    )
    parser.add_argument(
        "--each-segment",
        action="store_true",
        help="each segment or label of --mask is a lesion of its own (also with --roi NAME,NAME); otherwise each"
        " connected part of the outline is one",
    )
    parser.add_argument(
        "--whole-outline", action="store_true", help="one row for the whole outline instead of one for each lesion"
    )
    parser.add_argument(
        "--ibsi",
        action="store_true",
        help="resample and discretise as IBSI-1 prescribes instead of as PyRadiomics does",
    )
    parser.add_argument(
        "--perturb",
        type=int,
        default=0,
        metavar="N",
        help="redraw the contours N times (e.g. 20) and report ICC(2,1) with its interval for each feature",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the redrawn contours (default: 0)")
    parser.add_argument("--patient-id", default="", help="identifier for the table (default: the one in the files)")
    parser.add_argument("--out", required=True, type=absolute, metavar="FILE", help="e.g. features.csv")
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there already")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if bool(args.ct) == bool(args.cases):
        raise ImageError("Give either --ct (and --mask) for one patient or --cases for many.")
    if args.cases and args.pet_mask:
        raise ImageError("--pet-mask is for one patient.", "Leave it out with --cases.")
    names = (
        *("ct", "series", "pet", "pet_series", "mask", "roi", "pet_mask", "pet_roi", "cases", "settings"),
        *("pet_settings", "regions", "each_segment", "whole_outline", "ibsi", "perturb", "seed", "patient_id"),
        *("out", "overwrite"),
    )
    arguments = {name: getattr(args, name) for name in names}
    result = run_with_bar("radiomics", arguments)
    sys.stdout.write(result["summary"] + "\n")
    return 1 if result["failed_cases"] else 0
