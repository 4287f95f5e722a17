"""Signatures to choose from, read without opening them: what panel and browser show before anything is predicted.

Nothing here needs a library beyond Python's own, since panels ask before dependencies are installed. What is read is
shown only; :func:`signature_io.load_signature` checks everything before a signature is used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from NSCLCResponseSegmentLib.core.errors import SignatureError
from NSCLCResponseSegmentLib.core.resources import resource

from .clinical import ClinicalVariable, variables_from_json

DEFAULT_SIGNATURE = "simulated-ct-pet"  # the shipped one that is taken where none is named
_MAX_BYTES = 1_000_000


@dataclass(frozen=True)
class SignatureInfo:
    """What a user needs to choose a signature and to enter what it asks for."""

    folder: Path
    name: str  # with version, as results show it
    label: str  # the sentence about its training data
    endpoint: str
    clinical_variables: tuple[ClinicalVariable, ...]


def describe_signature(folder: Path) -> SignatureInfo:
    """Read the description of the signature in ``folder``.

    :raises SignatureError: there is none, or it is not what we know.
    """
    path = folder / "signature.json"
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise SignatureError(f"{path} is too large for a signature's description.", "Choose another folder.")
        data = json.loads(path.read_text(encoding="utf-8"))
        return SignatureInfo(
            folder=folder,
            name=f"{data['name']} {data['version']}",
            label=data["label"],
            endpoint=data["endpoint"]["text"],
            clinical_variables=variables_from_json(data["inputs"]["clinical"]),
        )
    except OSError as error:
        raise SignatureError(
            f"{folder} is not a signature: it has no readable signature.json.", "Choose the folder of a signature."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SignatureError(f"{path} is not a signature's description.", "Choose another folder.") from error


def shipped_signatures() -> list[SignatureInfo]:
    """The signatures that come with the extension, by name.

    :raises DependencyError: the installation lacks its data files.
    """
    folders = sorted(path.parent for path in resource("Signatures").glob("*/signature.json"))
    return [describe_signature(folder) for folder in folders]
