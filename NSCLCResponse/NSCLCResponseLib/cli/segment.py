"""``nsclc-response segment``: the tumour's outline, from clicks, PET, a model, or from another format."""

from __future__ import annotations

import argparse
import sys

from .arguments import absolute, add_case_arguments, add_click_arguments, add_lesion_choice, point
from .console import run_with_bar

_PET_METHODS = ("41%", "4.0", "2.5", "gradient")  # values of PetMethod, which is not imported for --help


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "segment",
        help="outline the tumour from clicks, on PET or by a model, or bring an outline to the CT's grid and format",
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
    _add_pet(parser)
    _add_model(parser)
    add_lesion_choice(parser)
    parser.add_argument(
        "--out",
        required=True,
        type=absolute,
        metavar="FILE",
        help="format by its ending: .nii.gz, .nii, .nrrd, .mha, .seg.nrrd (Slicer), .dcm (DICOM SEG) or .stl",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it is there already")
    parser.set_defaults(run=run)


def _add_pet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pet-outline",
        choices=_PET_METHODS,
        metavar="METHOD",
        help="outline on --pet around the clicks or in --box-ras: 41%% of SUVmax, SUV 4.0 or 2.5, or gradient (the"
        " steepest edge)",
    )
    parser.add_argument(
        "--box-ras", type=_box, metavar="R,A,S,R,A,S", help="two opposite corners around the uptake, RAS mm"
    )
    parser.add_argument("--pet-alone", action="store_true", help="keep uptake that lies in air-filled lung on the CT")


def _add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model",
        metavar="NAME_OR_FOLDER",
        help="find the tumour without a click: a name from 'models list', or the folder of any MONAI Bundle for CT",
    )
    parser.add_argument(
        "--trust", action="store_true", help="with --model: let it run code of its author (see 'models trust')"
    )
    parser.add_argument(
        "--mirror", action="store_true", help="with --model: average over mirrored copies, four times as slow"
    )


def _box(text: str) -> list[float]:
    words = text.split(",")
    if len(words) != 6:
        raise argparse.ArgumentTypeError(f"'{text}' is not six numbers with commas between")
    return [*point(",".join(words[:3])), *point(",".join(words[3:]))]


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    names = ("ct", "series", "pet", "pet_series", "mask", "roi", "click_ras", "click_ijk", "exclude_ras", "candidate")
    more = ("pet_outline", "box_ras", "model", "mirror", "trust", "lesions", "out", "overwrite")
    arguments = {name: getattr(args, name) for name in (*names, *more)}
    result = run_with_bar("segment", {**arguments, "use_ct": not args.pet_alone})
    sys.stdout.write(result["summary"] + "\n")
    return 0
