"""Waits, with a limit, for sound systems and for threads that write to a disk."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import DeviceError

T = TypeVar("T")
STALLED_SECONDS = 30.0  # longest time without progress; a disk spins up and a network returns in less
QUIET_SECONDS = 1.0  # time of waiting after which the user is told
TOLD_SECONDS = 5.0  # between two messages about it


def await_end(thread: threading.Thread, seconds: float) -> bool:
    """Wait for a thread, unless it is the calling thread; return whether it has ended."""
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(seconds)
    return not thread.is_alive()


def await_writing(thread: threading.Thread, progress: Callable[[], Any], tell: Callable[[], object]) -> bool:
    """Wait for a thread that writes, for as long as it makes progress; return whether it has ended.

    Parameters
    ----------
    progress : callable
        Its value changes whenever a part of the work is done; without a change for `STALLED_SECONDS` the wait ends.
    tell : callable
        Called after `QUIET_SECONDS` and then every `TOLD_SECONDS`.
    """
    seen, since = progress(), time.monotonic()
    told = since + QUIET_SECONDS
    while not await_end(thread, 0.1) and thread is not threading.current_thread():
        now, done = time.monotonic(), progress()
        if done != seen:
            seen, since = done, now
        elif now - since > STALLED_SECONDS:
            return False
        if now > told:
            told = now + TOLD_SECONDS
            tell()
    return True


def within(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """Return ``function(*arguments)`` or raise its exception, after at most `seconds` on Linux.

    On other systems it runs on this thread without a limit: Windows' sound systems must be used on the thread that
    opened them.

    Raises
    ------
    DeviceError
        It did not return in time. It continues on a thread that ends with the process.
    """
    if not sys.platform.startswith("linux"):
        return function(*arguments)
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(function(*arguments))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="rtfx wait", daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise DeviceError(
            f"the sound system has not answered for {seconds:g} s: restart its server (JACK or PipeWire), or use "
            "--device null"
        )
    return results[0]
