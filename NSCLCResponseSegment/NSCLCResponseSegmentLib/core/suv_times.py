"""When the scan began and when the tracer was injected: the part of SUV in which vendors differ most.

Source: QIBA Profile FDG-PET/CT 1.13, appendix G, robust version.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from .errors import PetError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

GE_CREATOR = "GEMS_PETD_01"
_AGREE_SECONDS = 60.0
_LONGEST_UPTAKE = timedelta(hours=12)  # over midnight; more means that injection and scan times contradict each other
_REMEDY = "Correct it with a DICOM editor from the examination's protocol, or give the PET as a NIfTI in SUVbw."


@dataclass(frozen=True)
class ScanStart:
    """The moment to which an image with Decay Correction START is corrected."""

    time: datetime
    origin: str


def _moment(date: Any, time: Any) -> datetime | None:
    """DICOM DA and TM as a time; ``None`` when one is missing or not valid."""
    day, clock = str(date or "").strip(), str(time or "").strip().replace(":", "")
    if not day or not clock:
        return None
    return _parse(day.replace(".", "") + clock)


def _parse(text: str) -> datetime | None:
    whole, _, fraction = text.partition(".")
    for pattern in ("%Y%m%d%H%M%S", "%Y%m%d%H%M"):
        try:
            base = datetime.strptime(whole, pattern)  # local time, by the scanner's clock
        except ValueError:
            continue
        return base + timedelta(seconds=float(f"0.{fraction}") if fraction.isdigit() else 0.0)
    return None


def scan_start(datasets: Sequence[Dataset], half_life: float, name: str) -> ScanStart:
    """When the scan began.

    Series Date and Time, unless an acquisition is earlier than that (the series was made by reprocessing): then GE's
    private scan time; else back from the frame reference times, if all slices agree; else the earliest acquisition.

    :param half_life: of the radionuclide, seconds.
    :raises PetError: none of them is there.
    """
    series = _moment(datasets[0].get("SeriesDate"), datasets[0].get("SeriesTime"))
    acquired = [_moment(d.get("AcquisitionDate"), d.get("AcquisitionTime")) for d in datasets]
    known = [a for a in acquired if a is not None]
    if not known:
        raise PetError(
            f"{name} lacks (0008,0022) Acquisition Date and (0008,0032) Acquisition Time, so when the scan began is"
            " unknown.",
            _REMEDY,
        )
    earliest = min(known)
    if series is not None and series <= earliest:
        return ScanStart(series, "Series Time")
    private = _ge_scan_time(datasets[0])
    if private is not None:
        return ScanStart(private, "GE private scan time (0009,100D)")
    back = _from_frame_reference(datasets, acquired, half_life)
    if back is not None:
        return ScanStart(back, "Frame Reference Time")
    return ScanStart(earliest, "the earliest Acquisition Time")


def _ge_scan_time(header: Dataset) -> datetime | None:
    try:
        value = header.private_block(0x0009, GE_CREATOR)[0x0D].value
    except KeyError:
        return None
    if isinstance(value, bytes):
        value = value.decode("ascii", errors="ignore")
    return _parse(str(value).strip(" \0"))


def _from_frame_reference(
    datasets: Sequence[Dataset], acquired: Sequence[datetime | None], half_life: float
) -> datetime | None:
    """Acquisition of the bed position, minus its Frame Reference Time, plus when its average count rate was reached."""
    found = []
    for header, begin in zip(datasets, acquired, strict=True):
        reference = float(header.get("FrameReferenceTime") or 0) / 1000.0
        duration = float(header.get("ActualFrameDuration") or 0) / 1000.0
        if begin is None or reference <= 0 or duration <= 0:
            return None
        constant = math.log(2.0) / half_life
        during = constant * duration
        average = math.log(during / (1.0 - math.exp(-during))) / constant
        found.append(begin + timedelta(seconds=average - reference))
    if (max(found) - min(found)).total_seconds() > _AGREE_SECONDS:
        return None  # acquisition times here are not those of the bed positions
    return sorted(found)[len(found) // 2]


def uptake_seconds(injection: Dataset, start: ScanStart, name: str) -> tuple[float, datetime, list[str]]:
    """Seconds from injection to scan start.

    :param injection: the item of Radiopharmaceutical Information Sequence.
    :returns: seconds, time of injection, notes.
    :raises PetError: the injection time is missing, or not before the scan.
    """
    stated = str(injection.get("RadiopharmaceuticalStartDateTime") or "").strip()
    clock = injection.get("RadiopharmaceuticalStartTime")
    notes: list[str] = []
    if stated:
        injected = _parse(stated.split("+")[0].split("-")[0])
        tag = "(0018,1078) Radiopharmaceutical Start DateTime"
    else:
        injected = _moment(f"{start.time:%Y%m%d}", clock)
        tag = "(0018,1072) Radiopharmaceutical Start Time"
        if injected is not None and injected > start.time:
            injected -= timedelta(days=1)
            notes.append("The tracer was taken to be injected before midnight of the day of the scan.")
    if injected is None:
        what = f"gives {tag} as '{stated or clock}'" if stated or clock else f"lacks {tag}"
        raise PetError(f"{name} {what}, so when the tracer was injected is unknown.", _REMEDY)
    uptake = start.time - injected
    if not timedelta(0) <= uptake <= _LONGEST_UPTAKE:
        hours = uptake.total_seconds() / 3600
        raise PetError(
            f"{name} puts the injection at {injected:%Y-%m-%d %H:%M:%S} ({tag}) and the start of the scan at"
            f" {start.time:%Y-%m-%d %H:%M:%S} ({start.origin}), {hours:.1f} h later, which cannot be.",
            _REMEDY,
        )
    return uptake.total_seconds(), injected, notes
