"""JACK and PipeWire: finds the running server, and makes clients of it through its version of JACK's C library."""

from __future__ import annotations

import contextlib
import ctypes
import glob
import os
import re
import socket
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ..errors import DeviceError
from .timeouts import within

NAME = "rtfx"  # name of a client that plays
SONAME = "libjack.so.0"
PIPEWIRE_LIBRARIES = (
    "/usr/lib/*/pipewire-0.3/jack/libjack.so.0",  # Debian, Ubuntu
    "/usr/lib64/pipewire-0.3/jack/libjack.so.0",  # Fedora
    "/usr/lib/pipewire-0.3/jack/libjack.so.0",  # Arch
)
JACK_ROUTE, PIPEWIRE_ROUTE = "jack", "pipewire"
NO_START_SERVER, USE_EXACT_NAME = 1, 2  # JackOptions
SERVER_FAILED = 16  # JackStatus: server not reached; JACK and PipeWire report a used name differently
IS_INPUT, IS_OUTPUT, IS_PHYSICAL = 1, 2, 4  # JackPortFlags
CAPTURE, PLAYBACK = 0, 1  # JackLatencyCallbackMode
AUDIO = b"32 bit float mono audio"
OPEN_SECONDS = 5.0
ANSWER_SECONDS = 0.5  # wait for a server's answer on its socket
LARGEST_LATENCY = 1 << 24  # frames (350 s); larger values are negative numbers, with which drivers mean "unknown"
NAMES = 16  # clients of one name are numbered up to this


def jack_runs() -> bool:
    """Return whether the JACK server that the environment variables name answers on its socket."""
    return any(_answers(path) for path in _jack_sockets())


def pipewire_runs() -> bool:
    """Return whether the user's PipeWire answers on its socket."""
    return _answers(_pipewire_socket())


def running() -> frozenset[tuple[str, int, int]]:
    """Return each running server's socket, inode and time; a server that restarts makes a new socket."""
    found = set()
    for path in (*_jack_sockets(), _pipewire_socket()):
        with contextlib.suppress(OSError):
            status = os.stat(path)
            if _answers(path):
                found.add((path, status.st_ino, status.st_mtime_ns))
    return frozenset(found)


def _jack_sockets() -> list[str]:
    server, user = glob.escape(os.environ.get("JACK_DEFAULT_SERVER", "default")), _user()
    return glob.glob(f"/dev/shm/jack_{server}_{user}_*") + glob.glob(f"/dev/shm/jack-{user}/{server}/jack_*")  # JACK 1


def _pipewire_socket() -> str:
    folder = os.environ.get("PIPEWIRE_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{_user()}"
    return os.path.join(folder, os.environ.get("PIPEWIRE_REMOTE", "pipewire-0"))


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _answers(path: str) -> bool:
    if not hasattr(socket, "AF_UNIX"):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_SECONDS)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


class _Range(ctypes.Structure):
    _fields_ = (("minimum", ctypes.c_uint32), ("maximum", ctypes.c_uint32))


@dataclass(frozen=True)
class Port:
    """A port that carries audio: its full name, ``client:port``, and JACK's flags."""

    name: str
    flags: int

    @property
    def client(self) -> str:
        return self.name.partition(":")[0]

    @property
    def is_monitor(self) -> bool:
        """Whether the port repeats a device's output; both servers mark that in its name."""
        return bool(self.flags & IS_OUTPUT) and self.name.partition(":")[2].startswith("monitor")


@lru_cache(maxsize=4)
def load(path: str) -> Any:
    """Return the library with the types of its functions.

    JACK's own and PipeWire's can both be loaded in one process, whichever runs.
    """
    library = ctypes.CDLL(path)
    pointer, text, uint, ulong = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32, ctypes.c_ulong
    types = {
        "jack_client_open": (pointer, [text, ctypes.c_int, ctypes.POINTER(ctypes.c_int)]),
        "jack_client_close": (ctypes.c_int, [pointer]),
        "jack_activate": (ctypes.c_int, [pointer]),
        "jack_deactivate": (ctypes.c_int, [pointer]),
        "jack_get_client_name": (text, [pointer]),
        "jack_get_sample_rate": (uint, [pointer]),
        "jack_get_buffer_size": (uint, [pointer]),
        "jack_set_buffer_size": (ctypes.c_int, [pointer, uint]),
        "jack_get_ports": (ctypes.POINTER(text), [pointer, text, text, ulong]),
        "jack_free": (None, [pointer]),
        "jack_port_register": (pointer, [pointer, text, text, ulong, ulong]),
        "jack_port_by_name": (pointer, [pointer, text]),
        "jack_port_by_id": (pointer, [pointer, uint]),
        "jack_port_name": (text, [pointer]),
        "jack_port_flags": (ctypes.c_int, [pointer]),
        "jack_port_get_latency_range": (None, [pointer, ctypes.c_int, ctypes.POINTER(_Range)]),
        "jack_port_get_buffer": (pointer, [pointer, uint]),
        "jack_connect": (ctypes.c_int, [pointer, text, text]),
        "jack_get_version_string": (text, []),
        "jack_set_process_callback": (ctypes.c_int, [pointer, pointer, pointer]),
        "jack_set_xrun_callback": (ctypes.c_int, [pointer, pointer, pointer]),
        "jack_on_shutdown": (None, [pointer, pointer, pointer]),
        "jack_set_error_function": (None, [pointer]),
        "jack_set_info_function": (None, [pointer]),
    }
    for name, (result, arguments) in types.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    # The library's messages go to a C function that ignores its text and does not need the GIL.
    silent = ctypes.cast(ctypes.CDLL(None).strlen, pointer)
    library.jack_set_error_function(silent)
    library.jack_set_info_function(silent)
    return library


