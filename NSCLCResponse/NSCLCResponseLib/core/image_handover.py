"""An image that was read, from one process to another: voxels in an uncompressed file, what is known of it as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.atomic import staged_file
from NSCLCResponseSegmentLib.core.case import LoadedImage


def hand_over(loaded: LoadedImage, path: Path, token: str | None = None) -> dict[str, Any]:
    """Write the voxels to ``path`` and return the rest, JSON values only.

    :param path: a ``.nrrd`` file that is replaced; uncompressed, since it is read again at once.
    :param token: name of the unfinished file, see :mod:`NSCLCResponseSegmentLib.core.atomic`.
    """
    image = loaded.image
    with staged_file(path, overwrite=True, token=token) as aside:
        sitk.WriteImage(image, str(aside), useCompression=False)
    known = {field.name: getattr(loaded, field.name) for field in fields(loaded) if field.name != "image"}
    known["source"], known["dicom_files"] = str(loaded.source), [str(file) for file in loaded.dicom_files]
    grid = {"spacing": image.GetSpacing(), "origin": image.GetOrigin(), "direction": image.GetDirection()}
    return {"known": known, "grid": grid}


def take_over(path: Path, value: Mapping[str, Any]) -> LoadedImage:
    """The image that :func:`hand_over` wrote, on exactly its grid.

    :param value: what :func:`hand_over` returned, also after a way through JSON.
    """
    image = sitk.ReadImage(str(path))
    grid = value["grid"]  # the file's text rounds the last digit of spacing and direction
    image.SetSpacing(grid["spacing"])
    image.SetOrigin(grid["origin"])
    image.SetDirection(grid["direction"])
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    known = {name: tuple(part) if isinstance(part, list) else part for name, part in value["known"].items()}
    known["source"], known["dicom_files"] = Path(known["source"]), tuple(map(Path, known["dicom_files"]))
    return LoadedImage(image, **known)
