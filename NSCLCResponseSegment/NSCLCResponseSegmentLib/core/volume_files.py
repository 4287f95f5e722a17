"""Images in research formats (NIfTI, NRRD, MetaImage), and whether their values are what they are said to be."""

from __future__ import annotations

import contextlib
import gzip
import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from .errors import ImageError, NSCLCResponseError, PetError
from .read_ahead import take

VOLUME_SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".7z", ".rar", ".gz", ".bz2", ".xz")
_AIR_HU = -500  # every CT of a body shows air darker than this, in the lungs or around it
_LOWEST_HU = -40_000  # padding outside the field of view may be the lowest 16-bit number
_HIGHEST_HU = 70_000
_HIGHEST_SUV = 1_000  # SUV of urine in a bladder may reach some hundreds
_LOWEST_SUV = -20  # filtered reconstructions undershoot a little


def exists_or_raise(path: Path, error: type[NSCLCResponseError] = ImageError) -> None:
    """:raises NSCLCResponseError: there is nothing at ``path``."""
    if not path.exists():
        raise error(f"{path} does not exist.", "Check the path.")


def is_volume_file(path: Path) -> bool:
    """Whether the name ends like a research image format."""
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def is_archive(path: Path) -> bool:
    """Whether the name ends like a packed file that is not itself an image."""
    return path.name.lower().endswith(_ARCHIVES) and not is_volume_file(path)


def refuse_unknown_file(path: Path, error: type[NSCLCResponseError] = ImageError) -> NSCLCResponseError:
    """The sentence for a file that is neither DICOM nor a research image format."""
    if is_archive(path) or zipfile.is_zipfile(path):
        return error(f"{path} is an archive, not an image.", "Unpack it, then give the folder or file inside.")
    return error(
        f"{path} is not an image that can be read here.", "Give a DICOM folder, or a NIfTI, NRRD or MetaImage file."
    )


SUVBW = "SUVbw"
#: in the metadata of an image file of ours: the unit of its values
UNIT_KEY = "NSCLCResponse_unit"


def read_volume(path: Path, error: type[NSCLCResponseError] = ImageError) -> sitk.Image:
    """A 3-D image with one value per voxel.

    :raises NSCLCResponseError: of class ``error``: it cannot be read, is cut, or is not 3-D.
    """
    exists_or_raise(path, error)
    if not is_volume_file(path):
        raise refuse_unknown_file(path, error)
    image = take(path)
    image = read_any(path, error) if image is None else image
    if image.GetNumberOfComponentsPerPixel() != 1:
        raise error(
            f"{path} has {image.GetNumberOfComponentsPerPixel()} values per voxel (colour or several channels).",
            "Give an image with one value per voxel.",
        )
    upright = _upright(as_three_dimensional(image, path, error))
    if image.HasMetaDataKey(UNIT_KEY):
        upright.SetMetaData(UNIT_KEY, image.GetMetaData(UNIT_KEY))
    return upright


def read_any(path: Path, error: type[NSCLCResponseError]) -> sitk.Image:
    """Whatever image a file holds, complete.

    :raises NSCLCResponseError: of class ``error``: it cannot be read or is cut.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        with quiet():
            reader.ReadImageInformation()
            image = None if _is_cut_nifti(path, reader) else reader.Execute()
    except (RuntimeError, OSError, EOFError, zlib.error) as problem:
        raise error(*_unreadable(path, str(problem))) from problem
    if image is None:
        raise error(*_unreadable(path, "cut"))
    return image


def _is_cut_nifti(path: Path, reader: sitk.ImageFileReader) -> bool:
    """ITK reads a NIfTI file that ends early without a word, with zeros or noise in place of what is missing."""
    if not reader.HasMetaDataKey("bitpix"):
        return False
    voxels = math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
    needed = int(float(reader.GetMetaData("vox_offset"))) + voxels * int(reader.GetMetaData("bitpix")) // 8
    if not path.name.lower().endswith(".gz"):
        return path.stat().st_size < needed
    with path.open("rb") as stream:
        stream.seek(-4, 2)
        stated = int.from_bytes(stream.read(4), "little")  # length before packing, at the end of a file in one piece
    return stated != needed % 2**32 and _unpacked_length(path) < needed


def _unpacked_length(path: Path) -> int:
    length = 0
    with gzip.open(path) as stream:
        while block := stream.read(1 << 22):
            length += len(block)
    return length


def _upright(image: sitk.Image) -> sitk.Image:
    """The same voxels with transverse slices along the last axis, when the file stores them in another order."""
    axes = np.abs(np.array(image.GetDirection()).reshape(3, 3))
    if list(axes.argmax(axis=0)) == [0, 1, 2]:
        return image
    return sitk.DICOMOrient(image, "LPS")


def as_three_dimensional(image: sitk.Image, path: Path, error: type[NSCLCResponseError] = ImageError) -> sitk.Image:
    """The image itself, or the only volume of a 4-D image that holds one."""
    size = image.GetSize()
    if image.GetDimension() == 4 and size[3] == 1:
        return sitk.Extract(image, [*size[:3], 0], [0, 0, 0, 0])
    words = "×".join(map(str, size))
    if image.GetDimension() != 3:
        raise error(f"{path} is {image.GetDimension()}-dimensional ({words}), not one volume.", "Give a 3-D image.")
    if min(size) < 3:
        raise error(f"{path} is a single image of {words} voxels, not a volume.", "Give the whole volume.")
    return image


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps ITK's own warnings from the user's terminal while files are read that may be bad."""
    before = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(before)


