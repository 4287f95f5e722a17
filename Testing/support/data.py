"""Real patients for tests: public data beside the checkout, never in it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def shared_data(*parts: str) -> Path:
    """Path in the folder of public patients beside the checkout; skips the test when it is not there."""
    path = ROOT.parent / "shared" / "data" / Path(*parts)
    if not path.exists():
        pytest.skip(f"public patient data not found beside the checkout (shared/data/{'/'.join(parts)})")
    return path
