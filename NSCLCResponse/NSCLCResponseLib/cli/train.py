"""``nsclc-response train``: from a cohort table to a signature."""

from __future__ import annotations

import argparse
import os
import sys

from NSCLCResponseSegmentLib.core.jobs import run_job
from NSCLCResponseSegmentLib.core.progress import SILENT

from .arguments import absolute
from .console import run_with_bar

_PARTS = ("radiomics_ct", "radiomics_pet", "radiomics_table", "cnn", "clinical")
_SELECTORS = "none, anova, lasso, rfe, mrmr, mutual_information, stability, pca, lasso+pca"
_MODELS = "logistic, svm, random_forest, gradient_boosting, stacking; of a time to an event: cox, gradient_boosting"


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("train", help="train a signature on a cohort and validate it")
    parser.add_argument(
        "--cohort", required=True, type=absolute, metavar="TABLE", help="CSV or XLSX, one row per lesion"
    )
    parser.add_argument("--roles", required=True, type=absolute, metavar="YAML", help="what the table's columns mean")
    parser.add_argument("--holdout", type=absolute, metavar="TABLE", help="further patients that only judge the result")
    parser.add_argument(
        "--preset", default="default", help="default, or kothinti2025 for that paper's protocol (default: default)"
    )
    parser.add_argument("--selector", metavar="NAME", help=f"of features (default: the preset's): {_SELECTORS}")
    parser.add_argument(
        "--model", metavar="NAME", help=f"of the parts but the 3D-CNN (default: the preset's): {_MODELS}"
    )
    parser.add_argument(
        "--icc", type=absolute, metavar="CSV", help="table of 'radiomics --perturb': use only robust features"
    )
    parser.add_argument(
        "--icc-min", type=float, metavar="X", help="least lower end of the ICC's 95 %% interval (default: 0.75)"
    )
    parser.add_argument(
        "--harmonise", choices=("combat",), help="take differences between centres out of radiomics, within folds"
    )
    parser.add_argument(
        "--reference", metavar="CENTRE", help="centre that --harmonise leaves as it is; unknown centres count as it"
    )
    parser.add_argument(
        "--despite-errors",
        action="store_true",
        help="train although 'cohort check' finds errors; the signature says so",
    )
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
    parser.add_argument(
        "--licence", default="", help="of the signature, with the source of the data (default: Apache-2.0)"
    )
    parser.add_argument("--out", required=True, type=absolute, metavar="DIR", help="new folder for the signature")
    parser.add_argument("--overwrite", action="store_true", help="replace a signature that is already there")
    parser.add_argument(
        "--permutations", type=int, metavar="N", help="of the labels, as a control of the light models (default: 200)"
    )
    parser.add_argument(
        "--cnn-permutations",
        type=int,
        metavar="N",
        help="of the labels for the 3D-CNN, each trained anew with a fifth of the epochs in two folds (default: 5)",
    )
    parser.add_argument("--no-shuffle", action="store_true", help="leave out the control with shuffled voxels")
    parser.add_argument("--keep-work", action="store_true", help="keep DIR.work with all measurements and fits")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    names = ("cohort", "roles", "holdout", "preset", "parts", "seed", "epochs", "folds", "ct_settings")
    more = ("pet_settings", "name", "version", "label", "licence", "out", "overwrite", "keep_work")
    table = ("selector", "model", "icc", "icc_min", "harmonise", "reference", "despite_errors")
    controls = ("permutations", "cnn_permutations", "no_shuffle")
    arguments = {name: getattr(args, name) for name in (*names, *more, *table, *controls)}
    if os.environ.get("RANK", "0") != "0":  # one of several processes that torchrun started: the first one talks
        run_job("train", arguments, SILENT)
        return 0
    result = run_with_bar("train", arguments)
    sys.stdout.write(result["summary"] + "\n")
    return 0
