"""A whole prediction by stage: cold on the command line, in a warm worker, and after an edit (part of ``make bench``).

LUNG1-001 from its DICOM folder, or a simulated patient where there are no real ones. *Cold* is a command of its own
with all outputs. *Warm* is the same job in a worker that has predicted before. *After an edit* is what the Slicer panel
asks of its worker when the outline has changed (here: grown by 2 mm): CT and outline as NRRD, 20 redrawn contours,
network, map, the numbers; no pictures. Wall seconds by stage; ``all, CPU s`` is user and system time of the worker and
its helpers, which other work on the machine changes least.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import SimpleITK as sitk

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"
MOST_COLD, MOST_EDIT = 60.0, 15.0
REDRAWS, GROWN_MM = 20, 2.0
Table = dict[str, float]

for folder in ("NSCLCResponse", "NSCLCResponseSegment"):
    sys.path.insert(0, str(ROOT / folder))


def main() -> int:
    """Print the table; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder with lung1-001")
    parser.add_argument("--repeats", type=int, default=2, help="runs in the warm worker; the fastest counts")
    parser.add_argument("--without-cold", action="store_true", help="leave the command of its own away")
    args = parser.parse_args()
    cores = len(psutil.Process().cpu_affinity())
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        name, images = a_patient(args.data, work)
        print(f"{name}, {cores} cores, {REDRAWS} redrawn contours, load {psutil.getloadavg()[0]:.1f}")
        table = {} if args.without_cold else {"cold": cold(images, work)}
        table |= warm(images, edited(images, work), work, args.repeats)
    show(table)
    bars = {"cold": MOST_COLD, "after an edit": MOST_EDIT}
    missed = [f"{kind}: more than {bars[kind]:g} s" for kind in table if table[kind]["all"] > bars.get(kind, 1e9)]
    print("\n".join(missed) or "Within the bars: " + ", ".join(f"{kind} {most:g} s" for kind, most in bars.items()))
    return 1 if missed else 0


def a_patient(data: Path, work: Path) -> tuple[str, dict[str, str]]:
    """Name, and arguments that tell its images."""
    lung1 = data / "lung1-001"
    if lung1.is_dir():
        return "LUNG1-001", {"ct": str(lung1 / "ct"), "mask": str(lung1 / "rtstruct.dcm"), "roi": "GTV-1"}
    from NSCLCResponseLib.core.phantom import simulate_patient

    patient = simulate_patient(7, 1, with_pet=False)
    for name in ("ct", "mask"):
        sitk.WriteImage(getattr(patient, name), str(work / f"{name}.nii.gz"))
    return "a simulated patient", {name: str(work / f"{name}.nii.gz") for name in ("ct", "mask")}


def edited(images: Mapping[str, str], work: Path) -> dict[str, str]:
    """CT and grown outline as the panel hands them over."""
    from NSCLCResponseLib.core.what_if import grown
    from NSCLCResponseSegmentLib.core.reading import read_case

    case = read_case(ct=Path(images["ct"]), mask=Path(images["mask"]), roi=images.get("roi", ""))
    found = {"ct": case.ct.image, "mask": grown(case.mask.image, GROWN_MM)}
    for name, image in found.items():
        sitk.WriteImage(image, str(work / f"{name}.nrrd"), useCompression=False)
    return {name: str(work / f"{name}.nrrd") for name in found}


def cold(images: Mapping[str, str], work: Path) -> Table:
    """The command of its own; what its stages do not cover is Python, torch and the like being loaded."""
    options = [text for name, value in images.items() for text in (f"--{name}", value)]
    command = [sys.executable, "-m", "NSCLCResponseLib", "predict", *options, "--out", str(work / "cold")]
    began, cpu = time.monotonic(), 0.0
    with (work / "cold.log").open("wb") as log:
        process = psutil.Popen(command, stdout=log, stderr=log, env=_environment())
        while process.poll() is None:
            cpu = max(cpu, tree_seconds(process))
            time.sleep(0.1)
    seconds = time.monotonic() - began
    if process.returncode:
        raise SystemExit((work / "cold.log").read_text())
    return {**stages(work / "cold"), "all": seconds, "all, CPU s": cpu}


def _environment() -> dict[str, str]:
    from NSCLCResponseSegmentLib.core.worker_process import worker_environment

    return worker_environment()


def tree_seconds(process: psutil.Process) -> float:
    """User and system time of a process and all below it, those that have ended included."""
    total = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        for own in (process, *process.children(recursive=True)):
            total += sum(own.cpu_times()[:4])
    return total


def warm(images: Mapping[str, str], changed: Mapping[str, str], work: Path, repeats: int) -> dict[str, Table]:
    """Both kinds of job in a worker that has done one before."""
    from NSCLCResponseSegmentLib.core.jobs import WarmWorker, follow

    worker, table = WarmWorker(), {}
    core = {"outputs": ["core"], "cut_map": True, "redraws": REDRAWS, "overwrite": True}
    kinds = {
        "warm": {**images, "redraws": REDRAWS, "overwrite": True, "out": str(work / "warm")},
        "after an edit": {**changed, **core, "out": str(work / "edit")},
    }
    try:
        follow(worker.start("predict", kinds["warm"]))
        own = psutil.Process(worker.process().pid)
        for kind, arguments in kinds.items():
            runs = []
            for _ in range(repeats):
                before, began = tree_seconds(own), time.monotonic()
                follow(worker.start("predict", arguments))
                total = {"all": time.monotonic() - began, "all, CPU s": tree_seconds(own) - before}
                runs.append({**stages(Path(arguments["out"])), **total})
            table[kind] = min(runs, key=lambda run: run["all"])
    finally:
        worker.close()
    return table


def stages(out: Path) -> Table:
    """Seconds by stage, as the prediction noted them."""
    return json.loads((out / "result.json").read_text())["timings_seconds"]


def show(table: Mapping[str, Table]) -> None:
    """Stages as rows, kinds as columns; a stage's own parts are indented."""
    names = list(dict.fromkeys(name for times in table.values() for name in times if not name.startswith("all")))
    steps = [name for name in names if not name.startswith("predict:")]
    parts = [name for name in names if name.startswith("predict:")]
    at = steps.index("predict") + 1
    print(f"{'stage':28}" + "".join(f"{kind:>16}" for kind in table))
    for name in (*steps[:at], *parts, *steps[at:], "all", "all, CPU s"):
        label = f"  {name.removeprefix('predict: ')}" if name in parts else name
        values = (f"{times[name]:.2f}" if name in times else "" for times in table.values())
        print(f"{label:28}" + "".join(f"{value:>16}" for value in values))


if __name__ == "__main__":
    sys.exit(main())
