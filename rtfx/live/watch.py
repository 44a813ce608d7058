"""Watches the files that a stream plays, on a thread of its own, and has them reloaded when they have come to rest."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from ..errors import message_of
from ..host.timeouts import await_end
from .reload import NotTaken, Reloader, Signature

REST_SECONDS = 0.15  # files that have not changed for so long are no longer being written
PATIENCE_SECONDS = 1.0  # an error is told when nothing has mended it for so long: half a file is no mistake
RESTLESS_SECONDS = 1.0  # after so long they are read all the same: a small net that learns is written without a pause
LOOK_MILLISECONDS = 500


class Watcher:
    """A thread that reloads what changes.

    Editors write a file in place, in pieces, or write another one and rename it: so folders are watched, and what
    counts is what the files are once they rest.
    """

    def __init__(self, reloader: Reloader, news: deque[str]):
        self.reloader, self.news = reloader, news
        self._broken = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtfx watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that compiles ends by itself and publishes nothing any more."""
        self._stop.set()
        await_end(self._thread, 1.0)

    def _run(self) -> None:
        from watchfiles import watch

        seen = self.reloader.loaded
        while not self._stop.is_set():
            folders = folders_of(self.reloader.paths)
            changes = watch(
                *folders,
                watch_filter=None,
                step=20,
                stop_event=self._stop,
                rust_timeout=LOOK_MILLISECONDS,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
                ignore_permission_denied=True,
            )
            for _ in changes:
                if self.reloader.signature() != seen:
                    seen = self._take()
                if folders_of(self.reloader.paths) != folders:
                    break

    def _take(self) -> Signature:
        """Reload as soon as the files rest and hold together; return the state they are in then."""
        told = ""
        seen = self._at_rest(self.reloader.signature)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._stop.is_set():
            try:
                lines = self.reloader.reload()
                self.news.extend(lines or (["mended: everything is as it plays"] if self._broken else []))
                self._broken = False
                return seen
            except NotTaken as error:
                self.news.extend(error.lines)
                told = str(error)
            except Exception as error:  # of whatever kind: the thread must live to see the next edit
                told = message_of(error)
            while (now := self.reloader.signature()) == seen:
                if time.monotonic() > deadline or self._stop.wait(REST_SECONDS / 3):
                    self._broken = True
                    self.news.append(f"not reloaded, the sound goes on: {told}")
                    return now
            seen = self._at_rest(self.reloader.signature)
            deadline = time.monotonic() + PATIENCE_SECONDS
        return seen

    def _at_rest(self, signature: Callable[[], Signature]) -> Signature:
        """Return the files' state once it has not changed for a moment, or has changed for too long."""
        before, since = signature(), time.monotonic()
        end = since + RESTLESS_SECONDS
        while time.monotonic() < min(since + REST_SECONDS, end) and not self._stop.wait(REST_SECONDS / 5):
            now = signature()
            if now != before:
                before, since = now, time.monotonic()
        return before


def folders_of(paths: set[Path]) -> list[Path]:
    """Return the folders in which something happens when one of the files changes, behind links too."""
    folders = {folder.resolve() for path in paths for folder in (path.parent, path.resolve().parent)}
    return sorted(folder for folder in folders if folder.is_dir())
