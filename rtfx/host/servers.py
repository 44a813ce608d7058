"""Sound servers, asked on their sockets: does JACK or PipeWire run, and is it still the same run of it?"""

from __future__ import annotations

import glob
import os
import socket

ANSWER_SECONDS = 0.5


def jack_runs() -> bool:
    """Tell whether the JACK server that this environment names answers on its socket."""
    return any(_answers(path) for path in _jack_sockets())


def pipewire_runs() -> bool:
    """Tell whether the user's PipeWire answers on its socket."""
    return _answers(_pipewire_socket())


def running() -> frozenset[tuple[str, int, int]]:
    """Return what tells each running server from the next one of its name: its socket, as it was made at its start."""
    return frozenset(
        (path, status.st_ino, status.st_mtime_ns)
        for path in (*_jack_sockets(), _pipewire_socket())
        if (status := _status(path)) and _answers(path)
    )


def _jack_sockets() -> list[str]:
    server, user = glob.escape(os.environ.get("JACK_DEFAULT_SERVER", "default")), _user()
    return glob.glob(f"/dev/shm/jack_{server}_{user}_*") + glob.glob(f"/dev/shm/jack-{user}/{server}/jack_*")  # JACK 1


def _pipewire_socket() -> str:
    folder = os.environ.get("PIPEWIRE_RUNTIME_DIR") or os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{_user()}"
    return os.path.join(folder, os.environ.get("PIPEWIRE_REMOTE", "pipewire-0"))


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


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
