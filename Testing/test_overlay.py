"""The picture of a case, rendered by real Slicer views: the tumour is where it is, and as large as it is."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from NSCLCResponseLib.mrml.scene import build_scene
from NSCLCResponseLib.render.aim import coarse_body, largest_section_ras, lungs_within
from NSCLCResponseLib.render.overlay import render_overlay
from NSCLCResponseLib.render.views import _VIEWS, close_views, render_views
from NSCLCResponseSegmentLib.core.case import Case, LoadedImage, TumourMask
from NSCLCResponseSegmentLib.core.errors import SegmentationError

SIZE = (400, 300)
TUMOUR_RAS, RADIUS_MM = np.array([70.0, 40.0, 55.0]), 20.0  # in the right lung, in front, high up
RED, CYAN = (219, 61, 46), (26, 242, 242)


def a_case(*, pet: bool = False, direction: tuple[int, int, int] = (1, 1, 1)) -> Case:
    """A body with two lungs and a ball in the right one; stored along or against the patient's axes."""
    spacing, size = np.array([4.0, 4.0, 5.0]), np.array([100, 80, 50])
    axes = np.diag(direction).astype(float)
    origin = -axes @ (spacing * (size - 1) / 2)
    k, j, i = np.indices(size[::-1])
    lps = np.stack([i, j, k], -1) * spacing @ axes.T + origin
    x, y, z = -lps[..., 0], -lps[..., 1], lps[..., 2]
    hu = np.where((x / 170) ** 2 + (y / 120) ** 2 < 1, 40, -1000)
    lung = (((np.abs(x) - 80) / 60) ** 2 + (y / 85) ** 2 < 1) & (z > -60)
    ball = np.linalg.norm(np.stack([x, y, z], -1) - TUMOUR_RAS, axis=-1) <= RADIUS_MM
    hu = np.where(lung, -850, hu)
    hu = np.where(ball, 50, hu)

    def image(array: np.ndarray) -> sitk.Image:
        made = sitk.GetImageFromArray(array)
        made.SetSpacing(spacing.tolist())
        made.SetOrigin(origin.tolist())
        made.SetDirection(axes.ravel().tolist())
        return made

    here = Path("made here")
    uptake = LoadedImage(image(np.where(ball, 8.0, 0.7).astype(np.float32)), "PT", "SUVbw", here) if pet else None
    return Case(
        LoadedImage(image(hu.astype(np.int16)), "CT", "HU", here),
        uptake,
        TumourMask(image(ball.astype(np.uint8)), "imported"),
        patient_id="ball-1",
    )


def pictures_of(app, case: Case) -> dict[str, object]:
    return {p.name: p for p in render_views(app, case, build_scene(app.scene, case), SIZE)}


