"""A cohort of small spheres and a signature trained on it: real files, real PyRadiomics, a real network, in seconds."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

PATIENTS = 40
WITHOUT_PET = 8
_SETTINGS = """\
imageType: {Original: {}}
featureClass: {firstorder: , shape: }
setting: {label: 1, binWidth: %s, geometryTolerance: 0.0001}
"""
_ROLES = """\
patient: patient
ct: ct
pet: pet
mask: mask
center: hospital
endpoint: {response: response}
clinical: [age, sex, pdl1_tps_percent]
"""


@dataclass(frozen=True)
class SmallSignature:
    """What the tests need of it."""

    folder: Path
    cohort: Path
    roles: Path
    settings: dict[str, Path]


def sphere_patient(folder: Path, random: np.random.Generator, shift: float, *, pet: bool) -> None:
    """CT (and PET) of a sphere in air-filled surroundings; ``shift`` makes it denser, larger and hotter."""
    folder.mkdir(parents=True)
    z, y, x = np.indices((28, 28, 28)) * 4.0 - 54.0
    inside = (z**2 + y**2 + x**2) ** 0.5 < random.uniform(14, 26)
    hu = np.where(inside, 20 + 12 * shift, -850) + random.normal(0, 20, inside.shape)
    suv = np.where(inside, max(6 + 1.2 * shift, 1.0), 0.6) + random.normal(0, 0.3, inside.shape)
    images = {"ct": np.round(hu).astype(np.int16), "mask": inside.astype(np.uint8)}
    images |= {"pet": np.clip(suv, 0, None).astype(np.float32)} if pet else {}
    for name, array in images.items():
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((4.0, 4.0, 4.0))
        sitk.WriteImage(image, str(folder / f"{name}.nii.gz"))


def write_sphere_cohort(folder: Path, seed: int = 5) -> None:
    """``cohort.csv`` with images, ``roles.yaml``, and the two settings files."""
    random = np.random.default_rng(seed)
    rows = ["patient,hospital,response,ct,pet,mask,age,sex,pdl1_tps_percent"]
    for index in range(PATIENTS):
        response = index % 2
        shift = random.normal(1.8 if response else -1.8)
        pet = index >= WITHOUT_PET
        name = f"s{index:02d}"
        sphere_patient(folder / name, random, shift, pet=pet)
        paths = [f"{name}/{kind}.nii.gz" if kind != "pet" or pet else "" for kind in ("ct", "pet", "mask")]
        pdl1 = "" if index % 5 == 0 else str(int(np.clip(40 + 20 * random.normal(shift), 0, 100)))
        values = [f"{random.normal(65, 8):.1f}", "m" if random.random() < 0.5 else "f", pdl1]
        rows.append(",".join([name, "AB"[index % 3 == 0], str(response), *paths, *values]))
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")
    (folder / "roles.yaml").write_text(_ROLES)
    (folder / "radiomics_ct.yaml").write_text(_SETTINGS % 25)
    (folder / "radiomics_pet.yaml").write_text(_SETTINGS % 0.5)


def small_preset(seed: int = 3):
    """The default preset, made small."""
    from NSCLCResponseLib.core.patch import PatchSpec
    from NSCLCResponseLib.core.presets import preset

    whole = preset("default", seed=seed)
    return replace(
        whole,
        folds=3,
        table=replace(whole.table, keep=(3, 8), strengths=(0.1, 1.0), inner_folds=3),
        network=replace(whole.network, epochs=2, batch=8, features=(4, 8)),
        patch=PatchSpec(size=12, spacing_mm=6.0),
    )


def train_small(cohort_folder: Path, out: Path, work: Path, seed: int = 3) -> None:
    """Collect, train and write, as the training job does."""
    from NSCLCResponseLib.core.cohort import read_cohort
    from NSCLCResponseLib.core.roles import read_roles
    from NSCLCResponseLib.core.signature_write import write_signature
    from NSCLCResponseLib.core.training import train
    from NSCLCResponseLib.core.training_data import collect
    from NSCLCResponseLib.core.training_describe import Naming, build
    from NSCLCResponseSegmentLib.core.progress import SILENT

    preset = small_preset(seed)
    settings = {name: cohort_folder / f"{name}.yaml" for name in ("radiomics_ct", "radiomics_pet")}
    cohort = read_cohort(cohort_folder / "cohort.csv", read_roles(cohort_folder / "roles.yaml"))
    data = collect(cohort, preset.parts, settings, preset.patch, work, SILENT)
    trained = train(data, preset, work, SILENT)
    description, files = build(trained, cohort, preset, Naming("spheres", label="Trained on spheres."), settings)
    out.mkdir()
    write_signature(out, description, files)


@pytest.fixture(scope="session")
def a_small_signature(tmp_path_factory: pytest.TempPathFactory) -> SmallSignature:
    """Do not change its files; copy the folder first. Processes that test side by side share it: the first makes it."""
    from filelock import FileLock

    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "spheres"
    cohort = folder / "cohort"
    with FileLock(folder.with_suffix(".lock")):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)  # what another process could not finish
            folder.mkdir()
            write_sphere_cohort(cohort)
            train_small(cohort, folder / "signature", folder / "work")
            (folder / "made").touch()
    settings = {name: cohort / f"{name}.yaml" for name in ("radiomics_ct", "radiomics_pet")}
    return SmallSignature(folder / "signature", cohort / "cohort.csv", cohort / "roles.yaml", settings)
