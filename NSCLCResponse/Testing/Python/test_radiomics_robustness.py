"""Redrawn contours and ICC(2,1); IBSI-1's digital phantom."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.radiomics import RadiomicsSettings, extract_features, shipped_settings
from NSCLCResponseLib.core.radiomics.case_features import FeatureRequest
from NSCLCResponseLib.core.radiomics.case_robustness import assess, redraw_case, write_robustness
from NSCLCResponseLib.core.radiomics.contours import RedrawSettings, Surface, cut_into_parts
from NSCLCResponseLib.core.radiomics.ibsi import (
    CONFIGURATIONS,
    DIFFERS,
    NO_CONSENSUS,
    UNEXPLAINED,
    WITHIN,
    agrees,
    compare,
    read_reference,
    totals,
)
from NSCLCResponseLib.core.radiomics.icc import icc_2_1
from NSCLCResponseLib.core.radiomics.pet_measures import NAMES as UPTAKE_NAMES
from NSCLCResponseLib.core.radiomics.redrawn import measure_masks
from NSCLCResponseLib.core.radiomics.robustness import redraw_features
from NSCLCResponseLib.core.robust_features import read_icc
from NSCLCResponseSegmentLib.core.case import Case, LoadedImage, TumourMask
from NSCLCResponseSegmentLib.core.errors import SettingsError
from support.data import shared_data

# Shrout & Fleiss, Psychol Bull 1979;86:420, table 2: six targets, four judges; ICC(2,1) = 0.29
RATINGS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def test_icc_is_that_of_shrout_and_fleiss():
    found = icc_2_1(RATINGS[:, :, None])
    assert found.icc[0] == pytest.approx(0.2898, abs=5e-4)
    assert found.low[0] == pytest.approx(0.0188, abs=5e-4)
    assert found.high[0] == pytest.approx(0.7611, abs=5e-4)


def test_icc_of_perfect_and_of_no_agreement():
    random = np.random.default_rng(1)
    targets = random.normal(size=(8, 1, 1))
    perfect = np.repeat(targets, 10, axis=1)
    noise = random.normal(size=(8, 10, 1))
    constant = np.full((8, 10, 1), 3.0)
    found = icc_2_1(np.concatenate([perfect, noise, constant, 1e9 * perfect + 1e9], axis=2))
    assert found.icc[0] == pytest.approx(1.0)
    assert abs(found.icc[1]) < 0.3
    assert np.isnan(found.icc[2])
    assert found.icc[3] == pytest.approx(1.0)


@pytest.fixture
def a_tumour() -> tuple[sitk.Image, sitk.Image]:
    """A ball of 18 mm radius with texture, in darker tissue."""
    z, y, x = np.indices((30, 60, 60))
    r = np.sqrt((1.5 * (x - 30)) ** 2 + (1.5 * (y - 30)) ** 2 + (3.0 * (z - 15)) ** 2)
    hu = np.where(r <= 18, 40, -700) + np.random.default_rng(2).normal(0, 25, r.shape)
    images = []
    for array in (hu.round().astype(np.int16), (r <= 18).astype(np.uint8)):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing((1.5, 1.5, 3.0))
        images.append(image)
    return images[0], images[1]


def test_redrawn_surfaces_move_by_about_what_is_asked_for():
    r = np.sqrt(sum((a - 30.0) ** 2 for a in np.indices((61, 61, 61))))
    inside = r <= 20
    surface = Surface.of(inside.astype(np.int16), inside, (1.0, 1.0, 1.0))
    still = RedrawSettings(surface_mm=0, shift_mm=0, turn_degrees=0, growth_mm=0)
    labels, drawn = surface.redraw(np.random.default_rng(0), still)
    assert np.array_equal(drawn, inside)
    assert np.array_equal(labels > 0, inside)
    wave = RedrawSettings(surface_mm=1.5, shift_mm=0, turn_degrees=0, growth_mm=0)
    moved = []
    for seed in range(8):
        _, drawn = surface.redraw(np.random.default_rng(seed), wave)
        edge = sitk.GetArrayFromImage(sitk.BinaryContour(sitk.GetImageFromArray(drawn.astype(np.uint8)), True)) == 1
        moved.append(np.std(r[edge]))
    assert 1.0 < np.mean(moved) < 2.2
    grown = RedrawSettings(surface_mm=0, shift_mm=0, turn_degrees=0, growth_mm=2)
    sizes = [surface.redraw(np.random.default_rng(seed), grown)[1].sum() for seed in range(8)]
    assert min(sizes) < inside.sum() < max(sizes)


def test_parts_are_unequal_and_bounded():
    labels = np.zeros((40, 60, 80), np.int16)
    labels[5:35, 10:50, 10:70] = 1
    cut = cut_into_parts(labels, wanted=4, smallest=500, largest=10_000)
    sizes = np.bincount(cut.ravel())[1:]
    assert len(sizes) == 4
    assert sizes.max() <= 10_000
    assert sizes.min() >= 500
    assert sizes.max() > 1.5 * sizes.min()
    assert not np.any((cut > 0) & (labels == 0))
    small = np.zeros((5, 5, 5), np.int16)
    small[2, 2, 1:4] = 1
    assert cut_into_parts(small, 4, 27, 1000).max() == 1


def test_robustness_of_one_case(a_tumour: tuple[sitk.Image, sitk.Image], tmp_path: Path):
    image, mask = a_tumour
    redraws = [
        redraw_features(image, {"1": mask}, shipped_settings("ct-quick"), count=6, seed=seed, processes=workers)
        for seed, workers in ((1, 1), (1, 2), (2, 2))
    ]
    assert redraws[0].values.shape == (4, 6, 107)
    np.testing.assert_allclose(redraws[0].values, redraws[1].values, rtol=1e-9)
    assert not np.allclose(redraws[0].values, redraws[2].values, equal_nan=True)
    assert all(0.7 < d < 1 for d in redraws[0].dice)
    robustness = assess([{"ct": redraws[0]}])
    by_name = {f.feature: f for f in robustness.features}
    assert len(by_name) == 107
    volume = by_name["ct_original_shape_VoxelVolume"]
    assert volume.low <= volume.icc <= volume.high
    assert volume.icc > 0.5
    assert all(f.icc is not None or f.reason for f in robustness.features)
    summary = robustness.summary()
    assert summary["by_class"]["all"]["features"] == 107
    write_robustness(robustness, tmp_path / "r.csv")
    known = {f.feature: f.low for f in robustness.features if f.low is not None}
    assert {n: v for n, v in read_icc(tmp_path / "r.csv").items() if np.isfinite(v)} == pytest.approx(known, rel=1e-5)


@pytest.mark.parametrize(
    "setting",
    [
        {},
        {"resegmentRange": [-100, 60]},
        {"resegmentRange": [-100, 60], "resegmentShape": True},
        {"force2D": True},
        {"distances": [1, 2]},
    ],
)
def test_each_contour_s_values_are_those_of_its_own_extraction(
    a_tumour: tuple[sitk.Image, sitk.Image], setting: dict[str, object]
):
    """Measured together: contours that are alike, and between them a flat one, one slice, half a tumour and nothing."""
    image, mask = a_tumour
    grey = sitk.GetArrayFromImage(image)
    grey[2:5, 2:8, 2:8] = 7  # flat
    noisy = sitk.GetImageFromArray(grey)
    noisy.CopyInformation(image)
    given = sitk.GetArrayFromImage(mask) == 1
    masks = [np.roll(given, shift, axis) for shift, axis in ((0, 0), (1, 1), (-1, 2), (2, 1))]
    box, slab, nothing = np.zeros((3, *given.shape), bool)
    box[2:5, 2:8, 2:8] = True
    slab[15, 20:40, 22:38] = True
    masks[1:1] = [box, slab, given & (np.indices(given.shape)[2] > 40), nothing]
    images = []
    for inside in masks:
        images.append(sitk.GetImageFromArray(inside.astype(np.uint8)))
        images[-1].CopyInformation(image)
    wanted = {"Original": {}, "LoG": {"sigma": [2.0]}} if not setting else {"Original": {}}
    settings = RadiomicsSettings(Path("own"), "", {"setting": {"binWidth": 25, **setting}, "imageType": wanted})
    together = measure_masks(noisy, mask, images, settings, processes=1)
    for one, values in zip(images, together, strict=True):
        alone = extract_features(noisy, one, settings, processes=1).values
        assert {f"ct_{name}": value for name, value in values.items()} == pytest.approx(alone, rel=1e-6, abs=1e-9)
    assert [len(values) for values in together].count(0) == 1
    assert len(together[0]) == (107 + 93 if not setting else 107)


def test_a_cohort_s_targets_are_its_lesions_and_a_tiny_one_is_left_out(a_tumour: tuple[sitk.Image, sitk.Image]):
    image, mask = a_tumour
    tiny = sitk.Image(mask)
    tiny[:, :, :] = 0
    tiny[20, 20, 10] = 1
    small = sitk.BinaryErode(mask, (3, 3, 2))
    settings = shipped_settings("ct-quick")
    found = [redraw_features(image, {"1": m}, settings, count=3, parts=False, processes=1) for m in (mask, small, tiny)]
    assert [f.values.shape for f in found] == [(1, 3, 107)] * 3
    robustness = assess([{"ct": f} for f in found])
    volume = next(f for f in robustness.features if f.feature == "ct_original_shape_VoxelVolume")
    assert volume.icc > 0.8


def test_uptake_of_redrawn_contours_has_an_icc_too(a_tumour: tuple[sitk.Image, sitk.Image]):
    ct, mask = a_tumour
    suv = np.random.default_rng(4).gamma(4, 0.5, (24, 40, 40)).astype(np.float32)
    pet = sitk.GetImageFromArray(suv)
    pet.SetSpacing((2.3, 2.3, 3.8))
    place = Path("nowhere")
    case = Case(
        LoadedImage(ct, "CT", "HU", place), LoadedImage(pet, "PT", "SUVbw", place), TumourMask(mask, "imported")
    )
    settings = RadiomicsSettings(place, "", {"setting": {"binWidth": 1}, "featureClass": {"firstorder": ["Mean"]}})
    request = FeatureRequest(settings, settings, perturb=4, processes=1)
    found = redraw_case(case, request, parts=False)["pet"]
    assert found.names[0] == "pet_original_firstorder_Mean"
    values = dict(zip(found.names, found.values[0].T, strict=True))
    assert np.isfinite(found.values).all()
    assert suv.min() < values["pet_uptake_SUVmean"].min() < values["pet_uptake_SUVmean"].max() < suv.max()
    assert len(set(values["pet_uptake_SUVmean"])) == 4, "every contour is another"
    assert (values["pet_uptake_SUVmax"] >= values["pet_uptake_SUVpeak"]).all()
    rows = {f.feature: f for f in assess([redraw_case(case, request)]).features}
    assert rows["pet_uptake_SUVmax"].icc is not None or rows["pet_uptake_SUVmax"].reason
    assert assess([{"pet": found}]).summary()["by_class"]["uptake"]["features"] == len(UPTAKE_NAMES)


def test_ibsi_digital_phantom_is_within_tolerance_or_explained():
    rows = compare(CONFIGURATIONS[0], shared_data("ibsi"))
    assert len(rows) == 487
    counted = totals(row.ours.verdict for row in rows)
    assert counted[UNEXPLAINED] == 0
    assert counted[WITHIN] >= 390
    assert counted[DIFFERS] <= 4
    assert all(row.ours.reason for row in rows if row.ours.verdict != WITHIN)


def test_ibsi_configuration_c_needs_ibsi_s_grid_and_bins():
    rows = compare(CONFIGURATIONS[3], shared_data("ibsi"))
    counted = totals(row.ours.verdict for row in rows)
    assert counted[UNEXPLAINED] == 0
    assert counted[DIFFERS] == 2, "kurtosis only"
    assert all(r.pyradiomics.reason for r in rows if r.pyradiomics.verdict == DIFFERS)
    assert totals(r.pyradiomics.verdict for r in rows)[WITHIN] < counted[WITHIN]


def test_ibsi_configurations_d_and_e_run_and_share_c_s_grid(tmp_path: Path):
    """Their references are the user's; what they have in common with C (grid, outline, linear grey values) is C's."""
    data = shared_data("ibsi")
    consensus = read_reference(data / "reference" / CONFIGURATIONS[3].reference)
    grid = [
        t for t in consensus if t.startswith(("morph_vol", "morph_area_mesh", "morph_diam", "morph_mask_vox_count"))
    ]
    found = {}
    for name, configuration in (("D", CONFIGURATIONS[4]), ("E", CONFIGURATIONS[5])):
        rows = compare(configuration, data)
        assert {r.ours.verdict for r in rows} == {NO_CONSENSUS}
        found[name] = {r.tag: r.ours.number for r in rows}
        known = [t for t in grid if t in found[name]]
        assert len(known) > 5
        assert all(agrees(found[name][t], consensus[t]) for t in known)
    linear = "int_mask_mean_int_interp_roi"
    assert agrees(found["D"][linear], consensus[linear])
    assert not agrees(found["E"][linear], consensus[linear]), "E has a cubic spline"
    kept = "int_mask_vox_count_reseg_roi"
    assert found["D"][kept] < consensus["int_mask_vox_count_interp_roi"].value
    assert found["E"][kept] < consensus["int_mask_vox_count_interp_roi"].value
    own = tmp_path / "d.csv"
    own.write_text("reference value;tolerance;tag\n1;0;stat_mean\n", encoding="utf-8")
    (row,) = compare(CONFIGURATIONS[4], data, own)
    assert row.ours.verdict == UNEXPLAINED
    own.write_text("reference value;tolerance;tag\n1;0;stat_mean\nx;0;stat_var\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="line 3"):
        read_reference(own)
