"""Jobs on MRML nodes: images travel to the worker as files in a temporary folder, results come back as nodes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from ..core.jobs import JobProcess, WarmWorker
from ..core.volume_files import UNIT_KEY
from .images import unit_of
from .volumes import image_from_volume


class JobFolder:
    """A temporary folder for one job's files; gone when the job's results were taken or the job was dropped."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nsclc-response-", ignore_cleanup_errors=True)
        self.path = Path(self._folder.name)

    def write(self, image: sitk.Image, name: str) -> str:
        """Write an image without compression, which would take longer than everything else; returns its path."""
        path = self.path / name
        sitk.WriteImage(image, str(path), useCompression=False)
        return str(path)

    def write_pet(self, node: Any) -> str:
        """Write a PET's volume node under its own name, which remarks mention, with its unit where that is known."""
        image = image_from_volume(node)
        unit = unit_of(node)
        if unit:
            image.SetMetaData(UNIT_KEY, unit)
        (self.path / "pet").mkdir()
        return self.write(image, f"pet/{re.sub('[^A-Za-z0-9 ._()-]', '_', node.GetName())}.nrrd")

    def remove(self) -> None:
        """Delete the folder."""
        self._folder.cleanup()


class NodeJob(JobProcess):
    """A job that remembers its folder and the ids of the nodes that it was started on.

    :param nodes: role → node id, e.g. ``{"ct": "vtkMRMLScalarVolumeNode1"}``.
    :param mask_checksum: of the mask that it works on, to tell whether it was edited meanwhile.
    """

    def __init__(
        self,
        kind: str,
        arguments: Mapping[str, Any],
        folder: JobFolder,
        nodes: Mapping[str, str],
        worker: WarmWorker | None = None,
        *,
        mask_checksum: int = 0,
    ) -> None:
        super().__init__(kind, arguments, worker.process() if worker is not None else None)
        self.folder = folder
        self.nodes = dict(nodes)
        self.mask_checksum = mask_checksum
        self.fetched: Any = None  # what was read of its files before the scene takes it

    def wait(self) -> dict[str, Any]:
        """Wait for the result; for scripts. :raises NSCLCResponseError: as :meth:`result`."""
        while self.running:
            self.poll(timeout=0.1)
        return self.result()
