"""What the server answers: the files of the page, the code for another phone, and the socket that pages talk over.

A page sends ``{"do": "preset next", "id": 7}`` or ``{"meters": true}``. It receives the whole ``state`` first, then
each ``change`` of it, ``meters`` ten times a second while it shows them, ``pitch`` while the tuner is on, and
``said``: the answers to its commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import math
import queue
import threading
import weakref
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ...errors import RtfxError, is_text, message_of, one_line
from ...live.feed import State, merged
from ...live.tuner import READING_SECONDS
from .upload import UPLOAD, UPLOADED, take_file

if TYPE_CHECKING:
    from ...live.stream import Stream

FOLDER = Path(__file__).with_name("page")
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
START = "index.html"
MESSAGE_BYTES = 4096
LONGEST_LINE = 400  # characters of a command
WAITING = 64  # commands of one page; while so many wait, no more are read from it
PAGES = 32
GAP_SECONDS = 0.02  # at least, between two messages to a page: changes in between are sent as one
UPLOAD_SECONDS = 120.0
BEAT_SECONDS = 2.0  # at most, between two messages to a page, which takes longer silence for a lost connection
NOT_FROM_PAGES = ("quit",)  # a phone in a pocket must not end the concert
FILE_ARGUMENTS = ("FOLDER", "FILE", "PATH")  # commands that write or read anywhere take no arguments from a page


class Refused(Exception):
    """A message that no page sends."""


class Page:
    """One connection. Its messages and the answers wait here, so that a slow phone holds up nobody."""

    def __init__(self) -> None:
        self.commands: deque[tuple[str, Any]] = deque()  # of this page, oldest first: the line and its number
        self.answers: list[dict[str, Any]] = []
        self.change: State = {}
        self.meters: State | None = None
        self.pitch: State | None = None
        self.wants_meters = False
        self.asked, self.room, self.due = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def take(self, text: str) -> None:
        """Note one message of the page.

        A parameter that is set again before its last value was applied replaces it, so that a flood never drops the
        last value; other commands all stay, in their order.
        """
        message = _parsed(text)
        if "meters" in message:
            self.wants_meters = message["meters"]
            return
        line, number = message["do"].strip(), message.get("id")
        key = _setting(line)
        if key:
            for place in range(len(self.commands) - 1, -1, -1):
                other = _setting(self.commands[place][0])
                if not other:
                    break
                if other == key:
                    del self.commands[place]
                    break
        self.commands.append((line, number))
        self.asked.set()

    def message(self) -> dict[str, Any]:
        """Return everything that is due, in one message."""
        parts = {"change": self.change, "meters": self.meters, "pitch": self.pitch, "said": self.answers}
        self.change, self.meters, self.pitch, self.answers = {}, None, None, []
        return {name: part for name, part in parts.items() if part}


def _parsed(text: str) -> dict[str, Any]:
    """Return a message that has the right form, or raise Refused."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("no JSON") from None
    if isinstance(message, dict):
        if message.keys() == {"meters"} and isinstance(message["meters"], bool):
            return message
        line, number = message.get("do"), message.get("id")
        known = message.keys() <= {"do", "id"} and (number is None or type(number) is int and abs(number) < 2**53)
        if known and isinstance(line, str) and len(line) <= LONGEST_LINE and is_text(line):
            return message
    raise Refused('expected {"do": "a command"} or {"meters": true}')


def _setting(line: str) -> str:
    """Return what a command sets, "" if it is another command: of two that set the same, the later one counts."""
    words = line.split(" ", 2)
    return words[1] if len(words) == 3 and words[0] == "set" else ""


class Worker:
    """A thread that runs one function after the other. It is no executor, for which Python waits at its end."""

    def __init__(self, name: str):
        self._work: queue.SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    async def run(self, function: Callable[[], Any]) -> Any:
        """Return what a function returns that must not raise; called in an event loop, which goes on meanwhile."""
        if self._thread.ident is None:
            self._thread.start()
        future = asyncio.get_running_loop().create_future()
        self._work.put((future, function))
        return await future

    def close(self) -> None:
        """End the thread after the function that runs."""
        self._work.put(None)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            future, function = work
            result = function()
            with contextlib.suppress(RuntimeError):  # the event loop has ended
                future.get_loop().call_soon_threadsafe(_settle, future, result)


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if not future.done():  # cancelled: the page has left
        future.set_result(result)


