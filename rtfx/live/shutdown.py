"""Ends a stream: it fades out, and each further step runs even if another one fails. It runs once, on any thread.

A stream that is deleted ends at once. The garbage collector finds a stream that only a reference cycle holds, such as
the traceback of a failed notebook cell. If the collector runs on one of the stream's own threads, which cannot wait for
itself, a thread of this module ends the stream. In a program that waits for its user the collector may not run for
hours, so that thread runs it now and then while a stream is open outside a ``with`` block.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import os
import queue
import signal
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from ..host.timeouts import await_end

if TYPE_CHECKING:
    from ..engine.engine import Engine
    from ..host.hosts import Host
    from ..host.recorder import Recorder
    from .controller import Controller
    from .feed import Feed
    from .stream import Stream
    from .takes import Takes

FADE_SECONDS = 0.5  # time for two blocks of the device and a fade of 20 ms
POLL_SECONDS = 0.005
LONGEST_SECONDS = 15.0  # of all steps: a second call of `close` waits this long for the first
LINGER_SECONDS = 0.2  # wait for this module's thread at exit
COLLECT_SECONDS = 3.0  # between searches for unreachable streams
COLLECT_SHARE = 0.01  # the largest share of one core that the searches use

_lock = threading.RLock()  # reentrant: the collector may end a stream on the thread that holds the lock
_open: set[Ending] = set()  # streams that have not ended; this keeps the memory that their audio threads use
_deleted: queue.SimpleQueue[Ending | None] = queue.SimpleQueue()  # the collector may safely call its `put`
_ender: threading.Thread | None = None


class Companion(Protocol):
    """A thread beside a stream, such as one that watches files or listens to pedals; it ends with the stream."""

    def start(self) -> None: ...

    def close(self) -> None: ...


class Ending:
    """Holds the parts of one stream until the audio has stopped, and ends them.

    Parameters
    ----------
    hosts : list
        Contains the one host that plays; a reconnection replaces it.

    Attributes
    ----------
    certain : bool
        Whether a ``with`` block will end the stream.
    deleted : bool
        Whether the stream has been deleted.
    """

    def __init__(
        self,
        engine: Engine,
        controller: Controller,
        hosts: list[Host],
        recorder: Recorder | None,
        takes: Takes,
        companions: list[Companion],
        feed: Feed,
    ):
        self.certain = self.deleted = False
        self._engine, self._hosts = engine, hosts
        self._turn = threading.RLock()
        begin: list[int] = []
        self._left: deque[Callable[[], object]] = deque(
            [
                lambda: begin.append(engine.clock),
                self._fade,
                lambda: _close_all(companions),
                controller.stop,
                lambda: hosts[0].close(patient=engine.clock != begin[0]),
                takes.stop,
                *([recorder.close] if recorder else []),
                takes.close,
                engine.reclaim,
                feed.close,
            ]
        )
        _begin(self)

    def __call__(self) -> None:
        """Fade out and close everything, then raise the first error; a second call waits for the first."""
        faults: list[BaseException] = []
        if not self._turn.acquire(timeout=LONGEST_SECONDS):
            return
        try:
            while self._left:
                step = self._left.popleft()
                try:
                    step()
                except BaseException as error:  # interrupts too: close the device before raising
                    faults.append(error)
            _forget(self)
        finally:
            self._turn.release()
        if faults:
            raise faults[0]

    def _fade(self) -> None:
        host = self._hosts[0]
        if host.active:
            last = self._engine.stop_soon()
            deadline = time.monotonic() + FADE_SECONDS
            while host.active and self._engine.clock < last and time.monotonic() < deadline:
                time.sleep(POLL_SECONDS)


def _close_all(companions: list[Companion]) -> None:
    """Close every companion, then raise the first error."""
    faults = []
    for companion in companions:
        try:
            companion.close()
        except Exception as error:
            faults.append(error)
    if faults:
        raise faults[0]


def let_go(ending: Ending) -> None:
    """End a deleted stream: on this thread, or on another one if this thread belongs to a stream."""
    ending.deleted = True
    if threading.current_thread().name.startswith("rtfx "):
        _deleted.put(ending)
    else:
        ending()


def collect() -> None:
    """End unreachable streams, so that the device is free for the next one."""
    with _lock:
        left = [ending for ending in list(_open) if not ending.certain]
    if left:
        gc.collect()
    for ending in left:
        if ending.deleted:
            ending()


def _begin(ending: Ending) -> None:
    global _ender
    fresh = None
    with _lock:
        _open.add(ending)
        if _ender is None:
            fresh = _ender = threading.Thread(target=_run, name="rtfx ends", daemon=True)
    if fresh:
        fresh.start()  # without the lock, as the collector may run on the new thread and end a stream there
    atexit.unregister(_end_all)
    atexit.register(_end_all)  # registered last, called first: before PortAudio ends


def _forget(ending: Ending) -> None:
    with _lock:
        _open.discard(ending)
        idle = None if _open else _ender
    if idle:
        _deleted.put(None)
        await_end(idle, LINGER_SECONDS)


def _run() -> None:
    """End the streams in the queue, and search for unreachable streams while one is open. [own thread]"""
    global _ender
    pause = COLLECT_SECONDS
    while True:
        ending: Ending | None = None
        with contextlib.suppress(queue.Empty):
            ending = _deleted.get(timeout=pause)
        if ending is not None:
            with contextlib.suppress(Exception):  # nobody is left to receive the error
                ending()
        with _lock:
            if not _open:
                _ender = None
                return
            doubtful = any(not ending.certain for ending in list(_open))
        if ending is None and doubtful and gc.isenabled():
            begun = time.perf_counter()
            gc.collect()
            pause = max(COLLECT_SECONDS, (time.perf_counter() - begun) / COLLECT_SHARE)


def _end_all() -> None:
    for ending in list(_open):
        with contextlib.suppress(Exception):
            ending()


def _forget_all() -> None:
    """Forget all streams in a forked process, which does not have the threads of its parent."""
    global _lock, _deleted, _ender
    _lock, _deleted, _ender = threading.RLock(), queue.SimpleQueue(), None
    _open.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


_closes_on_interrupt: weakref.WeakSet[Any] = weakref.WeakSet()
_shells: weakref.WeakSet[Any] = weakref.WeakSet()


def end_when_interrupted(stream: Stream) -> None:
    """Make the next interrupt close a stream, unless the program handles interrupts itself, as the player does.

    A notebook's kernel sets its own handler for each cell, so there a hook runs at the end of the cell. Elsewhere this
    replaces Python's handler while a stream is open.
    """
    _closes_on_interrupt.add(stream)
    shell = _shell()
    if shell is not None:
        if shell not in _shells:
            _shells.add(shell)
            shell.events.register("post_run_cell", _cell_ended)
    elif threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, _interrupted)


def closed(stream: Stream) -> None:
    """Forget a stream; after the last one, restore Python's interrupt handler."""
    _closes_on_interrupt.discard(stream)
    if not _closes_on_interrupt and threading.current_thread() is threading.main_thread():
        if signal.getsignal(signal.SIGINT) is _interrupted:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _shell() -> Any:
    """Return the IPython that runs this, None elsewhere."""
    module = sys.modules.get("IPython")
    return module.get_ipython() if module is not None else None


def _interrupted(number: int, frame: FrameType | None) -> None:
    for stream in list(_closes_on_interrupt):  # on threads, as the interrupted code may hold the stream's lock
        threading.Thread(target=stream.close, name="rtfx interrupt").start()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    raise KeyboardInterrupt


def _cell_ended(result: Any) -> None:
    if isinstance(getattr(result, "error_in_exec", None), KeyboardInterrupt):
        for stream in list(_closes_on_interrupt):
            stream.close()
