"""Errors that a user can act on.

Every message is one sentence that says what is wrong and where; ``remedy`` is one sentence that says how to mend it.
Anything else that is raised is a defect of ours and is reported as such.
"""

from __future__ import annotations


class NSCLCResponseError(Exception):
    """Base of all errors that are shown to the user as they are.

    :param message: what is wrong, and where (file, series, region); one sentence.
    :param remedy: what to do about it; one sentence, may be empty when ``message`` says it already.
    """

    exit_code = 2

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class ImageError(NSCLCResponseError):
    """The image cannot be read, or is not what it is said to be (modality, units, geometry)."""


class MaskError(NSCLCResponseError):
    """The tumour mask is empty, lies elsewhere, or names a region that does not exist."""


class PetError(NSCLCResponseError):
    """SUVbw cannot be computed from this PET, or it does not belong to the CT."""


class SegmentationError(NSCLCResponseError):
    """No outline can be made from what was given (a click in air, a model for another modality)."""


class ClinicalError(NSCLCResponseError):
    """A clinical variable is unknown or its value impossible."""


class SettingsError(NSCLCResponseError):
    """A settings or roles file is wrong; the message names file, line and key."""


class CohortError(NSCLCResponseError):
    """A cohort table cannot be used as it is."""


class SignatureError(NSCLCResponseError):
    """A signature folder is incomplete, changed, unsafe, or does not fit the case."""


class OutputError(NSCLCResponseError):
    """Results cannot be written (read-only, full, or already there)."""


class DependencyError(NSCLCResponseError):
    """A library is missing or too old; the remedy is the command that installs it."""


class JobFailedError(NSCLCResponseError):
    """A worker process ended without a result."""

    exit_code = 1


class JobCancelledError(NSCLCResponseError):
    """The user cancelled."""

    exit_code = 130

    def __init__(self, message: str = "Cancelled; nothing was written.", remedy: str = "") -> None:
        super().__init__(message, remedy)
