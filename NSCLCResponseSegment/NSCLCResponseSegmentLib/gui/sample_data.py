"""Sample data: the simulated patient, made on the user's computer, and a public patient from its publisher."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..core.jobs import follow
from ..core.progress import Progress
from ..core.volume_files import SUVBW
from ..mrml.images import UNIT_ATTRIBUTE
from ..mrml.logic import SegmentLogic
from ..mrml.node_jobs import JobFolder, NodeJob
from .dependencies import ensure_dependencies
from .errors import shown_errors
from .public_patient import ADDRESS, NAME, load_public_patient

CATEGORY = "NSCLCResponse"
SIMULATED = "NSCLCSimulatedPatient"
_ICONS = Path(__file__).resolve().parents[2] / "Resources" / "Icons"
_SEED = 7


def register() -> None:
    """Add both to Slicer's module Sample Data."""
    import SampleData

    logic = SampleData.SampleDataLogic
    if hasattr(logic, "registerCustomSampleDataCategory"):
        logic.registerCustomSampleDataCategory(CATEGORY, title=_("Lung cancer"))
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=SIMULATED,
        uris="https://github.com/NSCLCResponse/SlicerNSCLCResponse",
        fileNames="simulated-patient",
        nodeNames="CT",
        thumbnailFileName=str(_ICONS / "SimulatedPatient.png"),
        loadFiles=False,
        customDownloader=lambda _source: _shown(simulate_and_load),
    )
    logic.registerCustomSampleDataSource(
        category=CATEGORY,
        sampleName=NAME,
        uris=ADDRESS,
        fileNames=f"{NAME}.zip",
        nodeNames=NAME,
        thumbnailFileName=str(_ICONS / "NSCLCResponseSegment.png"),  # its licence lets us pass on no picture of it
        loadFiles=False,
        customDownloader=lambda _source: _shown(load_public_and_show),
    )


def _shown(load: Callable[[], list[Any]]) -> list[Any]:
    """What ``load`` returns; nothing when it fails, which is shown (Sample Data would only write it to the console)."""
    with shown_errors():
        return load()
    return []


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
    pet.SetAttribute(UNIT_ATTRIBUTE, SUVBW)  # NIfTI cannot say so
    show_images(ct, pet)
    return ct, pet


def show_images(ct: Any, pet: Any) -> None:
    """CT in all slice views, PET over it."""
    slicer.util.setSliceViewerLayers(background=ct, foreground=pet, foregroundOpacity=0.3 if pet else 0.0, fit=True)


def simulate_and_load() -> list[Any]:
    """Make and load the simulated patient with a progress dialog; for the module Sample Data and scripts."""
    ensure_dependencies(torch=False, radiomics=False)
    dialog = slicer.util.createProgressDialog(
        labelText=_("Making a simulated patient"), windowTitle=_("NSCLC Response"), maximum=100
    )

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


def load_public_and_show() -> list[Any]:
    """Load LUNG1-001, downloaded from its publisher the first time, with a progress dialog."""
    ct = load_public_patient(Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()))
    show_images(ct, None)
    return [ct]
