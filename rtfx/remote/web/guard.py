"""Decides who may use the page, before any other code sees a request: Host, Origin, token, size and headers.

A web site that the player visits elsewhere can send requests to this machine, and can give its own name this machine's
address (DNS rebinding). So the name asked for must be an IP address, which no site can rebind, or a name of this
machine; and a request that says where it comes from must come from the page itself.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

COOKIE = "rtfx"
COOKIE_SECONDS = 365 * 24 * 3600
HOST = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9._-]{1,253}))(?::[0-9]{1,5})?", re.ASCII)
SMALL_BODY = 4096  # bytes of a request that is no upload

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """Passes a request on to `app`, or refuses it.

    Parameters
    ----------
    token : str
        "": no token is needed, as only this machine reaches the server.
    names : frozenset of str
        Names under which browsers may ask for the page, beside IP addresses; in lower case.
    uploads : mapping of str to int
        Paths that take more than `SMALL_BODY` bytes, with the most that they take.
    """

    def __init__(self, app: App, token: str, names: frozenset[str], uploads: MutableMapping[str, int] | None = None):
        self._app, self._token, self._names = app, token, names
        self._uploads = dict(uploads or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope["headers"])
        status, why = self._refusal(scope, headers)
        if status:
            await _refuse(scope, send, status, why)
            return
        host = headers["host"][0]
        fresh = self._token and self._in_query(scope)

        async def guarded(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                extra = [*_policy(host), *([self._cookie()] if fresh else [])]
                message["headers"] = [*message.get("headers", ()), *extra]
            await send(message)

        await self._app(scope, self._bounded(scope, receive), guarded if scope["type"] == "http" else send)

    def _refusal(self, scope: Scope, headers: dict[str, list[str]]) -> tuple[int, str]:
        """Return the status and the reason of a refusal; (0, "") if the request may pass."""
        hosts, origins = headers.get("host", []), headers.get("origin", [])
        if len(hosts) != 1 or not self._own(hosts[0]):
            return 421, "this name is not the player's: open the address that rtfx printed"
        foreign = any(origin.lower() not in (f"http://{hosts[0]}", f"https://{hosts[0]}") for origin in origins)
        reads = scope["type"] == "http" and scope["method"] in ("GET", "HEAD")
        if foreign or len(origins) > 1 or (not origins and not reads):
            return 403, "this request comes from another page"
        if scope["type"] == "http" and not reads and scope["method"] != "POST":
            return 405, "GET, HEAD and POST are known"
        if self._token and not (self._in_query(scope) or self._in_cookie(headers)):
            return 401, "this page needs its token: scan the code, or open the whole address that rtfx printed"
        length = headers.get("content-length", ["0"])[0]
        if not length.isdecimal() or len(length) > 15 or int(length) > self._most(scope):
            return 413, f"too large: at most {self._most(scope)} bytes"
        return 0, ""

    def _own(self, host: str) -> bool:
        match = HOST.fullmatch(host)
        if not match:
            return False
        name = (match["six"] or match["name"]).lower()
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _in_query(self, scope: Scope) -> bool:
        """Return whether the address of the page itself has the token; nothing else takes it there."""
        if scope["path"] != "/":
            return False
        try:
            given = parse_qs(scope["query_string"].decode("ascii"), max_num_fields=4).get("token", [""])[0]
        except ValueError:
            return False
        return self._is_token(given)

    def _in_cookie(self, headers: dict[str, list[str]]) -> bool:
        for line in headers.get("cookie", []):
            try:
                found = SimpleCookie(line).get(COOKIE)
            except CookieError:
                continue
            if found and self._is_token(found.value):
                return True
        return False

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _cookie(self) -> tuple[bytes, bytes]:
        value = f"{COOKIE}={self._token}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Strict"
        return b"set-cookie", value.encode()

    def _most(self, scope: Scope) -> int:
        return self._uploads.get(scope["path"], SMALL_BODY)

    def _bounded(self, scope: Scope, receive: Receive) -> Receive:
        """Return `receive` that ends a body that goes on beyond its bound, whatever length it stated."""
        left = self._most(scope)

        async def bounded() -> MutableMapping[str, Any]:
            nonlocal left
            message = await receive()
            if message["type"] == "http.request":
                left -= len(message.get("body", b""))
                if left < 0:
                    return {"type": "http.disconnect"}
            return message

        return bounded if scope["type"] == "http" else receive


def _headers(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _policy(host: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of every answer: the browser loads nothing but the page's own files, and shows no frames."""
    content = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; manifest-src 'self'; "
        f"connect-src 'self' ws://{host} wss://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return [
        (b"content-security-policy", content.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-resource-policy", b"same-origin"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cache-control", b"no-store"),
    ]


async def _refuse(scope: Scope, send: Send, status: int, why: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})  # before accept: status 403
        return
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_policy("localhost")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"rtfx: {why}\n".encode()})
