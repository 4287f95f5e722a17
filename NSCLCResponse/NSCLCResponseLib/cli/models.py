"""``nsclc-response models``: which segmentation models there are; download, trust and delete them."""

from __future__ import annotations

import argparse
import sys

from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("models", help="segmentation models: list, download, trust, delete")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="all models of the catalogue, with licence and what is known of their quality")
    download = actions.add_parser("download", help="fetch a model, check it, and unpack it; goes on where it stopped")
    delete = actions.add_parser("delete", help="remove a downloaded model")
    for action in (download, delete):
        action.add_argument("name", help="as 'models list' names it")
    trusted = actions.add_parser("trust", help="let a model run code of its author; shows what that is")
    trusted.add_argument("name", help="as 'models list' names it, or the folder of a MONAI Bundle")
    parser.set_defaults(run=run)


def _trust(name: str) -> str:
    """Remember that a model may run its code; returns what to tell."""
    from NSCLCResponseSegmentLib.core.bundle_files import open_bundle
    from NSCLCResponseSegmentLib.core.bundle_trust import code_of, trust
    from NSCLCResponseSegmentLib.core.model_catalog import find_model

    bundle = open_bundle(find_model(name))
    code = code_of(bundle)
    if not code:
        return f"{bundle.folder} brings no code of its own: it runs without."
    trust(bundle)
    lines = "".join(f"  {line}\n" for line in code)
    return f"{bundle.folder} may run from now on, until one of these changes:\n{lines.rstrip()}"


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from NSCLCResponseSegmentLib.core.errors import JobCancelledError
    from NSCLCResponseSegmentLib.core.model_catalog import delete_model, models_folder, read_catalog

    if args.action == "list":
        entries = [entry.describe() for entry in read_catalog()]
        sys.stdout.write("\n\n".join(entries) + f"\n\nDownloads lie in {models_folder()}\n")
    elif args.action == "trust":
        sys.stdout.write(_trust(args.name) + "\n")
    elif args.action == "delete":
        sys.stdout.write(f"Deleted: {delete_model(args.name)}\n")
    else:
        try:
            result = run_with_bar("models", {"name": args.name, "out": str(models_folder() / args.name)})
        except JobCancelledError as cancelled:
            raise JobCancelledError(
                "Cancelled; what was fetched is kept.",
                f"The same command goes on from there; 'models delete {args.name}' removes it.",
            ) from cancelled
        sys.stdout.write(result["summary"] + "\n")
    return 0
