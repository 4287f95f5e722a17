"""When the scan began and when the tracer was injected: the part of SUV in which vendors differ most.

Source: QIBA Profile FDG-PET/CT 1.13, appendix G, robust version.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .dicom_files import text
from .errors import PetError

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

GE_CREATOR = "GEMS_PETD_01"
_AGREE_SECONDS = 60.0
_LONGEST_UPTAKE = timedelta(hours=12)  # or three half-lives; more means that the times contradict each other
_REMEDY = "Correct it with a DICOM editor from the examination's protocol, or give the PET as a NIfTI in SUVbw."


@dataclass(frozen=True)
class ScanStart:
    """The moment to which an image with Decay Correction START is corrected."""

    time: datetime
    origin: str


def _moment(date: str, clock: str) -> datetime | None:
    """DICOM DA and TM as a time; ``None`` when one is missing or not valid."""
    if not date or not clock:
        return None
    return _parse(date.replace(".", "") + clock.replace(":", ""))


def _parse(value: str) -> datetime | None:
    whole, _, fraction = value.partition(".")
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
    series = _moment(text(datasets[0], "SeriesDate"), text(datasets[0], "SeriesTime"))
    acquired = [_moment(text(d, "AcquisitionDate"), text(d, "AcquisitionTime")) for d in datasets]
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


def private_text(header: Dataset, group: int, creator: str, element: int) -> str:
    """A vendor's private value as text; empty when it is absent.

    Anonymisers often remove the creator (gggg,0010) and keep the values; then the first block is believed.
    """
    try:
        value = header.private_block(group, creator)[element].value
    except KeyError:
        if (group, 0x0010) in header or (group, 0x1000 + element) not in header:
            return ""
        value = header[group, 0x1000 + element].value
    if isinstance(value, bytes):  # private values of an implicit file come without their type
        value = value.decode("ascii", errors="ignore")
    return str(value).strip(" \0")


def _ge_scan_time(header: Dataset) -> datetime | None:
    if "GE" not in text(header, "Manufacturer").upper():
        return None
    return _parse(private_text(header, 0x0009, GE_CREATOR, 0x0D))


def _from_frame_reference(
    datasets: Sequence[Dataset], acquired: Sequence[datetime | None], half_life: float
) -> datetime | None:
    """Acquisition of the bed position, minus its Frame Reference Time, plus when its average count rate was reached."""
    found = []
    for header, begin in zip(datasets, acquired, strict=True):
        reference = float(text(header, "FrameReferenceTime") or 0) / 1000.0
        duration = float(text(header, "ActualFrameDuration") or 0) / 1000.0
        if begin is None or reference <= 0 or duration <= 0:
            return None
        constant = math.log(2.0) / half_life
        during = constant * duration
        average = math.log(during / (1.0 - math.exp(-during))) / constant
        found.append(begin + timedelta(seconds=average - reference))
    if (max(found) - min(found)).total_seconds() > _AGREE_SECONDS:
        return None  # acquisition times here are not those of the bed positions
    return sorted(found)[len(found) // 2]


def uptake_seconds(
    header: Dataset, injection: Dataset, start: ScanStart, half_life: float, name: str
) -> tuple[float, datetime, list[str]]:
    """Seconds from injection to scan start.

    :param header: of the image, for its time zone.
    :param injection: the item of Radiopharmaceutical Information Sequence.
    :returns: seconds, time of injection, notes.
    :raises PetError: the injection time is missing, contradicts itself, or is not shortly before the scan.
    """
    stated, clock = text(injection, "RadiopharmaceuticalStartDateTime"), text(injection, "RadiopharmaceuticalStartTime")
    notes: list[str] = []
    if stated:
        tag = "(0018,1078) Radiopharmaceutical Start DateTime"
        injected = _local(stated, text(header, "TimezoneOffsetFromUTC"))
    else:
        tag = "(0018,1072) Radiopharmaceutical Start Time"
        injected = _moment(f"{start.time:%Y%m%d}", clock)
        if injected is not None and injected > start.time:
            injected -= timedelta(days=1)
            notes.append("The tracer was taken to be injected before midnight of the day of the scan.")
    if injected is None:
        what = f"gives {tag} as '{stated or clock}'" if stated or clock else f"lacks {tag}"
        raise PetError(f"{name} {what}, so when the tracer was injected is unknown.", _REMEDY)
    _require_one_clock(injected, clock, name)
    uptake = start.time - injected
    if not timedelta(0) <= uptake <= max(_LONGEST_UPTAKE, timedelta(seconds=3 * half_life)):
        hours = uptake.total_seconds() / 3600
        raise PetError(
            f"{name} puts the injection at {injected:%Y-%m-%d %H:%M:%S} by {tag} and the start of the scan at"
            f" {start.time:%Y-%m-%d %H:%M:%S} by {start.origin}, {hours:.1f} h later, which cannot be.",
            _REMEDY,
        )
    return uptake.total_seconds(), injected, notes


def _local(stated: str, zone: str) -> datetime | None:
    """A DICOM DT on the scanner's clock; its own offset from UTC counts only when the image says the scanner's."""
    match = re.fullmatch(r"([\d.]+)([+-]\d{4})?", stated)
    if match is None:
        return None
    value = _parse(match.group(1))
    if value is None or match.group(2) is None or re.fullmatch(r"[+-]\d{4}", zone) is None:
        return value
    return value - _offset(match.group(2)) + _offset(zone)


def _offset(zone: str) -> timedelta:
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    return timedelta(minutes=-minutes if zone[0] == "-" else minutes)


def _require_one_clock(injected: datetime, clock: str, name: str) -> None:
    other = _moment(f"{injected:%Y%m%d}", clock)
    if other is not None and abs((other - injected).total_seconds()) > _AGREE_SECONDS:
        raise PetError(
            f"{name} contradicts itself: the tracer was injected at {injected:%H:%M:%S} by (0018,1078), but at"
            f" {other:%H:%M:%S} by (0018,1072).",
            _REMEDY,
        )
