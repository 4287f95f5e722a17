"""``nsclc-response train``: from a cohort table to a signature."""

from __future__ import annotations

import argparse
import sys

from .arguments import absolute
from .console import run_with_bar

_PARTS = ("radiomics_ct", "radiomics_pet", "cnn", "clinical")


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("train", help="train a signature on a cohort and validate it")
    parser.add_argument(
        "--cohort", required=True, type=absolute, metavar="TABLE", help="CSV or XLSX, one row per lesion"
    )
    parser.add_argument("--roles", required=True, type=absolute, metavar="YAML", help="what the table's columns mean")
    parser.add_argument("--holdout", type=absolute, metavar="TABLE", help="further patients that only judge the result")
    parser.add_argument("--preset", default="default", help="how to train (default: default)")
    parser.add_argument(
        "--parts", nargs="+", choices=_PARTS, default=[], help="only these parts (default: all there is)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="for folds and networks; the same seed gives the same bytes"
    )
    parser.add_argument("--epochs", type=int, help="of the 3D-CNN (default: the preset's)")
    parser.add_argument("--folds", type=int, help="of the cross-validation (default: the preset's)")
    parser.add_argument("--ct-settings", type=absolute, metavar="YAML", help="PyRadiomics parameter file for the CT")
    parser.add_argument("--pet-settings", type=absolute, metavar="YAML", help="PyRadiomics parameter file for the PET")
    parser.add_argument("--name", default="", help="of the signature (default: the folder's name)")
    parser.add_argument("--version", default="1", help="of the signature (default: 1)")
    parser.add_argument("--label", default="", help="sentence about the training data, shown beside every probability")
    parser.add_argument("--out", required=True, type=absolute, metavar="DIR", help="new folder for the signature")
    parser.add_argument("--overwrite", action="store_true", help="replace a signature that is already there")
    parser.add_argument("--keep-work", action="store_true", help="keep DIR.work with all measurements and fits")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    names = ("cohort", "roles", "holdout", "preset", "parts", "seed", "epochs", "folds", "ct_settings")
    more = ("pet_settings", "name", "version", "label", "out", "overwrite", "keep_work")
    result = run_with_bar("train", {name: getattr(args, name) for name in (*names, *more)})
    sys.stdout.write(result["summary"] + "\n")
    return 0
