"""The IBSI-1 conformity table (``make ibsi``): every reference value, ours, and the reason for each difference.

Writes ``build/ibsi.csv`` and prints the totals; exits with 1 when a value is outside its tolerance without a reason.
The reference data (CC BY 4.0 and CC BY-NC 3.0, https://theibsi.github.io) are looked for beside the checkout.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from pathlib import Path

from NSCLCResponseLib.core.radiomics.ibsi import (
    CONFIGURATIONS,
    UNEXPLAINED,
    VERDICTS,
    Comparison,
    Configuration,
    Value,
    compare,
    reference_file,
    totals,
)
from NSCLCResponseSegmentLib.core.errors import SettingsError

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Compute the chosen configurations, or all whose reference file is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "ibsi", help="folder of IBSI-1")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "ibsi.csv", help="table to write")
    names = [configuration.short_name for configuration in CONFIGURATIONS]
    parser.add_argument("--configuration", nargs="+", default=[], choices=names, help="also without reference")
    parser.add_argument(
        "--reference", type=Path, help="reference of the one --configuration: reference value;tolerance;tag"
    )
    args = parser.parse_args()
    if args.reference and len(args.configuration) != 1:
        parser.error("--reference needs exactly one --configuration")
    if not args.data.is_dir():
        print(f"The IBSI-1 data are not there ({args.data}); give their folder with --data.")
        return 2
    try:
        rows = compute_all(args)
    except SettingsError as problem:
        print(problem)
        return 2
    write(rows, args.out)
    print_totals(rows)
    print(f"Written: {args.out}")
    return 1 if any(UNEXPLAINED in (row.ours.verdict, row.pyradiomics.verdict) for row in rows) else 0


def compute_all(args: argparse.Namespace) -> list[Comparison]:
    """Every wanted configuration's lines."""
    rows: list[Comparison] = []
    for configuration in CONFIGURATIONS:
        if args.configuration and configuration.short_name not in args.configuration:
            continue
        path = args.reference or reference_file(configuration, args.data)
        if not args.configuration and not path.is_file():
            print(f"{configuration.name}: no reference file {path.name}, left out; see --configuration")
            continue
        found = compare(configuration, args.data, args.reference)
        report(configuration, found)
        rows += found
    return rows


def report(configuration: Configuration, rows: list[Comparison]) -> None:
    """Name what is outside its tolerance."""
    given = sum(not math.isnan(row.consensus) for row in rows)
    print(
        f"{configuration.name}: {len(rows)} values, {given} of them with a consensus"
        + ("" if given else "; see the table")
    )
    for row in rows:
        if row.ours.verdict in ("differs", UNEXPLAINED):
            print(
                f"  {row.tag}: {row.ours.number:.6g} instead of {row.consensus:g} ± {row.tolerance:g};"
                f" {row.ours.reason or 'NO REASON KNOWN'}"
            )


def write(rows: list[Comparison], out: Path) -> None:
    """One line for each reference value, none left out."""
    out.parent.mkdir(parents=True, exist_ok=True)
    header = ["configuration", "feature", "consensus", "tolerance"]
    for way in ("ours", "pyradiomics"):
        header += [way, f"{way}_verdict", f"{way}_reason"]
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for row in rows:
            consensus = "" if math.isnan(row.consensus) else row.consensus
            line = [row.configuration, row.tag, consensus, row.tolerance]
            writer.writerow([*line, *_cells(row.ours), *_cells(row.pyradiomics)])


def _cells(value: Value) -> list[object]:
    return ["" if value.number is None else f"{value.number:.9g}", value.verdict, value.reason]


def print_totals(rows: list[Comparison]) -> None:
    """A table of verdicts, with IBSI's processing (--ibsi) and with PyRadiomics' own."""
    names = list(dict.fromkeys(row.configuration for row in rows))
    for title, way in (("With --ibsi", "ours"), ("With PyRadiomics' own grid and bins", "pyradiomics")):
        print(f"\n{title}")
        print(f"{'':18}" + "".join(f"{verdict:>14}" for verdict in VERDICTS))
        for name in [*names, "all"]:
            counted = totals(getattr(row, way).verdict for row in rows if name in ("all", row.configuration))
            print(f"{name:18}" + "".join(f"{counted[verdict]:14}" for verdict in VERDICTS))


if __name__ == "__main__":
    sys.exit(main())
