"""The job behind ``nsclc-response models download``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import SegmentationError
from NSCLCResponseSegmentLib.core.model_catalog import entry_named
from NSCLCResponseSegmentLib.core.model_download import download_model

if TYPE_CHECKING:
    from ..worker import TaskContext


def run(arguments: dict[str, Any], context: TaskContext) -> dict[str, Any]:
    """Download one model.

    :param arguments: ``name``; ``out``, the folder that it will have, lets whoever cancels the job clean up.
    :returns: ``summary`` (text) and ``folder``.
    :raises NSCLCResponseError: it is not there, the network fails, or the file is not the published one.
    """
    entry = entry_named(arguments["name"])
    if entry.is_shipped:
        raise SegmentationError(f"The model '{entry.name}' ships with this installation.", "Use it as it is.")
    folder = download_model(entry, context.progress, context.token)
    licence = f"Licence: {entry.data['licence']} ({entry.data['licence_url']})"
    return {"summary": f"Downloaded and checked: {folder}\n{licence}", "folder": str(folder)}
