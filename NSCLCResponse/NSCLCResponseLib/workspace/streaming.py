"""How pictures of the views get to the page: rendered once when something changed, and as sharp while it moves."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from .pacing import Turns

if TYPE_CHECKING:
    from trame_server import Server
    from trame_slicer.core import ViewManager
    from trame_slicer.views import AbstractView

_FPS, _FPS_ELSEWHERE = 25.0, 20.0  # under the mouse, and in the other views
_FIRST_SIZE = (16, 16)  # the factory renders a picture that nobody sees
LIKELY_SIZE = (480, 360)  # until the page tells its own
_JPEG_QUALITY = 90  # that of trame-rca at rest; with another one while it moves, each view would be rendered twice


def prepare_streaming(server: Server) -> None:
    """Let the page load what shows the pictures; before the server starts, and without loading Slicer."""
    from trame_rca import module

    server.enable_module(module)


def register_views(manager: ViewManager, server: Server) -> None:
    """Slice and 3D views that are streamed to the page.

    trame-slicer's own factories render a view at each of the sixty changes while it is being set up, three seconds
    in all; these render first when the page asks.
    """
    from trame_slicer.rca_view.rca_view_factory import RemoteViewFactory
    from trame_slicer.views import SliceView, ThreeDView, ViewType

    for kind, view_type in ((SliceView, ViewType.SLICE_VIEW), (ThreeDView, ViewType.THREE_D_VIEW)):
        manager.register_factory(
            RemoteViewFactory(
                server,
                partial(_silent, kind),
                view_type,
                target_fps=_FPS,
                blur_fps=_FPS_ELSEWHERE,
                interactive_quality=_JPEG_QUALITY,
            )
        )


def _silent(kind: Any, **arguments: Any) -> AbstractView:
    from trame_slicer.views import NoScheduleRendering

    view = kind(scheduled_render_strategy=NoScheduleRendering(), **arguments)
    window = view.render_window()
    window.SetMultiSamples(0)  # trame-slicer's 8 make a software rendering three times as long
    window.SetSize(*_FIRST_SIZE)
    return view


def render_when_allowed(view: AbstractView, is_allowed: Callable[[], bool], turns: Turns) -> None:
    """Leave out renderings while ``is_allowed`` says no, those that the page asks for with a new size included.

    :param turns: of all views.
    """
    scheduler = view._scheduled_render._scheduler
    schedule = scheduler.schedule_render

    def schedule_if_allowed() -> None:
        if is_allowed():
            turns(schedule)

    scheduler.schedule_render = schedule_if_allowed  # views and page both ask here
