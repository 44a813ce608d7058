"""The server of the page: one thread with its own event loop, which ends with the stream."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

from ...host.timeouts import await_end
from .address import Place, token_file, token_of
from .app import MESSAGE_BYTES, Hub, make_app
from .guard import Guard

if TYPE_CHECKING:
    from ...live.stream import Stream

CONNECTIONS = 96
CLOSE_SECONDS = 1.0  # for the goodbye to all pages


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
        import uvicorn

        self._place = place
        token = "" if place.local else token_of(token_file())
        self.url = place.url(token)
        self._hub = Hub(stream)
        config = uvicorn.Config(
            Guard(make_app(self._hub, self.url), token, place.names),
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
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="rtfx web", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """Say goodbye to all pages and end the thread."""
        self._hub.close()
        self._server.should_exit = True
        if self._thread.is_alive():
            await_end(self._thread, CLOSE_SECONDS)
        self._place.sock.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._place.sock]))
