"""``nsclc-response segment-train``: a segmentation model from CTs with outlines, as a MONAI Bundle."""

from __future__ import annotations

import argparse
import sys

from NSCLCResponseSegmentLib.core.errors import JobCancelledError

from .arguments import absolute, add_out_folder
from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "segment-train", help="train or fine-tune a segmentation model on your CTs and outlines; writes a MONAI Bundle"
    )
    parser.add_argument(
        "--cases",
        required=True,
        type=absolute,
        metavar="PATH",
        help="CSV (patient, ct, mask, roi, series) or a folder with one folder for each patient",
    )
    parser.add_argument("--name", default="", help="of the model (default: the output folder's name)")
    parser.add_argument(
        "--trained-on", required=True, metavar="TEXT", help="what the patients are, in a sentence; kept with the model"
    )
    parser.add_argument(
        "--from-model",
        default="",
        metavar="NAME_OR_FOLDER",
        help="fine-tune this model (one made by segment-train) instead of starting anew",
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="of computing for the training (default: 60)")
    parser.add_argument("--steps", type=int, default=0, help="at most so many steps (default: no limit)")
    parser.add_argument("--seed", type=int, default=1, help="of split, weights and patches (default: 1)")
    parser.add_argument(
        "--work",
        type=absolute,
        metavar="DIR",
        help="for prepared patients and the training's state (default: OUT.work); an interrupted training is taken up"
        " again from there",
    )
    add_out_folder(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    names = ("cases", "name", "trained_on", "from_model", "minutes", "steps", "seed", "work", "out", "overwrite")
    try:
        result = run_with_bar("segment_train", {name: getattr(args, name) for name in names})
    except JobCancelledError as cancelled:
        raise JobCancelledError(
            "Cancelled; no model was written.",
            f"The same command goes on from what is kept in {args.work or args.out + '.work'}.",
        ) from cancelled
    sys.stdout.write(result["summary"] + "\n")
    return 0
