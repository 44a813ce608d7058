"""How far a rendering is: a bar in a terminal, one line at the end elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from .output import printer, status


class Once:
    """Prints a line of status, and the same line never again."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, note: str) -> None:
        if note not in self._told:
            self._told.add(note)
            status(note)


@contextlib.contextmanager
def progress(total: float | None) -> Iterator[Callable[[float], None]]:
    """Yield what to call with the seconds of audio that are done, of `total` if that is known."""
    # the clock starts at the first call, so that the speed is not that of the compiler
    begun, done = 0.0, 0.0
    if not sys.stderr.isatty():

        def count(seconds: float) -> None:
            nonlocal begun, done
            begun, done = begun or time.perf_counter(), seconds

        yield count
        _tell(done, begun)
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    with Progress(*columns, console=printer(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total, text="")

        def show(seconds: float) -> None:
            nonlocal begun, done
            begun, done = begun or time.perf_counter(), seconds
            bar.update(task, completed=seconds, text=_speed(seconds, begun))

        yield show
    _tell(done, begun)


def _tell(done: float, begun: float) -> None:
    if done:
        status(f"rendered {_speed(done, begun)}")


def _speed(seconds: float, begun: float) -> str:
    elapsed = max(time.perf_counter() - begun, 1e-6)
    return f"{seconds:.1f} s of audio in {elapsed:.1f} s, {seconds / elapsed:.0f} x real time"
