"""Lesions, regions, uptake and burden of a case; many cases; the command and its table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.radiomics import RadiomicsSettings, shipped_settings
from NSCLCResponseLib.core.radiomics.case_features import FeatureRequest, measure_case
from NSCLCResponseLib.core.radiomics.cases import CaseSource, extract
from NSCLCResponseLib.core.radiomics.pet_measures import measure_uptake
from NSCLCResponseLib.core.radiomics.regions import RegionMaker, parse_regions
from NSCLCResponseSegmentLib.core.case import Case, LoadedImage, TumourMask
from NSCLCResponseSegmentLib.core.errors import MaskError, NSCLCResponseError, PetError, SettingsError
from support.cli import nsclc_response
from support.data import shared_data

SPACING = (2.0, 2.0, 3.0)
SIZE = (40, 100, 120)  # z, y, x


def image_of(array: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    return image


def distance_mm(centre: tuple[float, float, float]) -> np.ndarray:
    """Distance of each voxel from a continuous index (x, y, z)."""
    z, y, x = np.indices(SIZE)
    return np.sqrt(sum(((a - c) * s) ** 2 for a, c, s in zip((x, y, z), centre, SPACING, strict=True)))


@pytest.fixture(scope="module")
def a_thorax() -> sitk.Image:
    """A body with one large lung at the left of the image, tissue at the right, and a rib in it; HU."""
    _, y, x = np.indices(SIZE)
    hu = np.full(SIZE, -1000, np.int16)
    body = ((x - 60) / 52) ** 2 + ((y - 50) / 42) ** 2 <= 1
    hu[body] = 40
    hu[body & (((x - 46) / 22) ** 2 + ((y - 50) / 24) ** 2 <= 1)] = -800
    hu[(np.abs(x - 90) <= 2) & (np.abs(y - 50) <= 12)] = 700
    return image_of(hu + np.random.default_rng(0).integers(-8, 9, SIZE).astype(np.int16))


def case_of(ct: sitk.Image, mask: np.ndarray, pet: sitk.Image | None = None) -> Case:
    place = Path("nowhere")
    return Case(
        LoadedImage(ct, "CT", "HU", place),
        LoadedImage(pet, "PT", "SUVbw", place) if pet is not None else None,
        TumourMask(image_of(mask.astype(np.uint8)), "imported"),
        patient_id="p1",
    )


def request(**changes: object) -> FeatureRequest:
    quick = shipped_settings("ct-quick")
    pet = shipped_settings("signature-pet")
    return FeatureRequest(**{"ct_settings": quick, "pet_settings": pet, "processes": 1, **changes})


def voxels(mask: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(mask) == 1


def test_rings_have_their_width_and_keep_out_of_bone_air_and_other_lesions(a_thorax: sitk.Image):
    lesion = distance_mm((80.0, 50.0, 20.0)) <= 12
    other = distance_mm((72.0, 50.0, 20.0)) <= 3
    maker = RegionMaker(a_thorax, image_of((lesion | other).astype(np.uint8)))
    outside = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(image_of(lesion.astype(np.uint8)), False, False, True)
    )
    rings = {}
    for name in ("ring3", "ring5", "ring10"):
        region = parse_regions(name)[0]
        ring = voxels(maker.make(image_of(lesion.astype(np.uint8)), region))
        rings[name] = ring
        assert ring.any()
        assert not np.any(ring & (lesion | other))
        assert outside[ring].max() <= region.mm + 1e-6
    assert rings["ring3"].sum() < rings["ring5"].sum() < rings["ring10"].sum()
    assert not np.any(rings["ring3"] & ~rings["ring5"])
    hu = sitk.GetArrayFromImage(a_thorax)
    assert hu[rings["ring10"]].max() < 200, "no bone"
    near = (outside > 0) & (outside <= 10) & ~other
    assert rings["ring10"].sum() < near.sum(), "the rib was cut out"


def test_a_ring_within_lung_holds_lung_only_and_is_empty_far_from_it(a_thorax: sitk.Image):
    at_the_pleura = (distance_mm((70.0, 50.0, 20.0)) <= 12).astype(np.uint8)
    maker = RegionMaker(a_thorax, image_of(at_the_pleura))
    ring = voxels(maker.make(image_of(at_the_pleura), parse_regions("ring5lung")[0]))
    assert ring.any()
    assert np.mean(sitk.GetArrayFromImage(a_thorax)[ring]) < -700
    deep = image_of((distance_mm((95.0, 30.0, 20.0)) <= 6).astype(np.uint8))
    assert not voxels(maker.make(deep, parse_regions("ring5lung")[0])).any()


def test_core_and_rim_share_the_tumour(a_thorax: sitk.Image):
    lesion = image_of((distance_mm((80.0, 50.0, 20.0)) <= 14).astype(np.uint8))
    maker = RegionMaker(a_thorax, lesion)
    core, rim = (voxels(maker.make(lesion, parse_regions(name)[0])) for name in ("core", "rim"))
    assert core.any()
    assert not np.any(core & rim)
    assert np.array_equal(core | rim, voxels(lesion))


def test_unknown_regions_are_named():
    for text in ("ring", "tumor,halo", "corelung", "ring900", "burden5", ""):
        with pytest.raises(SettingsError):
            parse_regions(text)
    assert [r.name for r in parse_regions("tumor, ring5,ring5")] == ["tumour", "ring5"]


def test_each_lesion_has_a_row_and_its_own_numbers(a_thorax: sitk.Image):
    mask = (distance_mm((80.0, 50.0, 20.0)) <= 14) | (distance_mm((95.0, 30.0, 10.0)) <= 8)
    mask[39, 99, 119] = True  # a speck
    rows = measure_case(case_of(a_thorax, mask), request(regions=tuple(parse_regions("tumour,ring5,burden"))))
    assert [(r.lesion, r.region) for r in rows] == [
        ("1", "tumour"), ("1", "ring5"), ("2", "tumour"), ("2", "ring5"), ("all", "tumour"), ("all", "ring5"),
        ("all", "burden"),
    ]  # fmt: skip
    first, second, whole = (rows[i].values["ct_original_shape_VoxelVolume"] for i in (0, 2, 4))
    assert first > second
    assert first + second == pytest.approx(whole, rel=0.01)
    assert "ring5_ct_original_glcm_Contrast" in rows[1].values
    assert rows[0].values["burden_LesionCount"] == 2
    assert rows[0].values["burden_Dmax"] == pytest.approx(np.hypot(np.hypot(30, 40), 30), abs=1.0)
    assert rows[0].values["burden_TotalVolume"] == pytest.approx(whole / 1000, rel=0.02)
    assert rows[-1].values == {n: v for n, v in rows[0].values.items() if n.startswith("burden_")}


def test_touching_segments_are_lesions_of_their_own(a_thorax: sitk.Image):
    x = np.indices(SIZE)[2]
    ball = distance_mm((80.0, 50.0, 20.0)) <= 14
    masks = {
        "left": image_of((ball & (x < 82)).astype(np.uint8)),
        "right": image_of((ball & (x >= 82)).astype(np.uint8)),
    }
    rows = measure_case(case_of(a_thorax, ball), request(), lesion_masks=masks)
    volumes = {row.lesion: row.values["ct_original_shape_VoxelVolume"] for row in rows}
    assert set(volumes) == {"left", "right"}
    assert volumes["left"] > volumes["right"] > 0
    assert rows[0].values["burden_LesionCount"] == 2


def test_an_empty_ring_has_a_reason_for_each_feature(a_thorax: sitk.Image):
    deep = distance_mm((95.0, 30.0, 20.0)) <= 6
    row = measure_case(case_of(a_thorax, deep), request(regions=tuple(parse_regions("ring5lung"))))[0]
    assert not row.values
    assert len(row.failed) == 107
    assert all("ring5lung" in reason and "empty" in reason for reason in row.failed.values())


def test_a_tumour_of_one_voxel_costs_its_features_only(a_thorax: sitk.Image):
    """Beside a large one it is a speck without a row; alone, or as a segment, each feature has a value or a reason."""
    speck = np.zeros(SIZE, bool)
    speck[20, 50, 80] = True
    regions = tuple(parse_regions("tumour,core,rim,ring5,burden"))
    pet = image_of(np.random.default_rng(3).gamma(4, 1, SIZE).astype(np.float32))
    rows = measure_case(case_of(a_thorax, speck, pet), request(regions=regions))
    assert [r.region for r in rows] == ["tumour", "core", "rim", "ring5", "burden"]
    tumour, core, _, ring, burden = rows
    assert "single voxel" in tumour.failed["ct_original_glcm_Contrast"]
    assert tumour.values["pet_uptake_SUVmax"] == sitk.GetArrayFromImage(pet)[20, 50, 80]
    assert "empty" in core.failed["core_ct_original_glcm_Contrast"]
    assert "ring5_ct_original_glcm_Contrast" in ring.values
    assert burden.values["burden_LesionCount"] == 1
    large = distance_mm((80.0, 50.0, 20.0)) <= 10
    masks = {"large": image_of(large.astype(np.uint8)), "voxel": image_of(speck.astype(np.uint8))}
    found = {r.lesion: r for r in measure_case(case_of(a_thorax, large), request(), lesion_masks=masks)}
    assert "ct_original_glcm_Contrast" in found["large"].values
    assert "single voxel" in found["voxel"].failed["ct_original_glcm_Contrast"]
    with pytest.raises(MaskError, match="'nothing' is empty"):
        measure_case(case_of(a_thorax, large), request(), lesion_masks={"nothing": masks["voxel"] * 0})


def test_a_case_without_an_outline_is_refused(a_thorax: sitk.Image):
    with pytest.raises(MaskError):
        measure_case(case_of(a_thorax, np.zeros(SIZE)), request())


def test_uptake_of_a_hot_ball():
    """A ball of 20 mm radius with SUV 10 around a core of SUV 4.1, in 1; the peak lies in the 10."""
    spacing = (2.0, 2.0, 2.0)
    z, y, x = np.indices((40, 40, 40)) - 20
    r = 2.0 * np.sqrt(x**2 + y**2 + z**2)
    suv = np.where(r <= 20, 10.0, 1.0).astype(np.float32)
    suv[r <= 6] = 4.0
    suv[20, 20, 28] = 15.0
    values, failed = measure_uptake(image_of(suv, spacing), image_of((r <= 20).astype(np.uint8), spacing))
    assert not failed
    inside = suv[r <= 20].astype(float)
    assert values["SUVmax"] == 15
    assert values["SUVmean"] == pytest.approx(inside.mean())
    ball = r <= 6.2035
    assert values["SUVpeak"] == pytest.approx(10 + 5 / ball.sum(), rel=1e-6)
    hot = inside[inside >= 0.41 * 15]
    assert values["MTV41pct"] == pytest.approx(hot.size * 0.008)
    assert values["TLG41pct"] == pytest.approx(hot.sum() * 0.008)
    assert values["MTV2p5"] == pytest.approx(inside.size * 0.008)
    assert values["MTV4"] == pytest.approx(inside.size * 0.008)
    assert values["TLG2p5"] == pytest.approx(inside.sum() * 0.008)


def test_the_peak_is_taken_as_ibsi_defines_it_at_the_image_s_edge_too():
    suv = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    mask = np.zeros((3, 3, 3), np.uint8)
    mask[2, 2, 2] = 1
    values, _ = measure_uptake(image_of(suv, (4.0, 4.0, 4.0)), image_of(mask, (4.0, 4.0, 4.0)))
    near = [26, 25, 23, 17, 22, 16, 14]  # itself, its neighbours at 4 mm and at 5.7 mm
    assert values["SUVpeak"] == pytest.approx(np.mean(near))


@pytest.mark.parametrize(("factor", "word"), [(5000.0, "Bq/mL"), (200.0, "CT")])
def test_other_units_than_suv_are_refused(factor: float, word: str):
    lowest = 0.0 if word == "Bq/mL" else 0.5
    suv = image_of((np.random.default_rng(0).random((9, 9, 9)) - lowest).astype(np.float32) * np.float32(factor))
    with pytest.raises(PetError, match=word):
        measure_uptake(suv, image_of(np.ones((9, 9, 9), np.uint8)))


def test_pet_on_its_own_grid_gives_texture_and_uptake(a_thorax: sitk.Image):
    lesion = distance_mm((80.0, 50.0, 20.0)) <= 14
    grid = sitk.Image(60, 50, 30, sitk.sitkFloat32)
    grid.SetSpacing((4.0, 4.0, 4.0))
    grid.SetOrigin((1.0, 1.0, 0.5))
    noise = sitk.GetImageFromArray(np.random.default_rng(3).gamma(4, 1, (30, 50, 60)).astype(np.float32))
    noise.CopyInformation(grid)
    row = measure_case(case_of(a_thorax, lesion, noise), request())[0]
    assert row.values["pet_uptake_SUVmax"] >= row.values["pet_uptake_SUVpeak"] >= row.values["pet_uptake_SUVmean"]
    assert "pet_original_glcm_Contrast" in row.values
    assert set(row.settings) == {"ct", "pet"}


def test_an_outline_of_the_pet_is_shared_among_the_lesions(a_thorax: sitk.Image):
    near, far = distance_mm((80.0, 50.0, 20.0)) <= 10, distance_mm((95.0, 30.0, 10.0)) <= 8
    suv = np.where(near, 6.0, 1.0) + np.where(far, 3.0, 0.0)
    grown = distance_mm((80.0, 50.0, 20.0)) <= 14  # drawn wider than on the CT
    drawn = image_of((grown | far).astype(np.uint8))
    first_order = RadiomicsSettings(Path("own"), "", {"setting": {"binWidth": 1}, "featureClass": {"firstorder": None}})
    wish = request(ct_settings=first_order, pet_settings=first_order)
    rows = measure_case(case_of(a_thorax, near | far, image_of(suv.astype(np.float32))), wish, pet_mask=drawn)
    found = {r.lesion: r.values for r in rows}
    names = ("pet_original_firstorder_Mean", "pet_uptake_SUVmean")
    for lesion, mask in (("1", grown), ("2", far), ("all", grown | far)):
        assert [found[lesion][n] for n in names] == pytest.approx([suv[mask].mean()] * 2, rel=1e-6)
    assert found["1"]["burden_TotalVolume"] == pytest.approx((near | far).sum() * np.prod(SPACING) / 1000)


def test_uptake_of_a_real_patient_with_the_outline_drawn_on_the_pet(tmp_path: Path):
    """STS-001's published SUV image and PET outline; expected values straight from its voxels."""
    folder = shared_data("sts-001")
    settings = tmp_path / "s.yaml"
    settings.write_text("setting: {binWidth: 0.25}\nfeatureClass: {firstorder: [Mean]}\n")
    done = nsclc_response(
        "radiomics", "--ct", folder / "ct_image.nii.gz", "--mask", folder / "ct_mask.nii.gz",
        "--pet", folder / "pet_image.nii.gz", "--pet-mask", folder / "pet_mask.nii.gz",
        "--settings", settings, "--pet-settings", settings, "--out", tmp_path / "f.csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    with (tmp_path / "f.csv").open(encoding="utf-8", newline="") as stream:
        row = next(csv.DictReader(stream))
    pet, mask = (sitk.ReadImage(str(folder / f"pet_{name}.nii.gz")) for name in ("image", "mask"))
    voxels_in = sitk.GetArrayFromImage(pet)[sitk.GetArrayFromImage(mask) > 0].astype(float)
    ml = float(np.prod(pet.GetSpacing())) / 1000
    hot = voxels_in[voxels_in >= 0.41 * voxels_in.max()]
    expected = {
        "SUVmax": voxels_in.max(), "SUVmean": voxels_in.mean(), "MTV41pct": hot.size * ml, "TLG41pct": hot.sum() * ml,
        "MTV2p5": (voxels_in >= 2.5).sum() * ml, "MTV4": (voxels_in >= 4).sum() * ml,
    }  # fmt: skip
    assert {n: float(row[f"pet_uptake_{n}"]) for n in expected} == pytest.approx(expected)
    assert float(row["pet_original_firstorder_Mean"]) == pytest.approx(voxels_in.mean())


def test_many_cases_resume_and_a_bad_one_does_not_stop_them(a_thorax: sitk.Image, tmp_path: Path):
    loaded: list[str] = []
    lesion = distance_mm((80.0, 50.0, 20.0)) <= 10

    def good(name: str):
        def load(progress: object) -> Case:
            loaded.append(name)
            return case_of(a_thorax, lesion)

        return CaseSource(name, load, {"file": name})

    def bad(progress: object) -> Case:
        raise MaskError("The outline is of another patient.", "Give his own.")

    def broken(progress: object) -> Case:
        return {}["a table\nof a library"]

    cases = [good("a"), CaseSource("b/ü", bad), CaseSource("x", broken), good("c")]
    first = list(extract(cases, request(), store=tmp_path / "store"))
    assert [c.patient for c in first] == ["a", "b/ü", "x", "c"]
    assert "another patient" in first[1].error
    assert all(word in first[2].error for word in ("KeyError", "test_radiomics_case.py"))
    assert "\n" not in first[2].error
    assert loaded == ["a", "c"]
    second = list(extract(cases, request(), store=tmp_path / "store"))
    assert loaded == ["a", "c"], "taken from the store"
    assert [c.was_there for c in second] == [True, False, False, True]
    assert second[0].rows[0].values == first[0].rows[0].values
    list(extract(cases, request(each_lesion=False), store=tmp_path / "store"))
    assert loaded == ["a", "c", "a", "c"], "another request is measured anew"

    def interrupted(progress: object) -> Case:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(extract([CaseSource("y", interrupted), good("c")], request()))


def test_the_command_writes_a_wide_table_with_pet_and_regions(a_simulated_patient: Path, tmp_path: Path):
    out = tmp_path / "Tabelle ä" / "features.csv"
    settings = tmp_path / "own.yaml"
    settings.write_text("setting: {binWidth: 25, resampledPixelSpacing: [2, 2, 2]}\nimageType: {Original: {}}\n")
    images = [("--ct", "ct"), ("--pet", "pet"), ("--mask", "mask")]
    arguments = [a for option, name in images for a in (option, a_simulated_patient / f"{name}.nii.gz")]
    more = ("--settings", settings, "--regions", "tumour,ring5", "--patient-id", "p 7", "--whole-outline")
    done = nsclc_response("radiomics", *arguments, *more, "--out", out)
    assert done.code == 0, done.err
    with out.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(r["patient"], r["lesion"], r["region"]) for r in rows] == [
        ("p 7", "all", "tumour"),
        ("p 7", "all", "ring5"),
    ]
    assert float(rows[0]["ct_original_glcm_Contrast"]) > 0
    assert float(rows[0]["pet_uptake_SUVpeak"]) > 0
    assert float(rows[1]["ring5_ct_original_firstorder_Mean"]) < 100
    assert rows[1]["ct_original_glcm_Contrast"] == ""
    record = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    assert record["settings"]["ct"]["sha256"] == rows[0]["settings_ct_sha256"]
    assert record["rows"][0]["diagnostics"]["ct"]["diagnostics_Versions_PyRadiomics"]
    again = nsclc_response("radiomics", *arguments, *more, "--out", out)
    assert again.code == 2
    assert "exists already" in again.sentence