def outline_of(pixels: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns of the pixels that have the outline's colour, (n, 2)."""
    return np.argwhere(np.abs(pixels.astype(int) - colour).max(axis=-1) < 60)


def assert_ball_in_its_place(pictures: dict, colour: tuple[int, int, int]) -> None:
    # columns and rows run to the patient's left and back (axial), left and feet (coronal), back and feet (sagittal)
    right, front, up = TUMOUR_RAS
    for name, place in (("Axial", (-right, -front)), ("Coronal", (-right, -up)), ("Sagittal", (-front, -up))):
        picture = pictures[name]
        found = outline_of(picture.pixels, colour)
        assert len(found) > 50, f"no outline in the {name} view"
        middle = (found.min(axis=0) + found.max(axis=0))[::-1] / 2
        offset = (middle - np.array(SIZE) / 2) * picture.mm_per_pixel
        assert offset == pytest.approx(np.array(place), abs=8), name
        across = np.ptp(found, axis=0) * picture.mm_per_pixel
        assert across == pytest.approx([2 * RADIUS_MM] * 2, abs=8), f"{name}: neither stretched nor scaled"


def test_every_view_shows_the_tumour_where_it_is_and_as_large_as_it_is(a_slicer_app):
    pictures = pictures_of(a_slicer_app, a_case())
    assert_ball_in_its_place(pictures, RED)
    positions = [pictures[name].position_mm for name in ("Sagittal", "Coronal", "Axial")]
    assert positions == pytest.approx(TUMOUR_RAS, abs=5)
    red = outline_of(pictures["3D"].pixels, RED)
    assert len(red) > 200, "the surface in 3D"


def test_an_image_stored_the_other_way_round_looks_the_same(a_slicer_app):
    from NSCLCResponseLib.render.app import new_app

    straight = pictures_of(a_slicer_app, a_case())
    turned = pictures_of(new_app(), a_case(direction=(-1, -1, -1)))
    for name in ("Axial", "Coronal", "Sagittal"):
        difference = np.abs(straight[name].pixels.astype(int) - turned[name].pixels)
        assert (difference.max(axis=-1) > 40).mean() < 0.01, name


def test_pet_lies_over_the_ct_in_hot_colours_and_the_outline_stands_out(a_slicer_app):
    pictures = pictures_of(a_slicer_app, a_case(pet=True))
    assert_ball_in_its_place(pictures, CYAN)
    pixels = pictures["Axial"].pixels.astype(int)
    hot = (pixels[..., 0] > pixels[..., 2] + 60) & (pixels[..., 0] > 150)
    rows, columns = np.nonzero(hot)
    found = outline_of(pictures["Axial"].pixels, CYAN)
    assert hot.sum() > 200
    assert found.min(axis=0)[0] - 6 <= rows.min()
    assert rows.max() <= found.max(axis=0)[0] + 6, "what is below the lower SUV lets the CT through"
    grey = np.ptp(pictures["Axial"].pixels[:, : columns.min() - 10].astype(int), axis=-1)
    assert grey.max() < 12


def test_the_overlay_carries_the_probability_and_leaves_no_lungs_behind(a_slicer_app, tmp_path: Path):
    case = a_case()
    nodes = build_scene(a_slicer_app.scene, case)
    lungs = sitk.Cast(case.ct.image < -600, sitk.sitkUInt8)
    views = render_overlay(a_slicer_app, nodes, case, None, tmp_path / "plain.png", lungs)
    assert [view.name for view in views] == ["Axial", "Coronal", "Sagittal", "3D"]
    result = {
        "prediction": {
            "probability": 0.34,
            "verdict": "non-responder",
            "threshold": 0.5,
            "signature_name": "A signature with a very long name" * 3,
            "label": "Trained on simulated patients. More words.",
            "out_of_distribution": ["volume"],
        },
        "tumour": {"volume_ml": 33.5, "lesion_count": 1, "longest_axial_diameter_mm": 40.0},
    }
    render_overlay(a_slicer_app, nodes, case, result, tmp_path / "with.png", lungs)
    plain, carried = (np.asarray(Image.open(tmp_path / name)) for name in ("plain.png", "with.png"))
    assert plain.shape == carried.shape
    assert 1500 < plain.shape[1] < 1700
    header = np.abs(plain[:84].astype(int) - carried[:84]).max(axis=-1) > 40
    assert header[:, :300].sum() > 1000, "the number"
    assert header[:, -700:].sum() > 500, "what it was trained on"
    assert (np.abs(plain[90:].astype(int) - carried[90:]).max(axis=-1) > 40).mean() < 0.001, "same views again"
    assert a_slicer_app.scene.GetFirstNodeByName("Lungs") is None


def test_closed_views_are_gone_from_memory(a_slicer_app):
    """Each would keep its windows and the patient's scene: a batch would fill the memory."""
    case = a_case()
    render_views(a_slicer_app, case, build_scene(a_slicer_app.scene, case), (200, 150))
    alive = [weakref.ref(view) for view in _VIEWS[a_slicer_app].values()]
    assert len(alive) == 4
    close_views(a_slicer_app)
    gc.collect()
    assert [view() for view in alive] == [None] * 4


def test_views_go_through_the_largest_lesion():
    case = a_case()
    array = sitk.GetArrayFromImage(case.mask.image)
    array[2:4, 10:70:2, 20:22] = 1  # thin rods that together cut more of some planes than the ball does
    array[2:4, 10:70, 30] = 1
    mask = sitk.GetImageFromArray(array)
    mask.CopyInformation(case.mask.image)
    assert largest_section_ras(mask) == pytest.approx(TUMOUR_RAS, abs=5)
    with pytest.raises(SegmentationError, match="no tumour"):
        largest_section_ras(mask * 0)


def test_a_hollow_table_is_no_lung():
    case = a_case()
    hu = sitk.GetArrayFromImage(case.ct.image)
    lungs = (hu == -850).astype(np.uint8)
    table = np.zeros_like(lungs)
    table[5:45, 74:78, 20:80] = 1
    both = sitk.GetImageFromArray(lungs | table)
    both.CopyInformation(case.ct.image)
    kept = sitk.GetArrayFromImage(lungs_within(both, coarse_body(case.ct.image)))
    np.testing.assert_array_equal(kept, lungs)


def test_without_any_opengl_one_sentence_says_what_to_install():
    code = (
        "from NSCLCResponseLib.render import opengl\n"
        "from NSCLCResponseSegmentLib.core.errors import DependencyError\n"
        "opengl._OSMESA_NAMES = ('libNotThere.so.1',)\n"
        "try:\n    opengl.require_opengl()\n"
        "except DependencyError as error:\n    print(error)\n"
    )
    environment = {**os.environ, "VTK_DEFAULT_OPENGL_WINDOW": "vtkOSOpenGLRenderWindow"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "neither EGL nor OSMesa" in done.stdout
    assert "apt-get install -y libegl1" in done.stdout
