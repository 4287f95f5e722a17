"""Files of ours in 3D Slicer's own reader, surfaces, and the choice of lesions on a segmentation node."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

pytest.importorskip("slicer")

from NSCLCResponseSegmentLib.core.errors import MaskError
from NSCLCResponseSegmentLib.core.lesion_choice import LesionChoice
from NSCLCResponseSegmentLib.core.seg_export import Outline, write_slicer_segmentation
from NSCLCResponseSegmentLib.core.terminology import LEFT, SLICER_TERMINOLOGY_TAG


@pytest.fixture
def a_scene():
    from slicer import vtkMRMLScene

    return vtkMRMLScene()


@pytest.fixture(scope="module")
def labels() -> sitk.Image:
    """A ball of 12 mm radius and a small box, on an oblique grid of 1.5×1.5×3 mm."""
    z, y, x = np.mgrid[0:24, 0:40, 0:40]
    array = (((z - 12) * 3.0) ** 2 + ((y - 20) * 1.5) ** 2 + ((x - 18) * 1.5) ** 2 <= 12**2).astype(np.uint8)
    array[20:22, 30:34, 31:36] = 2
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((1.5, 1.5, 3.0))
    image.SetOrigin((-40.0, 15.0, -300.0))
    cosine, sine = math.cos(0.3), math.sin(0.3)
    image.SetDirection((cosine, -sine, 0, sine, cosine, 0, 0, 0, 1))
    return image


def test_slicer_reads_our_segmentation_with_names_voxels_and_codes(tmp_path: Path, labels: sitk.Image, a_scene):
    from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, read_segmentation, segment_ids

    path = tmp_path / "tumour.seg.nrrd"
    write_slicer_segmentation(path, Outline(labels, ("Primary", "Node"), "one click", (LEFT, None)))
    node = read_segmentation(a_scene, path)
    ids = segment_ids(node)
    segments = [node.GetSegmentation().GetSegment(i) for i in ids]
    assert [s.GetName() for s in segments] == ["Primary", "Node"]
    for number, segment_id in enumerate(ids, start=1):
        mask = mask_from_segment(node, segment_id, labels)
        assert np.array_equal(sitk.GetArrayFromImage(mask), sitk.GetArrayFromImage(labels) == number)
    import vtk

    entry = vtk.reference("")
    assert segments[0].GetTag(SLICER_TERMINOLOGY_TAG, entry)
    assert "SCT^108369006^Neoplasm" in str(entry)
    assert "7771000^Left" in str(entry)


def test_a_surface_lies_where_the_lesion_lies_and_keeps_its_volume(tmp_path: Path, labels: sitk.Image):
    from vtkmodules.vtkFiltersCore import vtkMassProperties
    from vtkmodules.vtkIOGeometry import vtkSTLReader

    from NSCLCResponseSegmentLib.mrml.surfaces import write_surface

    ball = sitk.Cast(labels == 1, sitk.sitkUInt8)
    path = tmp_path / "tumour.stl"
    write_surface(ball, path)
    assert b"SPACE=LPS" in path.read_bytes()[:80]
    reader = vtkSTLReader()
    reader.SetFileName(str(path))
    reader.Update()
    measured = vtkMassProperties()
    measured.SetInputConnection(reader.GetOutputPort())
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(ball)
    assert measured.GetVolume() == pytest.approx(statistics.GetPhysicalSize(1), rel=0.06)
    centre = np.mean(np.reshape(reader.GetOutput().GetBounds(), (3, 2)), axis=1)
    assert np.allclose(centre, statistics.GetCentroid(1), atol=0.5)
    with pytest.raises(MaskError):
        write_surface(ball * 0, tmp_path / "none.stl")


def test_the_choice_of_lesions_becomes_segments_of_the_same_node(labels: sitk.Image, a_scene):
    from NSCLCResponseSegmentLib.mrml.lesion_segments import apply_choice, lesion_choice_of
    from NSCLCResponseSegmentLib.mrml.segmentations import mask_from_segment, segment_ids, segmentation_from_mask
    from NSCLCResponseSegmentLib.mrml.volumes import volume_from_image

    ct = volume_from_image(a_scene, sitk.Cast(labels, sitk.sitkInt16), "CT")
    node = segmentation_from_mask(a_scene, sitk.Cast(labels != 0, sitk.sitkUInt8), ct, show_3d=False)
    before = segment_ids(node)
    with pytest.raises(MaskError):
        apply_choice(node, ct, LesionChoice.parse("5"))
    assert segment_ids(node) == before
    ids = apply_choice(node, ct, LesionChoice.parse("2=Node,1=Primary"))
    assert [node.GetSegmentation().GetSegment(i).GetName() for i in ids] == ["Node", "Primary"]
    assert np.array_equal(
        sitk.GetArrayFromImage(mask_from_segment(node, ids[0], labels)), sitk.GetArrayFromImage(labels) == 2
    )
    apply_choice(node, ct, LesionChoice.parse("1=Primary"))
    assert len(segment_ids(node)) == 1
    record = lesion_choice_of(node)
    assert [(g["name"], g["lesions"]) for g in record["kept"]] == [("Primary", [1])]
    assert [d["lesion"] for d in record["dropped"]] == [2]
    node.GetSegmentation().GetSegment(segment_ids(node)[0]).SetName("Other")
    assert lesion_choice_of(node) is None, "the segments are no longer those of the choice"