class Hub:
    """Runs the commands of all pages, one after the other, and tells all pages what has changed.

    Everything but `_run` and what the feed calls runs in the server's event loop. Commands may wait for a file, so they
    have a thread.
    """

    def __init__(self, stream: Stream):
        self._stream = weakref.ref(stream)  # so that a stream that is deleted ends
        self._pages: set[Page] = set()
        self._state: State = {}  # empty until the feed has told it, and while no page is open
        self._following: Callable[[], None] | None = None
        self._metering: Callable[[], None] | None = None
        self._worker, self._listener = Worker("rtfx web commands"), Worker("rtfx web tuner")
        self.files = Worker("rtfx web files")
        self._tuning: asyncio.Task[None] | None = None

    async def serve(self, socket: WebSocket) -> None:
        """Serve one page until it leaves."""
        if len(self._pages) >= PAGES:
            await socket.close(1013, "too many pages are open")
            return
        await socket.accept()
        page = Page()
        self._pages.add(page)
        self._subscribe()
        tasks = [asyncio.ensure_future(task) for task in (self._send(socket, page), self._do_all(page))]
        try:
            while True:
                page.take(await socket.receive_text())
                self._subscribe()
                while len(page.commands) >= WAITING:
                    page.room.clear()
                    await page.room.wait()
        except Refused as refusal:
            with contextlib.suppress(RuntimeError):
                await socket.close(1008, str(refusal))
        except (WebSocketDisconnect, KeyError):  # KeyError: bytes where text was expected
            pass
        finally:
            self._pages.discard(page)
            for task in tasks:
                task.cancel()
            self._subscribe()

    def _subscribe(self) -> None:
        """Follow the stream while a page is open, and its meters while a page shows them."""
        if self._pages and not self._following:
            self._following = self._follow(self._tell, meters=False)
        elif self._following and not self._pages:
            self._following()
            self._following, self._state = None, {}
        wanting = any(page.wants_meters for page in self._pages)
        if wanting and not self._metering:
            self._metering = self._follow(self._meter, meters=True)
        elif self._metering and not wanting:
            self._metering()
            self._metering = None

    def _follow(self, told: Callable[[State], None], meters: bool) -> Callable[[], None] | None:
        """Subscribe to the stream; return a function that ends it, after which `told` is called no more."""
        stream, loop, current = self._stream(), asyncio.get_running_loop(), [True]
        if stream is None:
            return None

        def call(change: State) -> None:
            with contextlib.suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(lambda: told(change) if current else None)

        leave = stream.subscribe(call, meters=meters)

        def end() -> None:
            current.clear()
            leave()

        return end

    def _tell(self, change: State) -> None:
        """Tell all pages what has changed; pages that have just opened get the whole state."""
        self._state = merged(self._state, change)
        if self._state["tuner"] and (self._tuning is None or self._tuning.done()):
            self._tuning = asyncio.ensure_future(self._tune())
        for page in self._pages:
            page.change = joined(page.change, change)
            page.due.set()

    def _meter(self, told: State) -> None:
        if "meters" in told:
            for page in self._pages:
                if page.wants_meters:
                    page.meters = told["meters"]
                    page.due.set()

    async def _tune(self) -> None:
        """Tell the pages what the tuner reads, while it is on and a page is looked at."""
        while self._state.get("tuner"):
            looking = [page for page in self._pages if page.wants_meters]
            if looking:
                pitch = await self._listener.run(self._pitch)
                for page in looking:
                    page.pitch = pitch
                    page.due.set()
            await asyncio.sleep(READING_SECONDS)

    def _pitch(self) -> State:
        stream = self._stream()
        try:
            reading = stream.tuner.reading() if stream else None
        except Exception:  # the stream is ending
            reading = None
        if reading is None:
            return {"note": ""}
        found = {name: getattr(reading, name) for name in ("note", "cents", "string", "hertz", "in_tune")}
        return {name: round(part, 2) if isinstance(part, float) else part for name, part in found.items()}

    async def _send(self, socket: WebSocket, page: Page) -> None:
        """Send the whole state, then what is due; a page that takes nothing gets the sum of what it missed."""
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            while not self._state:
                await page.due.wait()
                page.due.clear()
            page.change = {}
            await _send(socket, {"state": self._state, "commands": self._commands()})
            while True:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(page.due.wait(), BEAT_SECONDS)
                page.due.clear()
                await _send(socket, page.message())
                await asyncio.sleep(GAP_SECONDS)

    async def _do_all(self, page: Page) -> None:
        """Run the commands of a page, one after the other."""
        while True:
            await page.asked.wait()
            page.asked.clear()
            while page.commands:
                line, number = page.commands.popleft()
                page.room.set()
                said, failed = await self._worker.run(partial(self._run, line))
                page.answers.append({"id": number, "text": said, "failed": failed})
                page.due.set()

    def _commands(self) -> dict[str, str]:
        stream = self._stream()
        commands = stream.commands.values() if stream else ()
        return {command.name: command.arguments for command in commands if command.name not in NOT_FROM_PAGES}

    def _run(self, line: str) -> tuple[str, bool]:
        """Run a command; return the line to show, and whether it failed."""
        stream = self._stream()
        if stream is None:
            return "the player has ended", True
        if why := _forbidden(stream, line):
            return why, True
        try:
            return one_line(stream.do(line)), False
        except RtfxError as error:
            return one_line(error), True
        except Exception as error:  # a fault of a command must not end the page of a player on stage
            return f"internal error, please report it ({one_line(message_of(error))})", True

    def close(self) -> None:
        """Begin no more commands."""
        self._worker.close()
        self._listener.close()
        self.files.close()

    def listed(self, kind: str) -> list[str]:
        """Return the names of all files of a kind."""
        stream = self._stream()
        return list(stream.captures.listed(kind)) if stream and stream.captures else []


