"""Sets up everything the project needs in ``.venv``; a second run does nothing.

``python3 .ci/setup.py run`` for ``make demo``, ``python3 .ci/setup.py test`` for ``make test``. Standard library only.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOG = VENV / "setup.log"
PIP = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "--quiet"]
CONSTRAINTS = ["-c", str(ROOT / "constraints.txt")]


def _library(name: str) -> Callable[[], bool]:
    return lambda: ctypes.util.find_library(name) is not None


def _mesa_drivers() -> bool:
    folders = [Path("/usr/lib"), *Path("/usr/lib").glob("*-linux-gnu")]
    return any(
        next(folder.glob("dri/*swrast*_dri.so"), None) or next(folder.glob("libgallium*"), None) for folder in folders
    )


#: Debian package → is what we need of it here? OpenGL for Slicer's views, a compiler for PyRadiomics.
SYSTEM_RUN = {
    "libegl1": _library("EGL"),
    "libgl1": _library("GL"),
    "libopengl0": _library("OpenGL"),
    "libosmesa6": _library("OSMesa"),
    "libgl1-mesa-dri": _mesa_drivers,
    "gcc": lambda: shutil.which("gcc") is not None,
    "libc6-dev": lambda: Path("/usr/include/stdlib.h").exists(),
    "python3-dev": (Path(sysconfig.get_path("include")) / "Python.h").exists,
}
SYSTEM_TEST = {
    **SYSTEM_RUN,
    "chromium": lambda: shutil.which("chromium") is not None,
    "cmake": lambda: shutil.which("cmake") is not None,
    "g++": lambda: shutil.which("g++") is not None,  # the CMake of every Slicer extension asks for a C++ compiler
    # what PySide6 links against even when it draws offscreen
    "libglib2.0-0": _library("glib-2.0"),
    "libxkbcommon0": _library("xkbcommon"),
    "libdbus-1-3": _library("dbus-1"),
    "libfontconfig1": _library("fontconfig"),
}


def die(message: str, remedy: str) -> None:
    """Stop with one sentence what is wrong and one how to mend it."""
    sys.stderr.write(f"\n{message}\n{remedy}\n")
    sys.exit(2)


def install_system_libraries(needed: dict[str, Callable[[], bool]]) -> None:
    """Install missing Debian packages when root; otherwise print the command and stop."""
    missing = [package for package, is_there in needed.items() if not is_there()]
    if not missing:
        return
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    command = f"sudo apt-get update && sudo apt-get install -y {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        die(
            f"These system libraries are missing: {', '.join(missing)} (Debian's names).",
            "Install them, then run again.",
        )
    if os.geteuid() != 0:
        die(f"These system libraries are missing: {', '.join(missing)}.", f"Install them with:\n  {command}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    Bar([("System libraries", 1.0)]).run_all(
        lambda _: _logged(["apt-get", "update", "-qq"], environment) or _logged(install, environment)
    )


def _logged(command: list[str], environment: dict[str, str] | None = None) -> int:
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a", encoding="utf-8") as log:
        log.write(f"$ {' '.join(command)}\n")
        log.flush()
        return subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False).returncode


class Bar:
    """A bar over steps of known relative length (seconds measured on 2 cores); redrawn every half second."""

    def __init__(self, steps: list[tuple[str, float]]) -> None:
        self.steps = steps
        self.total = sum(seconds for _, seconds in steps)
        self.terminal = sys.stderr.isatty()

    def run_all(self, action: Callable[[int], int]) -> None:
        """Run ``action(i)`` for every step; a non-zero return ends the setup with the log's last lines."""
        done = 0.0
        began = time.monotonic()
        for index, (name, seconds) in enumerate(self.steps):
            code = self._watch(lambda i=index: action(i), name, done, seconds)
            if code:
                tail = "\n".join(LOG.read_text(encoding="utf-8", errors="replace").splitlines()[-12:])
                die(f"Setting up '{name}' failed:\n{tail}", f"The whole log is in {LOG}; mend the cause and run again.")
            done += seconds
        sys.stderr.write(
            f"{self._clear()}Set up {', '.join(n for n, _ in self.steps)} in {time.monotonic() - began:.0f} s\n"
        )

    def _clear(self) -> str:
        return "\r\x1b[K" if self.terminal else ""

    def _watch(self, action: Callable[[], int], name: str, done: float, seconds: float) -> int:
        from concurrent.futures import ThreadPoolExecutor
        from concurrent.futures import TimeoutError as NotYet

        began = time.monotonic()
        if not self.terminal:
            sys.stderr.write(f"{done / self.total:4.0%} {name}\n")
        with ThreadPoolExecutor(1) as pool:
            job = pool.submit(action)
            while True:
                try:
                    return job.result(timeout=0.5)
                except NotYet:
                    self._draw(name, (done + min(time.monotonic() - began, 0.95 * seconds)) / self.total)

    def _draw(self, name: str, value: float) -> None:
        if self.terminal:
            filled = round(24 * value)
            sys.stderr.write(f"\r\x1b[K{'█' * filled}{'░' * (24 - filled)} {value:4.0%} {name}")
            sys.stderr.flush()


