"""Parts of the browser workspace that need no browser."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.case_files import case_in_folder, find_case
from NSCLCResponseLib.core.image_handover import hand_over, take_over
from NSCLCResponseLib.core.review import ReviewRecord
from NSCLCResponseLib.render.aim import inside_points_ras
from NSCLCResponseLib.workspace.lesion_rows import choice_of, fresh_rows
from NSCLCResponseLib.workspace.pacing import Paced, Turns
from NSCLCResponseSegmentLib.core.case import LoadedImage
from NSCLCResponseSegmentLib.core.errors import SettingsError

pytest.importorskip("trame_slicer", reason="trame-slicer is not installed")


def test_of_many_events_the_last_is_done_and_few_between() -> None:
    done: list[int] = []

    async def scroll() -> None:
        paced = Paced(0.05)
        for number in range(40):
            paced("scroll", lambda number=number: done.append(number))
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.1)

    asyncio.run(scroll())
    assert done[-1] == 39
    assert len(done) < 12
    assert done == sorted(done)


def test_between_two_pictures_the_page_is_answered() -> None:
    said: list[str] = []

    async def change_all_views() -> None:
        turns, loop = Turns(0.001), asyncio.get_running_loop()

        def render(name: str) -> None:
            loop.call_soon(said.append, name)
            loop.call_later(0, said.append, "answer")  # asked for while this picture is made

        for name in ("axial", "coronal", "axial", "3D"):
            turns(renders.setdefault(name, lambda name=name: render(name)))
        await asyncio.sleep(0.1)

    renders: dict[str, Callable[[], None]] = {}
    asyncio.run(change_all_views())
    assert said == ["axial", "answer", "coronal", "answer", "3D", "answer"]


def test_the_server_is_imported_without_slicer_and_torch() -> None:
    code = (
        "import sys; import NSCLCResponseLib.workspace.server;"
        " print([n for n in ('slicer', 'vtk', 'torch', 'SimpleITK', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_vtk_gives_any_name_but_loads_the_rest_only_when_asked() -> None:
    code = """
import sys, slicer
from NSCLCResponseLib.workspace.lean_vtk import use_lean_vtk
use_lean_vtk()
import vtk, trame_slicer.core, NSCLCResponseLib.workspace.flow, NSCLCResponseLib.workspace.tools
from vtk import vtkCommand
from vtk.util.numpy_support import vtk_to_numpy
assert vtk.vtkMatrix4x4 is sys.modules["vtkmodules.vtkCommonMath"].vtkMatrix4x4 and vtk.VTK_STRING == 13
assert isinstance(vtk.vtkRenderWindow(), vtk.vtkRenderWindow) and vtk.calldata_type and vtk.vtkEvent
assert "vtkmodules.vtkDomainsChemistry" not in sys.modules
assert vtk.vtkPeriodicTable().GetNumberOfElements() == 118 and vtk.VTK_VERSION
assert not hasattr(vtk, "vtkNothing")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_image_from_another_process_is_the_same(an_oblique_image: sitk.Image, tmp_path: Path) -> None:
    known = LoadedImage(
        an_oblique_image, "CT", "HU", tmp_path / "ct", "P1", dicom_files=(tmp_path / "ct" / "1.dcm",),
        facts={"size": [13, 11, 7]}, notes=("One slice is missing.",),
    )  # fmt: skip
    path = tmp_path / "ct.nrrd"
    taken = take_over(path, json.loads(json.dumps(hand_over(known, path))))
    assert replace(taken, image=known.image) == known
    assert (taken.image.GetSpacing(), taken.image.GetOrigin()) == (known.image.GetSpacing(), known.image.GetOrigin())
    assert taken.image.GetDirection() == known.image.GetDirection()
    assert taken.image.GetPixelID() == known.image.GetPixelID()
    np.testing.assert_array_equal(sitk.GetArrayFromImage(taken.image), sitk.GetArrayFromImage(known.image))


def test_a_case_is_found_by_names(tmp_path: Path) -> None:
    for name in ("CT.nrrd", "pet.nii.gz", "tumour.seg.nrrd", "notes.txt"):
        (tmp_path / name).touch()
    found = find_case(tmp_path, roi="GTV-1")
    assert [p.name for p in (found.ct, found.pet, found.mask)] == ["CT.nrrd", "pet.nii.gz", "tumour.seg.nrrd"]
    assert (found.roi, found.patient_id) == ("GTV-1", tmp_path.name)
    (tmp_path / "CT.nrrd").unlink()
    assert case_in_folder(tmp_path) is None


def test_lesions_of_one_name_are_one_and_those_without_a_tick_go() -> None:
    rows = fresh_rows(4)
    rows[0]["name"] = "Primary"
    rows[2].update(keep=False)
    rows[3]["name"] = "Primary "
    choice = choice_of(rows)
    assert [(group.labels, group.name) for group in choice.groups] == [((1, 4), "Primary"), ((2,), "Lesion 2")]
    with pytest.raises(SettingsError, match="No lesion"):
        choice_of([{**row, "keep": False} for row in rows])


