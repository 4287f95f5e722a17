"""``NSCLCResponse.json`` passes what the Extensions Index checks of an entry, as far as that needs no network.

The rules are those of ``scripts/check_description_files.py`` in the repository of the Extensions Index.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import pytest

ROOT = Path(__file__).resolve().parents[1]
ENTRY = ROOT / "NSCLCResponse.json"
RAW = "https://raw.githubusercontent.com/"

# The properties of schema 1.0.2, which allows no other.
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema",
    "type": "object",
    "required": ["$schema", "category", "scm_url"],
    "additionalProperties": False,
    "properties": {
        "$schema": {
            "const": RAW + "Slicer/Slicer/main/Schemas/slicer-extension-catalog-entry-schema-v1.0.2.json#",
        },
        "category": {"type": "string"},
        "scm_url": {"type": "string"},
        "scm_revision": {"type": "string"},
        "scm_type": {"enum": ["git", "local"]},
        "build_dependencies": {"type": "array", "items": {"type": "string"}},
        "dicom_support_rule": {"type": "string"},
        "build_subdirectory": {"type": "string"},
        "enabled": {"type": "boolean"},
        "tier": {"type": "integer", "minimum": 1, "maximum": 5},
    },
}
SOME_ACCEPTED_CATEGORIES = {"Analysis", "Informatics", "Nuclear Medicine", "Quantification", "Segmentation"}


@pytest.fixture(scope="module")
def entry() -> dict:
    return json.loads(ENTRY.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def cmake_text() -> str:
    return (ROOT / "CMakeLists.txt").read_text(encoding="utf-8")


def test_the_entry_follows_the_schema(entry):
    jsonschema.validate(entry, SCHEMA)
    assert b"\r" not in ENTRY.read_bytes()
    assert entry["category"] in SOME_ACCEPTED_CATEGORIES


def test_names_follow_the_rules(entry, cmake_text):
    name = ENTRY.stem
    assert not name.lower().startswith("slicer")
    assert re.findall(r"project\s*\(\s*([^\s\)\n\r]+)", cmake_text)[0] == name
    url = urlsplit(entry["scm_url"])
    assert url.scheme in {"git", "https"}
    assert Path(url.path).stem.startswith("Slicer")


def test_dependencies_agree(entry, cmake_text):
    listed = re.search(r'set\(EXTENSION_DEPENDS "([^"]+)"', cmake_text).group(1).split()
    assert listed == entry["build_dependencies"]


def test_pictures_are_in_the_repository_where_the_urls_say(entry, cmake_text):
    base = RAW + urlsplit(entry["scm_url"]).path.strip("/").removesuffix(".git") + f"/{entry['scm_revision']}/"
    icon = re.findall(r'set\s*\(EXTENSION_ICONURL\s*"([^"]+)"[ ]*\)', cmake_text)
    screenshots = re.findall(r'set\s*\(EXTENSION_SCREENSHOTURLS\s*"([^"]+)"\)', cmake_text)
    urls = [*icon, *screenshots[0].split()]
    assert len(urls) >= 2
    for url in urls:
        assert url.startswith(base)
        assert (ROOT / url.removeprefix(base)).read_bytes().startswith(b"\x89PNG")


def test_the_repository_is_small_and_licensed():
    assert (ROOT / "LICENSE").is_file()
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    assert sum(f.stat().st_size for f in files if f.is_file()) < 100 * 1024 * 1024
