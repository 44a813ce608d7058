"""An interrupt ends the audio, wherever it is raised: in a cell of a notebook that knows nothing of the stream, too."""

from __future__ import annotations

import signal
import sys
import threading
import weakref
from types import FrameType
from typing import Any, Protocol


class Closes(Protocol):
    """A running stream."""

    def close(self) -> None: ...


_live: weakref.WeakSet[Any] = weakref.WeakSet()
_shells: weakref.WeakSet[Any] = weakref.WeakSet()


def end_when_interrupted(stream: Closes) -> None:
    """Have the next interrupt close a stream; one who handles interrupts himself, as the player does, keeps them.

    A notebook's kernel sets its own handler for each cell, so there the end of the cell is watched; elsewhere Python's
    handler is replaced while a stream is open.
    """
    _live.add(stream)
    shell = _shell()
    if shell is not None:
        if shell not in _shells:
            _shells.add(shell)
            shell.events.register("post_run_cell", _cell_ended)
    elif threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupted)


def closed(stream: Closes) -> None:
    """Forget a stream; with the last one Python gets its handler back."""
    _live.discard(stream)
    if not _live and threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is _interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _shell() -> Any:
    """Return the IPython that runs this, None elsewhere."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _interrupted(number: int, frame: FrameType | None) -> None:
    for stream in list(_live):  # on threads: what was interrupted may hold the stream's own lock
        threading.Thread(target=stream.close, name="rtfx interrupt").start()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise KeyboardInterrupt


def _cell_ended(result: Any) -> None:
    if isinstance(getattr(result, "error_in_exec", None), KeyboardInterrupt):
        for stream in list(_live):
            stream.close()
