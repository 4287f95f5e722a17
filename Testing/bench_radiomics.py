"""Radiomics beside stock PyRadiomics: seconds, memory and equality with ``ct.yaml`` (``make bench``).

Also what twenty redrawn contours cost, and with ``--steps`` what each of our steps gives. Each run is a process of its
own that reads the images, then measures; time is that of the measuring alone, memory the peak of the process and its
helpers together (proportional set size).
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
import SimpleITK as sitk
from radiomics_switches import SWITCHES

if TYPE_CHECKING:
    from NSCLCResponseLib.core.radiomics import RadiomicsSettings

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
SMALL_ML = 6.0
REDRAWS = 20
LEAST_RATIO, MOST_REDRAWS_RATIO, MOST_MB = 3.0, 6.0, 2000.0


def main() -> int:
    """Print the tables; 1 when a value differs, or something is slower or larger than it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with lung1-001 and 4d-lung-113")
    parser.add_argument("--settings", default="ct", help="name of a shipped settings file")
    parser.add_argument("--repeats", type=int, default=2, help="runs of each; the fastest counts")
    parser.add_argument("--steps", action="store_true", help="also turn off each step that makes it fast, one by one")
    parser.add_argument("--one", nargs=3, metavar=("WHICH", "FOLDER", "OUT"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        return run_one(args.one[0], Path(args.one[1]), Path(args.one[2]), args.settings)
    if not args.data.is_dir():
        print(f"The public patients are not there ({args.data}); give their folder with --data.")
        return 2
    cores = len(psutil.Process().cpu_affinity())
    print(f"{args.settings}.yaml, {cores} cores, fastest of {args.repeats}; pairs of columns are stock, ours")
    print(
        f"{'case':31}{'voxels':>7}{'features':>9}{'stock s':>9}{'ours s':>8}{'ratio':>7}{'CPU s':>7}{'CPU s':>7}"
        f"{'MB':>7}{'MB':>7}{'difference':>12}"
    )
    good, names = True, []
    with tempfile.TemporaryDirectory() as scratch:
        for number, (name, image, mask) in enumerate(cases(args.data)):
            folder = Path(scratch) / str(number)
            folder.mkdir()
            good &= compare(name, (image, mask), folder, args)
            names.append(name)
        print(f"\n{f'{REDRAWS} redrawn contours':31}{'redraws s':>10}{'one s':>7}{'ratio':>7}{'MB':>7}")
        for number, name in enumerate(names):
            good &= cost_of_redraws(name, Path(scratch) / str(number), args)
        if args.steps:
            print_steps(Path(scratch) / "0", args)
    return 0 if good else 1


def cases(data: Path):
    """The two real tumours, and a ball of 6 mL out of the second."""
    from NSCLCResponseSegmentLib.core.reading import read_case

    lung1 = read_case(ct=data / "lung1-001" / "ct", mask=data / "lung1-001" / "rtstruct.dcm", roi="GTV-1")
    yield "LUNG1-001, 156 mL", lung1.ct.image, lung1.mask.image
    folder = data / "4d-lung-113"
    fourd = read_case(ct=folder / "ct.nii.gz", mask=folder / "tumour.nii.gz")
    yield "4D-Lung 113, 68 mL", fourd.ct.image, fourd.mask.image
    yield f"ball of {SMALL_ML:g} mL in 4D-Lung 113", fourd.ct.image, small_part(fourd.mask.image)


def small_part(mask: sitk.Image) -> sitk.Image:
    """The voxels of a mask that are nearest to its centre, up to 6 mL."""
    array = sitk.GetArrayViewFromImage(mask)
    points = np.argwhere(array)
    spacing = np.array(mask.GetSpacing()[::-1])
    order = np.argsort(np.linalg.norm((points - points.mean(axis=0)) * spacing, axis=1))
    kept = points[order[: int(SMALL_ML * 1000 / spacing.prod())]]
    part = np.zeros_like(array)
    part[tuple(kept.T)] = 1
    image = sitk.GetImageFromArray(part)
    image.CopyInformation(mask)
    return image


def compare(name: str, images: tuple[sitk.Image, sitk.Image], scratch: Path, args: argparse.Namespace) -> bool:
    """Measure one case both ways and print its line."""
    for image, file in zip(images, ("image.nrrd", "mask.nrrd"), strict=True):
        sitk.WriteImage(image, str(scratch / file))
    best = {}
    for which in ("stock", "ours"):
        runs = [measure(which, scratch, args) for _ in range(args.repeats)]
        best[which] = min(runs, key=lambda run: run["seconds"])
    stock, ours = best["stock"], best["ours"]
    missing = set(stock["values"]) - set(ours["values"])
    difference = max(
        (abs(ours["values"][n] - v) / max(abs(v), 1e-9) for n, v in stock["values"].items() if n in ours["values"]),
    )
    ratio = stock["seconds"] / ours["seconds"]
    voxels = int(np.count_nonzero(sitk.GetArrayViewFromImage(images[1])))
    line = f"{name:31}{voxels:7}{len(ours['values']):9}{stock['seconds']:9.1f}{ours['seconds']:8.1f}{ratio:7.1f}"
    for key, digits in (("cpu", 1), ("peak_mb", 0)):
        line += "".join(f"{run[key]:7.{digits}f}" for run in (stock, ours))
    print(f"{line}{difference:12.1e}" + (f"  {len(missing)} missing" if missing else ""))
    return not missing and difference < 1e-6 and ratio >= LEAST_RATIO and ours["peak_mb"] < MOST_MB


def cost_of_redraws(name: str, scratch: Path, args: argparse.Namespace) -> bool:
    """Twenty redrawn contours beside one extraction, in one warm process; the run with the lowest ratio counts."""
    run = min((measure("redraws", scratch, args) for _ in range(args.repeats)), key=lambda r: r["redraws"] / r["one"])
    ratio = run["redraws"] / run["one"]
    print(f"{name:31}{run['redraws']:10.1f}{run['one']:7.1f}{ratio:7.1f}{run['peak_mb']:7.0f}")
    return ratio <= MOST_REDRAWS_RATIO and run["peak_mb"] < MOST_MB


def print_steps(scratch: Path, args: argparse.Namespace) -> None:
    """LUNG1-001 with one step turned off at a time."""
    print(f"\n{'LUNG1-001 without':52}{'seconds':>9}{'CPU s':>7}{'times slower':>14}")
    base = measure("ours", scratch, args)
    print(f"{'(nothing turned off)':52}{base['seconds']:9.1f}{base['cpu']:7.1f}")
    for name, (text, _) in SWITCHES.items():
        run = measure(f"ours:{name}", scratch, args)
        print(f"{text:52}{run['seconds']:9.1f}{run['cpu']:7.1f}{run['seconds'] / base['seconds']:14.1f}")


def measure(which: str, scratch: Path, args: argparse.Namespace) -> dict:
    """One run in a process of its own, watched from here."""
    out = scratch / f"{which.replace(':', '-')}.json"
    command = [sys.executable, __file__, "--settings", args.settings, "--one", which, str(scratch), str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, tree_memory(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{which} failed")
    return {**json.loads(out.read_text()), "peak_mb": peak / 1e6}


def tree_memory(pid: int) -> float:
    """Bytes that a process and its children hold; shared pages count once."""
    total = 0
    try:
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            total += process.memory_full_info().pss
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        pass
    return total


def cpu_seconds() -> float:
    """Processor time of this process and the helpers that have ended."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def run_one(which: str, folder: Path, out: Path, settings_name: str) -> int:
    """Inside the process: read, measure, write."""
    import logging

    from NSCLCResponseLib.core.radiomics import shipped_settings

    which, _, switch = which.partition(":")
    settings = shipped_settings(settings_name)
    image, mask = (sitk.ReadImage(str(folder / name)) for name in ("image.nrrd", "mask.nrrd"))
    logging.getLogger("radiomics").setLevel(logging.ERROR)
    if switch:
        SWITCHES[switch][1]()
    if which == "redraws":
        out.write_text(json.dumps(time_redraws(image, mask, settings)))
        return 0
    began, cpu_before = time.perf_counter(), cpu_seconds()
    values = WAYS[which](image, mask, settings)
    seconds, cpu = time.perf_counter() - began, cpu_seconds() - cpu_before
    finite = {n: v for n, v in values.items() if np.isfinite(v)}
    out.write_text(json.dumps({"seconds": seconds, "cpu": cpu, "values": finite}))
    return 0


def stock(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
    """PyRadiomics called directly."""
    from radiomics import featureextractor

    raw = featureextractor.RadiomicsFeatureExtractor(str(settings.path)).execute(image, mask)
    return {f"ct_{n}": float(v) for n, v in raw.items() if not n.startswith("diagnostics")}


def ours(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
    """As every command does it."""
    from NSCLCResponseLib.core.radiomics import extract_features

    return extract_features(image, mask, settings).values


WAYS = {"stock": stock, "ours": ours}


def time_redraws(image: sitk.Image, mask: sitk.Image, settings: RadiomicsSettings) -> dict[str, float]:
    """Seconds of one extraction and of redrawing; the first extraction only loads libraries."""
    from NSCLCResponseLib.core.radiomics.robustness import redraw_features

    ours(image, mask, settings)
    times = [time.perf_counter()]
    ours(image, mask, settings)
    times.append(time.perf_counter())
    redraw_features(image, {"1": mask}, settings, count=REDRAWS)
    times.append(time.perf_counter())
    return {"one": times[1] - times[0], "redraws": times[2] - times[1]}


if __name__ == "__main__":
    sys.exit(main())
