"""Sample data: the simulated patient, made on the user's computer, and a public patient from its publisher."""

import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..core.errors import ImageError
from ..core.jobs import follow
from ..core.progress import Progress
from ..mrml.logic import SegmentLogic
from ..mrml.node_jobs import JobFolder, NodeJob
from .dependencies import ensure_dependencies

CATEGORY = "NSCLCResponse"
SIMULATED = "NSCLCSimulatedPatient"
PUBLIC = "LUNG1-001"
# NSCLC-Radiomics (Aerts et al.), The Cancer Imaging Archive, CC BY-NC 3.0: 134 CT slices of patient LUNG1-001
PUBLIC_SERIES = "1.3.6.1.4.1.32722.99.99.298991776521342375010861296712563382046"
PUBLIC_ADDRESS = (
    f"https://services.cancerimagingarchive.net/nbia-api/services/v1/getImage?SeriesInstanceUID={PUBLIC_SERIES}"
)
_ICONS = Path(__file__).resolve().parents[2] / "Resources" / "Icons"
_SEED = 7


def register() -> None:
    """Add both to Slicer's module Sample Data."""
    import SampleData

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):
        logic.registerCustomSampleDataCategory(CATEGORY, title=_("Lung cancer"))
    icon = str(_ICONS / "NSCLCResponseSegment.png")
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SIMULATED,
        uris="https://github.com/NSCLCResponse/SlicerNSCLCResponse",
        fileNames="simulated-patient",
        nodeNames="CT",
        thumbnailFileName=icon,
        loadFiles=False,
        customDownloader=lambda _source: simulate_and_load(),
    )
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=PUBLIC,
        uris=PUBLIC_ADDRESS,
        fileNames=f"{PUBLIC}.zip",
        nodeNames=PUBLIC,
        thumbnailFileName=icon,
        loadFiles=False,
        customDownloader=lambda _source: download_public_patient(),
    )


def start_simulation() -> NodeJob:
    """Start making one simulated patient with CT and PET; poll the job, then call :func:`load_simulation`."""
    folder = JobFolder()
    arguments = {"patients": 1, "seed": _SEED, "jobs": 1, "out": str(folder.path / "simulated")}
    return NodeJob("phantom", arguments, folder, {})


def load_simulation(job: NodeJob) -> tuple[Any, Any]:
    """CT and PET nodes of the finished job, shown in the views.

    :raises NSCLCResponseError: the job failed or was cancelled.
    """
    try:
        patient = next((Path(job.result()["out"]) / "patients").iterdir())
        logic = SegmentLogic(slicer.mrmlScene)
        ct, pet = logic.loadCt(patient / "ct.nii.gz"), logic.loadPet(patient / "pet.nii.gz")
    finally:
        job.folder.remove()
    ct.SetName(_("Simulated patient CT"))
    pet.SetName(_("Simulated patient PET"))
    show_images(ct, pet)
    return ct, pet


def show_images(ct: Any, pet: Any) -> None:
    """CT in all slice views, PET over it."""
    slicer.util.setSliceViewerLayers(background=ct, foreground=pet, foregroundOpacity=0.3 if pet else 0.0, fit=True)


def simulate_and_load() -> list[Any]:
    """Make and load the simulated patient with a progress dialog; for the module Sample Data and scripts."""
    ensure_dependencies(torch=False, radiomics=False)
    dialog = slicer.util.createProgressDialog(labelText=_("Making a simulated patient"), maximum=100)

    def show(value: float, text: str) -> None:
        dialog.value = round(100 * value)
        dialog.labelText = text
        slicer.app.processEvents()

    job = start_simulation()
    try:
        follow(job, Progress(on_progress=show), should_cancel=lambda: dialog.wasCanceled)
    finally:
        dialog.close()
    return list(load_simulation(job))


def download_public_patient() -> list[Any]:
    """Download LUNG1-001 (about 70 MB) from its publisher into Slicer's cache, once, and load its CT.

    :raises ImageError: what arrived is not that series.
    """
    cache = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()) / PUBLIC
    if not cache.is_dir():
        with slicer.util.WaitCursor():
            archive, _headers = urllib.request.urlretrieve(PUBLIC_ADDRESS)
            with zipfile.ZipFile(archive) as content:
                names = [name for name in content.namelist() if name.lower().endswith(".dcm")]
                for name in names:
                    target = cache / Path(name).name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read(name))
    ct = SegmentLogic(slicer.mrmlScene).loadCt(cache)
    if ct.GetImageData().GetDimensions()[2] != 134:
        raise ImageError(
            f"The download of {PUBLIC} is incomplete.", f"Delete the folder {cache} and download it again."
        )
    ct.SetName(PUBLIC)
    show_images(ct, None)
    return [ct]
