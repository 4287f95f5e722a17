"""Radiomics of a scene's segments: a table node with values of their own and reasons for what has none."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.radiomics import extract_features, load_settings
from NSCLCResponseLib.core.radiomics.case_features import FeatureRow
from NSCLCResponseSegmentLib.core.errors import MaskError
from support.slicer_app import a_blob


def column(table, title: str) -> dict[str, str]:
    data = table.GetTable()
    names, values = data.GetColumnByName("feature"), data.GetColumnByName(title)
    return {names.GetValue(i): values.GetValue(i) for i in range(data.GetNumberOfRows())}


def test_each_segment_is_measured_for_itself(a_slicer_app, a_warm_worker, tmp_path):
    from NSCLCResponseLib.mrml.feature_table import RadiomicsLogic
    from NSCLCResponseSegmentLib.mrml.segmentations import add_segment, segmentation_from_mask
    from NSCLCResponseSegmentLib.mrml.volumes import volume_from_image

    settings = tmp_path / "s.yaml"
    settings.write_text("setting: {binWidth: 25}\nfeatureClass: {shape: , firstorder: , glcm: }\n")
    noise = np.random.default_rng(5).normal(20, 60, (16, 30, 32)).round().astype(np.int16)
    noise[:, :, :4] = -1000
    ct = sitk.GetImageFromArray(noise)
    ct.SetSpacing((1.5, 1.5, 3.0))
    ct.SetOrigin((-20.0, 30.0, -400.0))
    masks = {"Large": a_blob(ct, (8, 8, 4), (18, 18, 12)), "Small": a_blob(ct, (18, 8, 4), (22, 12, 8))}
    one_voxel = sitk.Image(masks["Small"]) * 0
    one_voxel[25, 25, 14] = 1
    masks["Voxel"] = one_voxel
    scene = a_slicer_app.scene
    volume = volume_from_image(scene, ct, "CT")
    segmentation = segmentation_from_mask(scene, masks["Large"], volume, "Large")
    for name in ("Small", "Voxel"):
        add_segment(segmentation, masks[name], name)
    segmentation.GetSegmentation().AddEmptySegment("empty", "Not drawn")
    table = RadiomicsLogic(scene, a_warm_worker).measure(volume, segmentation, settings=settings)
    assert table.IsA("vtkMRMLTableNode")
    large, small, voxel = (column(table, name) for name in ("Large", "Small", "Voxel"))
    mean = "ct_original_firstorder_Mean"
    assert large[mean] != small[mean]
    expected = extract_features(ct, masks["Small"], load_settings(settings), processes=1)
    assert float(small[mean]) == pytest.approx(expected.values[mean], rel=1e-9)
    assert voxel[mean] == ""
    reasons = column(table, "reason if missing")[mean]
    assert "Voxel: the region is a single voxel" in reasons
    assert "Not drawn: The segment 'Not drawn' is empty" in reasons
    assert column(table, "Not drawn")[mean] == ""


def test_a_table_of_failures_only_is_not_empty(a_slicer_app):
    from NSCLCResponseLib.mrml.feature_table import table_from_rows

    row = FeatureRow("p", "1", "ring5", {}, {"ring5_ct_original_glcm_Contrast": "the region ring5 is empty"})
    table = table_from_rows(a_slicer_app.scene, [row])
    assert column(table, "1, ring5") == {"ring5_ct_original_glcm_Contrast": ""}
    assert column(table, "reason if missing") == {"ring5_ct_original_glcm_Contrast": "the region ring5 is empty"}


def test_a_segmentation_without_segments_is_refused(a_slicer_app):
    from slicer import vtkMRMLScalarVolumeNode, vtkMRMLSegmentationNode

    from NSCLCResponseLib.mrml.feature_table import RadiomicsLogic

    scene = a_slicer_app.scene
    segmentation = scene.AddNode(vtkMRMLSegmentationNode())
    volume = scene.AddNode(vtkMRMLScalarVolumeNode())
    with pytest.raises(MaskError, match="no segment"):
        RadiomicsLogic(scene).measure(volume, segmentation)
