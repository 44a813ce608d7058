"""A socket in the user's runtime folder, through which ``rtfx send`` and other programs of the user give commands.

A program writes lines and reads one line for each: a digit (0 done, 1 failed, 2 wrong usage), a space, and what there
is to say. Every player has a socket of its own, named by its name and its process. Only the user may open the folder.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from ..errors import DeviceError, RtfxError, message_of, quoted
from ..files import distrust
from ..find import user_cache
from ..host.timeouts import await_end

if TYPE_CHECKING:
    from ..live.stream import Stream

SUFFIX = ".sock"
MOST_CONNECTIONS = 16
LONGEST_LINE = 4096  # bytes
LONGEST_PATH = 107  # bytes of a socket's path, as Linux allows
ANSWER_SECONDS = 30.0  # the longest command is a save on a slow disk


def folder() -> Path:
    """Return the folder of the sockets, which only the user may open; it is made if it is missing.

    Raises
    ------
    DeviceError
        Others could open it, or it cannot be made.
    """
    # a login over ssh may lack the variable that the player's service has
    runtime = (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}")
    place = next((Path(base, "rtfx") for base in runtime if base and os.access(base, os.W_OK)), user_cache() / "run")
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = os.lstat(place)
        if not stat.S_ISDIR(found.st_mode):
            raise DeviceError(f"{place} is no folder: remove it")
        if found.st_uid == os.getuid() and found.st_mode & 0o077:
            os.chmod(place, 0o700)
    except OSError as error:
        raise DeviceError(f"no folder for sockets ({error}): set XDG_RUNTIME_DIR to a folder of your own") from None
    reason = distrust(place)
    if reason:
        raise DeviceError(f"{reason}: set XDG_RUNTIME_DIR to a folder of your own")
    return place


@dataclass(frozen=True)
class Player:
    """A player that runs: its name, its process and its socket."""

    name: str
    process: int
    path: Path

    def ask(self, lines: Iterator[str]) -> Iterator[tuple[int, str]]:
        """Send lines one by one and yield (code, text) of each answer.

        Raises
        ------
        DeviceError
            The player has gone, or does not answer.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_SECONDS)
            try:
                connection.connect(str(self.path))
                with connection.makefile("r", encoding="utf-8", newline="\n") as answers:
                    for line in lines:
                        connection.sendall((" ".join(line.split("\n")) + "\n").encode())
                        answer = answers.readline()
                        if not answer:
                            raise OSError("it has ended")
                        code, _, text = answer.rstrip("\n").partition(" ")
                        yield int(code), text
            except OSError as error:
                raise DeviceError(f"the player {quoted(self.name)} does not answer ({error})") from None


def players() -> list[Player]:
    """Return the players of this user that run, the newest first; sockets of players that were killed are removed."""
    found = []
    for path in folder().glob("*" + SUFFIX):
        process, _, name = path.name.removesuffix(SUFFIX).partition("-")
        with contextlib.suppress(OSError):
            when = path.stat().st_mtime_ns
            if not process.isdecimal():
                continue
            if _answers(path):
                found.append((when, Player(unquote(name), int(process), path)))
            else:
                path.unlink()
    return [player for _, player in sorted(found, key=lambda pair: pair[0], reverse=True)]


def _answers(path: Path) -> bool:
    """Return whether a process listens at a socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:  # it is busy: somebody is there
            return True
    return True


def player(name: str | None = None) -> Player:
    """Return the newest player, or the newest of a name.

    Raises
    ------
    DeviceError
        There is none; the message lists those that run.
    """
    running = players()
    for one in running:
        if name in (None, one.name):
            return one
    if not running:
        raise DeviceError("no player runs: start one with rtfx play")
    raise DeviceError(f"no player is named {quoted(name)}, those that run: {', '.join(one.name for one in running)}")


class CommandSocket:
    """Runs the commands that arrive at a socket; `Stream.accompany` starts and ends it.

    Each connection has a thread, which sleeps until a line arrives and takes the next line when the last one is
    answered: so a program that sends faster than commands run waits, and no line waits in memory.

    Parameters
    ----------
    name : str
        Name of the player, by which ``rtfx send --name`` finds it.

    Raises
    ------
    DeviceError
        There is no folder for sockets that only the user may open.
    """

    def __init__(self, stream: Stream, name: str):
        self._stream = stream
        place = folder()
        self.path = place / f"{os.getpid()}-{quote(name, safe='')}{SUFFIX}"
        if len(os.fsencode(self.path)) > LONGEST_PATH:
            raise DeviceError(f"{self.path} is too long for a socket: set XDG_RUNTIME_DIR to a shorter folder")
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        fresh = place / f"{os.getpid()}.{threading.get_ident() % 997}"  # renamed once it listens: else it seems dead
        try:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            self._listener.bind(str(fresh))
            os.chmod(fresh, 0o600)
            self._listener.listen(MOST_CONNECTIONS)
            os.replace(fresh, self.path)
        except OSError as error:
            self._listener.close()
            raise DeviceError(f"{self.path}: a socket cannot be made ({error.strerror})") from None
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._closed = False
        self._thread = threading.Thread(target=self._listen, name="rtfx socket", daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()

    def close(self) -> None:
        """Remove the socket and end all connections."""
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        with contextlib.suppress(OSError):
            self.path.unlink()
        for each in (self._listener, *connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RD)  # an answer that is on its way still arrives
        self._listener.close()
        if self._thread.is_alive():
            await_end(self._thread, 0.5)

    def _listen(self) -> None:
        while not self._closed:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                if self._closed:
                    return
                time.sleep(0.1)  # no file descriptor is free
                continue
            with self._lock:
                busy = len(self._connections) >= MOST_CONNECTIONS or self._closed
                if not busy:
                    self._connections.add(connection)
            if busy or not _is_mine(connection):
                self._end(connection)
                continue
            threading.Thread(target=self._serve, args=(connection,), name="rtfx socket", daemon=True).start()

    def _end(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)
        connection.close()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection.makefile("rb") as lines, contextlib.suppress(OSError):
                while line := lines.readline(LONGEST_LINE + 1):
                    if len(line) > LONGEST_LINE:
                        connection.sendall(b"2 the line is too long\n")
                        return
                    connection.sendall(self._answer(line.decode("utf-8", "replace")).encode() + b"\n")
        finally:
            self._end(connection)

    def _answer(self, line: str) -> str:
        try:
            code, text = 0, self._stream.do(line)
        except RtfxError as error:
            code, text = error.exit_code, str(error)
        except Exception as error:  # any error: the sound and the other connections go on
            code, text = 1, f"internal error, please report it ({message_of(error)})"
        return f"{code} {' '.join(text.splitlines())}".rstrip()


def _is_mine(connection: socket.socket) -> bool:
    """Return whether this user, or root, is at the other end."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the folder keeps others out
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    return user in (0, os.getuid())
