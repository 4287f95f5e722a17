"""A folder of simulated patients: images, ``cohort.csv``, ``roles.yaml`` and a README that says what it is."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.atomic import require_space, staged_folder
from NSCLCResponseSegmentLib.core.errors import SettingsError
from NSCLCResponseSegmentLib.core.progress import SILENT, Progress

from .clinical import COLUMNS
from .frame import stream
from .outcome import SIGNALS, TRAITS, OutcomeModel

if TYPE_CHECKING:
    from .patient import Lesion

MEGABYTES = {False: 5, True: 60}  # of one patient on disk
GIGABYTES_WORKING = {False: 0.6, True: 6.0}  # of one patient while being made
_ROLES = """\
# Which column of cohort.csv means what.
simulated: true
patient: patient
ct: ct
pet: pet
mask: mask
center: center
endpoint: {{response: response}}
clinical: [{clinical}]
"""
_README = """\
SIMULATED PATIENTS. No image or value here comes from a person; do not draw clinical conclusions from them.

Made by: nsclc-response phantom --patients {patients} --seed {seed} --signal {signal}{extra}
The same command makes the same voxels again.

Signal: {signal_text}
Best reachable AUC by construction: {best_auc:.4f} (of the latent variable behind the images, in the population).
Response rate in the population: {response_rate:.2f}; in these {patients} patients: {responders} responders.

Traits       histogram: spread of the tumour's HU and level of its SUV. texture: correlation length of its pattern.
             spatial: the denser and hotter patch lies in front in responders, behind in others (so never mirror front
             to back in training); histogram, texture, shape and volume are the same either way. A trait that
             is switched off (--traits names those that are on) is not in the tumour at all.
cohort.csv   one row per patient; paths are relative to this file. pfs_months and pfs_event are known only after
             treatment: they are endpoints, never predictors.