def test_code_of_a_model_runs_only_after_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from NSCLCResponseLib.workspace.outlining import may_run
    from NSCLCResponseSegmentLib.core.model_catalog import FOLDER_VARIABLE
    from support.small_bundle import a_bundle

    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "models"))
    inferer = {"_target_": "SlidingWindowInferer", "roi_size": "$open('x', 'w') and 32"}
    model = str(a_bundle(tmp_path / "b", inferer=inferer))
    asked, answers = [], [False, True]

    async def ask(text: str, *_buttons: str) -> bool:
        asked.append(text)
        return answers.pop(0)

    assert [asyncio.run(may_run(model, ask)) for _ in range(3)] == [False, True, True]
    assert len(asked) == 2, "who said yes is not asked again"
    assert "$open('x', 'w')" in asked[0]


def test_a_hand_edit_is_one_until_the_tumour_is_outlined_anew() -> None:
    record = ReviewRecord()
    record.outlined("one click", 10.0)
    assert not record.is_edited_by_hand
    record.edited("", 10.0, 9.0)
    record.predicted("signature", 9.0)
    assert record.is_edited_by_hand
    record.outlined("imported", 12.0)
    assert not record.is_edited_by_hand


def test_whole_outline_tools_change_the_segment_as_on_the_whole_grid(
    a_slicer_app: object, an_oblique_image: sitk.Image
) -> None:
    from NSCLCResponseLib.workspace import whole_outline
    from NSCLCResponseLib.workspace.tools import ISLANDS, OutlineTools
    from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids, segmentation_from_mask
    from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume, volume_from_image
    from support.slicer_app import a_blob

    mask = sitk.Or(a_blob(an_oblique_image, (2, 2, 1), (9, 8, 5)), a_blob(an_oblique_image, (11, 9, 5), (13, 11, 7)))
    ct = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    node = segmentation_from_mask(a_slicer_app.scene, mask, ct)
    tools = OutlineTools(a_slicer_app, lambda: None)
    tools.edit(node, ct)

    def now() -> np.ndarray:
        return sitk.GetArrayFromImage(mask_from_segment(node, segment_ids(node)[0], image_from_volume(ct)))

    before = sitk.GetArrayFromImage(mask)
    crop = whole_outline.crop_of(node, segment_ids(node)[0], ct)
    assert crop.inside.sum() == before.sum()
    tools.smooth(2.0)  # three voxels along x and y, one slice
    np.testing.assert_array_equal(now(), sitk.GetArrayFromImage(sitk.Median(mask, [1, 1, 0])))
    tools.undo()
    np.testing.assert_array_equal(now(), before)
    tools.keep_largest()
    assert 0 < now().sum() < before.sum()
    assert now()[5:, 9:, 11:].sum() == 0
    tools.undo()
    tools.activate(ISLANDS)
    for voxel, is_kept in (((13, 0, 0), slice(None)), ((12, 10, 6), (slice(5, None), slice(9, None), slice(11, None)))):
        x, y, z = an_oblique_image.TransformIndexToPhysicalPoint(voxel)
        tools._editor.active_effect.select_island_at_position((-x, -y, z))  # what a click does
        np.testing.assert_array_equal(now()[is_kept], before[is_kept])
    assert now().sum() == before[5:, 9:, 11:].sum()
    tools.undo()
    tools.keep_largest()
    tools.trim(-200, 300)
    hu = sitk.GetArrayFromImage(an_oblique_image)
    assert now().sum() == ((before > 0) & (hu >= -200) & (hu <= 300))[:5].sum()
    tools.undo()
    tools.undo()
    np.testing.assert_array_equal(now(), before)


def test_scissors_cut_the_voxels_within_the_line(a_slicer_app: object, an_oblique_image: sitk.Image) -> None:
    """Through all slices; told apart by each voxel's centre in the view's pixels."""
    from matplotlib.path import Path as Line
    from trame_slicer.views import NoScheduleRendering, SliceView
    from vtkmodules.vtkCommonCore import vtkPoints

    from NSCLCResponseLib.workspace.tools import SCISSORS, OutlineTools
    from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids, segmentation_from_mask
    from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume, volume_from_image
    from support.slicer_app import a_blob

    mask = a_blob(an_oblique_image, (2, 2, 1), (9, 8, 5))
    ct = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    node = segmentation_from_mask(a_slicer_app.scene, mask, ct)
    tools = OutlineTools(a_slicer_app, lambda: None)
    tools.edit(node, ct)
    view = SliceView(a_slicer_app.scene, a_slicer_app.app_logic, "Axial", NoScheduleRendering())
    view.set_background_volume_id(ct.GetID())
    view.render_window().SetSize(100, 100)
    view.fit_view_to_content()

    drawn = [(30, 35), (58, 20), (75, 95), (40, 60)]
    points = vtkPoints()
    for x, y in drawn:
        points.InsertNextPoint(x, y, 0)
    to_ras = view.get_view_node().GetXYToRAS()
    to_xy = np.linalg.inv([[to_ras.GetElement(r, c) for c in range(4)] for r in range(4)])
    ras = np.column_stack([inside_points_ras(an_oblique_image < 9999), np.ones(an_oblique_image.GetNumberOfPixels())])
    within = Line(drawn).contains_points((ras @ to_xy.T)[:, :2]).reshape(an_oblique_image.GetSize()[::-1])
    before = sitk.GetArrayFromImage(mask) > 0
    assert 0 < (before & within).sum() < before.sum()

    tools.activate(SCISSORS)
    expected = {"erase": before & ~within, "keep": before & within, "fill": before | within}
    for fill, after in expected.items():
        tools.set_scissors(fill)
        tools._editor.active_effect.apply_points_display_coordinates(points, view)
        for wanted in (after, before):  # cut, then taken back
            now = mask_from_segment(node, segment_ids(node)[0], image_from_volume(ct))
            np.testing.assert_array_equal(sitk.GetArrayFromImage(now) > 0, wanted, err_msg=fill)
            tools.undo()


