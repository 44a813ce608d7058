"""Real-time priority and locked memory for the audio thread: requested and reported, never required."""

from __future__ import annotations

import ctypes
import functools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from .device import ALSA

PRIORITY = 70  # below jackd's and the kernel's interrupt threads, above everything that is not audio
RTKIT = "org.freedesktop.RealtimeKit1"
RTKIT_PATH = "/org/freedesktop/RealtimeKit1"
BUSCTL_TIMEOUT = 2.0  # seconds, for each of three calls
ADVICE = (
    "no real-time priority: sudo apt install rtkit, or: "
    "echo '@audio - rtprio 95' | sudo tee /etc/security/limits.d/audio.conf; sudo usermod -aG audio $USER; log in again"
)


@dataclass(frozen=True)
class Granted:
    """The answer to a request; `how` names the way, `advice` is one line for the user, empty if all is well."""

    granted: bool
    how: str
    advice: str = ""


def ask(thread_id: int, priority: int = PRIORITY) -> Granted:
    """Request real-time scheduling for one thread of this process, in the way of this system. [control thread]

    Parameters
    ----------
    thread_id : int
        The kernel's id (gettid) that the audio thread stored.
    priority : int
        Requested priority, 1 to 99; it is lowered to the user's limit.
    """
    if not sys.platform.startswith("linux"):
        return Granted(True, "left to the host API")
    already = scheduling(thread_id)
    if already:
        return Granted(True, f"{already}, given by the sound server")
    return _by_scheduler(thread_id, priority) or _by_rtkit(thread_id, priority) or Granted(False, "none", ADVICE)


def scheduling(thread_id: int) -> str:
    """Return "SCHED_FIFO 70" or the like for a real-time thread, else ""."""
    try:
        policy = os.sched_getscheduler(thread_id) & ~os.SCHED_RESET_ON_FORK
        priority = os.sched_getparam(thread_id).sched_priority
    except (AttributeError, OSError):
        return ""
    names = {os.SCHED_FIFO: "SCHED_FIFO", os.SCHED_RR: "SCHED_RR"}
    return f"{names[policy]} {priority}" if policy in names else ""


def _by_scheduler(thread_id: int, priority: int) -> Granted | None:
    import resource

    allowed = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    for wanted in dict.fromkeys((priority, min(priority, allowed))):
        if wanted < 1:  # also "unlimited", which is -1 and allowed the first attempt
            continue
        try:
            # children (jobs that compile) must not inherit it
            os.sched_setscheduler(thread_id, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(wanted))
        except OSError:
            continue
        return Granted(True, f"SCHED_FIFO {wanted}")
    return None


def _by_rtkit(thread_id: int, priority: int) -> Granted | None:
    """Ask the service rtkit; it requires a limit on the real-time CPU time of the whole process."""
    import resource

    if not shutil.which("busctl"):
        return None
    highest = _busctl("get-property", RTKIT, RTKIT_PATH, RTKIT, "MaxRealtimePriority")
    longest = _busctl("get-property", RTKIT, RTKIT_PATH, RTKIT, "RTTimeUSecMax")
    try:
        wanted = min(priority, int(highest.split()[1]))
        limit = int(longest.split()[1])
    except (IndexError, ValueError):
        return None
    hard = resource.getrlimit(resource.RLIMIT_RTTIME)[1]
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    try:
        resource.setrlimit(resource.RLIMIT_RTTIME, (limit, limit))
    except (OSError, ValueError):
        return None
    numbers = [str(os.getpid()), str(thread_id), str(wanted)]
    _busctl("call", RTKIT, RTKIT_PATH, RTKIT, "MakeThreadRealtimeWithPID", "ttu", *numbers)
    got = scheduling(thread_id)
    return Granted(True, f"{got}, by rtkit") if got else None


def _busctl(*arguments: str) -> str:
    """Return the output of one call on the system bus, empty on any failure."""
    try:
        done = subprocess.run(
            ["busctl", "--system", *arguments],
            capture_output=True,
            text=True,
            timeout=BUSCTL_TIMEOUT,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def enable_alsa(module: Any, stream: Any, host_api: str) -> bool:
    """Ask PortAudio's ALSA part to start its callback thread with real-time priority.

    PortAudio writes into the stream's memory without checking its kind: on any other host API that would overwrite
    other data, hence `host_api`.

    Parameters
    ----------
    module : sounddevice
    stream : sounddevice._StreamBase
        Opened, not yet started.
    host_api : str
        Name of the host API that the stream was opened on.

    Returns
    -------
    bool
        Whether PortAudio was asked. Only `scheduling` shows whether the kernel has granted it.
    """
    if host_api != ALSA or not sys.platform.startswith("linux"):
        return False
    try:
        function = ctypes.CDLL(module._libname).PaAlsa_EnableRealtimeScheduling
    except (AttributeError, OSError):
        return False
    function.restype = None
    function(ctypes.c_void_p(int(module._ffi.cast("uintptr_t", stream._ptr))), ctypes.c_int(1))
    return True


@functools.lru_cache(maxsize=1)
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def lock_memory(address: int, size: int) -> bool:
    """Keep `size` bytes at `address` in memory, if the user's limits allow it; no error if they do not."""
    if sys.platform == "win32" or size <= 0:
        return False
    return _libc().mlock(ctypes.c_void_p(address), ctypes.c_size_t(size)) == 0


def unlock_memory(address: int, size: int) -> None:
    """Undo `lock_memory`, before the memory is freed."""
    if sys.platform != "win32" and size > 0:
        _libc().munlock(ctypes.c_void_p(address), ctypes.c_size_t(size))
