"""What users give: settings files that are wrong, regions that are too small, images that hold nonsense."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.radiomics import FeatureResult, extract_features, load_settings, shipped_settings
from NSCLCResponseLib.core.radiomics.settings import RadiomicsSettings
from NSCLCResponseSegmentLib.core.errors import MaskError, SettingsError

SIZE = (20, 24, 28)  # z, y, x


def image_of(array: np.ndarray) -> sitk.Image:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.2, 1.2, 2.5))
    return image


@pytest.fixture
def an_image() -> sitk.Image:
    return image_of(np.random.default_rng(1).normal(40, 30, SIZE).round().astype(np.int16))


def mask_of(*where: slice | int) -> sitk.Image:
    array = np.zeros(SIZE, np.uint8)
    array[where] = 1
    return image_of(array)


BLOCK = (slice(6, 12), slice(8, 18), slice(8, 18))


def extract(image: sitk.Image, mask: sitk.Image, name: str = "ct") -> FeatureResult:
    result = extract_features(image, mask, shipped_settings(name), processes=1)
    assert len(result.values) + len(result.failed) == {"ct": 1130, "ct-quick": 107}[name], "no feature is left out"
    assert all(np.isfinite(v) for v in result.values.values())
    assert all(result.failed.values()), "every failure has its reason"
    return result


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("setting:\n  binWidth: abc\n", 2, "binWidth"),
        ("setting:\n  label: 1\n  binWidht: 25\n", 3, "binWidht"),
        ("setting:\n  interpolator: cubic\n", 2, "cubic"),
        ("setting:\n  resampledPixelSpacing: [1, 1]\n", 2, "three numbers"),
        ("imageType:\n  Orignal: {}\n", 2, "Orignal"),
        ("imageType:\n  Original: {}\n  LoG: {}\n", 3, "sigma"),
        ("imageType:\n  Wavelet:\n    wavelet: nonsense\n", 3, "nonsense"),
        ("featureClass:\n  glcm: [Contrst]\n", 2, "Contrst"),
        ("setting:\n  binWidth: '25'\n", 2, "quotes"),
        ("setting:\n  label: 1\n  binWidth: .nan\n", 3, "binWidth: nan is not a finite number"),
        ("imageType:\n  LoG:\n    sigma: [1, 0]\n", 3, "sigma: "),
        ("setting: [1,\n binWidth: 2", 2, "YAML"),
        ("whatever: 1\n", 1, "whatever"),
    ],
)
def test_a_bad_settings_file_is_named_with_its_line(tmp_path: Path, text: str, line: int, word: str):
    path = tmp_path / "my settings.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)
    assert f"line {line}" in str(caught.value)
    assert word in str(caught.value)


def test_a_settings_file_that_is_missing_or_no_text(tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(tmp_path / "none.yaml")
    (tmp_path / "image.yaml").write_bytes(b"setting:\n  \xff\xfe")
    with pytest.raises(SettingsError, match="line 2"):
        load_settings(tmp_path / "image.yaml")


@pytest.mark.parametrize("name", ["ct", "ct-quick", "pet", "delta"])
def test_the_shipped_settings_are_taken_by_pyradiomics(name: str):
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    settings = shipped_settings(name)
    assert len(settings.sha256) == 64
    assert RadiomicsFeatureExtractor(str(settings.path)).enabledFeatures


def test_a_single_voxel_a_line_and_nothing_get_a_reason(an_image: sitk.Image):
    for mask, reason in (
        (mask_of(9, 9, 9), "single voxel"),
        (mask_of(9, 9, slice(4, 12)), "fewer than 2 dimensions"),
        (mask_of(slice(0, 0)), "no voxel"),
    ):
        result = extract(an_image, mask)
        assert not result.values
        assert all(reason in why for why in result.failed.values())


def test_one_slice_and_the_image_s_corner_have_values(an_image: sitk.Image):
    assert len(extract(an_image, mask_of(9, slice(4, 12), slice(4, 12))).values) > 1000
    assert len(extract(an_image, mask_of(slice(0, 5), slice(0, 6), slice(0, 6))).values) > 1000
    assert len(extract(an_image, mask_of(slice(15, 20), slice(18, 24), slice(20, 28))).values) > 1000


def test_a_flat_tumour_has_values(an_image: sitk.Image):
    flat = image_of(np.full(SIZE, 30, np.int16))
    result = extract(flat, mask_of(*BLOCK))
    assert result.values["ct_original_firstorder_Mean"] == pytest.approx(29.5, abs=0.5)  # PyRadiomics cuts decimals off
    assert result.values["ct_original_firstorder_Entropy"] == pytest.approx(0, abs=1e-9)


def test_nan_costs_the_grey_values_only(an_image: sitk.Image):
    array = sitk.GetArrayFromImage(an_image).astype(np.float32)
    array[8, 10, 10] = np.nan
    result = extract(image_of(array), mask_of(*BLOCK))
    assert len(result.values) == 14
    assert all("not numbers" in why for why in result.failed.values())


def test_nan_far_from_the_tumour_does_not_matter():
    array = np.random.default_rng(2).normal(40, 30, (20, 24, 160)).astype(np.float32)
    mask = np.zeros(array.shape, np.uint8)
    mask[6:12, 8:18, 8:18] = 1
    clean = extract(image_of(array), image_of(mask), "ct-quick")
    array[:, :, 150] = np.nan
    assert extract(image_of(array), image_of(mask), "ct-quick").values == clean.values


def test_too_many_bins_are_refused_with_the_reason_and_many_are_warned_of(an_image: sitk.Image):
    grey = sitk.GetArrayFromImage(an_image).astype(np.float32)
    refused = extract(image_of(grey * 500), mask_of(*BLOCK), "ct-quick")
    assert "more than 1024" in refused.failed["ct_original_glcm_Contrast"]
    assert "ct_original_firstorder_Entropy" in refused.failed
    assert "ct_original_firstorder_Mean" in refused.values
    warned = extract(image_of(grey * 50), mask_of(*BLOCK), "ct-quick")
    assert not warned.failed
    assert any("bins" in warning for warning in warned.warnings)


def test_settings_that_pass_the_schema_but_cannot_be_carried_out_give_a_reason(an_image: sitk.Image):
    for text, feature, reason in (
        ({"binCount": 5000}, "glcm_Contrast", "binCount asks for 5000"),
        ({"interpolator": 3, "resampledPixelSpacing": [1, 1, 1]}, "firstorder_Mean", "SimpleITK"),
    ):
        classes = {"firstorder": ["Mean"], "glcm": ["Contrast"]}
        settings = RadiomicsSettings(Path("own"), "", {"setting": text, "featureClass": classes})
        result = extract_features(an_image, mask_of(*BLOCK), settings, processes=1)
        assert reason in result.failed[f"ct_original_{feature}"]


def test_a_mask_on_another_grid_is_placed_by_position_and_one_elsewhere_is_refused(an_image: sitk.Image):
    mask = mask_of(*BLOCK)
    finer = sitk.Resample(
        mask, [2 * n for n in mask.GetSize()], sitk.Transform(), sitk.sitkNearestNeighbor,
        mask.TransformContinuousIndexToPhysicalPoint((-0.25, -0.25, -0.25)), [s / 2 for s in mask.GetSpacing()],
    )  # fmt: skip
    moved = extract(an_image, finer, "ct-quick")
    assert moved.values == extract(an_image, mask, "ct-quick").values
    assert any("resampled" in warning for warning in moved.warnings)
    finer.SetOrigin((900.0, 0.0, 0.0))
    with pytest.raises(MaskError, match="outside"):
        extract(an_image, finer, "ct-quick")


def test_pyradiomics_leaves_no_traces_behind(an_image: sitk.Image):
    """Its extractor would change SimpleITK's tolerance for the whole process, and its log would fill the terminal."""
    code = (
        "import SimpleITK as sitk, numpy as np\n"
        "from NSCLCResponseLib.core.radiomics import extract_features, shipped_settings\n"
        "before = sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance()\n"
        "image = sitk.GetImageFromArray(np.random.default_rng(0).normal(size=(9, 9, 9)).astype('float32') * 50)\n"
        "extract_features(image, image > -1000, shipped_settings('ct-quick'), processes=1)\n"
        "assert sitk.ProcessObject.GetGlobalDefaultCoordinateTolerance() == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert done.stderr == ""
