"""PortAudio begun anew, so that it sees the devices there are now, even where a stream could not be closed.

PortAudio looks for devices when it starts. Where one of its streams hangs it cannot be ended. Then a second copy of the
library takes its place, and the first one is left alone for ever, with its memory (some 100 kB).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from ..errors import DeviceError
from . import route
from .jack import environment
from .servers import running
from .timeouts import within

START_SECONDS = 5.0
OPEN: dict[int, tuple] = {}  # streams by their host's id, with the memory they use, until they are closed
_left_alone: list[Any] = []  # a library that were unloaded would take a stream's thread with it


def renew_if_servers_changed() -> None:
    """Have PortAudio look anew if a sound server has come, gone or begun again; not while a stream is open."""
    if route.servers_changed() and not OPEN.keys() - route.left_behind:
        renew()


def renew() -> None:
    """Have PortAudio look for devices anew. No stream may be open but those left behind.

    Raises
    ------
    DeviceError
        PortAudio does not come back.
    """
    module = route.sounddevice()
    with route.quiet():
        if not route.left_behind:
            within(START_SECONDS, module._terminate)
        else:
            _take_a_copy(module)
        route.begun_with(running())
        try:
            with environment(route.WITHOUT_JACK):
                within(START_SECONDS, module._initialize)
        except module.PortAudioError as error:
            raise DeviceError(f"PortAudio does not start again ({error}): restart rtfx") from error


def _take_a_copy(module: Any) -> None:
    path = _library_file()
    if path is None:
        raise DeviceError("a stream does not close, and PortAudio's library is not found again: restart rtfx")
    with tempfile.TemporaryDirectory() as folder:  # loaded, a file may be removed
        copy = shutil.copy(path, Path(folder) / f"libportaudio-{len(_left_alone)}.so")
        library = module._ffi.dlopen(str(copy))
    _left_alone.append(module._lib)
    module._lib = library
    module._initialized = 0
    route.left_behind.clear()


def _library_file() -> str | None:
    """Return the file of the library in use; the loader's own list of what is mapped knows it."""
    try:
        mapped = Path("/proc/self/maps").read_text().splitlines()
    except OSError:
        return None
    paths = [line.split(maxsplit=5)[5] for line in mapped if "libportaudio" in line]
    return next((path for path in paths if os.path.isfile(path)), None)
