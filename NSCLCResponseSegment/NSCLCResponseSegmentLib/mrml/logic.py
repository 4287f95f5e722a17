"""What the segmentation module does on MRML nodes; panel, browser workspace and scripts share it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from slicer import vtkMRMLNode, vtkMRMLScalarVolumeNode, vtkMRMLScene, vtkMRMLSegmentationNode

from ..core.errors import SegmentationError
from ..core.jobs import WarmWorker
from ..core.outline_settings import OutlineMethod, OutlineSettings, PetMethod
from .hierarchy import dicom_modality, file_beside
from .images import MODALITY_ATTRIBUTE, patient_of, volume_from_loaded
from .node_jobs import JobFolder, NodeJob
from .segmentations import segmentation_from_mask
from .volumes import LUNG_WINDOW, PET_HOT, image_from_volume

ORIGIN_ATTRIBUTE = "NSCLCResponse.Origin"
Point = tuple[float, float, float]


class SegmentLogic:
    """Load, outline, import: from files and points to volume and segmentation nodes.

    >>> logic = SegmentLogic(slicer.mrmlScene)
    >>> ct = logic.loadCt("/data/patient/ct")                      # DICOM folder, NIfTI or NRRD
    >>> tumour = logic.outlineFromClicks(ct, [(-81, 201, -456)])   # RAS millimetres
    >>> tumour = logic.importMask(ct, "/data/patient/rtstruct.dcm", roi="GTV-1")

    :param scene: the scene to work in; nothing else of the application is used.
    :param worker: an idle worker for outlines, whose libraries are loaded already; without it each starts its own.
    """

    def __init__(self, scene: vtkMRMLScene, worker: WarmWorker | None = None) -> None:
        self.scene = scene
        self._worker = worker

    # ---------------------------------------------------------------- images

    def loadCt(self, path: str | Path, series: str = "") -> vtkMRMLScalarVolumeNode:
        """Read a CT in HU.

        :raises ImageError: it is no CT, or its slices do not make a volume.
        """
        from ..core.reading import read_ct

        return volume_from_loaded(self.scene, read_ct(Path(path), series), "CT", LUNG_WINDOW)

    def loadPet(self, path: str | Path, series: str = "") -> vtkMRMLScalarVolumeNode:
        """Read a PET as SUVbw.

        :raises PetError: SUVbw cannot be computed.
        """
        from ..core.reading import read_pet

        return volume_from_loaded(self.scene, read_pet(Path(path), series), "PET SUVbw", PET_HOT)

    def guessImages(self) -> tuple[vtkMRMLScalarVolumeNode | None, vtkMRMLScalarVolumeNode | None]:
        """The first CT of the scene and its patient's first PET, by attribute, then by name and values."""
        count = self.scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
        nodes = [self.scene.GetNthNodeByClass(index, "vtkMRMLScalarVolumeNode") for index in range(count)]
        found = [(node, guess_modality(node)) for node in nodes if _is_image(node)]
        ct = next((node for node, modality in found if modality == "CT"), None)
        mine = patient_of(ct) if ct is not None else ""
        pets = (node for node, modality in found if modality == "PT")
        return ct, next((node for node in pets if not mine or patient_of(node) in ("", mine)), None)

    def describeImages(self, ctNode: vtkMRMLScalarVolumeNode, petNode: vtkMRMLScalarVolumeNode | None = None) -> str:
        """Size and voxels of the images in one line."""
        words = [_describe(ctNode, "CT")]
        if petNode is not None:
            words.append(_describe(petNode, "PET"))
        return "; ".join(words)

    # ---------------------------------------------------------------- outlines

    def importMask(self, ctNode: vtkMRMLScalarVolumeNode, path: str | Path, roi: str = "") -> vtkMRMLSegmentationNode:
        """Read an outline (RTSTRUCT, DICOM SEG, label map, .seg.nrrd) onto the CT's grid.

        :raises MaskError: it is empty, lies elsewhere, or has no region of that name.
        """
        settings = OutlineSettings(OutlineMethod.FILE, str(path), roi)
        job = self.startOutline(ctNode, settings)
        job.wait()
        return self.finishOutline(job)

    def outlineFromClicks(
        self,
        ctNode: vtkMRMLScalarVolumeNode,
        pointsRas: Sequence[Point],
        excludeRas: Sequence[Point] = (),
    ) -> vtkMRMLSegmentationNode:
        """Outline the tumour around points inside it (RAS mm); waits in a child process.

        :raises SegmentationError: a point lies in air, on bone or outside.
        """
        job = self.startOutline(ctNode, OutlineSettings(), pointsRas, excludeRas=excludeRas)
        job.wait()
        return self.finishOutline(job)

    def outlineOnPet(
        self,
        ctNode: vtkMRMLScalarVolumeNode,
        petNode: vtkMRMLScalarVolumeNode,
        pointsRas: Sequence[Point],
        method: PetMethod = PetMethod.PERCENT_41,
        excludeRas: Sequence[Point] = (),
    ) -> vtkMRMLSegmentationNode:
        """Outline the uptake around points (RAS mm) on a PET in SUVbw; waits in a child process.

        :raises SegmentationError: there is no uptake, or a point lies outside.
        """
        settings = OutlineSettings(OutlineMethod.PET, pet_method=method)
        job = self.startOutline(ctNode, settings, pointsRas, petNode, excludeRas)
        job.wait()
        return self.finishOutline(job)

    def outlineByModel(self, ctNode: vtkMRMLScalarVolumeNode, model: str) -> vtkMRMLSegmentationNode:
        """Find the tumour by a model of the catalogue, or a MONAI Bundle's folder; waits in a child process.

        :raises SegmentationError: the model cannot be used on this CT, or finds nothing.
        """
        job = self.startOutline(ctNode, OutlineSettings(OutlineMethod.MODEL, model=model))
        job.wait()
        return self.finishOutline(job)

    def startOutline(
        self,
        ctNode: vtkMRMLScalarVolumeNode,
        settings: OutlineSettings,
        pointsRas: Sequence[Point] = (),
        petNode: vtkMRMLScalarVolumeNode | None = None,
        excludeRas: Sequence[Point] = (),
    ) -> NodeJob:
        """Start outlining in a child process; poll the job, then call :meth:`finishOutline`.

        :param petNode: needed by :attr:`OutlineMethod.PET`, in SUVbw; the other methods use the CT alone.
        :raises SegmentationError: the method needs a PET and there is none.
        """
        if settings.method is OutlineMethod.PET and petNode is None:
            raise SegmentationError("There is no PET to outline on.", "Load it, or click on the CT instead.")
        folder = JobFolder()
        arguments: dict[str, Any] = {
            "ct": folder.write(image_from_volume(ctNode), "ct.nrrd"),
            "out": str(folder.path / "mask.nrrd"),
        }
        if settings.method is OutlineMethod.FILE:
            arguments |= {"mask": settings.mask_file, "roi": settings.mask_roi}
        elif settings.method is OutlineMethod.MODEL:
            arguments |= {"model": settings.model, "mirror": settings.mirror}
        else:
            if settings.method is OutlineMethod.PET:
                arguments["pet"] = folder.write_pet(petNode)
                arguments |= {"pet_outline": settings.pet_method.value, "use_ct": settings.use_ct}
            arguments["click_ras"] = [list(map(float, point)) for point in pointsRas]
            arguments["exclude_ras"] = [list(map(float, point)) for point in excludeRas]
        return NodeJob("segment", arguments, folder, {"ct": ctNode.GetID()}, self._worker)

    def fetchOutline(self, job: NodeJob) -> None:
        """Read the mask of a finished job, which :meth:`finishOutline` does otherwise; touches no scene.

        :raises NSCLCResponseError: the job failed or was cancelled.
        """
        try:
            result = job.result()
            mask = sitk.ReadImage(result["out"], sitk.sitkUInt8) if result["lesions"] else None
        finally:
            job.folder.remove()
        job.fetched = (result, mask)

    def finishOutline(self, job: NodeJob) -> vtkMRMLSegmentationNode:
        """Add the finished outline as a segmentation; the CT's grid is its reference geometry.

        :raises NSCLCResponseError: the job failed or was cancelled, a model found no tumour, or the CT has been removed
            meanwhile.
        """
        if job.fetched is None:
            self.fetchOutline(job)
        result, mask = job.fetched
        ct = self.scene.GetNodeByID(job.nodes["ct"])
        if ct is None:
            raise SegmentationError("The CT was removed while it was being outlined.", "Load it again.")
        if mask is None:
            raise SegmentationError(
                f"No tumour was found ({result['origin']}); that does not exclude one.",
                "Click in the tumour instead.",
            )
        node = segmentation_from_mask(self.scene, mask, ct)
        node.SetAttribute(ORIGIN_ATTRIBUTE, result["origin"])
        file_beside(self.scene, node, ct)
        return node


def _describe(node: vtkMRMLScalarVolumeNode, name: str) -> str:
    data = node.GetImageData()
    if data is None:
        return f"{name}: empty"
    size = " × ".join(str(n) for n in data.GetDimensions())
    return f"{name}: {size} voxels of {' × '.join(f'{s:.2g}' for s in node.GetSpacing())} mm"


def _is_image(node: vtkMRMLScalarVolumeNode) -> bool:
    """Neither a label map nor one of the application's own, which the panels' lists do not show."""
    return node.GetClassName() == "vtkMRMLScalarVolumeNode" and not node.GetHideFromEditors()


def guess_modality(node: vtkMRMLNode) -> str:
    """``CT``, ``PT`` or nothing: by our attribute, DICOM's modality in the subject hierarchy, or the node's values."""
    known = node.GetAttribute(MODALITY_ATTRIBUTE) or dicom_modality(node)
    if known:
        return known
    data = node.GetImageData()
    if data is None:
        return ""
    low, high = data.GetScalarRange()
    if low <= -900 and high > 200:
        return "CT"
    if low >= 0 and high < 200 and "pet" in node.GetName().lower():
        return "PT"
    return ""
