"""Rewrites the lists of files in both modules' CMakeLists.txt from what is on disk.

Slicer installs only the Python files and resources that are listed there. Run ``python Testing/update_cmake_lists.py``
after adding or removing a file; ``--check`` changes nothing and says with exit code 1 whether a list is out of date.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("NSCLCResponseSegment", "NSCLCResponse")
_RESOURCE_SUFFIXES = {".ui", ".png", ".svg", ".txt"}


def files_on_disk(module: str) -> dict[str, list[str]]:
    """What must be listed: ``scripts`` (each .py of the library) and ``resources``, relative to the module's folder."""
    folder = ROOT / module
    scripts = sorted((folder / f"{module}Lib").rglob("*.py"))
    resources = sorted(p for p in (folder / "Resources").rglob("*") if p.suffix in _RESOURCE_SUFFIXES)
    return {
        "scripts": [p.relative_to(folder).as_posix() for p in scripts],
        "resources": [p.relative_to(folder).as_posix() for p in resources],
    }


def _sections(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """The lines outside the markers, with a placeholder per section, and the entries of each section."""
    outside: list[str] = []
    entries: dict[str, list[str]] = {}
    current = ""
    for line in text.splitlines():
        mark = line.strip().removeprefix("# ")
        if mark.startswith("[/"):
            current = ""
        if current:
            entries[current].append(line.strip())
        else:
            outside.append(line)
        if mark.startswith("[") and not mark.startswith("[/"):
            current = mark.strip("[]")
            entries[current] = []
    return outside, entries


def files_listed(module: str) -> dict[str, list[str]]:
    """What CMakeLists.txt lists between its markers."""
    return _sections((ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8"))[1]


def updated_text(module: str) -> str:
    """The text that CMakeLists.txt should have."""
    outside, _ = _sections((ROOT / module / "CMakeLists.txt").read_text(encoding="utf-8"))
    lines: list[str] = []
    for line in outside:
        lines.append(line)
        for name, files in files_on_disk(module).items():
            if line.strip() == f"# [{name}]":
                lines += [f"  {file}" for file in files]
    return "\n".join(lines) + "\n"


def main(argv: list[str]) -> int:
    """Update or check both modules."""
    stale = [m for m in MODULES if (ROOT / m / "CMakeLists.txt").read_text(encoding="utf-8") != updated_text(m)]
    if "--check" in argv:
        sys.stdout.write("".join(f"{m}/CMakeLists.txt is out of date\n" for m in stale))
        return 1 if stale else 0
    for module in stale:
        (ROOT / module / "CMakeLists.txt").write_text(updated_text(module), encoding="utf-8")
        sys.stdout.write(f"{module}/CMakeLists.txt updated\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
