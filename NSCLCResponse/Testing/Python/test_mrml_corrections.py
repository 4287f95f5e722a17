"""Slicer's own ways to correct an outline, on our segmentation node: each is undone, redone, and seen by the review."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import SimpleITK as sitk

from NSCLCResponseLib.core.review import ReviewState
from NSCLCResponseLib.mrml.case_session import CaseSession
from NSCLCResponseSegmentLib.core.terminology import SLICER_TERMINOLOGY_TAG
from NSCLCResponseSegmentLib.mrml.segmentations import (
    cropped,
    mask_from_segment,
    oriented_image,
    segment_ids,
    segmentation_from_mask,
)
from NSCLCResponseSegmentLib.mrml.volumes import to_vtk_image, volume_from_image
from support.drawn_chest import drawn_chest


def voxels(image: sitk.Image) -> np.ndarray:
    return sitk.GetArrayFromImage(image)


def labels_of(filtered, like: sitk.Image) -> sitk.Image:
    """The result of a VTK filter (1 inside) as a mask on the grid of ``like``."""
    from vtk.util.numpy_support import vtk_to_numpy

    filtered.Update()
    data = filtered.GetOutput()
    array = vtk_to_numpy(data.GetPointData().GetScalars()).reshape(data.GetDimensions()[::-1])
    image = sitk.GetImageFromArray((array == 1).astype(np.uint8))
    image.CopyInformation(like)
    return image


def grown_from_seeds(ct: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """The tumour from its core and from what surrounds it; the seeds say nothing of three voxels between."""
    from slicer import vtkImageGrowCutSegment

    around = sitk.Subtract(sitk.BinaryDilate(mask, [3] * 3), sitk.BinaryDilate(mask, [2] * 3))
    seeds = sitk.Cast(sitk.BinaryErode(mask, [2] * 3), sitk.sitkInt16) + 2 * sitk.Cast(around, sitk.sitkInt16)
    grow = vtkImageGrowCutSegment()
    grow.SetIntensityVolume(to_vtk_image(ct))
    grow.SetSeedLabelVolume(to_vtk_image(seeds))
    return labels_of(grow, ct)


def filled_between_slices(ct: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """The tumour from every third of its slices."""
    from slicer import vtkITKMorphologicalContourInterpolator

    array = voxels(mask)
    array[[z for z in range(len(array)) if z % 3]] = 0
    some = sitk.GetImageFromArray(array)
    some.CopyInformation(mask)
    fill = vtkITKMorphologicalContourInterpolator()
    fill.SetInputData(to_vtk_image(sitk.Cast(some, sitk.sitkInt16)))
    return labels_of(fill, ct)


def smoothed(ct: sitk.Image, mask: sitk.Image) -> sitk.Image:
    """The median of 3×3×3 voxels."""
    from vtkmodules.vtkImagingGeneral import vtkImageMedian3D

    median = vtkImageMedian3D()
    median.SetKernelSize(3, 3, 3)
    median.SetInputData(to_vtk_image(mask))
    return labels_of(median, ct)


@pytest.mark.parametrize("correct", [grown_from_seeds, filled_between_slices, smoothed])
def test_corrections_keep_what_the_segment_is_and_can_be_undone(
    a_slicer_app, correct: Callable[[sitk.Image, sitk.Image], sitk.Image]
):
    import vtk
    from slicer import vtkSegmentationHistory, vtkSlicerSegmentationsModuleLogic

    ct, tumour = drawn_chest((25, 32, 22))
    first = sitk.BinaryErode(tumour, [1] * 3)  # the outline that is corrected
    scene = a_slicer_app.scene
    node = segmentation_from_mask(scene, first, volume_from_image(scene, ct, "CT"), show_3d=False)
    segmentation = node.GetSegmentation()
    session = CaseSession(scene, by=lambda: "Dr Test")
    session.follow(node)
    session.outlined("one click", 1.0)
    history = vtkSegmentationHistory()
    history.SetSegmentation(segmentation)

    def now() -> tuple[object, ...]:
        segment, entry = segmentation.GetNthSegment(0), vtk.reference("")
        assert segment.GetTag(SLICER_TERMINOLOGY_TAG, entry)
        geometry = segmentation.GetConversionParameter("Reference image geometry")
        return segment.GetName(), segment.GetColor(), entry.get(), geometry

    def outline() -> np.ndarray:
        return voxels(mask_from_segment(node, segment_ids(node)[0], ct))

    before = now()
    history.SaveState()
    result = correct(ct, tumour)
    logic = vtkSlicerSegmentationsModuleLogic
    logic.SetBinaryLabelmapToSegment(oriented_image(cropped(result)), node, segment_ids(node)[0], logic.MODE_REPLACE)
    corrected, truth = outline(), voxels(tumour)
    assert np.array_equal(corrected, voxels(result))
    assert 2 * np.sum(corrected & truth) / (corrected.sum() + truth.sum()) > 0.8
    assert now() == before
    assert (session.record.state, session.record.events[-1].by) == (ReviewState.EDITED, "Dr Test")
    assert session.record.is_edited_by_hand
    assert history.RestorePreviousState()
    assert np.array_equal(outline(), voxels(first))
    assert now() == before
    assert history.RestoreNextState()
    assert np.array_equal(outline(), corrected)
    session.close()
