"""A public patient with lung cancer, downloaded from its publisher when the user asks for it.

NSCLC-Radiomics (Aerts et al.), patient LUNG1-001, from The Cancer Imaging Archive, https://doi.org/10.7937/K9/TCIA.2015.PF0M9REI,
licence CC BY-NC 3.0: not for commercial use.
"""

import hashlib
import http.client
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..core.errors import ImageError, JobCancelledError
from ..mrml.logic import SegmentLogic
from ..mrml.volumes import image_from_volume

NAME = "LUNG1-001"
SERIES = "1.3.6.1.4.1.32722.99.99.298991776521342375010861296712563382046"
ADDRESS = f"https://services.cancerimagingarchive.net/nbia-api/services/v1/getImage?SeriesInstanceUID={SERIES}"
LICENCE = "CC BY-NC 3.0"
#: of the voxels: 134 × 512 × 512 (z, y, x) signed 16-bit numbers, little endian, in HU
VOXELS_SHA256 = "8f6ca6bf5ae19a8da00e0baf18d81bc65e54994b1df9fa5872017338a581e911"
_EXPECTED_BYTES = 40_000_000  # the service does not say how much it sends; for the bar only
_TIMEOUT_SECONDS = 60
_BLOCK = 1 << 18


def load_public_patient(cache: Path) -> Any:
    """The CT as a volume node; downloaded into ``cache`` the first time.

    :raises ImageError: the publisher cannot be reached, or what arrived is not that CT.
    :raises JobCancelledError: the user cancelled.
    """
    folder = cache / NAME
    if not folder.is_dir():
        question = _(
            "Download the CT of patient {name} (about 70 MB of DICOM) from The Cancer Imaging Archive?\n\n"
            "NSCLC-Radiomics, Aerts et al., licence {licence}: not for commercial use."
        ).format(name=NAME, licence=LICENCE)
        if not slicer.util.confirmOkCancelDisplay(question, _("Sample data")):
            raise JobCancelledError
        _download(folder)
    ct = SegmentLogic(slicer.mrmlScene).loadCt(folder)
    if voxels_sha256(ct) != VOXELS_SHA256:
        slicer.mrmlScene.RemoveNode(ct)
        raise ImageError(
            f"What was downloaded as {NAME} is not the CT that was published.",
            f"Delete the folder {folder} and download it again.",
        )
    ct.SetName(NAME)
    return ct


def voxels_sha256(volume: Any) -> str:
    """SHA-256 of a CT's voxels as 16-bit integers."""
    import SimpleITK as sitk

    image = image_from_volume(volume)
    return hashlib.sha256(sitk.GetArrayFromImage(image).astype("<i2").tobytes()).hexdigest()


def _download(folder: Path) -> None:
    """Fetch the archive and unpack it; ``folder`` is complete or absent."""
    dialog = slicer.util.createProgressDialog(
        labelText=_("Waiting for the archive"), windowTitle=_("NSCLC Response"), maximum=100
    )

    def show(received: int) -> None:
        dialog.value = min(99, 100 * received // _EXPECTED_BYTES)
        dialog.labelText = _("Downloading {name}: {size} MB").format(name=NAME, size=received >> 20)
        slicer.app.processEvents()
        if dialog.wasCanceled:
            raise JobCancelledError

    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(dir=folder.parent, prefix=f".{NAME}-") as aside:
            archive, unpacked = Path(aside) / "series.zip", Path(aside) / NAME
            fetch(ADDRESS, archive, show)
            unpack(archive, unpacked)
            unpacked.rename(folder)
    except (OSError, http.client.HTTPException, zipfile.BadZipFile) as error:  # urllib's errors are OSError
        raise ImageError(
            f"{NAME} could not be downloaded: {error}.",
            "Check the network and try again, or download it in a web browser from www.cancerimagingarchive.net.",
        ) from error
    finally:
        dialog.close()


def fetch(address: str, target: Path, show: Callable[[int], None]) -> None:
    """Download ``address`` into the file ``target``; ``show`` gets the number of bytes so far and may raise."""
    received = 0
    request = urllib.request.Request(address, headers={"User-Agent": "NSCLC Response"})  # noqa: S310 our own address
    answer = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310
    with answer as response, target.open("wb") as out:
        while block := response.read(_BLOCK):
            out.write(block)
            received += len(block)
            show(received)


def unpack(archive: Path, folder: Path) -> None:
    """Write the DICOM files of a zip archive into ``folder``, whatever folders they lie in there."""
    folder.mkdir()
    with zipfile.ZipFile(archive) as content:
        for name in content.namelist():
            if name.lower().endswith(".dcm"):
                (folder / Path(name).name).write_bytes(content.read(name))
