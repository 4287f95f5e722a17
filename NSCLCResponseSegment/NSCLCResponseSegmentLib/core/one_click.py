"""From one point to an outline on CT, and from further points to corrections of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from threading import Thread

import numpy as np
import SimpleITK as sitk

from .anatomy import Anatomy, segment_anatomy
from .errors import ImageError, MaskError, SegmentationError
from .one_click_checks import index_of, lps, require_tissue
from .one_click_correct import correct
from .one_click_finish import finish
from .one_click_grow import grow, sheets_for_growth
from .one_click_rank import Candidate, offer, order
from .one_click_seed import PointLps
from .progress import SILENT, Progress

Point = tuple[float, float, float]

MOST_CANDIDATES = 3
_DOUBTFUL = 0.5
_DEEP_MM = 30.0
_LEAST_LUNG_SHARE = 0.04  # of the body in view: an abdomen with the lung bases has 0.02, a crop around a tumour 0.1


@dataclass(frozen=True)
class ClickCandidate:
    """One size that the tumour may have.

    :param confidence: the Dice with an expert's outline that is to be expected, 0 to 1.
    :param draw: makes the mask; called once, when it is asked for.
    """

    confidence: float
    draw: Callable[[], sitk.Image]

    @cached_property
    def mask(self) -> sitk.Image:
        """Unsigned 8-bit (0 or 1) on the CT's grid."""
        return self.draw()

    @cached_property
    def volume_ml(self) -> float:
        """Of the mask's voxels."""
        return volume_ml(self.mask)


@dataclass(frozen=True)
class ClickOutline:
    """An outline and its rivals.

    :param candidates: one to three sizes, the likeliest first; after a correction only the corrected one.
    :param chosen: number of the candidate taken.
    :param notes: sentences for the user about the result.
    """

    candidates: tuple[ClickCandidate, ...]
    chosen: int = 0
    notes: tuple[str, ...] = ()

    @property
    def mask(self) -> sitk.Image:
        """The candidate taken, on the CT's grid."""
        return self.candidates[self.chosen].mask


def preload() -> None:
    """Import what a click needs in the background, while the CT is read; that takes half a second of its own."""

    def load() -> None:
        for name in ("ndimage", "sparse.linalg", "spatial"):  # in the order in which they are needed
            import_module(f"scipy.{name}")

    Thread(target=load, daemon=True).start()


def outline_click(
    ct: sitk.Image,
    include_ras: Sequence[Point],
    exclude_ras: Sequence[Point] = (),
    previous: sitk.Image | None = None,
    progress: Progress = SILENT,
    n_candidates: int = MOST_CANDIDATES,
    chosen: int = 0,
) -> ClickOutline:
    """Outline the tumour around a point, or correct an outline where further points say that it is wrong.

    Without ``previous`` the first point to include is outlined in up to ``n_candidates`` sizes; the further points then
    correct the one ``chosen``. With ``previous`` nothing is outlined anew: each point to include that lies outside of
    it adds the tissue around that point, each point to exclude that lies inside takes the tissue around away, and all
    else stays as it was, voxel by voxel.

    :param ct: 3-D, in HU.
    :param include_ras: points in the tumour, RAS mm; at least one, unless ``previous`` is given.
    :param exclude_ras: points that do not belong to it.
    :param previous: the outline to correct, on the CT's grid.
    :raises SegmentationError: a point lies outside the image, in air, in healthy lung or on bone; or corrections leave
        nothing.
    :raises MaskError: ``previous`` is on another grid or empty.
    :raises ImageError: the CT does not show a chest.
    """
    if not include_ras and (previous is None or not exclude_ras):
        raise SegmentationError("No point in the tumour is given.", "Click once into the tumour.")
    for point in exclude_ras:
        index_of(ct, point)
    for point in include_ras:
        index_of(ct, point)
    ahead: list[Future] = []

    def look_ahead(coarse_ct: sitk.Image) -> None:
        if previous is None:
            ahead.append(sheets_for_growth(ct, coarse_ct, lps(include_ras[0])))

    anatomy = anatomy_of(ct, progress.part(0.0, 0.4), look_ahead)
    include, exclude = list(include_ras), list(exclude_ras)
    notes = _chest_notes(anatomy)
    if previous is None:
        require_tissue(anatomy, include[0])
        notes += _place_notes(anatomy, include[0])
        _ordered(anatomy, lps(include[0]), progress.part(0.4, 0.8), *ahead)
        first = _outlined(anatomy, include.pop(0), n_candidates, progress.part(0.8, 0.9))
        chosen = min(max(chosen, 0), len(first) - 1)
        mask = first[chosen].mask
    else:
        _require_outline(ct, previous)
        first, mask = (), sitk.Cast(previous != 0, sitk.sitkUInt8)
    corrected = _corrected(anatomy, mask, (include, exclude), list(include_ras), progress.part(0.9, 1.0))
    progress.report(1.0, "Outlined")
    if first and first[chosen].confidence < _DOUBTFUL:
        notes.append(
            f"The tumour's border is hard to tell here (expected Dice {first[chosen].confidence:.1f}):"
            " compare the sizes offered and correct the outline."
        )
    if corrected is mask and first:
        return ClickOutline(tuple(first), chosen, tuple(notes))
    confidence = first[chosen].confidence if first else 1.0
    return ClickOutline((ClickCandidate(confidence, lambda: corrected),), 0, tuple(notes))


