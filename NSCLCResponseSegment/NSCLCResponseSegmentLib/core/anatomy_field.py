"""Where lung would be if there were no tumour: how far each place lies beyond the expected surface of a lung.

A tumour takes the place of lung, so what decides between tumour and mediastinum, chest wall or liver, where they touch
without contrast, is the surface that the lung would have there. Three are predicted from the lung that is left:

* towards the mediastinum, a height map over (z, y) of the first lung met when walking out from the spine. Aorta and
  heart run for long stretches along z while a tumour is a bump, so the map is smoothed stiffly along z and hardly
  across, and points that stand out (the bump) count little;
* towards the diaphragm, a height map over (y, x) of the lowest lung, smoothed in the same manner;
* towards the chest wall, the convex hull of the lungs on the slices around, and further up since the thorax is convex
  and narrows upwards: what tumour or effusion hides is outlined by the lung above it.

The smoothing is the asymmetric least squares of Eilers & Boelens (2005), in two dimensions.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

LEFT, RIGHT = 1, 2  # labels; also "the patient's left has larger x" in an LPS grid

_FIELD_MM = 6.0
_BONE_HU = 180.0
_LUNG_SHARE = 0.1  # a piece of lung smaller than this share of the largest piece tells nothing (bowel gas, an islet)
_LUNG_LEAST_ML = 100.0
_MEDIASTINUM = (200.0, 0.1, 0.02)  # stiffness along z, along y, and the weight of what stands out
_DIAPHRAGM = (20.0, 20.0, 0.002)
_RIM_MM = 45.0  # from the spine's middle; nearer, the lung's rim lies along the heart, not along the ribs
_ROUNDS = 6
_MARGIN = 4  # voxels around what was seen of a lung in which its surface is predicted
_HULL_BELOW_MM, _HULL_ABOVE_MM = 12.0, 45.0
_NEVER_LUNG_MM = 10.0  # from the spine's middle towards the other side


@dataclass(frozen=True)
class LungField:
    """Depth beyond the expected surface of each lung, mm, on a grid of about 6 mm (LPS).

    ``depth`` maps :data:`LEFT` and :data:`RIGHT` to images of 32-bit floats, 0 within the field; a lung that is not in
    view has none. ``spine_x`` is the LPS x of the spine for each slice of that grid.
    """

    depth: dict[int, sitk.Image]
    spine_x: np.ndarray
    reference: sitk.Image

    def side_of(self, point_lps: tuple[float, float, float]) -> int | None:
        """The lung in whose field a point lies, or lies closest to; ``None`` when no lung is in view."""
        depths = self._depths_at(point_lps)
        return min(depths, key=depths.get) if depths else None

    def depth_at(self, point_lps: tuple[float, float, float]) -> float:
        """Depth of a point beyond the nearer lung's field, mm; 0 when no lung is in view."""
        return min(self._depths_at(point_lps).values(), default=0.0)

    def _depths_at(self, point_lps: tuple[float, float, float]) -> dict[int, float]:
        depths = {}
        for side, image in self.depth.items():
            index = image.TransformPhysicalPointToIndex(point_lps)
            index = [min(max(i, 0), n - 1) for i, n in zip(index, image.GetSize(), strict=True)]
            depths[side] = image[index]
        return depths

    def depth_on(self, side: int, grid: sitk.Image) -> np.ndarray:
        """Depth beyond one lung's field on another grid, (z, y, x), mm; the edge's value outside."""
        image = self.depth[side]
        resample = sitk.ResampleImageFilter()
        resample.SetReferenceImage(grid)
        resample.SetUseNearestNeighborExtrapolator(True)
        return sitk.GetArrayFromImage(resample.Execute(image))


