"""``nsclc-response cohort check``: every problem of a cohort table at once."""

from __future__ import annotations

import argparse
import sys

from .arguments import absolute
from .console import run_with_bar

_EPILOG = """\
The roles file says what the table's columns mean:

  patient: patient                  lesion, ct, pet, mask, roi, center, date, volume where there are such columns
  endpoint: {response: BOR}         1/0, yes/no or CR/PR/SD/PD; or {time: PFS, event: PFS_event, months: 12};
                                    or {durable_benefit: {time: PFS, event: PFS_event, months: 6}}
  clinical: [age, sex, nlr]         or {albumin_g_dl: ALB, stage: Stage} where the columns have other names
  radiomics: {prefix: [original_]}  features extracted elsewhere; or a list of columns
  units: {PFS: days}                where they differ from ours (months, g/dL, %, mutations/Mb, years)
  coding: {stage: {I: 1, II: 2}}    words to numbers
  split: {column: center, train: [A, B], test: [C]}
  aggregate: largest                how several lesions become one patient: or volume_weighted_mean, max
"""


def add_parser(subparsers: argparse._SubParsersAction) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("cohort", help="check a cohort table before training on it")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="list every problem at once; exit code 2 when there are errors",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("--cohort", required=True, type=absolute, metavar="TABLE", help="CSV or XLSX")
    check.add_argument("--roles", required=True, type=absolute, metavar="YAML", help="what the table's columns mean")
    check.add_argument("--holdout", type=absolute, metavar="TABLE", help="further patients, who must be others")
    check.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    result = run_with_bar("cohort_check", {name: getattr(args, name) for name in ("cohort", "roles", "holdout")})
    sys.stdout.write(result["summary"] + "\n")
    return 2 if result["errors"] else 0
