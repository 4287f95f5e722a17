#!/usr/bin/env python-real
"""Scripted command line module of Slicer: radiomics and prediction in the background, for other modules too.

Its parameters are in NSCLCResponseCLI.xml, the work is in ``NSCLCResponseLib.cli.slicer_module``.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def add_library_path() -> None:
    """Find the libraries beside this file: in an installed extension or build tree, or in a checkout."""
    modules = HERE.parent / "qt-scripted-modules"
    if not modules.is_dir():  # build trees of Visual Studio and Xcode have one more folder
        modules = HERE.parents[1] / "qt-scripted-modules"
    for folder in (modules, HERE.parent / "NSCLCResponse", HERE.parent / "NSCLCResponseSegment"):
        if folder.is_dir():
            sys.path.insert(0, str(folder))


def main(argv: list[str]) -> int:
    """Run with the arguments that Slicer passes; returns the exit code."""
    if argv[:1] == ["--xml"]:
        sys.stdout.write((HERE / "NSCLCResponseCLI.xml").read_text(encoding="utf-8"))
        return 0
    add_library_path()
    from NSCLCResponseLib.cli.slicer_module import run

    return run(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
