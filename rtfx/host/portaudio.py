"""PortAudio: loads it, restarts it to find new devices, hides its messages, and ends it.

Importing sounddevice initialises PortAudio, which must not become a second client of JACK; so only this module imports
it. PortAudio looks for devices only when it starts. If one of its streams hangs, PortAudio cannot be ended; then rtfx
loads a second copy of the library, and the first one stays loaded with its memory (about 100 kB).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..errors import DeviceError
from .jack import environment, running
from .timeouts import within

START_SECONDS, RESTART_SECONDS, END_SECONDS = 10.0, 5.0, 0.5
OPEN: dict[int, tuple] = {}  # streams by their host's id, with the memory that they use, until they are closed
left_behind: set[int] = set()  # ids of hosts whose stream could not be closed
_left_alone: list[Any] = []  # libraries with such a stream; they stay loaded, as its thread runs in them
_servers: frozenset = frozenset()  # servers that ran when PortAudio started
# With these variables PortAudio's JACK part finds no server: PipeWire's library refuses it, JACK's seeks another name.
WITHOUT_JACK = {"PIPEWIRE_NOJACK": "1", "JACK_DEFAULT_SERVER": "none-for-portaudio", "JACK_NO_START_SERVER": "1"}
# Names in sounddevice that are private or that streams need. They are checked at import, so that a version that lacks
# one gives a clear error here, and not an unclear one inside a callback.
USED = (
    "_StreamBase",
    "_ffi",
    "_lib",
    "_initialize",
    "_terminate",
    "_initialized",
    "_exit_handler",
    "query_devices",
    "query_hostapis",
    "PortAudioError",
)


@lru_cache(maxsize=1)
def sounddevice() -> Any:
    """Import sounddevice, which starts PortAudio, and return it.

    Raises
    ------
    DeviceError
        PortAudio or sounddevice is missing or unusable; the message holds the remedy.
    """
    global _servers
    _servers = running()
    try:
        with environment(WITHOUT_JACK):
            module = within(START_SECONDS, _imported)
    except ImportError as error:
        raise DeviceError(f"sounddevice cannot be imported ({error}): pip install 'sounddevice>=0.5,<0.6'") from error
    except OSError as error:
        if "PortAudio library not found" in str(error) or "libportaudio" in str(error):
            raise DeviceError("the PortAudio library is missing: install it: sudo apt install libportaudio2") from error
        raise DeviceError(f"PortAudio cannot be loaded ({error}): reinstall libportaudio2") from error
    except DeviceError:
        raise
    except Exception as error:  # PortAudioError cannot be named before the import has worked
        raise DeviceError(f"PortAudio does not start ({error}): is the sound system running?") from error
    missing = [name for name in USED if not hasattr(module, name)]
    if missing:
        version = getattr(module, "__version__", "unknown")
        raise DeviceError(f"sounddevice {version} lacks {', '.join(missing)}: pip install 'sounddevice>=0.5,<0.6'")
    atexit.unregister(module._exit_handler)
    atexit.register(_Ending(module))
    return module


def begun() -> bool:
    """Return whether PortAudio has been started."""
    return sounddevice.cache_info().currsize > 0


def _imported() -> Any:
    import sounddevice  # type: ignore[import-untyped]

    return sounddevice


def renew_if_servers_changed() -> None:
    """Make PortAudio look for devices again if a sound server has started or ended; no stream may be open."""
    if _servers != running() and not OPEN.keys() - left_behind:
        renew()


def renew_if_begun() -> None:
    """Make PortAudio look for devices again if it has been started; no stream may be open."""
    if begun() and not OPEN:
        with contextlib.suppress(DeviceError):
            renew()


def renew() -> None:
    """Make PortAudio look for devices again. No stream may be open, except those that could not be closed.

    Raises
    ------
    DeviceError
        PortAudio does not start again.
    """
    global _servers
    module = sounddevice()
    with quiet():
        if not left_behind:
            within(RESTART_SECONDS, module._terminate)
        else:
            _take_a_copy(module)
        _servers = running()
        try:
            with environment(WITHOUT_JACK):
                within(RESTART_SECONDS, module._initialize)
        except module.PortAudioError as error:
            raise DeviceError(f"PortAudio does not start again ({error}): restart rtfx") from error


def _take_a_copy(module: Any) -> None:
    path = _library_file()
    if path is None:
        raise DeviceError("a stream does not close, and PortAudio's library is not found again: restart rtfx")
    with tempfile.TemporaryDirectory() as folder:  # a loaded file may be removed
        copy = shutil.copy(path, Path(folder) / f"libportaudio-{len(_left_alone)}.so")
        library = module._ffi.dlopen(str(copy))
    _left_alone.append(module._lib)
    module._lib = library
    module._initialized = 0
    left_behind.clear()


def _library_file() -> str | None:
    """Return the file of the library in use, from the loader's list of mapped files."""
    try:
        mapped = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    paths = [line.split(maxsplit=5)[5] for line in mapped if "libportaudio" in line]
    return next((path for path in paths if os.path.isfile(path)), None)


class _Ending:
    """Ends PortAudio at exit, unless a stream could not be closed; waits at most `END_SECONDS` for it."""

    def __init__(self, module: Any):
        self._module = module
        self._begin = threading.Event()
        # started now, as no thread can be started at exit
        self._thread = threading.Thread(target=self._run, name="rtfx exit", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._begin.wait()
        self._module._exit_handler()

    def __call__(self) -> None:
        if not left_behind:
            self._begin.set()
            self._thread.join(END_SECONDS)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress what C libraries print on standard error: PortAudio and ALSA print a line for each failed attempt.

    Lines that other threads print meanwhile are lost too, unless they are printed inside `own_standard_error`.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


@contextlib.contextmanager
def own_standard_error() -> Iterator[None]:
    """Give Python's standard error a file descriptor of its own, which `quiet` does not change."""
    before = sys.stderr
    try:
        own = os.fdopen(os.dup(before.fileno()), "w", encoding=before.encoding, errors=before.errors, buffering=1)
    except (AttributeError, OSError, ValueError):  # closed, or not a file
        yield
        return
    sys.stderr = own
    try:
        yield
    finally:
        sys.stderr = before
        own.close()
