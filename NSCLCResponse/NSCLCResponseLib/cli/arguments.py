"""Arguments that several commands share."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

POINT_OPTIONS = ("--click-ras", "--click-ijk", "--exclude-ras", "--box-ras")
_MOST_CONTOURS = 200


def absolute(text: str) -> str:
    """A path as the worker needs it: absolute, ``~`` expanded."""
    return str(Path(text).expanduser().absolute())


def point(text: str) -> list[float]:
    """Three comma-separated numbers."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) != 3:
        raise argparse.ArgumentTypeError(f"'{text}' is not three numbers with commas between, like 52.5,-31,-710")
    return values


def join_points(argv: list[str]) -> list[str]:
    """``--click-ras -50,20,-700`` as argparse needs it, which takes a leading minus for an option otherwise."""
    joined: list[str] = []
    for word in argv:
        if joined and joined[-1] in POINT_OPTIONS and re.match(r"-[\d.]", word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def add_case_arguments(parser: argparse.ArgumentParser, *, ct_required: bool = True) -> None:
    """``--ct``, ``--pet``, ``--mask`` and what chooses within them."""
    parser.add_argument(
        "--ct", required=ct_required, type=absolute, metavar="PATH", help="DICOM folder, NIfTI or NRRD, in HU"
    )
    parser.add_argument(
        "--series", default="", help="part of the SeriesInstanceUID or description, if there are several"
    )
    parser.add_argument(
        "--pet", type=absolute, metavar="PATH", help="DICOM folder (becomes SUVbw), or NIfTI/NRRD in SUVbw"
    )
    parser.add_argument("--pet-series", default="", help="as --series, for the PET folder")
    parser.add_argument(
        "--mask", type=absolute, metavar="PATH", help="tumour outline: RTSTRUCT, DICOM SEG, NIfTI, NRRD or .seg.nrrd"
    )
    parser.add_argument("--roi", default="", help="name of the structure or segment in --mask, e.g. GTV-1")


def add_click_arguments(parser: argparse.ArgumentParser) -> None:
    """Points inside the tumour."""
    parser.add_argument(
        "--click-ras", type=point, action="append", default=[], metavar="R,A,S", help="point inside the tumour, RAS mm"
    )
    parser.add_argument(
        "--click-ijk",
        type=point,
        action="append",
        default=[],
        metavar="I,J,K",
        help="the same as voxel column,row,slice",
    )


def add_contours(parser: argparse.ArgumentParser) -> None:
    """``--contours N``."""
    parser.add_argument(
        "--contours",
        type=_contours,
        metavar="N",
        help="redraw the outline N times for the range (default: 20; 0 is off)",
    )


def _contours(text: str) -> int:
    """0 to 200."""
    number = int(text) if text.isdigit() else -1
    if not 0 <= number <= _MOST_CONTOURS:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from 0 to {_MOST_CONTOURS}")
    return number


def add_lesion_choice(parser: argparse.ArgumentParser) -> None:
    """``--lesions CHOICE``."""
    parser.add_argument(
        "--lesions",
        default="",
        metavar="CHOICE",
        help="which lesions to keep (numbered by size), e.g. '1=Primary,2+3=Node': 2 and 3 as one, the rest dropped",
    )


def add_out_folder(parser: argparse.ArgumentParser) -> None:
    """``--out DIR`` and ``--overwrite``."""
    parser.add_argument("--out", required=True, type=absolute, metavar="DIR", help="new folder for the results")
    parser.add_argument("--overwrite", action="store_true", help="replace results that are already there")