def _place_notes(anatomy: Anatomy, point: Point) -> list[str]:
    """A sentence when a click lies where hardly any lung tumour does."""
    depth = anatomy.field.depth_at(lps(point))
    if depth < _DEEP_MM:
        return []
    return [
        f"The point clicked on lies {depth:.0f} mm outside of where lung is expected, as in the heart, the mediastinum,"
        " the chest wall or the abdomen: check that the outline is a lung tumour."
    ]


def _chest_notes(anatomy: Anatomy) -> list[str]:
    """A sentence when little lung is in view.

    :raises ImageError: so little that this is no chest. A crop around a tumour is still one.
    """
    if anatomy.is_chest:
        return []
    if anatomy.shows_heart or anatomy.lung_share < _LEAST_LUNG_SHARE:
        raise ImageError(
            f"This CT does not show a chest: {anatomy.reason}.", "Give the CT of the thorax, in Hounsfield units."
        )
    return [f"Little lung is in view ({anatomy.reason}): check that the outline is a lung tumour."]


def volume_ml(mask: sitk.Image) -> float:
    """Volume of a mask's voxels."""
    return float(np.count_nonzero(sitk.GetArrayViewFromImage(mask)) * np.prod(mask.GetSpacing()) / 1000.0)


_last_anatomy: Anatomy | None = None


def anatomy_of(
    ct: sitk.Image, progress: Progress = SILENT, meanwhile: Callable[[sitk.Image], None] | None = None
) -> Anatomy:
    """The anatomy of a CT; that of the last CT is kept, so that further clicks on it need not wait for it.

    It is the voxels that are compared, not the object: a worker that reads the file again finds it too.

    :param meanwhile: as for :func:`.anatomy.segment_anatomy`; not called when the anatomy is kept.
    """
    global _last_anatomy  # noqa: PLW0603 (a cache of one, for the process)
    if _last_anatomy is None or not _same_image(_last_anatomy.ct, ct):
        _last_anatomy = segment_anatomy(ct, progress, meanwhile)
    return _last_anatomy


def _same_image(one: sitk.Image, other: sitk.Image) -> bool:
    if one is other:
        return True
    facts = [(i.GetSize(), i.GetSpacing(), i.GetOrigin(), i.GetDirection(), i.GetPixelID()) for i in (one, other)]
    return facts[0] == facts[1] and np.array_equal(*(sitk.GetArrayViewFromImage(i) for i in (one, other)))


_last_order: tuple[int, PointLps, list[Candidate]] | None = None


def _ordered(
    anatomy: Anatomy, point: PointLps, progress: Progress = SILENT, sheets_ahead: Future | None = None
) -> list[Candidate]:
    """All sizes around a point; those of the last point are kept for the corrections that follow."""
    global _last_order  # noqa: PLW0603 (a cache of one, for the process)
    if _last_order is None or _last_order[:2] != (id(anatomy), point):
        _last_order = (id(anatomy), point, order(grow(anatomy, [point], [], progress, sheets_ahead=sheets_ahead)))
    return _last_order[2]


def _outlined(anatomy: Anatomy, point: Point, count: int, progress: Progress) -> list[ClickCandidate]:
    found = []
    for candidate in offer(_ordered(anatomy, lps(point)), min(count, MOST_CANDIDATES)):
        draw = partial(finish, anatomy.ct, candidate.sweep.around, candidate.shape)
        found.append(ClickCandidate(candidate.expected, draw))
    progress.report(1.0, "Outlined")
    return found


def _require_outline(ct: sitk.Image, previous: sitk.Image) -> None:
    same = previous.GetSize() == ct.GetSize() and np.allclose(
        [*previous.GetSpacing(), *previous.GetOrigin(), *previous.GetDirection()],
        [*ct.GetSpacing(), *ct.GetOrigin(), *ct.GetDirection()],
        atol=1e-3,
    )
    if not same:
        raise MaskError("The outline to correct is not on the CT's grid.", "Convert it with nsclc-response segment.")
    if not np.any(sitk.GetArrayViewFromImage(previous)):
        raise MaskError("The outline to correct is empty.", "Click into the tumour to outline it first.")


def _corrected(
    anatomy: Anatomy,
    mask: sitk.Image,
    points: tuple[list[Point], list[Point]],
    all_included: list[Point],
    progress: Progress,
) -> sitk.Image:
    """The mask with the points that it contradicts put right, one after another; the same object if there are none."""
    include, exclude = points
    steps = [(p, True) for p in include] + [(p, False) for p in exclude]
    for number, (point, add) in enumerate(steps):
        progress.report(number / len(steps), "Correcting the outline")
        if bool(mask[index_of(mask, point)]) == add:
            continue
        if add:
            require_tissue(anatomy, point, correcting=True)
        fixed = [lps(p) for p in (exclude if add else all_included)]
        middle = next((lps(p) for p in all_included if mask[index_of(mask, p)]), None)
        sizes = _ordered(anatomy, middle) if middle else []
        mask = correct(anatomy, mask, lps(point), add, fixed, sizes)
    if steps and not np.any(sitk.GetArrayViewFromImage(mask)):
        raise SegmentationError("The points to exclude leave nothing.", "Click into the tumour to outline it anew.")
    return mask
