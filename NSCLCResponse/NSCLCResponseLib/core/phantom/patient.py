"""One simulated patient: CT, PET, outline, clinical values and outcome from a seed and a number."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.errors import SettingsError

from .body import TISSUES, Habitus, Scene, outer_distances, paint_abdomen, paint_table, paint_wall
from .bones import paint_bones
from .clinical import Person, draw_clinical, draw_person, draw_survival
from .frame import Frame, Grid, coverage, stream
from .lungs import lung_distance, paint_lungs, paint_parenchyma
from .mediastinum import Mediastinum, hilar_stems, paint_mediastinum
from .outcome import SIGNALS, TRAITS, OutcomeModel
from .pet import SPACING as PET_SPACING
from .pet import pet_array
from .scanner import Scanner, add_noise, blur, to_hounsfield
from .tumour import TumourPlan, add_pattern, build_tumour, tumour_mask

DEFAULT_GRID = Grid.around_body((96, 160, 160), (3.0, 2.5, 2.5), -178.0)
FINE_GRID = Grid.around_body((200, 512, 512), (1.5, 0.77, 0.77), -184.0)


@dataclass(frozen=True)
class Lesion:
    """The tumour, as its maker knows it."""

    kind: str
    volume_ml: float
    centre_ras: tuple[float, float, float]
    lymph_nodes: int


@dataclass
class SimulatedPatient:
    """What :func:`simulate_patient` makes.

    Images are in LPS mm. ``anatomy`` is the tissue label map (see :data:`TISSUES`), ``lungs`` both lungs with all in
    them, ``signal_mask`` where the spatial trait sits inside the tumour; all on the CT's grid.
    """

    patient: str
    ct: sitk.Image
    mask: sitk.Image
    pet: sitk.Image | None
    lesion: Lesion
    outcome: int
    latent: float
    traits: dict[str, float]
    clinical: dict[str, float | None]
    survival: dict[str, float]
    scanner: dict[str, Any]
    lungs: sitk.Image
    anatomy: sitk.Image
    signal_mask: sitk.Image
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Draws:
    """All that is drawn before any voxel: cheap, and enough to know the outcome."""

    latent: float
    traits: dict[str, float]
    outcome: int
    person: Person
    clinical: dict[str, float | None]
    survival: dict[str, float]


def draw_patient(
    seed: int,
    index: int,
    *,
    signal: str = "planted",
    traits: Iterable[str] = TRAITS,
    model: OutcomeModel | None = None,
    latent: float | None = None,
) -> Draws:
    """Latent variable, outcome and clinical values of one patient.

    Without signal, images and clinical values show a latent variable that the outcome does not depend on: the same
    seed then has the same voxels either way. A trait that is not among ``traits`` is left out of the tumour.

    :param latent: replaces the latent value that the seed gives: the same patient as a better or worse responder.
    :raises SettingsError: unknown signal or trait.
    """
    chosen = set(traits)
    if signal not in SIGNALS or not chosen <= set(TRAITS):
        raise SettingsError(
            f"Unknown signal '{signal}' or traits {sorted(chosen)}.",
            f"Signals are {' and '.join(SIGNALS)}; traits are {', '.join(TRAITS)}.",
        )
    model = model or OutcomeModel()
    drawn, unseen, *_, alone = stream(seed, index, "latent").standard_normal(2 + len(TRAITS) + 1)
    latent = float(drawn if latent is None else latent)
    shown = {name: latent for name in TRAITS if name in chosen}
    driver = latent if signal == "planted" else float(alone)
    outcome = model.outcome(driver, float(unseen))
    person = draw_person(stream(seed, index, "person"))
    clinical = draw_clinical(stream(seed, index, "clinical"), person, float(latent))
    survival = draw_survival(stream(seed, index, "survival"), outcome, model.liability(driver, float(unseen)))
    return Draws(float(latent), shown, outcome, person, clinical, survival)


def simulate_patient(  # noqa: PLR0913 all but two have defaults
    seed: int,
    index: int,
    *,
    signal: str = "planted",
    fine: bool = False,
    traits: Iterable[str] = TRAITS,
    best_auc: float = 0.95,
    response_rate: float = 0.33,
    with_pet: bool = True,
    latent: float | None = None,
    grid: Grid | None = None,
) -> SimulatedPatient:
    """Make one patient; the same seed and index give the same voxels, whatever else is made.

    :param seed: of the cohort.
    :param index: of the patient in it, from 1.
    :param signal: ``planted`` or ``none``.
    :param fine: 512×512×200 voxels of 0.77×0.77×1.5 mm rather than 160×160×96 of 2.5×2.5×3 mm.
    :param traits: which image traits show the latent variable; the tumour has nothing of the others.
    :param best_auc: AUC of the latent variable, see :mod:`.outcome`.
    :param latent: replaces the latent value that the seed gives; all else about the patient stays.
    :param with_pet: also make the PET; the CT does not depend on it.
    :param grid: another grid, for tests.
    :raises SettingsError: unknown signal or trait.
    """
    model = OutcomeModel(best_auc, response_rate)
    draws = draw_patient(seed, index, signal=signal, traits=traits, model=model, latent=latent)
    grid = grid or (FINE_GRID if fine else DEFAULT_GRID)
    scanner = Scanner.draw(stream(seed, index, "scanner")).on(grid)
    scene, parts = _anatomy(seed, index, draws.person, scanner, grid)
    plan = TumourPlan.draw(stream(seed, index, "tumour"), draws.traits)
    tumour = build_tumour(scene, parts, plan, stream(seed, index, "tumour voxels"))
    body = coverage(scene.distance["skin"], scene.width)
    hu = blur(scene.hu, scanner, scene.grid)
    add_pattern(hu, tumour)
    add_noise(hu, body, scanner, scene.grid, stream(seed, index, "noise"))
    table = float(stream(seed, index, "table").uniform(-900, -100))
    image = _Imager(scene.grid, table)
    mask = tumour_mask(scene.grid, tumour)
    signal_mask = np.zeros_like(mask)
    signal_mask[tumour.box] = tumour.signal
    pet = None
    if with_pet:
        suv, origin = pet_array(scene, tumour, parts.ventricle, stream(seed, index, "pet"))
        pet = _Imager(Grid(suv.shape, PET_SPACING, origin), table).of(suv)
    return SimulatedPatient(
        patient=f"sim-{index:04d}",
        ct=image.of(to_hounsfield(hu)),
        mask=image.of(mask),
        pet=pet,
        lesion=_lesion(plan, mask, scene.grid, table),
        outcome=draws.outcome,
        latent=draws.latent,
        traits=draws.traits,
        clinical=draws.clinical,
        survival=draws.survival,
        scanner=scanner.facts(),
        lungs=image.of((scene.distance["lung"] < 0).astype(np.uint8)),
        anatomy=image.of(scene.tissue),
        signal_mask=image.of(signal_mask),
        notes={"tissues": TISSUES},
    )


def _anatomy(seed: int, index: int, person: Person, scanner: Scanner, grid: Grid) -> tuple[Scene, Mediastinum]:
    rng = stream(seed, index, "anatomy")
    tall = 1.0 if person.is_male else 0.93
    scale = tuple(float(np.clip(tall * rng.normal(1.0, 0.04), 0.84, 1.1)) for _ in range(3))
    habitus = Habitus.draw(rng, person.age, person.is_male, scanner.contrast_phase)
    frame = Frame(grid, (scale[0], scale[1], scale[2]), rng)
    scene = Scene(grid, frame, habitus, np.full(grid.shape, -1000, np.float32), np.zeros(grid.shape, np.uint8))
    outer_distances(scene)
    paint_wall(scene, rng)
    paint_abdomen(scene, rng)
    emphysema = max(0.0, float(rng.normal(0.1, 0.35)))
    apex = float(rng.normal(84, 6))
    parts = paint_mediastinum(scene, rng)
    scene.distance["lung"] = lung_distance(scene, parts.envelope, apex)
    paint_parenchyma(scene, scene.distance["lung"], rng, min(emphysema, 1.0))
    paint_lungs(scene, parts, hilar_stems(scene), rng, 520 if grid.spacing[2] > 1.5 else 900)
    paint_bones(scene, rng)
    paint_table(scene, rng)
    return scene, parts


@dataclass(frozen=True)
class _Imager:
    """Arrays as SimpleITK images in the scanner's coordinates."""

    grid: Grid
    table: float  # z offset of the scanner's table, mm

    def of(self, array: np.ndarray) -> sitk.Image:
        image = sitk.GetImageFromArray(array)
        z, y, x = self.grid.origin
        image.SetSpacing([float(s) for s in self.grid.spacing[::-1]])
        image.SetOrigin([float(x), float(y), float(z + self.table)])
        return image


def _lesion(plan: TumourPlan, mask: np.ndarray, grid: Grid, table: float) -> Lesion:
    z, y, x = (grid.axis(a)[i].mean() for a, i in enumerate(np.nonzero(mask)))
    volume = float(mask.sum() * np.prod(grid.spacing) / 1000)
    return Lesion(
        plan.kind, round(volume, 3), (round(float(-x), 2), round(float(-y), 2), round(float(z + table), 2)), plan.nodes
    )