def _forbidden(stream: Stream, line: str) -> str:
    """Return why a page may not run a command, also as one that it maps to a pedal; "" if it may."""
    name, _, arguments = line.strip().partition(" ")
    command = stream.commands.get(name)
    if name in NOT_FROM_PAGES:
        return f"{name}: not from a page"
    if command and arguments.strip() and any(word in command.arguments for word in FILE_ARGUMENTS):
        return f"{name}: a page cannot name a folder"
    return _forbidden(stream, arguments) if command and "COMMAND" in command.arguments else ""


def joined(first: State, then: State) -> State:
    """Return one difference that has the effect of two, one after the other."""
    if "knobs" in first:
        return merged(first, then)
    values = {} if "knobs" in then else {**first.get("values", {}), **then.get("values", {})}
    both = {**first, **then}
    both.pop("values", None)
    return {**both, "values": values} if values else both


async def _send(socket: WebSocket, message: dict[str, Any]) -> None:
    await socket.send_text(json.dumps(_finite(message), allow_nan=False, separators=(",", ":")))


def _finite(data: Any) -> Any:
    """Return data for JSON; numbers that are not finite, such as the level of silence, become None."""
    if isinstance(data, dict):
        return {name: _finite(part) for name, part in data.items()}
    if isinstance(data, list):
        return [_finite(part) for part in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


class Files:
    """Lists the captures and impulse responses, and takes new ones into the user's folder."""

    def __init__(self, hub: Hub):
        self._hub = hub
        self._one = asyncio.Lock()  # as each holds its whole content in memory

    async def listed(self, request: Request) -> Response:
        """Answer with the names of a kind."""
        kind = request.query_params.get("kind", "")
        names = await self._hub.files.run(partial(self._hub.listed, kind)) if kind in UPLOADED else []
        return JSONResponse(names)

    async def upload(self, request: Request) -> Response:
        """Take a file, if it can be read; answer with its name, or with what is wrong with it."""
        async with self._one:
            try:
                content = await asyncio.wait_for(request.body(), UPLOAD_SECONDS)
            except (asyncio.TimeoutError, ClientDisconnect):  # too slow, too large, or the phone has left
                return PlainTextResponse(f"not sent within {UPLOAD_SECONDS:.0f} s", 408)
            taken = partial(take_file, request.query_params.get("name", ""), content)
            name, why = await self._hub.files.run(taken)
        return PlainTextResponse(why, 400) if why else JSONResponse({"name": name})


def make_app(hub: Hub, url: str) -> Starlette:
    """Return the application.

    Parameters
    ----------
    url : str
        The address that the code for another phone holds.
    """
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in KINDS}

    async def file(request: Request) -> Response:
        name = request.path_params.get("name", START)
        if name not in files:
            return PlainTextResponse("rtfx: there is no such page\n", 404)
        return Response(files[name], media_type=KINDS[Path(name).suffix])

    async def code(request: Request) -> Response:
        return Response(qr_svg(url), media_type=KINDS[".svg"])

    files_of_user = Files(hub)
    return Starlette(
        routes=[
            Route("/", file),
            Route("/code.svg", code),
            Route("/library", files_of_user.listed),
            Route(UPLOAD, files_of_user.upload, methods=["POST"]),
            Route("/{name}", file),
            WebSocketRoute("/live", hub.serve),
        ]
    )


def qr_svg(url: str) -> bytes:
    """Return a QR code as a picture."""
    import segno

    out = io.BytesIO()
    segno.make(url, error="m", micro=False).save(out, kind="svg", scale=8, border=4, light="white", xmldecl=False)
    return out.getvalue()


def qr_text(url: str) -> str:
    """Return a QR code for a terminal, dark on light whatever its colours."""
    import segno

    out = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(out, border=2, compact=True)
    return out.getvalue()
