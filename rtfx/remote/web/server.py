"""The server of the page: one thread with its own event loop, which ends with the stream."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn
from websockets.exceptions import InvalidState

from ...host.timeouts import await_end
from .address import Place, token_file, token_of
from .app import MESSAGE_BYTES, Hub, make_app
from .guard import Guard
from .upload import MOST_BYTES, UPLOAD

if TYPE_CHECKING:
    from ...live.stream import Stream

CONNECTIONS = 96
GOODBYE_SECONDS = 0.05
CLOSE_SECONDS = 1.0


class Sleeper(uvicorn.Server):
    """Sleeps until it is told to end; uvicorn's own loop wakes up ten times a second to look."""

    def __init__(self, config: uvicorn.Config):
        super().__init__(config)
        self._told = threading.Event()
        self._end: Callable[[], object] = lambda: None

    async def main_loop(self) -> None:
        """Return when `tell` has been called."""
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        self._end = lambda: loop.call_soon_threadsafe(end.set)
        await self.on_tick(0)  # sets the headers of all answers
        if not self._told.is_set():
            await end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye to all pages; uvicorn's own goodbye fails if one of them is leaving just then."""
        for listening in (*self.servers, *(sockets or ())):
            listening.close()
        for connection in list(self.server_state.connections):
            try:
                connection.shutdown()
            except InvalidState:
                connection.transport.close()
        await asyncio.sleep(GOODBYE_SECONDS)  # the tasks that are left then are cancelled by `asyncio.run`

    def tell(self) -> None:
        """End the server. [any thread]"""
        self.should_exit = True
        self._told.set()
        with contextlib.suppress(RuntimeError):  # its loop has ended
            self._end()


class Server:
    """Serves the page of a stream; `Stream.accompany` starts and ends it.

    Parameters
    ----------
    place : Place
        Where to serve.

    Attributes
    ----------
    url : str
        The address that a phone opens.
    """

    def __init__(self, stream: Stream, place: Place):
        self._place = place
        token = "" if place.local else token_of(token_file())
        self.url = place.url(token)
        self._hub = Hub(stream)
        config = uvicorn.Config(
            Guard(make_app(self._hub, self.url), token, place.names, {UPLOAD: MOST_BYTES}),
            http="h11",
            ws="websockets-sansio",
            ws_max_size=MESSAGE_BYTES,
            ws_max_queue=4,
            ws_ping_interval=5.0,
            ws_ping_timeout=5.0,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            limit_concurrency=CONNECTIONS,
        )
        self._server = Sleeper(config)
        self._thread = threading.Thread(target=self._run, name="rtfx web", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Say goodbye to all pages and end the thread."""
        self._hub.close()
        self._server.tell()
        if self._thread.is_alive():
            await_end(self._thread, CLOSE_SECONDS)
        self._place.sock.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._place.sock]))