def test_a_stroke_of_the_brush_changes_what_trame_slicers_own_changes(
    a_slicer_app: object, an_oblique_image: sitk.Image
) -> None:
    """Also at the border of the CT, and what it covers of another segment; beside the CT there is nothing to undo."""
    from trame_slicer.segmentation import SegmentationEffectErase, SegmentationEffectPaint
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkFiltersSources import vtkSphereSource

    from NSCLCResponseLib.workspace.brush import QuickErase, QuickPaint
    from NSCLCResponseLib.workspace.tools import OutlineTools
    from NSCLCResponseSegmentLib.mrml.segmentations import (
        add_segment,
        mask_from_segment,
        segment_ids,
        segmentation_from_mask,
    )
    from NSCLCResponseSegmentLib.mrml.volumes import image_from_volume, volume_from_image
    from support.slicer_app import a_blob

    ct = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    node = segmentation_from_mask(a_slicer_app.scene, a_blob(an_oblique_image, (2, 2, 1), (6, 8, 5)), ct)
    add_segment(node, a_blob(an_oblique_image, (7, 2, 1), (10, 8, 5)), "Second")
    tools = OutlineTools(a_slicer_app, lambda: None)
    tools.edit(node, ct)
    ball = vtkSphereSource()
    ball.SetRadius(1.1 * max(an_oblique_image.GetSpacing()))
    ball.Update()

    def stroke(effect_type: type, *voxels: tuple[int, int, int]) -> np.ndarray:
        points = vtkPoints()
        for voxel in voxels:
            x, y, z = an_oblique_image.TransformIndexToPhysicalPoint(voxel)
            points.InsertNextPoint(-x, -y, z)
        tools._editor.set_active_effect_type(effect_type)
        tools._editor.active_effect.paint_glyph_at_world_coordinates(ball.GetOutput(), points)
        masks = [mask_from_segment(node, segment_id, image_from_volume(ct)) for segment_id in segment_ids(node)]
        return np.stack([sitk.GetArrayFromImage(mask) for mask in masks])

    for ours, theirs in ((QuickPaint, SegmentationEffectPaint), (QuickErase, SegmentationEffectErase)):
        for voxels in ([(4, 5, 3), (6, 5, 3)], [(0, 0, 0)], [(6, 8, 6)]):
            expected = stroke(theirs, *voxels)
            tools.undo()
            np.testing.assert_array_equal(stroke(ours, *voxels), expected, err_msg=f"{ours} {voxels}")
            tools.undo()
    assert not tools.can_undo
    stroke(QuickErase, (90, 5, 3))
    assert not tools.can_undo


def test_three_d_looks_at_the_body_whatever_its_size(a_slicer_app: object, an_oblique_image: sitk.Image) -> None:
    """Before the page tells its size the view is tiny, and the cross-hair in it larger than any patient."""
    from trame.app import get_server

    from NSCLCResponseLib.workspace.views import FourViews
    from NSCLCResponseSegmentLib.mrml.segmentations import segmentation_from_mask
    from NSCLCResponseSegmentLib.mrml.volumes import volume_from_image
    from support.slicer_app import a_blob

    ct = volume_from_image(a_slicer_app.scene, an_oblique_image, "CT")
    server = get_server("three-d", client_type="vue3")
    views = FourViews(a_slicer_app, server, on_point=lambda *_: None, on_moved=lambda *_: None)

    points = inside_points_ras(an_oblique_image < 9999)
    segmentation_from_mask(a_slicer_app.scene, a_blob(an_oblique_image, (2, 2, 1), (9, 8, 5)), ct)

    async def look() -> float:
        views.set_crosshair(is_shown=True)
        views.move_to(tuple(points.mean(axis=0)))
        views.three_d.render_window().Render()
        views.fit_three_d()
        return float(views.three_d.renderer().GetActiveCamera().GetDistance())

    assert asyncio.run(look()) < 150  # mm, for a CT of 30 mm