roles.yaml   what each column means
truth.csv    what no model may see: latent variable, traits, kind and place of the tumour
patients/    ct.nii.gz (HU), pet.nii.gz (SUVbw), mask.nii.gz (tumour outline on the CT's grid),
             signal.nii.gz (where in the tumour the spatial trait sits)
"""


@dataclass(frozen=True)
class CohortPlan:
    """What to simulate.

    :param without_pet: share of patients who have no PET.
    :param first: number of the first patient; patient n is the same in every cohort of that seed.
    :raises SettingsError: a value that makes no sense.
    """

    patients: int
    seed: int
    signal: str = "planted"
    fine: bool = False
    traits: tuple[str, ...] = TRAITS
    best_auc: float = 0.95
    response_rate: float = 0.33
    without_pet: float = 0.0
    first: int = 1

    def __post_init__(self) -> None:
        if self.patients < 1 or self.seed < 0 or self.first < 1:
            raise SettingsError(
                f"{self.patients} patients from number {self.first} with seed {self.seed} cannot be simulated.",
                "Give at least one patient and a seed of 0 or more.",
            )
        if self.signal not in SIGNALS or not set(self.traits) <= set(TRAITS):
            raise SettingsError(
                f"Unknown signal '{self.signal}' or traits {', '.join(self.traits)}.",
                f"Signals are {' and '.join(SIGNALS)}; traits are {', '.join(TRAITS)}.",
            )
        if not (0.5 <= self.best_auc <= 0.995 and 0.02 <= self.response_rate <= 0.98 and 0 <= self.without_pet <= 1):
            raise SettingsError(
                f"Best AUC {self.best_auc}, response rate {self.response_rate} or share without PET {self.without_pet} "
                "is out of range.",
                "The AUC lies between 0.5 and 0.995, the rate between 0.02 and 0.98, the share between 0 and 1.",
            )

    @property
    def numbers(self) -> range:
        """Numbers of the patients."""
        return range(self.first, self.first + self.patients)

    @property
    def true_best_auc(self) -> float:
        """What no model can beat in the population, whatever it sees."""
        return self.best_auc if self.signal == "planted" else 0.5

    def has_pet(self, number: int) -> bool:
        """Whether this patient had a PET."""
        return stream(self.seed, number, "has pet").random() >= self.without_pet


def _write_patient(plan: CohortPlan, number: int, folder: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Simulate and write one patient; returns its rows of cohort.csv and truth.csv."""
    import SimpleITK as sitk

    from .patient import simulate_patient

    made = simulate_patient(
        plan.seed,
        number,
        signal=plan.signal,
        fine=plan.fine,
        traits=plan.traits,
        best_auc=plan.best_auc,
        response_rate=plan.response_rate,
        with_pet=plan.has_pet(number),
    )
    place = Path(folder) / "patients" / made.patient
    place.mkdir(parents=True)
    images = {"ct": made.ct, "pet": made.pet, "mask": made.mask, "signal": made.signal_mask}
    paths = {}
    for name, image in images.items():
        paths[name] = f"patients/{made.patient}/{name}.nii.gz" if image is not None else ""
        if image is not None:
            sitk.WriteImage(image, str(place / f"{name}.nii.gz"), useCompression=True, compressionLevel=3)
    row = {
        "patient": made.patient,
        "center": made.scanner["center"],
        **{name: paths[name] for name in ("ct", "pet", "mask")},
        "response": made.outcome,
        **made.survival,
        **made.clinical,
        "slice_thickness_mm": made.scanner["slice_thickness_mm"],
        "kernel": made.scanner["kernel"],
        "contrast_phase": made.scanner["contrast_phase"],
    }
    truth = {
        "patient": made.patient,
        "latent": repr(made.latent),
        **{f"trait_{name}": repr(value) for name, value in made.traits.items()},
        **_lesion_columns(made.lesion),
        "noise_hu": made.scanner["noise_hu"],
        "signal": paths["signal"],
    }
    return row, truth


def _lesion_columns(lesion: Lesion) -> dict[str, Any]:
    columns = {f"lesion_{name}": value for name, value in asdict(lesion).items() if name != "centre_ras"}
    return {**columns, **{f"lesion_{axis}": value for axis, value in zip("ras", lesion.centre_ras, strict=True)}}


def _one_thread() -> None:
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _all_patients(plan: CohortPlan, folder: Path, jobs: int) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Rows in the order of the patients, made by ``jobs`` processes."""
    if jobs == 1 or plan.patients == 1:
        yield from (_write_patient(plan, number, str(folder)) for number in plan.numbers)
        return
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    # spawn: a forked copy of a process with threads may hang
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, plan.patients), mp_context=context, initializer=_one_thread) as pool:
        try:
            waiting = [pool.submit(_write_patient, plan, number, str(folder)) for number in plan.numbers]
            yield from (future.result() for future in waiting)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _write_table(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    rows = list(rows)
    with path.open("w", newline="", encoding="utf-8") as stream_:
        writer = csv.DictWriter(stream_, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows({k: "" if v is None else v for k, v in row.items()} for row in rows)


def _write_texts(plan: CohortPlan, folder: Path, responders: int) -> None:
    roles = _ROLES.format(clinical=", ".join(COLUMNS))
    (folder / "roles.yaml").write_text(roles, encoding="utf-8")
    model = OutcomeModel(plan.best_auc, plan.response_rate)
    if plan.signal == "planted":
        text = (
            f"planted. A latent variable (correlation {model.rho:.4f} with the liability to respond) shows in the\n"
            f"tumour's {', '.join(plan.traits)}, and moderately in PD-L1, TMB, albumin, NLR and ECOG;\n"
            "volume, kind and place of the tumour, scanner, centre, age and sex know nothing of it."
        )
    else:
        text = "none. Images and clinical values know nothing of the response."
    extra = " --fine" if plan.fine else ""
    extra += f" --traits {','.join(plan.traits)}" if plan.traits != TRAITS else ""
    extra += f" --first {plan.first}" if plan.first != 1 else ""
    (folder / "README.txt").write_text(
        _README.format(
            patients=plan.patients,
            seed=plan.seed,
            signal=plan.signal,
            extra=extra,
            signal_text=text,
            best_auc=plan.true_best_auc,
            response_rate=plan.response_rate,
            responders=responders,
        ),
        encoding="utf-8",
    )


def usable_cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def _processes_that_fit(fine: bool) -> int:
    """How many patients the free memory can hold at a time; one fine patient takes 5.6 GB while being made."""
    import psutil

    return int(psutil.virtual_memory().available // (GIGABYTES_WORKING[fine] * 1e9))


def write_cohort(
    out: Path,
    patients: int,
    seed: int,
    signal: str = "planted",
    fine: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Simulate a cohort into a new folder; see :func:`write_plan`.

    :param options: further fields of :class:`CohortPlan`, and ``jobs``, ``overwrite``, ``progress``, ``token``.
    """
    how = {name: options.pop(name) for name in ("jobs", "overwrite", "progress", "token") if name in options}
    return write_plan(out, CohortPlan(patients, seed, signal, fine, **options), **how)


def write_plan(
    out: Path,
    plan: CohortPlan,
    *,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Progress = SILENT,
    token: str | None = None,
) -> dict[str, Any]:
    """Simulate a cohort into a new folder, which appears when it is complete.

    :param jobs: processes; the voxels do not depend on it.
    :returns: ``patients``, ``responders``, ``best_auc``.
    :raises OutputError: the folder is filled already, or cannot be written.
    """
    require_space(out, int(MEGABYTES[plan.fine] * 1e6 * plan.patients))
    jobs = max(1, min(jobs, _processes_that_fit(plan.fine)))
    rows, truths = [], []
    with staged_folder(out, overwrite=overwrite, token=token) as folder:
        progress.report(0.0, f"Simulating {plan.patients} patients")
        for row, truth in _all_patients(plan, folder, jobs):
            rows.append(row)
            truths.append(truth)
            progress.report(len(rows) / plan.patients, f"Simulated patient {len(rows)} of {plan.patients}")
        _write_table(folder / "cohort.csv", rows)
        _write_table(folder / "truth.csv", truths)
        responders = sum(row["response"] for row in rows)
        _write_texts(plan, folder, responders)
    return {"patients": len(rows), "responders": responders, "best_auc": plan.true_best_auc}
