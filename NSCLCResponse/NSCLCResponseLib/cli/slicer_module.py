"""What the scripted command line module NSCLCResponseCLI does: arguments, progress and results as Slicer wants them."""

from __future__ import annotations

import argparse
import csv
import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from NSCLCResponseSegmentLib.core.atomic import staged_file
from NSCLCResponseSegmentLib.core.errors import DependencyError, NSCLCResponseError, SettingsError
from NSCLCResponseSegmentLib.core.jobs import run_job
from NSCLCResponseSegmentLib.core.progress import Progress

from .predict import parse_clinical

_INSTALL = "Start a prediction in the module NSCLC Response once: it installs what is missing."
_DEFAULTS = {"probability": "-1", "verdict": "", "label": ""}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="NSCLCResponseCLI")
    for name in ("ct", "mask"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("pet", "roi", "signature", "settings", "features", "result", "returnparameterfile", "clinical"):
        parser.add_argument(f"--{name}", default="")
    parser.add_argument("--task", choices=("predict", "radiomics"), default="predict")
    return parser


def _on_progress(value: float, text: str) -> None:
    sys.stdout.write(f"<filter-progress>{value:.3f}</filter-progress>\n")
    sys.stdout.write(f"<filter-comment>{escape(text)}</filter-comment>\n")
    sys.stdout.flush()


def _on_warning(text: str) -> None:
    """A remark goes to the output: Slicer shows all that is on stderr as an error, and scripts take it for one."""
    sys.stdout.write(f"Note: {text}\n")
    sys.stdout.flush()


def run(argv: list[str]) -> int:
    """Run the module; returns the exit code.

    :param argv: as NSCLCResponseCLI.xml says, and ``--returnparameterfile`` for the three short results.
    """
    args = _parser().parse_args(argv)
    progress = Progress(on_progress=_on_progress, on_warning=_on_warning)
    sys.stdout.write("<filter-start><filter-name>NSCLC Response</filter-name></filter-start>\n")
    try:
        returned = (_predict if args.task == "predict" else _radiomics)(args, progress)
    except NSCLCResponseError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except ModuleNotFoundError as error:  # a Slicer in which the panels have not installed anything yet
        sys.stderr.write(f"The Python package {error.name} is missing. {_INSTALL}\n")
        return DependencyError.exit_code
    if args.returnparameterfile:
        lines = [f"{name} = {value}\n" for name, value in {**_DEFAULTS, **returned}.items()]
        Path(args.returnparameterfile).write_text("".join(lines), encoding="utf-8")
    sys.stdout.write("<filter-end><filter-name>NSCLC Response</filter-name></filter-end>\n")
    return 0


def _predict(args: argparse.Namespace, progress: Progress) -> dict[str, str]:
    with tempfile.TemporaryDirectory(prefix="nsclc-response-") as folder:
        out = Path(folder) / "result"
        arguments = {
            "ct": args.ct,
            "pet": args.pet or None,
            "mask": args.mask,
            "roi": args.roi,
            "clinical": parse_clinical(shlex.split(args.clinical)),
            "signature": args.signature or None,
            "out": str(out),
            "outputs": ["core"],
        }
        result = run_job("predict", arguments, progress)["result"]
        if args.result:
            with staged_file(Path(args.result)) as aside:
                aside.write_text(json.dumps(result, indent=2, ensure_ascii=False), encoding="utf-8")
        _write_features(out / "features.csv", args.features)
    prediction = result["prediction"]
    return {
        "probability": f"{prediction['probability']:.4f}",
        "verdict": prediction["verdict"],
        "label": prediction["label"],
    }


def _radiomics(args: argparse.Namespace, progress: Progress) -> dict[str, str]:
    if not args.features:
        raise SettingsError("No table for the features is chosen.", "Choose or create one under Results.")
    with tempfile.TemporaryDirectory(prefix="nsclc-response-") as folder:
        out = Path(folder) / "features.csv"
        arguments: dict[str, Any] = {"ct": args.ct, "pet": args.pet or None, "mask": args.mask, "roi": args.roi}
        if args.settings:
            arguments["settings"] = args.settings
        arguments["out"] = str(out)
        run_job("radiomics", arguments, progress)
        _write_features(out, args.features)
    return {}


def _write_features(source: Path, target: str) -> None:
    """The wide table of one patient as one row per feature, which Slicer's table view can show."""
    if not target:
        return
    with source.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with staged_file(Path(target)) as aside, aside.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["lesion", "region", "feature", "value"])
        for row in rows:
            names = [name for name in row if name not in ("patient", "lesion", "region")]
            writer.writerows([row.get("lesion", ""), row.get("region", ""), name, row[name]] for name in names)