def lung_field(ct: sitk.Image, body: sitk.Image, lungs: sitk.Image) -> LungField:
    """Predict the lungs' surfaces.

    :param ct: coarse copy, LPS, HU.
    :param body: mask on its grid.
    :param lungs: mask on its grid.
    """
    from scipy import ndimage

    factors = [max(1, round(_FIELD_MM / s)) for s in ct.GetSpacing()]
    reference = sitk.BinShrink(ct, factors)
    hu = sitk.GetArrayViewFromImage(reference)
    inside = _majority(body, factors)
    air = _large_pieces(_majority(lungs, factors) & (hu < -400), reference)
    spacing = np.array(reference.GetSpacing()[::-1])
    spine = _spine_columns(hu, inside, spacing)
    out = (np.arange(hu.shape[2])[None, None] - spine[:, None, None]) * spacing[2]  # mm to the left of the spine
    out = np.broadcast_to(out, hu.shape)
    near = _majority(lungs, factors, 0.2) & ndimage.binary_dilation(air)
    with ThreadPoolExecutor(1) as beside:
        waiting = beside.submit(_beyond_hull, near, spacing)
        sides = _split(air, out)
        wall = waiting.result()

    def beyond(side: int) -> sitk.Image:
        lung, outward = sides == side, out if side == LEFT else -out
        values = np.maximum(wall, _beyond_mediastinum(lung, outward))
        return _image(np.maximum(values, _beyond_diaphragm(lung, outward, spacing[0])).astype(np.float32), reference)

    seen = [side for side in (LEFT, RIGHT) if (sides == side).sum() * spacing.prod() >= _LUNG_LEAST_ML * 1000]
    with ThreadPoolExecutor(2) as pool:
        depth = dict(zip(seen, pool.map(beyond, seen), strict=True))
    origin, step = reference.GetOrigin()[0], reference.GetSpacing()[0]
    return LungField(depth, origin + spine * step, reference)


def _majority(mask: sitk.Image, factors: list[int], share: float = 0.5) -> np.ndarray:
    return sitk.GetArrayFromImage(sitk.BinShrink(sitk.Cast(mask, sitk.sitkFloat32), factors)) >= share


def _image(array: np.ndarray, grid: sitk.Image) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(grid)
    return image


def _large_pieces(mask: np.ndarray, grid: sitk.Image) -> np.ndarray:
    from scipy import ndimage

    pieces, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(pieces.ravel()).astype(float)
    sizes[0] = 0
    least = max(_LUNG_SHARE * sizes.max(), 0.3 * _LUNG_LEAST_ML * 1000 / np.prod(grid.GetSpacing()))
    return (sizes >= least)[pieces]


