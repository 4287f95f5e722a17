"""Conformity with IBSI-1: every reference value beside ours, within its tolerance or with the reason why not."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk

from NSCLCResponseSegmentLib.core.errors import SettingsError

from .classes import discretise
from .engine import make_plan
from .ibsi_features import SHAPE, intensity_tags, texture_tags
from .ibsi_images import image_tags
from .ibsi_reasons import reason_for_formula, reason_for_processing, reason_not_offered
from .prepare import prepare
from .shape import compute_shape
from .textures import Neighbourhood

WITHIN, DIFFERS, NOT_OFFERED, UNEXPLAINED = "within", "differs", "not offered", "unexplained"
NO_CONSENSUS = "no consensus"
_LAYOUT = "Each line is: reference value;tolerance;tag."
VERDICTS = (WITHIN, DIFFERS, NOT_OFFERED, UNEXPLAINED, NO_CONSENSUS)


@dataclass(frozen=True)
class Configuration:
    """One of IBSI-1's ways to process an image.

    :param setting: PyRadiomics' settings for it.
    :param flat: texture by slice (2D and 2.5D).
    :param volume: texture in three dimensions.
    :param outlier_sigmas: see :class:`engine.Plan`.
    """

    name: str
    phantom: str
    reference: str
    setting: dict[str, Any]
    flat: bool
    volume: bool
    outlier_sigmas: float = 0.0

    @property
    def short_name(self) -> str:
        """What the user chooses it by: ``phantom``, ``A`` to ``E``."""
        return self.name.split()[-1]


_TO_2_MM = {"resampledPixelSpacing": [2, 2, 2], "interpolator": "sitkLinear", "padDistance": 1000}  # the whole image
CONFIGURATIONS = (
    Configuration("digital phantom", "digital_phantom", "ibsi_1_dig_phantom.csv", {"binWidth": 1}, True, True),
    Configuration(
        "CT A", "ct_phantom", "ibsi_1_chest_config_a.csv", {"binWidth": 25, "resegmentRange": [-500, 400]}, True, False
    ),
    Configuration(
        "CT B", "ct_phantom", "ibsi_1_chest_config_b.csv",
        {**_TO_2_MM, "resampledPixelSpacing": [2, 2, 0], "binCount": 32, "resegmentRange": [-500, 400]}, True, False,
    ),
    Configuration(
        "CT C", "ct_phantom", "ibsi_1_chest_config_c.csv",
        {**_TO_2_MM, "binWidth": 25, "resegmentRange": [-1000, 400]}, False, True,
    ),
    Configuration(
        "CT D", "ct_phantom", "ibsi_1_chest_config_d.csv",
        {**_TO_2_MM, "binCount": 32, "resegmentRange": [-3, 3], "resegmentMode": "sigma"}, False, True,
    ),
    Configuration(
        "CT E", "ct_phantom", "ibsi_1_chest_config_e.csv",
        {**_TO_2_MM, "interpolator": "sitkBSpline", "binCount": 32, "resegmentRange": [-1000, 400]}, False, True, 3.0,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Value:
    """One value and what to say of it."""

    number: float | None
    verdict: str
    reason: str = ""


@dataclass(frozen=True)
class Comparison:
    """One line of the table.

    :param tolerance: IBSI's.
    :param ours: with IBSI's resampling and bins (``--ibsi``).
    :param pyradiomics: with PyRadiomics' own resampling and bins, as every other command has it.
    """

    configuration: str
    tag: str
    consensus: float
    tolerance: float
    ours: Value
    pyradiomics: Value


@dataclass(frozen=True)
class _Consensus:
    value: float
    tolerance: float
    digits: int  # significant ones that the file gives


def read_reference(path: Path) -> dict[str, _Consensus]:
    """Consensus by tag from a reference file: ``reference value;tolerance;tag``, one feature a line.

    :raises SettingsError: it cannot be read, or a line holds no numbers.
    """
    found: dict[str, _Consensus] = {}
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for line in csv.reader(stream, delimiter=";"):
                number += 1
                if len(line) < 3 or not line[2].strip() or line[2].strip() == "tag":
                    continue
                digits = len(re.sub(r"[eE].*|[-.]", "", line[0]).strip().strip("0"))
                found[line[2].strip()] = _Consensus(float(line[0] or "nan"), float(line[1] or 0), max(3, digits))
    except OSError as problem:
        raise SettingsError(f"The reference {path} cannot be read: {problem.strerror}.", "Check the path.") from problem
    except ValueError as problem:
        raise SettingsError(f"The reference {path} is wrong (line {number}): {problem}.", _LAYOUT) from problem
    if not found:
        raise SettingsError(f"The reference {path} holds no values.", _LAYOUT)
    return found


def reference_file(configuration: Configuration, folder: Path) -> Path:
    """Where a configuration's reference values are looked for when none are given."""
    return folder / "reference" / configuration.reference


