"""What Slicer would install: the lists in CMake agree with the disk, and an installed tree finds its data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import update_cmake_lists

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "Testing" / "standins" / "cmake"


def require_cmake() -> None:
    """Skip where Slicer's build tools are absent; CI has them."""
    if not all(shutil.which(program) for program in ("cmake", "make", "c++")):
        pytest.skip("cmake, make or a compiler is not on this machine")


@pytest.mark.parametrize("module", update_cmake_lists.MODULES)
def test_the_lists_agree_with_the_disk_both_ways(module):
    listed, on_disk = update_cmake_lists.files_listed(module), update_cmake_lists.files_on_disk(module)
    assert set(listed) == set(on_disk)
    for section, files in on_disk.items():
        hint = "run: python Testing/update_cmake_lists.py"
        assert not set(files) - set(listed[section]), f"on disk but not in {module}/CMakeLists.txt, {hint}"
        assert not set(listed[section]) - set(files), f"in {module}/CMakeLists.txt but not on disk, {hint}"


@pytest.fixture(scope="module")
def installed_extension(tmp_path_factory) -> Path:
    """The extension configured, built and installed with a stand-in for Slicer's CMake package."""
    require_cmake()
    folder = tmp_path_factory.mktemp("extension")
    build, prefix = folder / "build", folder / "installed"
    options = [f"-DSlicer_DIR={PACKAGE}", "-DBUILD_TESTING=ON", "-Wno-dev"]
    configure = ["cmake", "-S", str(ROOT), "-B", str(build), *options]
    install = ["cmake", "--install", str(build), "--prefix", str(prefix)]
    for command in (configure, ["cmake", "--build", str(build)], install):
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout + run.stderr
    return prefix / "lib" / "Slicer-5.12" / "qt-scripted-modules"


def test_an_installed_extension_has_every_file(installed_extension):
    for module in update_cmake_lists.MODULES:
        for files in update_cmake_lists.files_on_disk(module).values():
            missing = [file for file in [f"{module}.py", *files] if not (installed_extension / file).is_file()]
            assert not missing


def test_an_installed_extension_finds_its_own_data(installed_extension):
    code = "from NSCLCResponseSegmentLib.core.resources import resource; print(resource('Settings', 'ct.yaml'))"
    environment = {**os.environ, "PYTHONPATH": str(installed_extension)}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=installed_extension)
    assert Path(run.stdout.strip()).is_relative_to(installed_extension / "Resources" / "NSCLCResponse-data")


def test_a_listed_file_that_is_missing_is_fatal(tmp_path):
    require_cmake()
    for name in ("CMakeLists.txt", "NSCLCResponse", "NSCLCResponseSegment", "Resources"):
        source = ROOT / name
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, tmp_path / name, ignore=ignore) if source.is_dir() else shutil.copy(source, tmp_path)
    (tmp_path / "NSCLCResponseSegment" / "NSCLCResponseSegmentLib" / "core" / "errors.py").unlink()
    command = ["cmake", "-S", str(tmp_path), "-B", str(tmp_path / "build"), f"-DSlicer_DIR={PACKAGE}", "-Wno-dev"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "core/errors.py', which does not exist" in " ".join(run.stderr.split())
