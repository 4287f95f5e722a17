"""Who may see the workspace: this computer only, and only with the token of the address that was printed."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp.web import Request, StreamResponse

HOST = "127.0.0.1"
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data: blob:; connect-src 'self' ws://127.0.0.1:* ws://localhost:*; worker-src 'self' blob:;"
    " object-src 'none'; frame-ancestors 'none'; base-uri 'self'; form-action 'self'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_LOCAL_NAMES = ("127.0.0.1", "localhost")


class Access:
    """Checks every request, websockets included; what does not pass gets an empty answer.

    The token comes once in the address; a cookie then carries it for files, downloads and the websocket. The name of
    the host is checked too, so that a page elsewhere cannot reach this server under a name of its own.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(24)
        self._cookie = f"nsclc-response-{secrets.token_hex(4)}"

    def address(self, port: int) -> str:
        """What the user opens."""
        return f"http://{HOST}:{port}/?token={self.token}"

    def allows(self, request: Request) -> bool:
        """Whether this request carries the token; one that is given and wrong counts, whatever the cookie says."""
        if request.headers.get("Host", "").rsplit(":", 1)[0] not in _LOCAL_NAMES:
            return False
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.headers['Host']}":
            return False
        given = request.query.get("token")
        if given is None:
            given = request.cookies.get(self._cookie, "")
        return hmac.compare_digest(given.encode(), self.token.encode())

    def protect(self, app: Any) -> None:
        """Put the check in front of every route of an aiohttp application."""
        from aiohttp import web

        @web.middleware
        async def check(request: Request, handler: Callable[[Request], Awaitable[StreamResponse]]) -> StreamResponse:
            if not self.allows(request):
                return web.Response(status=403)
            try:
                response = await handler(request)
            except web.HTTPException as answer:
                self._mark(request, answer)
                raise
            self._mark(request, response)
            return response

        app.middlewares.append(check)

    def _mark(self, request: Request, response: StreamResponse) -> None:
        if response.prepared:
            return
        response.headers.update(_HEADERS)
        if "token" in request.query:
            response.set_cookie(self._cookie, self.token, httponly=True, samesite="Strict", path="/")
