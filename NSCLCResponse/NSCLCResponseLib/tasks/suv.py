"""A PET series as a volume in SUVbw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import require_space, staged_file
from NSCLCResponseSegmentLib.core.errors import OutputError
from NSCLCResponseSegmentLib.core.reading import read_pet

if TYPE_CHECKING:
    from ..worker import TaskContext

_FREE_BYTES_NEEDED = 100_000_000
_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".mha")


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Convert one PET.

    :param arguments: ``pet`` (DICOM folder), ``series``, ``out`` (file to write), ``overwrite``.
    :returns: ``summary`` (text), ``out``, and the way through the SUV pseudo-code with its numbers.
    :raises PetError: SUVbw cannot be computed; nothing is written then.
    """
    import SimpleITK as sitk

    out = Path(arguments["out"])
    if not out.name.lower().endswith(_SUFFIXES):
        raise OutputError(f"{out} does not end in {', '.join(_SUFFIXES)}.", "Give a name like suv.nii.gz.")
    require_space(out, _FREE_BYTES_NEEDED)
    with staged_file(out, overwrite=bool(arguments.get("overwrite")), token=context.token) as aside:
        pet = read_pet(Path(arguments["pet"]), arguments.get("series", ""), context.progress.part(0.0, 0.8))
        context.progress.report(0.8, f"Writing {out.name}")
        sitk.WriteImage(pet.image, str(aside), useCompression=True)
    for note in pet.notes:
        context.progress.warn(note)
    context.progress.report(1.0, "Done")
    return {
        "summary": _summary(pet.facts, out),
        "out": str(out),
        "branch": pet.facts["suv_branch"],
        "suv": pet.facts.get("suv", {}),
        "suv_max": pet.facts["suv_max"],
        "notes": list(pet.notes),
    }


def _summary(facts: Any, out: Path) -> str:
    lines = [f"SUVbw: {facts['suv_branch']}"]
    numbers = facts.get("suv", {})
    if "bqml_to_suv" in numbers:
        lines.append(f"Factor from Bq/mL: {numbers['bqml_to_suv']:.6g} g/Bq")
    if "uptake_s" in numbers:
        lines.append(f"Uptake time: {numbers['uptake_s'] / 60:.1f} min")
    lines += [f"SUVmax: {facts['suv_max']:.2f}", f"Written: {out}"]
    return "\n".join(lines)
