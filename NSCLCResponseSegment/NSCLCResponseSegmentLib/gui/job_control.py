"""The primary button of a step: starts a job in the worker, becomes Cancel, shows how far it is."""

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from ..core.time_left import TimeLeft
from .errors import explain_button, show_error, shown_errors
from .starting_job import Job, StartingJob

_POLL_MS = 100


class JobControl:
    """Button, bar and text of one step. The application stays responsive: a timer asks for the job's lines.

    :param button: the step's primary button; its text is what it does.
    :param bar: progress bar, hidden while nothing runs.
    :param label: what happens now and how long it takes; afterwards what the work had to remark, if anything.
    :param start: called by the button; returns what starts the job, which is then called in a thread, or nothing when
        the user thought better of it.
    :param finish: called with the job that ended well or badly; raises what it must, which is shown.
    :param changed: called after each start and end, to update the rest of the panel.
    :param fetch: reads what the job left, in a thread, before ``finish``; raises what ``finish`` would.
    :param remarks: whether the label keeps the job's remarks; not where the result shows them.
    """

    def __init__(
        self,
        button: qt.QPushButton,
        bar: qt.QProgressBar,
        label: qt.QLabel,
        start: Callable[[], Callable[[], Job] | None],
        finish: Callable[[Job], None],
        changed: Callable[[], None],
        *,
        fetch: Callable[[Job], None] | None = None,
        remarks: bool = True,
    ) -> None:
        self._button, self._bar, self._label = button, bar, label
        self._start, self._fetch, self._finish, self._changed = start, fetch, finish, changed
        self._text = button.text
        self._tool_tip = button.toolTip
        self._job: StartingJob | None = None
        self._time_left = TimeLeft()
        self._remarks = remarks
        self.warnings: list[str] = []
        self._timer = qt.QTimer()
        self._timer.setInterval(_POLL_MS)
        self._timer.connect("timeout()", self._on_timer)
        button.connect("clicked(bool)", self._on_clicked)
        self._show_idle()

    @property
    def running(self) -> bool:
        """Whether a job is under way."""
        return self._job is not None

    def set_blocked(self, reason: str) -> None:
        """Disable the button and say why in its tooltip; an empty ``reason`` enables it."""
        if self.running:
            return
        explain_button(self._button, reason, self._tool_tip)

    def set_text(self, text: str) -> None:
        """What the button does when nothing runs."""
        self._text = text
        if not self.running:
            self._button.text = text

    def start(self) -> None:
        """What a click on the idle button does; errors are shown."""
        if self.running:
            return
        with shown_errors(self._show_idle):
            make = self._start()
            self._job = StartingJob(make, self._fetch) if make is not None else None
        if self._job is not None:
            self._show_running()
        self._changed()

    def cancel(self) -> None:
        """End the job, if one runs; nothing of it is kept."""
        if self._job is None:
            return
        job, self._job = self._job, None
        self._timer.stop()
        job.cancel()
        self._show_idle()
        self._end(job)

    def _on_clicked(self, _checked: bool = False) -> None:
        if self.running:
            self.cancel()
        else:
            self.start()

    def _on_timer(self) -> None:
        job = self._job
        if job is None:
            return
        for event in job.poll():
            if event["type"] == "progress":
                self._show_progress(event["value"], event["text"])
            elif event["type"] == "warning":
                self.warnings.append(event["text"])
        if not job.running:
            self._job = None
            self._timer.stop()
            self._show_idle()
            self._end(job)

    def _end(self, job: StartingJob) -> None:
        try:
            self._finish(job.started())
        except Exception as error:  # noqa: BLE001 shown to the user, whatever it is
            show_error(error)
        self._changed()

    def _show_running(self) -> None:
        self._time_left = TimeLeft()
        self.warnings = []
        self._button.text = _("Cancel")
        self._button.toolTip = _("End this and keep everything as it was")
        self._button.enabled = True
        self._bar.visible = True
        self._label.visible = True
        self._show_progress(0.0, _("Starting"))
        self._timer.start()

    def _show_progress(self, value: float, text: str) -> None:
        self._bar.value = round(100 * value)
        left = self._time_left.words(value)
        self._label.text = f"{text} ({left})" if left else text

    def _show_idle(self) -> None:
        self._button.text = self._text
        self._button.toolTip = self._tool_tip
        self._bar.visible = False
        remarks = "\n".join(self.warnings) if self._remarks else ""
        self._label.text = remarks
        self._label.visible = bool(remarks)
