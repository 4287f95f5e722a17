"""Fixtures and paths that every kind of test shares."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
for folder in ("Testing", "NSCLCResponse", "NSCLCResponseSegment"):
    path = str(ROOT / folder)
    if path not in sys.path:
        sys.path.insert(0, path)
