"""Who may speak to the explorer: the holder of the token, from its own page, under this machine's name.

The token travels once in the printed address and returns as a cookie that no script can read. A foreign page
that points its own name at 127.0.0.1 (DNS rebinding) fails the Host check; one that sends requests here fails
the Origin check, and has no cookie.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from convitro.explorer.problems import answer_crash, problem_response

LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "[::1]"})

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
}

LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Convitro explorer: locked</title>
<h1>This explorer is locked</h1>
<p>Open the whole address that <code>convitro explore</code> printed, with its <code>?token=</code>.</p>
"""


class Guard:
    """ASGI middleware: Host, Origin and token before anything else runs; security headers on every response.

    Args:
        app: what is guarded.
        token: the secret of the printed address.
        hosts: names under which the server may be addressed, without a port.
        policy: the Content-Security-Policy of every response.
    """

    def __init__(self, app: ASGIApp, token: str, hosts: Iterable[str], policy: str) -> None:
        self.app, self.token, self.hosts = app, token, frozenset(hosts)
        self.headers = {**SECURITY_HEADERS, "content-security-policy": policy}
        # Cookies know no ports: the name keeps two explorers on one machine apart.
        self.cookie = "convitro-" + hashlib.sha256(token.encode()).hexdigest()[:12]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # no websockets here; an unanswered one is refused by the server
            return None
        request, begun = Request(scope), False

        async def guarded_send(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self.seal(request, MutableHeaders(scope=message))
            await send(message)

        try:
            refusal = self.refusal(request)
            await (refusal or self.app)(scope, receive, guarded_send)
        except Exception as error:
            if not begun:  # answered here, because an answer from further out would not be sealed
                await (await answer_crash(request, error))(scope, receive, guarded_send)
            raise  # the terminal shows it

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request that may not pass; None for one that may."""
        if not self.is_local(request.headers):
            hint = "open the address that `convitro explore` printed"
            return problem_response(403, "This Host or Origin may not use the explorer.", hint)
        if self.holds_token(request):
            return None
        if request.scope["path"] == "/":
            return Response(LOCKED, 401, media_type="text/html; charset=utf-8")
        hint = "open the whole address that `convitro explore` printed, the token included"
        return problem_response(401, "The token is missing or wrong.", hint)

    def is_local(self, headers: Headers) -> bool:
        """Whether Host names this machine, and Origin, where there is one, is this very server."""
        host = headers.get("host", "")
        name = host if host.endswith("]") else host.rsplit(":", 1)[0]
        if name.lower() not in self.hosts or len(headers.getlist("host")) != 1:
            return False
        origin = headers.get("origin")
        return origin is None or origin.lower() == f"http://{host.lower()}"

    def holds_token(self, request: Request) -> bool:
        """Whether the cookie, the Authorization header or (for the page itself) the address has the token."""
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        offered = [request.cookies.get(self.cookie, ""), bearer if scheme.lower() == "bearer" else ""]
        if request.scope["path"] == "/":
            offered.append(request.query_params.get("token", ""))
        return any(secrets.compare_digest(each.encode(), self.token.encode()) for each in offered)

    def seal(self, request: Request, headers: MutableHeaders) -> None:
        """Add what every response carries, and the cookie where the page was opened with the token."""
        for name, value in self.headers.items():
            headers[name] = value
        headers.setdefault("cache-control", "no-store")
        if request.scope["path"] == "/" and "token" in request.query_params and self.holds_token(request):
            headers.append("set-cookie", f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict")
