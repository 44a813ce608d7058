"""The way to the sound card: which host API is used, and how PortAudio is loaded.

On Linux a running JACK is taken first, then PipeWire through its own libjack, both without PortAudio; then ALSA.
Importing sounddevice initialises PortAudio, which must not become a client of JACK beside ours: so it is imported here
and nowhere else.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..errors import DeviceError
from . import jack
from .jack_devices import JACK
from .servers import running
from .timeouts import within

START_SECONDS, END_SECONDS = 10.0, 0.5
left_behind: set[int] = set()  # ids of hosts whose stream could not be closed
_servers: frozenset = frozenset()
ALSA = "ALSA"
# PortAudio's own JACK part finds no server: PipeWire's library then lets no client in, JACK's looks for another name.
WITHOUT_JACK = {"PIPEWIRE_NOJACK": "1", "JACK_DEFAULT_SERVER": "none-for-portaudio", "JACK_NO_START_SERVER": "1"}
PREFERRED = {"linux": (JACK, ALSA), "darwin": ("Core Audio",), "win32": ("ASIO", "Windows WASAPI", "MME")}
# Names of sounddevice that are private, or on which the stream depends: asserted at import, so that a new version that
# lacks one is named here and not deep inside a callback.
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
    """Import sounddevice along the best route and return it.

    Raises
    ------
    DeviceError
        PortAudio or sounddevice is missing or unusable; the message holds the remedy.
    """
    begun_with(running())
    try:
        with jack.environment(WITHOUT_JACK):
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
    """Tell whether PortAudio has been started."""
    return sounddevice.cache_info().currsize > 0


def _imported() -> Any:
    import sounddevice  # type: ignore[import-untyped]

    return sounddevice


def begun_with(servers: frozenset) -> None:
    """Note which sound servers ran when PortAudio was started."""
    global _servers
    _servers = servers


def servers_changed() -> bool:
    """Tell whether other sound servers run than when PortAudio started."""
    return _servers != running()


class _Ending:
    """Ends PortAudio at exit, unless a stream could not be closed; a card that does not answer is not waited for."""

    def __init__(self, module: Any):
        self._module = module
        self._begin = threading.Event()
        # started now: at exit there are no new threads any more
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
    """Send what C libraries print on standard error nowhere: PortAudio and ALSA comment on every attempt that fails.

    What other threads print meanwhile is lost with it, unless they do so inside `own_standard_error`.
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
    """Give Python's standard error a file descriptor of its own, which `quiet` leaves alone."""
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


def route_name(host_api: str) -> str:
    """Return the name under which a host API is shown: PipeWire is named when it stands in for JACK."""
    if host_api == JACK:
        return "PipeWire's JACK" if jack.route() == jack.PIPEWIRE_ROUTE else "JACK"
    return host_api


def preferred_apis() -> tuple[str, ...]:
    """Return host API names, best first."""
    return PREFERRED.get("linux" if sys.platform.startswith("linux") else sys.platform, ())