def compare(configuration: Configuration, folder: Path, reference_path: Path | None = None) -> list[Comparison]:
    """Compute one configuration on its phantom, both ways, and compare every reference value.

    :param folder: holds ``digital_phantom``, ``ct_phantom`` and ``reference``.
    :param reference_path: as for :func:`read_reference`; by default the folder's. Where there is none, every value that
        we have is listed without a consensus.
    :raises SettingsError: the reference file cannot be read or has no values.
    """
    image, mask = (sitk.ReadImage(str(folder / configuration.phantom / f"{n}.nii.gz")) for n in ("image", "mask"))
    image = sitk.Cast(image, sitk.sitkInt16)
    mask = sitk.Cast(mask != 0, sitk.sitkUInt8)
    ours = compute(image, mask, configuration, ibsi=True)
    stock = compute(image, mask, configuration, ibsi=False)
    path = reference_path or reference_file(configuration, folder)
    given = read_reference(path) if reference_path or path.is_file() else {}
    reference = given or dict.fromkeys(ours, _Consensus(float("nan"), 0.0, 3))
    rows = []
    for tag, consensus in reference.items():
        own = _judge(tag, ours.get(tag), consensus)
        other = _judge(tag, stock.get(tag), consensus)
        if other.verdict == UNEXPLAINED:
            other = replace(other, verdict=DIFFERS, reason=own.reason or reason_for_processing(tag, configuration))
        rows.append(Comparison(configuration.name, tag, consensus.value, consensus.tolerance, own, other))
    return rows


def _judge(tag: str, value: float | None, consensus: _Consensus) -> Value:
    if np.isnan(consensus.value):
        return Value(value, NO_CONSENSUS, "the reference holds no value")
    if value is None:
        reason = reason_not_offered(tag)
        return Value(None, NOT_OFFERED if reason else UNEXPLAINED, reason)
    if agrees(value, consensus):
        return Value(value, WITHIN)
    reason = reason_for_formula(tag, lambda other: agrees(other, consensus), value)
    return Value(value, DIFFERS if reason else UNEXPLAINED, reason)


def agrees(value: float, consensus: _Consensus) -> bool:
    """Within the tolerance, after rounding to the digits that the consensus is given with."""
    wanted = consensus.value
    size = abs(wanted) if wanted else 1.0
    places = consensus.digits - 1 - int(np.floor(np.log10(size)))
    return abs(round(value, places) - wanted) <= consensus.tolerance * (1 + 1e-9) + 1e-12


def compute(image: sitk.Image, mask: sitk.Image, configuration: Configuration, *, ibsi: bool) -> dict[str, float]:
    """All values that we have for a configuration, by IBSI tag.

    :param ibsi: with IBSI's resampling and bins; otherwise with PyRadiomics'.
    """
    sigmas = configuration.outlier_sigmas if ibsi else 0.0
    parameters = {"setting": configuration.setting, "featureClass": {"shape": list(SHAPE.values())}}
    plan = make_plan(parameters, ibsi=ibsi, outlier_sigmas=sigmas)
    prepared = prepare(image, mask, plan)
    found = compute_shape(prepared, plan).values
    values = {tag: found[f"original_shape_{name}"] for tag, name in SHAPE.items()}
    values |= image_tags(image, mask, prepared)
    inside = sitk.GetArrayFromImage(prepared.crop(prepared.mask)) == 1
    grey = sitk.GetArrayFromImage(prepared.crop(prepared.image))
    binned = discretise(grey, Neighbourhood((inside,)), plan.setting, ibsi=ibsi)
    values |= intensity_tags(prepared, plan.setting, binned)
    values |= texture_tags(prepared, plan.setting, binned, flat=configuration.flat, volume=configuration.volume)
    return values


def totals(verdicts: Iterable[str]) -> dict[str, int]:
    """How often each verdict was given."""
    counted = dict.fromkeys(VERDICTS, 0)
    for verdict in verdicts:
        counted[verdict] += 1
    return counted