def test_voxels_that_are_no_numbers_cost_what_lies_near_them(a_thorax: sitk.Image, tmp_path: Path):
    """NRRD keeps NaN, which ITK's NIfTI reader turns into 0."""
    hu = sitk.GetArrayFromImage(a_thorax).astype(np.float32)
    suv = np.random.default_rng(3).gamma(4, 1, SIZE).astype(np.float32)
    lesion = distance_mm((80.0, 50.0, 20.0)) <= 10
    hu[20, 50, 80] = np.nan
    suv[20, 50, 86] = np.nan  # outside, within reach of SUVpeak's ball
    for name, array in (("ct", hu), ("pet", suv), ("mask", lesion.astype(np.uint8))):
        sitk.WriteImage(image_of(array), str(tmp_path / f"{name}.nrrd"))
    settings = tmp_path / "s.yaml"
    settings.write_text("setting: {binWidth: 25}\nfeatureClass: {shape: , firstorder: , glcm: }\n")
    done = nsclc_response(
        "radiomics", *(a for n in ("ct", "pet", "mask") for a in (f"--{n}", tmp_path / f"{n}.nrrd")),
        "--settings", settings, "--pet-settings", settings, "--regions", "tumour,ring5", "--out", tmp_path / "f.csv",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "a voxel that is not a number" in done.err
    tumour, ring = json.loads((tmp_path / "f.json").read_text(encoding="utf-8"))["rows"]
    assert "not numbers" in tumour["failed"]["ct_original_firstorder_Mean"]
    assert "finite" in tumour["failed"]["pet_uptake_SUVpeak"]
    assert not any("shape" in n or n == "pet_uptake_SUVmax" for n in tumour["failed"])
    assert not any(n.startswith("ring5_ct_original_glcm") for n in ring["failed"])


def test_the_command_names_a_bad_settings_file(a_simulated_patient: Path, tmp_path: Path):
    settings = tmp_path / "own.yaml"
    settings.write_text("setting:\n  binWidht: 25\n")
    done = nsclc_response(
        "radiomics", "--ct", a_simulated_patient / "ct.nii.gz", "--mask", a_simulated_patient / "mask.nii.gz",
        "--settings", settings, "--out", tmp_path / "f.csv",
    )  # fmt: skip
    assert done.code == 2
    assert "line 2" in done.sentence
    assert "binWidht" in done.sentence
    assert not (tmp_path / "f.csv").exists()


def test_each_label_of_a_label_map_is_a_lesion(a_thorax: sitk.Image, tmp_path: Path):
    from NSCLCResponseLib.core.radiomics.segments import read_segments, segment_names

    labels = np.zeros(SIZE, np.uint8)
    labels[10:20, 40:50, 85:95] = 3
    labels[10:20, 50:56, 85:95] = 7
    sitk.WriteImage(image_of(labels), str(tmp_path / "labels.nii.gz"))
    ct = LoadedImage(a_thorax, "CT", "HU", Path("nowhere"))
    masks, problems = read_segments(tmp_path / "labels.nii.gz", ct)
    assert {name: int(voxels(mask).sum()) for name, mask in masks.items()} == {"3": 1000, "7": 600}
    assert not problems
    masks, problems = read_segments(tmp_path / "labels.nii.gz", ct, ("3", "9"))
    assert list(masks) == ["3"]
    assert "9" in problems["9"]
    with pytest.raises(MaskError):
        read_segments(tmp_path / "labels.nii.gz", ct, ("9",))
    with pytest.raises(NSCLCResponseError):
        segment_names(tmp_path)