def route() -> str:
    """Return the server that rtfx uses: "jack" if one runs, else "pipewire" if it has its JACK library, else ""."""
    return _found()[0]


def lacks_pipewire() -> bool:
    """Return whether PipeWire runs but its JACK library is missing."""
    return sys.platform.startswith("linux") and not _found()[0] and pipewire_runs()


def _found() -> tuple[str, str]:
    """Return (route, path of its library)."""
    if not sys.platform.startswith("linux"):
        return "", ""
    if jack_runs() and _is(SONAME, pipewire=False):
        return JACK_ROUTE, SONAME
    if pipewire_runs():
        for path in (*(path for pattern in PIPEWIRE_LIBRARIES for path in sorted(glob.glob(pattern))), SONAME):
            if _is(path, pipewire=True):
                return PIPEWIRE_ROUTE, path
    return "", ""


def _is(path: str, pipewire: bool) -> bool:
    try:
        version = load(path).jack_get_version_string().decode(errors="replace")
    except (OSError, AttributeError):  # missing, or too old for this call
        return False
    return ("PipeWire" in version) == pipewire


class Client:
    """A client of the running server; only one method may run at a time. [control thread]

    Parameters
    ----------
    name : str
        A second client of this name gets ``name-2``, and so on.
    settings : dict
        Environment variables that the library reads while it opens the client; None: not set.

    Raises
    ------
    DeviceError
        No server runs, or it does not answer.
    """

    def __init__(self, name: str, settings: Mapping[str, str | None] | None = None):
        self.route, path = _found()
        if not path:
            raise DeviceError("no JACK server runs here: start one, or PipeWire, and run this again")
        self.library = load(path)
        with environment(settings or {}):
            self.handle = within(OPEN_SECONDS, self._open, name)
        if not self.handle:
            raise DeviceError("the sound server accepts no more clients: close a program that uses sound")

    def _open(self, name: str) -> int | None:
        for number in range(1, NAMES + 1):
            unique, status = name if number == 1 else f"{name}-{number}", ctypes.c_int()
            options = NO_START_SERVER | USE_EXACT_NAME  # else libjack would start a server on the first card it finds
            handle = self.library.jack_client_open(unique.encode(), options, ctypes.byref(status))
            if handle and self._is_taken(handle, unique):
                self.library.jack_client_close(handle)
            elif handle or status.value & SERVER_FAILED:
                return handle
        return None

    def _is_taken(self, handle: int, name: str) -> bool:
        """Return whether another client of this name has ports, as PipeWire allows two clients of one name."""
        ports = self.library.jack_get_ports(handle, f"^{re.escape(name)}:".encode(), None, 0)
        if ports:
            self.library.jack_free(ports)
        return bool(ports)

    @property
    def name(self) -> str:
        return self.library.jack_get_client_name(self.handle).decode(errors="replace")

    @property
    def sample_rate(self) -> float:
        return float(self.library.jack_get_sample_rate(self.handle))

    @property
    def block(self) -> int:
        """The server's period in frames, as it reports it."""
        return int(self.library.jack_get_buffer_size(self.handle))

    def ask_for_block(self, frames: int) -> None:
        """Request a period: JACK sets it for all clients, PipeWire only while this client plays."""
        self.library.jack_set_buffer_size(self.handle, frames)

    def ports(self) -> list[Port]:
        """Return all audio ports, in the server's order: physical ones of its defaults first."""
        names = self.library.jack_get_ports(self.handle, None, AUDIO, 0)
        if not names:
            return []
        found = []
        for name in names:
            if not name:
                break
            port = self.library.jack_port_by_name(self.handle, name)
            found.append(Port(os.fsdecode(name), self.library.jack_port_flags(port)))
        self.library.jack_free(names)
        return found

    def port_of(self, number: int) -> str:
        """Return the name of the port with this number, "" if there is none."""
        port = self.library.jack_port_by_id(self.handle, number)
        name = self.library.jack_port_name(port) if port else None
        return os.fsdecode(name) if name else ""

    def has(self, port: str) -> bool:
        """Return whether a port exists."""
        return bool(self.library.jack_port_by_name(self.handle, os.fsencode(port)))

    def connect(self, source: str, target: str) -> bool:
        """Connect an output to an input; return whether that worked."""
        return self.library.jack_connect(self.handle, os.fsencode(source), os.fsencode(target)) == 0

    def latency(self, port: str, mode: int) -> int | None:
        """Return the frames between a device's port and its jack on the `CAPTURE` or `PLAYBACK` side; None: unknown.

        A known latency is at least one period; PipeWire reports 0 if it does not know the latency.
        """
        place = self.library.jack_port_by_name(self.handle, os.fsencode(port))
        if not place:
            return None
        found = _Range()
        self.library.jack_port_get_latency_range(place, mode, ctypes.byref(found))
        frames = int(found.maximum)
        if frames > LARGEST_LATENCY or (not frames and self.route == PIPEWIRE_ROUTE):
            return None
        return frames

    def close(self) -> None:
        self.library.jack_client_close(self.handle)


@contextlib.contextmanager
def environment(settings: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables (None removes one) inside the `with` block, for a C library that reads them there."""
    before = {name: os.environ.get(name) for name in settings}
    _set(settings)
    try:
        yield
    finally:
        _set(before)


def _set(settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