def _unreadable(path: Path, problem: str) -> tuple[str, str]:
    if "orthonormal" in problem.lower() or "direction" in problem.lower():
        return (
            f"{path} has a sheared grid (its axes are not at right angles).",
            "Resample it to a rectangular grid first.",
        )
    return f"{path} cannot be read as an image: it is damaged, cut, or of another format.", "Export or copy it again."


def compact(image: sitk.Image) -> sitk.Image:
    """The same values as 16-bit integers when they are whole numbers in that range, else as 32-bit float."""
    if image.GetPixelID() == sitk.sitkInt16:
        return image
    array = sitk.GetArrayViewFromImage(image)
    low, high = float(array.min()), float(array.max())
    fits = np.iinfo(np.int16).min <= low and high <= np.iinfo(np.int16).max
    is_whole = np.issubdtype(array.dtype, np.integer) or not any(np.any(np.mod(plane, 1)) for plane in array)
    return sitk.Cast(image, sitk.sitkInt16 if fits and is_whole else sitk.sitkFloat32)


def require_finite(image: sitk.Image, name: str, error: type[NSCLCResponseError] = ImageError) -> None:
    """:raises NSCLCResponseError: some values are not numbers."""
    array = sitk.GetArrayViewFromImage(image)
    if not np.issubdtype(array.dtype, np.floating):
        return
    count = array.size - int(np.count_nonzero(np.isfinite(array)))
    if count:
        raise error(f"{name} has {count} voxels that are not numbers (NaN or infinite).", "Mend or export it again.")


def gaps_filled(image: sitk.Image, value: float) -> tuple[sitk.Image, int]:
    """The image with ``value`` where there is no number (NaN or infinite), and how many voxels that are."""
    array = sitk.GetArrayFromImage(image)
    gaps = ~np.isfinite(array)
    count = int(np.count_nonzero(gaps))
    if not count:
        return image, 0
    array[gaps] = value
    filled = sitk.GetImageFromArray(array)
    filled.CopyInformation(image)
    return filled, count


def require_hounsfield(image: sitk.Image, name: str) -> None:
    """Check that values can be Hounsfield units of a body: air near -1000, tissue around 0.

    :raises ImageError: they cannot.
    """
    array = sitk.GetArrayViewFromImage(image)
    low, high = float(array.min()), float(array.max())
    remedy = "Give a CT whose values are HU (air near -1000, water 0)."
    found = f"its values go from {low:g} to {high:g}"
    if low == high:
        raise ImageError(f"{name} is empty: all its values are {low:g}.", remedy)
    if low >= 0:
        raise ImageError(f"{name} is not in Hounsfield units: {found}, none below 0.", remedy)
    if low > _AIR_HU or low < _LOWEST_HU or not 0 <= high < _HIGHEST_HU:
        raise ImageError(f"{name} is not in Hounsfield units: {found}.", remedy)


def require_suv(image: sitk.Image, name: str) -> None:
    """Check that values can be SUVbw.

    :raises PetError: they look like Bq/mL, counts or HU, or there is no uptake at all.
    """
    array = sitk.GetArrayViewFromImage(image)
    low, high = float(array.min()), float(array.max())
    found = f"its values go from {low:g} to {high:g}"
    if high <= 0:
        raise PetError(f"{name} is empty: {found}.", "Give a PET in SUVbw.")
    if low < _LOWEST_SUV:
        raise PetError(f"{name} is not a PET in SUVbw: {found}, like a CT's.", "Give the PET.")
    if high > _HIGHEST_SUV:
        raise PetError(
            f"{name} is not in SUVbw: {found}, like Bq/mL or counts.",
            "Give the PET's DICOM folder, from which SUVbw is computed, or divide by dose per weight first.",
        )
