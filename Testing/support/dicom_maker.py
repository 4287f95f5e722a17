"""Small valid DICOM files for tests: a CT with a tumour, its PET, structure set and segmentation.

The patient is a tissue block (40 HU) in air (-1000 HU) with a box as tumour, simple enough to count by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SIZE = 32
SPACING = (0.8, 0.8, 3.0)  # x, y, z in mm
ORIGIN = (-12.4, -20.0, -100.0)  # LPS
TUMOUR = (slice(4, 7), slice(10, 16), slice(12, 20))  # z, y, x
CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
PET_CLASS = "1.2.840.10008.5.1.4.1.1.128"
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"
ENHANCED_CT_CLASS = "1.2.840.10008.5.1.4.1.1.2.1"

Edit = Callable[[Dataset, int], None]


def unchanged(dataset: Dataset, index: int) -> None:
    """The edit that leaves a slice as it is."""


def body(slices: int = 12) -> np.ndarray:
    """Hounsfield units of the patient, (z, y, x), 16-bit."""
    array = np.full((slices, SIZE, SIZE), -1000, dtype=np.int16)
    array[:, 6:26, 4:28] = 40
    array[TUMOUR] = 80
    return array


def tumour_mask(slices: int = 12) -> np.ndarray:
    """The tumour, (z, y, x), unsigned 8-bit; 3×6×8 = 144 voxels."""
    mask = np.zeros((slices, SIZE, SIZE), dtype=np.uint8)
    mask[TUMOUR] = 1
    return mask


class Examination:
    """What the files of one examination share: patient, study and frame of reference."""

    def __init__(self, patient_id: str = "test-1") -> None:
        self.patient_id = patient_id
        self.study_uid = generate_uid()
        self.frame_uid = generate_uid()

    def _blank(self, sop_class: str, modality: str) -> FileDataset:
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = sop_class
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        ds.SOPClassUID, ds.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
        ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex = self.patient_id, "Test^", "", "O"
        ds.StudyInstanceUID, ds.FrameOfReferenceUID = self.study_uid, self.frame_uid
        ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = "20240105"
        ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = "110000"
        ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName, ds.PositionReferenceIndicator = "1", "", "", ""
        ds.Modality, ds.Manufacturer = modality, "Test"
        return ds

    def _slice(self, sop_class: str, modality: str, stored: np.ndarray, index: int) -> FileDataset:
        ds = self._blank(sop_class, modality)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.InstanceNumber = index + 1
        ds.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + index * SPACING[2]]
        ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        ds.PixelSpacing, ds.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        ds.Rows, ds.Columns = stored.shape
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
        ds.PixelData = stored.astype("<u2").tobytes()
        return ds

    def ct(
        self,
        folder: Path,
        edit: Edit = unchanged,
        *,
        hounsfield: np.ndarray | None = None,
        description: str = "Chest",
        number: int = 2,
    ) -> list[Path]:
        """Write a CT series; ``edit(dataset, index)`` may change every slice before it is saved."""
        array = body() if hounsfield is None else hounsfield
        uid = generate_uid()
        paths = []
        for index, plane in enumerate(array):
            ds = self._slice(CT_CLASS, "CT", plane.astype(int) + 1024, index)
            ds.SeriesInstanceUID, ds.SeriesDescription, ds.SeriesNumber = uid, description, number
            ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
            ds.KVP, ds.ConvolutionKernel = 120, "B30f"
            edit(ds, index)
            # names in the order of the instances, not of the slices, so that nothing can rely on them
            paths.append(_save(ds, folder / f"{description}-{(index * 7) % len(array):03d}.dcm"))
        return paths

    def pet(
        self,
        folder: Path,
        edit: Edit = unchanged,
        *,
        activity: np.ndarray | None = None,
        slopes: Sequence[float] = (),
    ) -> list[Path]:
        """Write a PET series in Bq/mL: 70 kg, 350 MBq of 18F-FDG at 10:00, scan at 11:00, decay corrected to START.

        :param activity: (z, y, x); by default 5000 everywhere and 20000 in the tumour.
        :param slopes: Rescale Slope of every slice (0.5 if not given).
        """
        values = np.where(tumour_mask(), 20000.0, 5000.0) if activity is None else activity
        uid = generate_uid()
        paths = []
        for index, plane in enumerate(values):
            slope = slopes[index] if len(slopes) else 0.5
            ds = self._slice(PET_CLASS, "PT", np.round(plane / slope), index)
            ds.SeriesInstanceUID, ds.SeriesDescription, ds.SeriesNumber = uid, "PET AC", 3
            ds.RescaleSlope, ds.RescaleIntercept = slope, 0
            ds.Units, ds.DecayCorrection, ds.CorrectedImage = "BQML", "START", ["DECY", "ATTN", "SCAT"]
            ds.PatientWeight, ds.ActualFrameDuration, ds.FrameReferenceTime = 70, 120000, 0
            injection = Dataset()
            injection.RadiopharmaceuticalStartTime = "100000"
            injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = 350e6, 6586.2
            ds.RadiopharmaceuticalInformationSequence = [injection]
            edit(ds, index)
            paths.append(_save(ds, folder / f"pet-{index:03d}.dcm"))
        return paths

    def rtstruct(
        self,
        path: Path,
        structures: Mapping[str, Sequence[np.ndarray]],
        *,
        kind: str = "CLOSED_PLANAR",
        series_uid: str = "",
    ) -> Path:
        """Write a structure set; each structure is a list of contours, (n, 3) in LPS mm."""
        ds = self._blank(RTSTRUCT_CLASS, "RTSTRUCT")
        ds.SeriesInstanceUID, ds.StructureSetLabel = generate_uid(), "Test"
        frame, study, series = Dataset(), Dataset(), Dataset()
        series.SeriesInstanceUID = series_uid or generate_uid()
        study.RTReferencedSeriesSequence = [series]
        frame.FrameOfReferenceUID, frame.RTReferencedStudySequence = self.frame_uid, [study] if series_uid else []
        ds.ReferencedFrameOfReferenceSequence = [frame]
        regions, contours = [], []
        for number, (name, polygons) in enumerate(structures.items(), start=1):
            region, item = Dataset(), Dataset()
            region.ROINumber, region.ROIName, region.ReferencedFrameOfReferenceUID = number, name, self.frame_uid
            item.ReferencedROINumber = number
            item.ContourSequence = [_contour(points, kind) for points in polygons]
            regions.append(region)
            contours.append(item)
        ds.StructureSetROISequence, ds.ROIContourSequence = regions, contours
        return _save(ds, path)

    def seg(self, path: Path, ct: Sequence[Path], segments: Mapping[str, np.ndarray]) -> Path:
        """Write a DICOM SEG with highdicom; masks are (z, y, x) on the CT's slices."""
        import highdicom as hd
        from highdicom.sr.coding import CodedConcept

        sources = sorted((pydicom.dcmread(p) for p in ct), key=lambda d: d.ImagePositionPatient[2])
        neoplasm = CodedConcept("108369006", "SCT", "Neoplasm")
        category = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
        descriptions = [
            hd.seg.SegmentDescription(n, label, category, neoplasm, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
            for n, label in enumerate(segments, start=1)
        ]
        seg = hd.seg.Segmentation(
            source_images=sources,
            pixel_array=np.stack(list(segments.values()), axis=-1).astype(np.uint8),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=descriptions,
            series_instance_uid=generate_uid(),
            series_number=9,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="Test",
            manufacturer_model_name="Test",
            software_versions="1",
            device_serial_number="1",
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        seg.save_as(path)
        return path

    def enhanced_ct(self, path: Path, hounsfield: np.ndarray | None = None) -> Path:
        """Write one multi-frame (Enhanced CT) file; frames are stored from head to feet."""
        array = body() if hounsfield is None else hounsfield
        ds = self._slice(ENHANCED_CT_CLASS, "CT", array[0].astype(int) + 1024, 0)
        for key in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"):
            delattr(ds, key)
        ds.SeriesInstanceUID, ds.SeriesDescription, ds.SeriesNumber = generate_uid(), "Enhanced", 4
        ds.NumberOfFrames = len(array)
        ds.PixelData = (array[::-1].astype(int) + 1024).astype("<u2").tobytes()
        orientation, measures, rescale = Dataset(), Dataset(), Dataset()
        orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        measures.PixelSpacing, measures.SliceThickness = [SPACING[1], SPACING[0]], SPACING[2]
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, -1024, "HU"
        shared = Dataset()
        shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = [orientation], [measures]
        shared.PixelValueTransformationSequence = [rescale]
        ds.SharedFunctionalGroupsSequence = [shared]
        ds.PerFrameFunctionalGroupsSequence = [_frame(index) for index in reversed(range(len(array)))]
        return _save(ds, path)


def _frame(index: int) -> Dataset:
    position, content, frame = Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [*ORIGIN[:2], ORIGIN[2] + index * SPACING[2]]
    content.StackID, content.InStackPositionNumber = "1", index + 1
    frame.PlanePositionSequence, frame.FrameContentSequence = [position], [content]
    return frame


def _contour(points: np.ndarray, kind: str) -> Dataset:
    contour = Dataset()
    contour.ContourGeometricType, contour.NumberOfContourPoints = kind, len(points)
    contour.ContourData = [f"{v:.4f}" for v in np.asarray(points).ravel()]
    return contour


def _save(dataset: FileDataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path


def rectangle(x: tuple[float, float], y: tuple[float, float], z: float) -> np.ndarray:
    """A rectangular contour in LPS mm from continuous voxel indices of the CT; (4, 3)."""
    corners = [(x[0], y[0]), (x[1], y[0]), (x[1], y[1]), (x[0], y[1])]
    return np.array(
        [[ORIGIN[0] + i * SPACING[0], ORIGIN[1] + j * SPACING[1], ORIGIN[2] + z * SPACING[2]] for i, j in corners]
    )


def tumour_contours() -> list[np.ndarray]:
    """The tumour as contours along its voxels' edges, one for each of its slices."""
    z, y, x = TUMOUR
    return [rectangle((x.start - 0.5, x.stop - 0.5), (y.start - 0.5, y.stop - 0.5), k) for k in range(z.start, z.stop)]