def _requirements(extras: tuple[str, ...]) -> list[str]:
    """The dependencies that ``pyproject.toml`` declares, without building the project for them."""
    toml = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    blocks = [toml.split("\ndependencies = [", 1)[1].split("\n]", 1)[0]]
    for extra in extras:
        blocks.append(toml.split(f"\n{extra} = [", 1)[1].split("]\n", 1)[0] + "\n")
    found: list[str] = []
    for block in blocks:
        for piece in block.split('"')[1::2]:
            if not piece.startswith(("pyradiomics", "torch")):
                found.append(piece)
    return found


def install_python_packages(profile: str) -> None:
    """Create the environment and install what ``profile`` needs, versions held by ``constraints.txt``."""
    extras = ("views", "cluster") + (("test",) if profile == "test" else ())
    build_tools = ["setuptools", "wheel", "cython", "versioneer", "numpy"]
    steps: list[tuple[str, float, list[str]]] = [
        ("Python environment", 3, [sys.executable, "-m", "venv", str(VENV)]),
        ("torch", 25, [*PIP, "install", *CONSTRAINTS, "torch"]),
        ("build tools", 5, [*PIP, "install", *CONSTRAINTS, *build_tools]),
        # its source package names no build requirements, hence without isolation
        ("PyRadiomics", 8, [*PIP, "install", *CONSTRAINTS, "--no-build-isolation", "pyradiomics==3.0.1"]),
        ("Slicer, MONAI and the rest", 45, [*PIP, "install", *CONSTRAINTS, *_requirements(extras)]),
        ("NSCLC Response", 3, [*PIP, "install", "--no-build-isolation", "--no-deps", "-e", str(ROOT)]),
    ]
    Bar([(name, seconds) for name, seconds, _ in steps]).run_all(lambda i: _logged(steps[i][2]))


def fingerprint(profile: str) -> str:
    """Changes when what has to be installed changes."""
    # minor version only: installing python3-dev may bring a patch release, which needs no new environment
    digest = hashlib.sha256(f"{profile} {sys.version_info[:2]} {ROOT}".encode())
    for name in ("pyproject.toml", "constraints.txt", ".ci/setup.py"):
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def main() -> int:
    """Set up the profile named on the command line."""
    profile = sys.argv[1] if len(sys.argv) > 1 else "run"
    if sys.version_info < (3, 10):
        die(f"Python {sys.version.split()[0]} is too old.", "Use Python 3.10 or newer.")
    install_system_libraries(SYSTEM_TEST if profile == "test" else SYSTEM_RUN)
    stamps = {name: VENV / f".set-up-{name}" for name in ("run", "test")}
    wanted = [stamps["test"]] + ([stamps["run"]] if profile == "run" else [])  # 'test' includes 'run'
    prints = {stamps[name]: fingerprint(name) for name in stamps}
    if any(stamp.exists() and stamp.read_text() == prints[stamp] for stamp in wanted):
        return 0
    install_python_packages(profile)
    stamps[profile].write_text(prints[stamps[profile]])
    return 0


if __name__ == "__main__":
    sys.exit(main())
