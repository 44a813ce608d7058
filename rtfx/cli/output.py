"""What the commands print: status and progress on standard error, data and JSON on standard output."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from ..errors import COMMANDS, harmless, one_line

if TYPE_CHECKING:
    from rich.console import Console


def status(text: str) -> None:
    """Print one line on standard error; ignore a terminal that was closed."""
    encoding = getattr(sys.stderr, "encoding", None) or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)  # names of files need not be UTF-8
    try:
        # click's echo would write into a bar that is being drawn
        print(f"rtfx: {one_line(harmless(text))}", file=sys.stderr, flush=True)
    except OSError:  # the window was closed
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())  # takes the rest of the buffer


def say(text: str = "") -> None:
    """Print lines of data on standard output, without escape sequences."""
    click.echo(harmless(text))


def printer(**how: Any) -> Console:
    """Return a rich console that removes escape sequences from names."""
    from rich.console import Console
    from rich.segment import Segment

    class Harmless(Console):
        def render(self, renderable: Any, options: Any = None) -> Any:
            for segment in super().render(renderable, options):
                yield segment if segment.control else Segment(harmless(segment.text), segment.style)

    return Harmless(**how)


def json_line(data: Any) -> None:
    """Print one object as a line of JSON on standard output."""
    import json

    text = json.dumps(finite(data), allow_nan=False, ensure_ascii=False)
    text = COMMANDS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(json.loads(text))
    click.echo(text)
    sys.stdout.flush()


def finite(data: Any) -> Any:
    """Return `data` as plain Python; numbers that are not finite become None, as JSON has none."""
    if isinstance(data, dict):
        return {str(key): finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [finite(value) for value in data]
    if data is None or isinstance(data, (bool, int, str)):
        return data
    if hasattr(data, "tolist"):  # NumPy, without importing it
        return finite(data.tolist())
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    return str(data)


class Once:
    """Prints each line of status once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, note: str) -> None:
        if note not in self._told:
            self._told.add(note)
            status(note)


@contextlib.contextmanager
def progress(total: float | None) -> Iterator[Callable[[float], None]]:
    """Yield a function to call with the seconds of audio done so far; `total` is the length in seconds, if known.

    A terminal shows a bar; elsewhere one line is printed at the end.
    """
    # the clock starts at the first call, so the time to compile is not counted
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
