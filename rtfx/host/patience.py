"""Calls into sound systems that may never return: on a thread of their own, so that nobody else hangs with them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ..errors import DeviceError

T = TypeVar("T")


def await_end(thread: threading.Thread, seconds: float) -> bool:
    """Wait for a thread, but not for the one that calls, which would wait for ever; return whether it has ended."""
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(seconds)
    return not thread.is_alive()


def within(seconds: float, function: Callable[..., T], *arguments: Any) -> T:
    """Return ``function(*arguments)``, or raise what it raised.

    Off Linux it runs on this thread: Windows' sound systems want to be used on the thread that began with them.

    Raises
    ------
    DeviceError
        It did not return in time. It is left behind, on a thread that ends with the process.
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

    thread = threading.Thread(target=run, name="rtfx patience", daemon=True)
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
