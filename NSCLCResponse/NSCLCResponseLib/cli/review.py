"""``nsclc-response review``: one case in the browser, from outline to signed report."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from .arguments import absolute, add_contours


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "review", help="outline, correct, predict and sign one patient in the browser, on this computer only"
    )
    parser.add_argument(
        "case",
        type=absolute,
        metavar="CASE",
        help="folder with ct, and maybe pet and mask; or a DICOM folder; or a DICOM, NIfTI or NRRD file",
    )
    parser.add_argument("--pet", type=absolute, metavar="PATH", help="PET (default: the one in the case's folder)")
    parser.add_argument("--mask", type=absolute, metavar="PATH", help="outline (default: the one in the case's folder)")
    parser.add_argument("--roi", default="", help="name of the structure or segment in the outline, e.g. GTV-1")
    parser.add_argument("--series", default="", help="which CT, where a DICOM folder holds several")
    parser.add_argument("--signature", type=absolute, metavar="DIR", help="signature folder (default: the shipped one)")
    add_contours(parser)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address only")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command until it is interrupted."""
    # or NumPy's idle threads keep a core busy while everything else is being loaded
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "8")

    from ..core.case_files import find_case
    from ..workspace.server import Workspace

    files = find_case(Path(args.case), args.roi, args.series).overridden(args.pet, args.mask)
    workspace = Workspace(files, Path(args.signature) if args.signature else None, args.contours)
    workspace.start(args.port, open_browser=not args.no_browser)
    return 0
