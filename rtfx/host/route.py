"""The way to the sound card: which host API is used, and how PortAudio is loaded so that it finds it.

On Linux a running JACK is taken first, then PipeWire through its own libjack, then ALSA. The choice must be made before
PortAudio is initialised, which importing sounddevice does: so sounddevice is imported here and nowhere else.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import glob
import os
import socket
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from ..errors import DeviceError

PIPEWIRE_LIBRARIES = (
    "/usr/lib/*/pipewire-0.3/jack/libjack.so.0",  # Debian, Ubuntu
    "/usr/lib64/pipewire-0.3/jack/libjack.so.0",  # Fedora
    "/usr/lib/pipewire-0.3/jack/libjack.so.0",  # Arch
)
JACK, ALSA = "JACK Audio Connection Kit", "ALSA"
PREFERRED = {"linux": (JACK, ALSA), "darwin": ("Core Audio",), "win32": ("ASIO", "Windows WASAPI", "MME")}
# Names of sounddevice that are private, or on which the stream depends: asserted at import, so that a new version that
# lacks one is named here and not deep inside a callback.
USED = (
    "_StreamBase",
    "_ffi",
    "_lib",
    "_initialize",
    "_terminate",
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
    prepare()
    try:
        import sounddevice as module  # type: ignore[import-untyped]
    except ImportError as error:
        raise DeviceError(f"sounddevice cannot be imported ({error}): pip install 'sounddevice>=0.5,<0.6'") from error
    except OSError as error:
        if "PortAudio library not found" in str(error) or "libportaudio" in str(error):
            raise DeviceError("the PortAudio library is missing: install it: sudo apt install libportaudio2") from error
        raise DeviceError(f"PortAudio cannot be loaded ({error}): reinstall libportaudio2") from error
    except Exception as error:  # PortAudioError cannot be named before the import has worked
        raise DeviceError(f"PortAudio does not start ({error}): is the sound system running?") from error
    missing = [name for name in USED if not hasattr(module, name)]
    if missing:
        version = getattr(module, "__version__", "unknown")
        raise DeviceError(f"sounddevice {version} lacks {', '.join(missing)}: pip install 'sounddevice>=0.5,<0.6'")
    atexit.unregister(module._exit_handler)
    atexit.register(_end, module)
    return module


def prepare() -> str:
    """Set the environment that PortAudio's JACK part reads, and return the route: "jack", "pipewire", "alsa" or ""."""
    if not sys.platform.startswith("linux"):
        return ""
    # Without this libjack would start a server of its own, on whatever card comes first.
    os.environ.setdefault("JACK_NO_START_SERVER", "1")
    return _prepare_linux()


@lru_cache(maxsize=1)
def _prepare_linux() -> str:
    if jack_runs():
        return "jack"
    if pipewire_runs():
        for pattern in PIPEWIRE_LIBRARIES:
            for path in sorted(glob.glob(pattern)):
                try:
                    # The loader hands out a library once loaded under this soname, so PortAudio will get this one.
                    ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)
                except OSError:
                    continue
                return "pipewire"
    return "alsa"


def _end(module: Any) -> None:
    """End PortAudio at exit, unless its sound server has died: PortAudio's JACK part would abort the process."""
    runs = {"jack": jack_runs, "pipewire": pipewire_runs}.get(prepare())
    if runs is None or runs():
        module._exit_handler()


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what C libraries print on standard error nowhere: PortAudio and ALSA comment on every attempt that fails."""
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


def jack_runs() -> bool:
    """Tell whether the JACK server that this environment names answers on its socket."""
    server = os.environ.get("JACK_DEFAULT_SERVER", "default")
    user = os.getuid()
    sockets = glob.glob(f"/dev/shm/jack_{glob.escape(server)}_{user}_*")
    sockets += glob.glob(f"/dev/shm/jack-{user}/{glob.escape(server)}/jack_*")  # JACK 1
    return any(_answers(path) for path in sockets)


def pipewire_runs() -> bool:
    """Tell whether the user's PipeWire answers on its socket."""
    folder = os.environ.get("PIPEWIRE_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return _answers(os.path.join(folder, os.environ.get("PIPEWIRE_REMOTE", "pipewire-0")))


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0.5)
        try:
            probe.connect(path)
        except OSError:
            return False
    return True


def route_name(host_api: str) -> str:
    """Return the name under which a host API is shown: PipeWire is named when it stands in for JACK."""
    if host_api == JACK:
        return "PipeWire's JACK" if prepare() == "pipewire" else "JACK"
    return host_api


def preferred_apis() -> tuple[str, ...]:
    """Return host API names, best first."""
    return PREFERRED.get("linux" if sys.platform.startswith("linux") else sys.platform, ())
