"""The workspace's server: one case, one scene, one session, however many tabs look at it."""

from __future__ import annotations

import asyncio
import inspect
import logging
import os
import sys
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from NSCLCResponseSegmentLib.core.errors import NSCLCResponseError
from NSCLCResponseSegmentLib.core.jobs import WarmWorker

from ..core.case_files import CaseFiles
from .access import HOST, Access
from .job_runner import in_background
from .layout import Point
from .opening import CtReading, load_slicer, quiet_app
from .page import build_page
from .page_style import LOADING
from .session import PageState, WorkspaceState
from .streaming import prepare_streaming
from .tools import CLICK, EDITING, LOOK

if TYPE_CHECKING:
    import numpy as np

    from NSCLCResponseSegmentLib.core.case import LoadedImage

    from .flow import CaseFlow
    from .views import FourViews

Action = Callable[..., Any]
_SEEN_SECONDS = 2.0  # at most; until then both cores work for the first pictures
_OPACITY_PERCENT = {"pet": 40, "map": 75}
_GOODBYE_SECONDS = 1.0  # for the page to get the reason why a case cannot be opened


class Workspace:
    """Connects page, views and flow. Everything runs on one event loop; heavy work is in the worker process.

    The page is served at once; reading the CT and loading Slicer's libraries go on meanwhile.

    :param files: the case, see :func:`NSCLCResponseLib.core.case_files.find_case`.
    :param signature: the signature's folder; the shipped one without it.
    :param contours: how often the outline is redrawn for a prediction's range; the usual number without it.
    """

    def __init__(self, files: CaseFiles, signature: Path | None = None, contours: int | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nsclc-response-review-", ignore_cleanup_errors=True)
        self._worker = WarmWorker()
        self._files, self._signature, self._contours = files, signature, contours
        self._reading = CtReading(self._worker, files, Path(self._folder.name))

        from trame.app import get_server  # after the other process has begun

        self.access = Access()
        self._failure: NSCLCResponseError | None = None
        self.views: FourViews | None = None
        self.flow: CaseFlow | None = None
        self._actions: dict[str, Action] = {"take_over": self._take_over}
        self.server = get_server("nsclc-response-review", client_type="vue3")
        self._state = self.server.state
        self.data: WorkspaceState = PageState(self._state)
        self.data.patient = files.patient_id or files.ct.name.split(".")[0]
        self._state.trame__title = f"{self.data.patient} – NSCLC Response"
        prepare_streaming(self.server)
        build_page(self.server, self._act)

    def _case_actions(self) -> dict[str, Action]:
        """What the page can ask for, by name, once there is a case."""
        flow, views, data = self.flow, self.views, self.data
        outlining, tools = flow.outlining, flow.outlining.tools
        return {
            "preset": self._choose_preset,
            "fit": views.fit,
            "offset": views.scroll_to,
            "scroll": views.scroll,
            "tool": self._choose_tool,
            "keep_largest": tools.keep_largest,
            "remove_small": tools.remove_small,
            "trim": lambda: tools.trim(data.threshold_low, data.threshold_high),
            "smooth": lambda: tools.smooth(data.smoothing_mm),
            "undo": outlining.undo,
            "redo": outlining.redo,
            "model": outlining.outline_by_model,
            "size": outlining.choose_size,
            "lesion": outlining.jump_to_lesion,
            "apply_lesions": outlining.apply_lesions,
            "predict": flow.reviewing.predict,
            "cancel": flow.jobs.cancel,
            "answer": flow.answer,
            "sign": flow.reviewing.sign,
            "save": flow.reviewing.save,
            "dismiss": lambda: flow.tell("", False),
            "clinical": self._enter_clinical,
        }

    def _act(self, name: str, *args: Any) -> None:
        """Do what the page asks for. Long actions go on by themselves; the user is told of failures."""
        action = self._actions.get(name)
        if action is None:
            return  # the case is still being opened
        if inspect.iscoroutinefunction(action):
            in_background(self._told(action, args))
            return
        try:
            action(*args)
        except Exception as error:  # noqa: BLE001 the user is told, the log has the traceback
            self._tell_failure(error)

    async def _told(self, action: Action, args: tuple[Any, ...]) -> None:
        try:
            await action(*args)
        except Exception as error:  # noqa: BLE001 the user is told, the log has the traceback
            self._tell_failure(error)

    def _tell_failure(self, error: Exception) -> None:
        if isinstance(error, NSCLCResponseError):
            self.flow.tell(str(error), True)
            return
        self.flow.tell(f"This did not work ({error}). It is a defect of NSCLC Response; please report it.", True)
        logging.getLogger(__name__).error("A step of the workspace failed.", exc_info=error)

    def start(self, port: int = 0, *, open_browser: bool = True) -> None:
        """Serve until interrupted.

        :raises NSCLCResponseError: the case cannot be opened.
        """
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
            if self.flow is not None:
                self.flow.close()
            self._worker.close()
            self._folder.cleanup()
        if self._failure is not None:
            raise self._failure

    # ---------------------------------------------------------------- server

    def _on_bind(self, web_server: Any) -> None:
        from aiohttp import web

        async def download(request: Any) -> Any:
            path = self.flow.reviewing.result_file(request.match_info["name"]) if self.flow else None
            if path is None:
                return web.Response(status=404)
            return web.FileResponse(path, headers={"Content-Disposition": f'attachment; filename="{path.name}"'})

        async def loading(_request: Any) -> Any:
            return web.Response(text=LOADING, content_type="text/html")

        self.access.protect(web_server.app)
        web_server.app.router.add_get("/results/{name}", download)
        web_server.app.router.add_get("/loading.tpl", loading)  # in place of trame's

    def _on_ready(self, open_browser: bool) -> None:
        address = self.access.address(self.server.port)
        sys.stdout.write(f"Open {address}\nEnd with Ctrl+C.\n")
        sys.stdout.flush()
        has_screen = sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        if open_browser and has_screen:
            webbrowser.open(address)
        asyncio.get_running_loop().set_exception_handler(_log_unless_gone)
        in_background(self._open())

    # ---------------------------------------------------------------- the case

    async def _open(self) -> None:
        """Read the CT while Slicer is loaded, show it, then everything that can wait."""
        loop = asyncio.get_running_loop()
        self._say("Reading the CT")
        try:
            reading = loop.run_in_executor(None, self._reading.wait)
            (ct, body_ras), _ = await asyncio.gather(reading, self._open_views())
            self._show(ct, body_ras)
        except NSCLCResponseError as error:
            self._failure = error
            self._say(str(error))
            await asyncio.sleep(_GOODBYE_SECONDS)
            await self.server.stop()
            return
        await self.views.wait_until_seen(_SEEN_SECONDS)
        await self.flow.complete(self._files)

    def _say(self, text: str) -> None:
        self.data.opening = text
        self._state.flush()

    async def _open_views(self) -> None:
        """The views without a picture: the page makes room for them and tells their size while the CT is awaited."""
        await asyncio.get_running_loop().run_in_executor(None, load_slicer)
        from .flow import CaseFlow
        from .views import FourViews

        app = quiet_app()
        self.views = FourViews(app, self.server, on_point=self._on_point, on_moved=self._on_moved)
        self.data.has_views = True
        self._state.flush()
        await asyncio.sleep(0)
        self.flow = CaseFlow(
            app,
            self.data,
            self.views,
            self._state.flush,
            worker=self._worker,
            folder=Path(self._folder.name),
            signature=self._signature,
            contours=self._contours,
        )

    def _show(self, ct: LoadedImage, body_ras: np.ndarray) -> None:
        self.flow.show_ct(ct, body_ras, self._files.patient_id)
        self._state.trame__title = f"{self.data.patient} – NSCLC Response"
        self._follow_state()
        self._actions.update(self._case_actions())
        self._say("")

    # ---------------------------------------------------------------- page to case

    def _follow_state(self) -> None:
        """Views and tools begin as the page says, and follow it from then on."""
        data, views, tools = self.data, self.views, self.flow.outlining.tools
        followers: dict[tuple[str, ...], Callable[[], None]] = {
            ("overlay",): self._choose_overlay,
            ("overlay_percent",): lambda: views.set_overlay_opacity(data.overlay_percent / 100),
            ("crosshair",): lambda: views.set_crosshair(is_shown=data.crosshair),
            ("brush_mm",): lambda: tools.set_brush(data.brush_mm),
            ("scissors_fill",): lambda: tools.set_scissors(data.scissors_fill),
            ("threshold_low", "threshold_high"): lambda: tools.set_threshold(data.threshold_low, data.threshold_high),
            ("reviewer",): self.flow.check_buttons,
        }
        for names, follow in followers.items():
            follow()
            self._state.change(*names)(lambda follow=follow, **_: follow())

    def _take_over(self, tab: str) -> None:
        self.data.active_tab = tab

    def _choose_preset(self, name: str) -> None:
        self.data.preset = name
        self.views.set_preset(name)

    def _choose_overlay(self) -> None:
        """Each kind comes with the opacity that suits it: CT must be seen through a PET, a map is faint by itself."""
        self.views.set_overlay(self.data.overlay)
        if self.data.overlay in _OPACITY_PERCENT:
            self.data.overlay_percent = _OPACITY_PERCENT[self.data.overlay]

    def _choose_tool(self, name: str) -> None:
        self.data.tool = name
        if name in EDITING:
            self.flow.outlining.forget_sizes()
        self.flow.outlining.tools.activate(name)

    def _enter_clinical(self, values: dict[str, str]) -> None:
        self.data.clinical_values = {name: str(text) for name, text in values.items()}
        self.flow.reviewing.check_clinical()

    def _on_point(self, view: str, point: Point, is_press: bool) -> None:
        if self.data.tool == LOOK:
            self.views.follow(point, except_for=view)
        elif self.data.tool == CLICK and is_press and not self.data.job:
            in_background(self._told(self.flow.outlining.click_at, (point,)))

    def _on_moved(self, view: str) -> None:
        self.data.slices = {**self.data.slices, view: self.views.position(view)}
        self._state.flush()


def _log_unless_gone(_loop: object, context: dict[str, Any]) -> None:
    """A tab that was closed while something was being sent to it is no error."""
    error = context.get("exception")
    if not isinstance(error, ConnectionError):
        logging.getLogger(__name__).error("%s", context.get("message"), exc_info=error)
