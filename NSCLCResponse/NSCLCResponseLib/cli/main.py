"""Entry point of ``nsclc-response``."""

from __future__ import annotations

import argparse
import sys

from NSCLCResponseSegmentLib.core.errors import JobCancelledError, NSCLCResponseError

from .. import __version__
from . import batch, cohort, evaluate, models, phantom, predict, radiomics, review, segment, segment_train, suv, train
from .arguments import join_points
from .console import listen_for_interrupts

COMMANDS = (
    predict,
    batch,
    segment,
    radiomics,
    suv,
    cohort,
    train,
    evaluate,
    segment_train,
    models,
    phantom,
    review,
)

_NOTICE = "For research use only; not a medical device. Never base a treatment on its output."


def build_parser() -> argparse.ArgumentParser:
    """The whole command line; imports nothing heavy."""
    parser = argparse.ArgumentParser(
        prog="nsclc-response",
        description="CT and PET response signatures for lung cancer under immune checkpoint inhibitors. " + _NOTICE,
    )
    parser.add_argument("--version", action="version", version=f"nsclc-response {__version__}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code (0 done, 1 defect or dead worker, 2 bad input, 130 cancelled)."""
    listen_for_interrupts()
    args = build_parser().parse_args(join_points(list(sys.argv[1:] if argv is None else argv)))
    try:
        return args.run(args)
    except KeyboardInterrupt:
        error: NSCLCResponseError = JobCancelledError()
    except NSCLCResponseError as caught:
        error = caught
    sys.stderr.write(f"nsclc-response {args.command}: {error}\n")
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