def _spine_columns(hu: np.ndarray, body: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Column (fractional) of the spine on each slice: where most bone stacks up in the back half of the body."""
    from scipy import ndimage

    bone = (hu > _BONE_HU) & body
    rows = body.any(axis=2)
    first = np.where(rows.any(axis=1), rows.argmax(axis=1), 0)
    last = np.where(rows.any(axis=1), rows.shape[1] - rows[:, ::-1].argmax(axis=1), rows.shape[1])
    back = np.arange(rows.shape[1])[None] >= ((first + last) // 2)[:, None]
    profile = (bone & back[:, :, None]).sum(axis=1).astype(float)
    profile = ndimage.gaussian_filter(profile, (30 / spacing[0], 10 / spacing[2]), mode="nearest")
    return ndimage.gaussian_filter1d(profile.argmax(axis=1).astype(float), 20 / spacing[0], mode="nearest")


def _split(lungs: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Label each lung voxel LEFT or RIGHT by what it hangs together with well beside the spine."""
    from scipy import ndimage

    seeds = np.zeros(lungs.shape, np.int8)
    core = ndimage.binary_erosion(lungs)
    seeds[core & (out > 25)] = LEFT
    seeds[core & (out < -25)] = RIGHT
    if not seeds.any():
        return np.where(lungs, np.where(out > 0, LEFT, RIGHT), 0)
    nearest = ndimage.distance_transform_edt(seeds == 0, return_distances=False, return_indices=True)
    return np.where(lungs, seeds[tuple(nearest)], 0)


def _beyond_mediastinum(lung: np.ndarray, out: np.ndarray) -> np.ndarray:
    """mm from each voxel out to the expected inner surface of a lung; negative within it."""
    from scipy import ndimage

    first = np.where(lung, out, np.inf).min(axis=2)
    seen = np.isfinite(first)
    expected = _lower_surface(np.where(seen, first, 0.0), seen, *_MEDIASTINUM)
    known = ndimage.binary_dilation(seen, iterations=_MARGIN)
    beyond = expected[:, :, None] - out
    # where that lung is nowhere near, only the spine and what lies across it is known not to be lung
    beyond = np.where(known[:, :, None], beyond, 2 * _NEVER_LUNG_MM - out)
    return np.maximum(np.maximum(beyond, _NEVER_LUNG_MM - out), 0.0)


def _beyond_diaphragm(lung: np.ndarray, out: np.ndarray, step: float) -> np.ndarray:
    """mm from each voxel up to the expected lower surface of a lung.

    Along the ribs the lung reaches down into the sulcus all the way round; where something hides that, the sulcus is
    taken to be as low as where it shows.
    """
    from scipy import ndimage

    height = (np.arange(len(lung)) * step)[:, None, None]
    low = np.where(lung, height, np.inf).min(axis=0)
    seen = np.isfinite(low)
    rim = seen & ~ndimage.binary_erosion(seen, iterations=2) & (out.max(axis=0) > _RIM_MM)
    values = np.where(seen, low, 0.0)
    if rim.any():
        values[rim] = np.minimum(values[rim], np.percentile(low[rim], 20))
    expected = _lower_surface(values, seen, *_DIAPHRAGM)
    known = ndimage.binary_dilation(seen, iterations=_MARGIN)
    return np.where(known[None], np.maximum(expected[None] - height, 0.0), 0.0)


def _lower_surface(values: np.ndarray, seen: np.ndarray, stiff_a: float, stiff_b: float, above: float) -> np.ndarray:
    """Smooth surface through a height map that points above it pull on with the small weight ``above`` only."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    box = _box_around(seen, _MARGIN)
    values, seen, whole = values[box], seen[box], values.shape
    a, b = values.shape

    def bending(n: int) -> sparse.spmatrix:
        second = sparse.diags([1.0, -2.0, 1.0], [0, 1, 2], shape=(max(n - 2, 0), n))
        return second.T @ second

    stiffness = stiff_a * sparse.kron(bending(a), sparse.eye(b)) + stiff_b * sparse.kron(sparse.eye(a), bending(b))
    matrix = (stiffness + 1e-6 * sparse.eye(a * b)).tocsc()
    on_diagonal = matrix.indices == np.repeat(np.arange(a * b), np.diff(matrix.indptr))
    stiff = matrix.data[on_diagonal]
    heights, weights = values.ravel(), seen.ravel().astype(float)
    for _ in range(_ROUNDS):
        matrix.data[on_diagonal] = stiff + weights
        # symmetric and positive: no pivots are needed, and an order for that fills in less
        solver = splu(matrix, "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        surface = solver.solve(weights * heights)
        before, weights = weights, seen.ravel() * np.where(heights > surface, above, 1.0)
        if np.array_equal(before, weights):
            break
    edges = [(s.start, n - s.stop) for s, n in zip(box, whole, strict=True)]
    return np.pad(surface.reshape(a, b), edges, mode="edge")


def _box_around(mask: np.ndarray, margin: int) -> tuple[slice, slice]:
    spans = []
    for axis in (1, 0):
        hit = np.flatnonzero(mask.any(axis=axis))
        spans.append(slice(max(0, int(hit[0]) - margin), min(mask.shape[1 - axis], int(hit[-1]) + margin + 1)))
    return tuple(spans)


def _beyond_hull(lungs: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """mm from each voxel to the convex hull, slice by slice, of the lungs on the slices around and above."""
    from scipy import ndimage
    from scipy.spatial import ConvexHull

    below, above = (max(1, round(mm / spacing[0])) for mm in (_HULL_BELOW_MM, _HULL_ABOVE_MM))
    rows, columns = np.arange(lungs.shape[1])[:, None], np.arange(lungs.shape[2])
    hull = np.zeros(lungs.shape, bool)
    for z in range(len(lungs)):
        slab = lungs[max(0, z - below) : z + above + 1].any(axis=0)
        filled = np.flatnonzero(slab.any(axis=1))
        ends = slab[filled].argmax(axis=1), slab.shape[1] - 1 - slab[filled, ::-1].argmax(axis=1)
        points = np.concatenate([np.stack([filled, end], axis=1) for end in ends])  # others lie between these
        if np.count_nonzero(slab) < 10 or np.ptp(points, axis=0).min() < 2:
            continue
        down, right, away = ConvexHull(points).equations.T
        # half a voxel further out: the points are voxel centres
        spare = 0.5 - away - down * rows  # (row, side of the hull): what is left for right * column
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = spare / right
        first = np.where(right < 0, bound, -np.inf).max(axis=1, keepdims=True)
        last = np.where(right > 0, bound, np.inf).min(axis=1, keepdims=True)
        outside = ((right == 0) & (spare < 0)).any(axis=1, keepdims=True)
        hull[z] = (columns >= first) & (columns <= last) & ~outside
    if not hull.any():
        return np.zeros(lungs.shape)
    return ndimage.distance_transform_edt(~hull, sampling=spacing)
