"""``nsclc-response phantom``: simulated patients with CT, PET, outline, clinical values and a known best AUC."""

from __future__ import annotations

import argparse
import sys

from .arguments import add_out_folder
from .console import run_with_bar

_TRAITS = ("histogram", "texture", "spatial")


def _traits(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in _TRAITS]
    if unknown or not names:
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of {', '.join(_TRAITS)}")
    return names


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("phantom", help="simulated patients: CT, PET, outline, outcome, from a seed")
    parser.add_argument("--patients", type=int, default=10, metavar="N", help="how many (default 10)")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="same seed, same voxels (default 1)")
    parser.add_argument(
        "--signal", choices=("planted", "none"), default="planted", help="whether the images tell the outcome"
    )
    parser.add_argument("--fine", action="store_true", help="512×512×200 voxels rather than 160×160×96")
    parser.add_argument(
        "--traits",
        type=_traits,
        default=list(_TRAITS),
        metavar="A,B",
        help="image traits that the tumours have, and that tell: histogram, texture, spatial (default: all)",
    )
    parser.add_argument("--best-auc", type=float, default=0.95, metavar="AUC", help="best reachable AUC (default 0.95)")
    parser.add_argument(
        "--response-rate", type=float, default=0.33, metavar="R", help="share that responds (default 0.33)"
    )
    parser.add_argument(
        "--without-pet", type=float, default=0.0, metavar="SHARE", help="share of patients without a PET"
    )
    parser.add_argument("--first", type=int, default=1, metavar="N", help="number of the first patient (default 1)")
    parser.add_argument("--jobs", type=int, default=0, metavar="J", help="processes (default: one per core)")
    add_out_folder(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    names = (
        "patients",
        "seed",
        "signal",
        "fine",
        "traits",
        "best_auc",
        "response_rate",
        "without_pet",
        "first",
        "jobs",
    )
    arguments = {name: getattr(args, name) for name in (*names, "out", "overwrite")}
    result = run_with_bar("phantom", arguments)
    sys.stdout.write(result["summary"] + "\n")
    return 0
