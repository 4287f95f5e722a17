"""Installs what the worker needs, when work is started for the first time, with a plain explanation.

Slicer's own numpy, scipy, SimpleITK and pydicom are never replaced: pip gets their versions as constraints. PyTorch
comes through the extension PyTorch, which chooses the build that fits the computer; PyRadiomics comes through
SlicerRadiomics. Without a main window nobody can answer a question: what is missing is installed unasked.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import slicer
import slicer.packaging
from slicer.i18n import tr as _

from ..core.errors import DependencyError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

REQUIREMENTS = Path(__file__).resolve().parents[2] / "Resources" / "requirements.txt"
_REQUESTER = "NSCLC Response"
_TORCH_VERSION = ">=2.4"
_BRING_TORCH = ("monai", "captum")  # pip would add a PyTorch of its own choice with them, so only after ours is there
_KEPT = ("numpy", "scipy", "SimpleITK", "pydicom", "requests", "torch", "torchvision", "pyradiomics")


def ensure_dependencies(*, torch: bool = True, radiomics: bool = True) -> None:
    """Make sure that a worker can run; asks before it installs anything.

    :param torch: the work needs PyTorch.
    :param radiomics: the work needs PyRadiomics.
    :raises DependencyError: something is missing and was not, or could not be, installed.
    """
    if radiomics:
        _require_radiomics()
    if torch:
        _require_torch()
    _require_packages(torch=torch)


def _is_installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _require_radiomics() -> None:
    if not _is_installed("radiomics"):
        raise DependencyError(
            _("PyRadiomics, which measures the tumour, is missing."),
            _("Install the extension SlicerRadiomics in the Extensions Manager, restart Slicer and try again."),
        )


def _require_torch() -> None:
    if _is_installed("torch"):
        return
    try:
        import PyTorchUtils
    except ImportError as error:
        raise DependencyError(
            _("PyTorch, which runs the neural networks, is missing."),
            _("Install the extension PyTorch in the Extensions Manager, restart Slicer and try again."),
        ) from error
    try:
        torch = PyTorchUtils.PyTorchUtilsLogic().installTorch(
            askConfirmation=_somebody_can_answer(), torchVersionRequirement=_TORCH_VERSION
        )
    except Exception as error:  # whatever another extension, pip or the network raises
        raise DependencyError(
            _("PyTorch could not be installed: {reason}.").format(reason=_reason(error)),
            _("Check the network, or use the module PyTorch Utils, then try again."),
        ) from error
    if torch is None:
        raise DependencyError(
            _("PyTorch, which runs the neural networks, was not installed."),
            _("Start again and accept the installation, or use the module PyTorch Utils."),
        )


def _somebody_can_answer() -> bool:
    return slicer.util.mainWindow() is not None


def _require_packages(*, torch: bool) -> None:
    requirements = [r for r in slicer.packaging.load_requirements(REQUIREMENTS) if torch or r.name not in _BRING_TORCH]
    missing = _missing(requirements)
    if not missing:
        return
    names = ", ".join(r.name for r in missing)
    if _somebody_can_answer():
        _ask(names, len(missing))
    try:
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder) / "constraints.txt"
            constraints.write_text(kept_versions(), encoding="utf-8")
            slicer.packaging.pip_ensure(
                missing,
                constraints=constraints,
                prompt_install=False,
                prompt_restart=_somebody_can_answer(),
                requester=_REQUESTER,
            )
    except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
        raise _not_installed(names, _reason(error)) from error
    missing = _missing(missing)
    if missing:  # a Slicer in testing mode installs nothing and says nothing
        raise _not_installed(", ".join(r.name for r in missing), _("pip did nothing"))


def _missing(requirements: list[Requirement]) -> list[Requirement]:
    return [r for r in requirements if not slicer.packaging.pip_check(r)]


def _ask(names: str, count: int) -> None:
    """:raises DependencyError: the user declined."""
    question = _(
        "NSCLC Response needs {count} more Python packages ({names}).\n\n"
        "They are downloaded from the Python Package Index into Slicer's own Python. This is done once."
        " Packages that Slicer itself relies on stay as they are.\n\nInstall them now?"
    ).format(count=count, names=names)
    if not slicer.util.confirmOkCancelDisplay(question, _REQUESTER):
        raise DependencyError(
            _("The Python packages {names} are missing.").format(names=names),
            _("Start again and accept their installation."),
        )


def _not_installed(names: str, reason: str) -> DependencyError:
    return DependencyError(
        _("The Python packages {names} could not be installed: {reason}.").format(names=names, reason=reason),
        _("Check the network and the error log (View menu), then try again."),
    )


def _reason(error: Exception) -> str:
    """The end of a sentence that says why; Slicer has shown pip's own words already."""
    if isinstance(error, subprocess.CalledProcessError):
        return _("pip ended with exit code {code}, its last lines say why").format(code=error.returncode)
    return str(error).rstrip(".") or type(error).__name__


def kept_versions() -> str:
    """pip constraints that keep what Slicer and other extensions rely on at the versions that are installed."""
    lines = []
    for name in _KEPT:
        try:
            lines.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "\n".join(lines) + "\n"
