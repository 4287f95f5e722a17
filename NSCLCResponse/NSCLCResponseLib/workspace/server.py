"""The workspace's server: one case, one scene, one session, however many tabs look at it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError

from ..render.app import new_app
from .access import HOST, Access
from .case_files import CaseFiles
from .flow import CaseFlow
from .job_runner import in_background
from .page import build_page
from .session import PageState, WorkspaceState
from .tools import CLICK, LOOK
from .views import FourViews, Point

if TYPE_CHECKING:
    from trame_slicer.core import SlicerApp

Action = Callable[..., Any]


class Workspace:
    """Connects page, views and flow. Everything runs on one event loop; heavy work is in the worker process.

    :param files: the case, see :func:`NSCLCResponseLib.workspace.case_files.find_case`.
    :param signature: the signature's folder; the shipped one without it.
    :raises NSCLCResponseError: the case cannot be read.
    """

    def __init__(self, files: CaseFiles, signature: Path | None = None) -> None:
        from trame.app import get_server

        self.access = Access()
        self._files = files
        self.server = get_server("nsclc-response-review", client_type="vue3")
        self._state = self.server.state
        self.data: WorkspaceState = PageState(self._state)
        app = _quiet_app()
        self.views = FourViews(app, self.server, on_point=self._on_point, on_moved=self._on_moved)
        self.flow = CaseFlow(app, self.data, self.views, self._state.flush, signature)
        self.flow.load(files)
        self._app = app
        self._state.trame__title = f"{self.data.patient} – NSCLC Response"
        self._follow_state()
        build_page(self.server, {name: self._guarded(action) for name, action in self.actions().items()})

    def actions(self) -> dict[str, Action]:
        """What the page can ask for, by name."""
        flow, views = self.flow, self.views
        return {
            "take_over": self._take_over,
            "preset": self._choose_preset,
            "fit": views.fit,
            "offset": views.set_offset,
            "tool": self._choose_tool,
            "keep_largest": flow.tools.keep_largest,
            "remove_small": flow.tools.remove_small,
            "trim": lambda: flow.tools.trim(self.data.threshold_low, self.data.threshold_high),
            "smooth": lambda: flow.tools.smooth(self.data.smoothing_mm),
            "undo": flow.tools.undo,
            "redo": flow.tools.redo,
            "lesion": flow.jump_to_lesion,
            "predict": flow.predict,
            "cancel": flow.jobs.cancel,
            "sign": flow.sign,
            "save": flow.save,
            "dismiss": lambda: flow.tell("", False),
            "clinical": self._enter_clinical,
        }

    def _guarded(self, action: Action) -> Action:
        """An action whose failure the user is told."""
        if inspect.iscoroutinefunction(action):
            return action  # their job's end tells it

        def run(*args: Any) -> None:
            try:
                action(*args)
            except NSCLCResponseError as error:
                self.flow.tell(str(error), True)
            except Exception as error:
                self.flow.tell(
                    f"This did not work ({error}). It is a defect of NSCLC Response; please report it.", True
                )
                raise

        return run

    def start(self, port: int = 0, *, open_browser: bool = True) -> None:
        """Serve until interrupted."""
        controller = self.server.controller
        controller.on_server_bind.add(self._on_bind)
        controller.on_server_ready.add(lambda **_: self._on_ready(open_browser))
        os.environ["WSLINK_READY_MSG"] = ""
        logging.getLogger("wslink").setLevel(logging.CRITICAL)  # tells of each tab that was closed
        try:
            self.server.start(
                port=port, host=HOST, open_browser=False, show_connection_info=False, timeout=0, disable_logging=True
            )
        finally:
            self.flow.close()

    # ---------------------------------------------------------------- server

    def _on_bind(self, web_server: Any) -> None:
        from aiohttp import web

        async def download(request: Any) -> Any:
            path = self.flow.result_file(request.match_info["name"])
            if path is None:
                return web.Response(status=404)
            return web.FileResponse(path, headers={"Content-Disposition": f'attachment; filename="{path.name}"'})

        self.access.protect(web_server.app)
        web_server.app.router.add_get("/results/{name}", download)

    def _on_ready(self, open_browser: bool) -> None:
        address = self.access.address(self.server.port)
        sys.stdout.write(f"Open {address}\nEnd with Ctrl+C.\n")
        sys.stdout.flush()
        has_screen = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        if open_browser and has_screen:
            webbrowser.open(address)
        asyncio.get_running_loop().set_exception_handler(_log_unless_gone)
        in_background(self.flow.show_lungs())
        if self._files.mask is not None:
            in_background(self.flow.import_outline(self._files))

    # ---------------------------------------------------------------- page to case

    def _follow_state(self) -> None:
        data, views, tools = self.data, self.views, self.flow.tools
        change = self._state.change
        change("pet_percent")(lambda **_: views.set_pet_opacity(data.pet_percent / 100))
        change("crosshair")(lambda **_: views.set_crosshair(is_shown=data.crosshair))
        change("brush_mm")(lambda **_: tools.set_brush(data.brush_mm))
        change("scissors_fill")(lambda **_: tools.set_scissors(data.scissors_fill))
        change("threshold_low", "threshold_high")(
            lambda **_: tools.set_threshold(data.threshold_low, data.threshold_high)
        )
        change("reviewer")(lambda **_: self.flow.reviewer_changed())

    def _take_over(self, tab: str) -> None:
        self.data.active_tab = tab

    def _choose_preset(self, name: str) -> None:
        self.data.preset = name
        self.views.set_preset(name)

    def _choose_tool(self, name: str) -> None:
        self.data.tool = name
        self.flow.tools.activate(name)

    def _enter_clinical(self, name: str, text: str) -> None:
        self.data.clinical_values = {**self.data.clinical_values, name: str(text)}
        self.flow.check_clinical()

    def _on_point(self, view: str, point: Point, is_press: bool) -> None:
        if self.data.tool == LOOK:
            self.views.move_to(point, except_for=view)
        elif self.data.tool == CLICK and is_press and not self.data.job:
            in_background(self.flow.outline_at(point))

    def _on_moved(self, view: str) -> None:
        self.data.slices = {**self.data.slices, view: self.views.position(view)}


def _log_unless_gone(_loop: object, context: dict[str, Any]) -> None:
    """A tab that was closed while something was being sent to it is no error."""
    error = context.get("exception")
    if not isinstance(error, ConnectionError):
        logging.getLogger(__name__).error("%s", context.get("message"), exc_info=error)


def _quiet_app() -> SlicerApp:
    """An application whose errors go to the log and whose warnings about the missing screen go nowhere."""
    import vtk

    vtk.vtkLogger.SetStderrVerbosity(vtk.vtkLogger.VERBOSITY_OFF)
    app = new_app()
    window = vtk.vtkOutputWindow.GetInstance()
    window.SetDisplayModeToNever()

    @vtk.calldata_type(vtk.VTK_STRING)
    def log(_caller: object, _event: str, text: str) -> None:
        logging.getLogger(__name__).error(text.strip())

    window.AddObserver("ErrorEvent", log)
    return app
