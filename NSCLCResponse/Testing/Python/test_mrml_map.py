"""The 3D-CNN's map and the waterfall in a scene, saved and opened again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.prediction import FeatureContribution, PartContribution, Prediction
from NSCLCResponseLib.core.review import ReviewRecord
from NSCLCResponseLib.mrml.map_volume import CLEAR_BELOW, COLOUR_NAME, add_map, map_colours, without_margin
from NSCLCResponseLib.mrml.result_nodes import apply_result, result_node
from NSCLCResponseLib.mrml.scene import open_mrb, save_mrb
from NSCLCResponseSegmentLib.core.case import LoadedImage
from NSCLCResponseSegmentLib.mrml.images import volume_from_loaded
from NSCLCResponseSegmentLib.mrml.volumes import LUNG_WINDOW, image_from_volume


@pytest.fixture
def a_map(an_oblique_image: sitk.Image) -> sitk.Image:
    array = np.zeros(an_oblique_image.GetSize()[::-1], np.float32)
    array[2:5, 3:8, 4:10] = 0.4
    array[3, 5, 6], array[3, 4, 8] = 1.0, -0.7
    image = sitk.GetImageFromArray(array)
    image.CopyInformation(an_oblique_image)
    return image


def a_result() -> dict:
    parts = (
        PartContribution("clinical", True, 0.4, 0.3, base=-0.5, weight=1.0),
        PartContribution("cnn", True, 0.3, -0.4, weight=0.5),
    )
    features = (FeatureContribution("clinical", "age", 61.0, "years", 40.0, 0.2),)
    prediction = Prediction(
        0.35, "response", "Some 1", "0" * 64, "Trained on x.", 0.4, parts, features, base_logit=-0.52
    )
    tumour = {"lesion_count": 1, "volume_ml": 2.0, "longest_axial_diameter_mm": 9.0}
    rest = {
        "tumour": tumour,
        "lesions": [],
        "notice": "Research.",
        "failed_features": {},
        "review": ReviewRecord().to_json(),
    }
    return {"prediction": prediction.to_json(), **rest}


def test_the_map_lies_where_it_lay_without_its_empty_margin(a_slicer_app, a_map: sitk.Image):
    node = add_map(a_slicer_app.scene, a_map, None)
    small = image_from_volume(node)
    assert small.GetSize() == (6, 5, 3)
    back = sitk.Resample(small, a_map, sitk.Transform(), sitk.sitkNearestNeighbor, 0.0)
    np.testing.assert_allclose(sitk.GetArrayFromImage(back), sitk.GetArrayFromImage(a_map))
    empty = a_map * 0
    assert without_margin(empty).GetSize() == empty.GetSize()


def test_faint_places_are_clear_and_both_sides_told_apart(a_slicer_app, a_map: sitk.Image):
    node = add_map(a_slicer_app.scene, a_map, None)
    display = node.GetDisplayNode()
    assert (display.GetWindow(), display.GetLevel()) == (2.0, 0.0)
    colours = display.GetColorNode()
    assert colours.GetName() == COLOUR_NAME
    table = colours.GetLookupTable()
    opacity = np.array([table.GetTableValue(i)[3] for i in range(colours.GetNumberOfColors())])
    values = np.linspace(-1, 1, len(opacity))
    assert (opacity[np.abs(values) < CLEAR_BELOW - 0.01] == 0).all()
    assert (opacity[np.abs(values) > CLEAR_BELOW + 0.01] == 1).all()
    against, towards = map_colours()[0, :3], map_colours()[-1, :3]
    assert against[0] > 2 * against[2], "orange"
    assert towards[1] > 2 * towards[0], "teal"


def test_map_waterfall_and_plot_are_saved_with_the_scene(
    a_slicer_app, an_oblique_image: sitk.Image, a_map: sitk.Image, tmp_path: Path
):
    scene = a_slicer_app.scene
    loaded = LoadedImage(
        an_oblique_image, "CT", "HU", Path("ct"), patient_id="P7", study_uid="1.2.3", series_uid="1.2.4"
    )
    ct = volume_from_loaded(scene, loaded, "CT", LUNG_WINDOW)
    for _ in range(2):  # a second prediction replaces the first, also when the scene was saved meanwhile
        apply_result(scene, a_result(), {}, None, ct, None, a_map)
        save_mrb(scene, tmp_path / "scene.mrb")
    assert scene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 1
    for name in ("vtkMRMLScalarVolumeNode", "vtkMRMLScalarVolumeDisplayNode", "vtkMRMLVolumeArchetypeStorageNode"):
        assert scene.GetNumberOfNodesByClass(name) == 2, name
    scene.Clear(1)
    open_mrb(scene, tmp_path / "scene.mrb")
    node = result_node(scene)
    steps = node.GetNodeReference("waterfall").GetTable()
    shares = [steps.GetValueByName(row, "share of the log-odds").ToDouble() for row in range(steps.GetNumberOfRows())]
    assert sorted(shares) == pytest.approx([-0.4, 0.2])
    assert node.GetNodeReference("plot").GetNumberOfPlotSeriesNodes() == 1
    shown = node.GetNodeReference("map")
    assert image_from_volume(shown).GetSize() == (6, 5, 3)
    assert shown.GetDisplayNode().GetColorNode().GetName() == COLOUR_NAME
