"""One place where a panel shows what went wrong, and why a button cannot be pressed."""

import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import slicer
from slicer.i18n import tr as _

from ..core.errors import JobCancelledError, NSCLCResponseError


def show_error(error: Exception) -> None:
    """Show the sentence of one of our errors; anything else is a defect, shown with its traceback in the details."""
    if isinstance(error, JobCancelledError):
        slicer.util.showStatusMessage(str(error), 5000)
    elif isinstance(error, NSCLCResponseError):
        text = f"{error.message}\n\n{error.remedy}".strip()
        slicer.util.errorDisplay(text, windowTitle=_("NSCLC Response"))
    else:
        details = "".join(traceback.format_exception(error))
        logging.error(details)
        text = _("This is a defect of NSCLC Response; please report it with the details.") + f"\n\n{error}"
        slicer.util.errorDisplay(text, windowTitle=_("NSCLC Response"), detailedText=details)


@contextmanager
def shown_errors(on_error: Callable[[], None] | None = None) -> Iterator[None]:
    """Show whatever is raised inside, once, and go on; ``on_error`` is called first."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 the panel's last line of defence
        if on_error is not None:
            on_error()
        show_error(error)


def explain_button(button: Any, reason: str, tip: str) -> None:
    """Enable ``button`` with the tooltip ``tip``, or disable it with the ``reason`` as its tooltip."""
    button.enabled = not reason
    button.toolTip = reason or tip
