"""Writing a signature folder: every file's hash goes into ``signature.json``, which is written last."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .signature_io import read_files


def write_signature(folder: Path, description: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    """Write the files and ``signature.json`` into an existing empty folder, then read it back as a user would.

    :param description: all of ``signature.json`` but ``files``.
    :param files: name → content.
    :raises SignatureError: what was written would not open (a defect of ours).
    """
    for name, content in files.items():
        (folder / name).write_bytes(content)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    text = json.dumps({**description, "files": hashes}, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "signature.json").write_text(text + "\n", encoding="utf-8")
    read_files(folder)
