"""Body, airways and lungs on the coarse copy of a CT (see :mod:`.anatomy_grid`); arrays are (z, y, x), LPS."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from .errors import ImageError

_AIR_OUTSIDE_HU = -920.0
_SOFT_HU = -300.0
_LUNG_HU = -400.0
_AIRWAY_HU = -900.0
_IN_PLANE, _ALL_AXES = (1, 2), (0, 1, 2)


def body_mask(ct: sitk.Image) -> sitk.Image:
    """The patient without table and clothes; lungs and bowel gas filled.

    Flesh is the largest piece of soft tissue once thin things (table, sheets) are opened away. Air counts as body when
    flesh encloses it on its slice, or when it is thicker than room air and mostly bounded by flesh: lung that a small
    field of view cuts.

    :raises ImageError: there is nothing but air.
    """
    hu = sitk.GetArrayViewFromImage(ct)
    flesh = _largest(_grown(_shrunk(hu > _SOFT_HU, _IN_PLANE, 2), _IN_PLANE, 2))
    if not flesh.any():
        raise ImageError("The CT shows nothing but air.", "Give the CT of the thorax, in Hounsfield units.")
    flesh |= _grown(flesh, _ALL_AXES, 2) & (hu > _SOFT_HU)  # what opening took from the skin
    body = _planes_filled(flesh)
    return _like(body | _cut_lung(hu, body), ct)


def _cut_lung(hu: np.ndarray, body: np.ndarray) -> np.ndarray:
    """Thick air outside ``body`` that flesh bounds for the most part, and that reaches a side of the image."""
    from scipy import ndimage

    thick = ~body & (hu > _AIR_OUTSIDE_HU) & (hu < _SOFT_HU)
    sides = np.zeros_like(body)
    sides[:, [0, -1]] = sides[:, :, [0, -1]] = True
    if not (thick & sides).any():
        return np.zeros_like(body)
    pieces, count = ndimage.label(_grown(_shrunk(thick, _ALL_AXES), _ALL_AXES))
    if not count:
        return np.zeros_like(body)
    shell = _grown(body, _ALL_AXES) & ~body
    rim = (pieces > 0) & _grown(pieces == 0, _ALL_AXES)
    sizes, rims, touching = (np.bincount(pieces[m], minlength=count + 1) for m in (thick, rim, shell & rim))
    chosen = (touching > 0.4 * np.maximum(rims, 1)) & (sizes > 1000)
    chosen[0] = False
    found = chosen[pieces]
    return _grown(found, _ALL_AXES, 2) & (thick | found)


def _grown(mask: np.ndarray, axes: tuple[int, ...], times: int = 1) -> np.ndarray:
    """The mask with its neighbours along the axes; as binary_dilation by a cross, twenty times as fast."""
    for _ in range(times):
        out = mask.copy()
        for axis in axes:
            to, of = np.moveaxis(out, axis, 0), np.moveaxis(mask, axis, 0)
            to[1:] |= of[:-1]
            to[:-1] |= of[1:]
        mask = out
    return mask


def _shrunk(mask: np.ndarray, axes: tuple[int, ...], times: int = 1) -> np.ndarray:
    """The voxels whose neighbours along the axes are all in the mask; what lies beyond the image is not."""
    outside = _grown(~mask, axes)
    for axis in axes:
        np.moveaxis(outside, axis, 0)[[0, -1]] = True
    return ~outside if times == 1 else _shrunk(~outside, axes, times - 1)


def _planes_filled(mask: np.ndarray) -> np.ndarray:
    """The mask with the holes that it encloses on each slice."""
    from scipy import ndimage

    pieces, count = ndimage.label(~mask, ndimage.generate_binary_structure(3, 1) & [[[False]], [[True]], [[False]]])
    open_to_side = np.zeros(count + 1, bool)
    for side in (pieces[:, 0], pieces[:, -1], pieces[:, :, 0], pieces[:, :, -1]):
        open_to_side[side.ravel()] = True
    open_to_side[0] = False
    return ~open_to_side[pieces]


def airway_mask(ct: sitk.Image, body: sitk.Image) -> sitk.Image:
    """Trachea and main bronchi: thin air that hangs together from a round section near the top; may be empty."""
    from scipy import ndimage

    hu, inside, box = _within_body(ct, body)
    air = (hu < _AIRWAY_HU) & inside
    area = float(np.prod(ct.GetSpacing()[:2]))
    grown = np.zeros_like(air)
    # from the top down: what was airway above and is air here, as long as it stays as narrow as an airway
    below = None
    for z in range(len(air) - 1, -1, -1):
        pieces, count = ndimage.label(air[z])
        if not count:
            continue
        sizes = np.bincount(pieces.ravel()) * area
        if below is not None:
            continues = np.bincount(pieces[below], minlength=count + 1) > 0
            chosen = continues & (sizes < 900)
        else:
            chosen = np.array([n > 0 and _is_trachea(pieces, n, inside[z], sizes[n], ct) for n in range(count + 1)])
        chosen[0] = False
        grown[z] = chosen[pieces]
        if grown[z].any():
            below = _grown(grown[z], (0, 1))
    return _like(grown | (_grown(grown, _ALL_AXES) & (hu < -500) & inside), ct, box)


def _is_trachea(pieces: np.ndarray, number: int, inside: np.ndarray, area_mm2: float, ct: sitk.Image) -> bool:
    """Whether an air pocket of one slice is the trachea: of its size, near the midline, within the body."""
    if not 60 < area_mm2 < 700:
        return False
    rows, columns = np.nonzero(pieces == number)
    body_columns = np.nonzero(inside.any(axis=0))[0]
    middle, width = body_columns.mean(), np.ptp(body_columns) + 1
    round_enough = max(np.ptp(rows) + 1, np.ptp(columns) + 1) < 40 / ct.GetSpacing()[0]
    return bool(round_enough and abs(columns.mean() - middle) < 0.15 * width)


def lung_mask(ct: sitk.Image, body: sitk.Image, airways: sitk.Image) -> sitk.Image:
    """Air-filled lung with the vessels in it, without the airways."""
    from scipy import ndimage

    hu, inside, box = _within_body(ct, body)
    tube = sitk.GetArrayViewFromImage(airways)[box] > 0
    air = (hu < _LUNG_HU) & inside & ~tube
    # bowel gas is thinner than lung; lung holds blood
    pieces, count = ndimage.label(air)
    voxel_ml = float(np.prod(ct.GetSpacing())) / 1000
    counts = np.bincount(pieces.ravel(), minlength=count + 1)
    means = np.bincount(pieces[air], hu[air], minlength=count + 1) / np.maximum(counts, 1)
    keep = (counts * voxel_ml > 30) & (means > -960)
    keep[0] = False
    closed = _shrunk(_grown(np.pad(keep[pieces], 3), _ALL_AXES, 3), _ALL_AXES, 3)[3:-3, 3:-3, 3:-3]
    return _like(closed & inside & ~tube, ct, box)


def _within_body(ct: sitk.Image, body: sitk.Image) -> tuple[np.ndarray, np.ndarray, tuple[slice, ...]]:
    """HU and body in the smallest box around the body, and that box: half of an image is air around the patient."""
    inside = sitk.GetArrayViewFromImage(body) > 0
    spans = []
    for axis in range(3):
        hit = np.flatnonzero(inside.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append(slice(int(hit[0]), int(hit[-1]) + 1))
    box = tuple(spans)
    return sitk.GetArrayViewFromImage(ct)[box], inside[box], box


def _largest(mask: np.ndarray) -> np.ndarray:
    from scipy import ndimage

    pieces, count = ndimage.label(mask)
    if not count:
        return np.zeros_like(mask)
    return pieces == 1 + int(np.argmax(np.bincount(pieces.ravel())[1:]))


def _like(mask: np.ndarray, image: sitk.Image, box: tuple[slice, ...] | None = None) -> sitk.Image:
    """As an image on the other's grid; ``box`` says which part of it the mask is."""
    whole = mask
    if box is not None:
        whole = np.zeros(image.GetSize()[::-1], bool)
        whole[box] = mask
    out = sitk.GetImageFromArray(whole.view(np.uint8))
    out.CopyInformation(image)
    return out
