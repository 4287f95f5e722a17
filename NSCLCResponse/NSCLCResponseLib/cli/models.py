"""``nsclc-response models``: which segmentation models there are; download and delete them."""

from __future__ import annotations

import argparse
import sys

from .console import run_with_bar


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("models", help="segmentation models: list, download, delete")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="all models of the catalogue, with licence and what is known of their quality")
    download = actions.add_parser("download", help="fetch a model, check it, and unpack it; goes on where it stopped")
    delete = actions.add_parser("delete", help="remove a downloaded model")
    for action in (download, delete):
        action.add_argument("name", help="as 'models list' names it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    from NSCLCResponseSegmentLib.core.model_catalog import delete_model, models_folder, read_catalog

    if args.action == "list":
        entries = [entry.describe() for entry in read_catalog()]
        sys.stdout.write("\n\n".join(entries) + f"\n\nDownloads lie in {models_folder()}\n")
    elif args.action == "delete":
        sys.stdout.write(f"Deleted: {delete_model(args.name)}\n")
    else:
        sys.stdout.write(run_with_bar("models", {"name": args.name})["summary"] + "\n")
    return 0
