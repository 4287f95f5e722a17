"""Fits the scorer that orders the sizes offered by one click, on simulated patients, and prints its table.

``nsclc-response phantom --patients 60 --seed 2026 --out DIR`` makes patients; then
``python Testing/fit_click_scorer.py DIR/patients`` clicks into each tumour, measures the Dice of every size grown from
the click, and fits two ridge regressions of Dice on the descriptors in ``one_click_rank``: within clicks (which of the
sizes is the best) and between clicks (how good the sizes are). What it prints goes into ``one_click_scorer.py``.
Five-fold cross-validation over patients says how good the choice is, beside the best fixed push.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from pathlib import Path

import numpy as np
import SimpleITK as sitk

USED = (
    "log_volume_in_balls",
    "inner_radius",
    "mean_depth",
    "beyond_share",
    "hu_contrast",
    "log_to_smaller",
    "log_to_larger",
    "sphericity",
    "open_share",
    "edge",
    "soft_edge",
    "hu_spread",
    "far_share",
    "air_share",
    "bone_share",
    "log_push",
    "log_push_squared",
    "subsolid",
)
HOPELESS = 0.6  # where no size is right, which one is nearest teaches nothing
STIFFNESS = 3.0


def main() -> int:
    """Collect, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("patients", type=Path, nargs="*", help="folders of patient folders with ct and mask")
    parser.add_argument("--clicks", type=int, default=2, help="in each tumour")
    parser.add_argument("--table", type=Path, nargs="*", default=[], help="tables collected before")
    parser.add_argument("--save", type=Path, help="keep what was collected")
    args = parser.parse_args()
    items = {}
    for table in args.table:
        items.update(pickle.loads(table.read_bytes()))  # noqa: S301 (written by this script)
    for folder in sorted(f for parent in args.patients for f in parent.iterdir() if f.is_dir()):
        items[str(folder)] = collect(folder, args.clicks)
        print(folder.name, len(items[str(folder)]), "clicks", flush=True)
        if args.save:
            args.save.write_bytes(pickle.dumps(items))
    items = {name: rows for name, rows in items.items() if rows}
    if not items:
        print("No patient was measured.")
        return 1
    validate(items)
    print_table(items)
    return 0


def collect(folder: Path, clicks: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(descriptors, Dice) of the candidates of each click."""
    from NSCLCResponseSegmentLib.core.anatomy import segment_anatomy
    from NSCLCResponseSegmentLib.core.one_click_finish import finish
    from NSCLCResponseSegmentLib.core.one_click_grow import grow
    from NSCLCResponseSegmentLib.core.one_click_rank import describe

    anatomy = segment_anatomy(sitk.ReadImage(str(folder / "ct.nii.gz")))
    truth = sitk.ReadImage(str(folder / "mask.nii.gz"), sitk.sitkUInt8)
    rows = []
    for point in interior_points(truth, clicks):
        for sweep in grow(anatomy, [point], []):
            masks = [finish(anatomy.ct, sweep.around, shape) for shape in sweep.shapes]
            rows.append((describe(sweep), np.array([dice(mask, truth) for mask in masks])))
    return rows


def interior_points(mask: sitk.Image, count: int, seed: int = 7) -> list[tuple[float, float, float]]:
    """Random points (LPS mm) at least 2 mm inside."""
    depth = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(mask, insideIsPositive=True, squaredDistance=False, useImageSpacing=True)
    )
    inside = np.argwhere(depth > min(2.0, 0.5 * depth.max()))
    chosen = inside[np.random.default_rng(seed).choice(len(inside), count)]
    return [mask.TransformIndexToPhysicalPoint([int(v) for v in index[::-1]]) for index in chosen]


def dice(mask: sitk.Image, truth: sitk.Image) -> float:
    """Dice as SimpleITK measures it."""
    measures = sitk.LabelOverlapMeasuresImageFilter()
    measures.Execute(mask, truth)
    return float(measures.GetDiceCoefficient())


def columns() -> list[int]:
    """Places of the descriptors used."""
    from NSCLCResponseSegmentLib.core.one_click_rank import DESCRIPTORS

    return [DESCRIPTORS.index(name) for name in USED]


def fit(rows: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    """Range, scale and the weights between and within clicks of each descriptor, and the intercept."""
    from sklearn.linear_model import Ridge

    values = np.vstack([x[:, columns()] for x, _ in rows])
    low, high = np.percentile(values, [1, 99], axis=0)
    scale = np.clip(values, low, high).std(axis=0) + 1e-9
    clicks = [(np.clip(x[:, columns()], low, high) / scale, d) for x, d in rows]
    useful = [(x, d) for x, d in clicks if d.max() >= HOPELESS]
    within = Ridge(STIFFNESS, fit_intercept=False).fit(
        np.vstack([x - x.mean(axis=0) for x, _ in useful]), np.concatenate([d - d.mean() for _, d in useful])
    )
    between = Ridge(STIFFNESS).fit(
        np.array([x.mean(axis=0) for x, _ in clicks]), np.array([d.mean() for _, d in clicks])
    )
    return {
        "table": np.array([low, high, scale, between.coef_, within.coef_]).T,
        "intercept": between.intercept_,
    }


def score(model: dict[str, np.ndarray], descriptors: np.ndarray) -> np.ndarray:
    """Expected Dice of the candidates of one click."""
    low, high, scale, between, within = model["table"].T
    values = np.clip(descriptors[:, columns()], low, high) / scale
    usual = values.mean(axis=0)
    return model["intercept"] + usual @ between + (values - usual) @ within


def validate(items: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    """Dice of the choice, of each fixed push and of an oracle, over patients that the fit has not seen."""
    names = sorted(items)
    chosen, rest, wrong = [], [], []
    for fold in range(5):
        model = fit([row for i, n in enumerate(names) if i % 5 != fold for row in items[n]])
        for name in names[fold::5]:
            chosen += [d[score(model, x).argmax()] for x, d in items[name]]
            wrong += [abs(score(model, x).max() - d[score(model, x).argmax()]) for x, d in items[name]]
            rest += [d for _, d in items[name]]
    rest = np.array(rest)
    print(f"{len(names)} tumours, {len(chosen)} clicks; mean Dice and share of clicks under 0.55")
    print(f"  the Dice expected of the choice is off by {np.median(wrong):.3f} in the median")
    for name, values in (("scorer", chosen), ("oracle", rest.max(axis=1))):
        print(f"  {name:12} {np.mean(values):.3f}  {np.mean(np.array(values) < 0.55):.2f}")
    for number in range(rest.shape[1]):
        print(f"  push {number:<7} {rest[:, number].mean():.3f}  {np.mean(rest[:, number] < 0.55):.2f}")


def print_table(items: dict[str, list[tuple[np.ndarray, np.ndarray]]]) -> None:
    """The model in the form of ``one_click_scorer.py``."""
    model = fit([row for rows in items.values() for row in rows])
    print(f"INTERCEPT = {model['intercept']:.4f}")
    print("WEIGHTS = {")
    for name, values in zip(USED, model["table"], strict=True):
        print(f'    "{name}": ({", ".join(f"{v:.4g}" for v in values)}),')
    print("}")


if __name__ == "__main__":
    sys.exit(main())
