"""Many files at once: one in this process, several in worker processes, with one progress line for all."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import AudioFileError, RtfxError
from .output import status
from .table import Outcome

if TYPE_CHECKING:
    from ..api import Rig
    from .render import Job

POLL_SECONDS = 0.1
_shared: dict[str, Any] = {}  # in a worker: the counters it got at its start, and its rig


class Once:
    """Prints a line of status, and the same line never again."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, note: str) -> None:
        if note not in self._told:
            self._told.add(note)
            status(note)


class Cancelled(Exception):
    """The user has interrupted; raised in a worker so that it leaves no half file."""


def render_all(
    rig: Rig, work: Sequence[Job], jobs: int, done: Callable[[Job], None] = lambda job: None
) -> list[Outcome]:
    """Render every job, `jobs` at a time, calling `done` for those that succeed; return what became of each."""
    if len(work) == 1 and jobs > 1:
        outcome = _in_pieces(rig, work[0], jobs)
        if outcome:
            if not outcome.error:
                done(work[0])
            return [outcome]
    if min(jobs, len(work)) <= 1:
        return _here(rig, work, done)
    return _in_workers(rig, work, min(jobs, len(work)), done)


def _in_pieces(rig: Rig, job: Job, jobs: int) -> Outcome | None:
    """Render one long file over all cores; None if it cannot be cut."""
    from .chunks import Uncuttable, cut, render_pieces

    begun = time.perf_counter()
    try:
        if cut(rig, job) is None:
            return None
        rate = _rate(job)
        with _progress(_total_seconds([job])) as show:
            rendered = render_pieces(rig, job, jobs, lambda done, total: show(done / rate))
    except Uncuttable:
        return None
    except RtfxError as error:
        return Outcome(job, error=error)
    for note in (*rig.notes, f"plan {rig.digest}"):
        status(note)
    return Outcome(job, rendered, seconds=time.perf_counter() - begun)


def _here(rig: Rig, work: Sequence[Job], done: Callable[[Job], None]) -> list[Outcome]:
    from .render import render_one

    outcomes: list[Outcome] = []
    tell = Once()
    seconds_before = 0.0
    with _progress(_total_seconds(work)) as show:
        for job in work:
            rate, begun = _rate(job), time.perf_counter()

            def report(read: int, total: int | None, before: float = seconds_before, rate: float = rate) -> None:
                show(before + read / rate)

            try:
                rendered = render_one(rig, job, report, tell)
            except RtfxError as error:
                outcomes.append(Outcome(job, error=error))
                continue
            outcomes.append(Outcome(job, rendered, seconds=time.perf_counter() - begun))
            done(job)
            seconds_before += rendered.frames_in / rendered.sample_rate
            show(seconds_before)
    return outcomes


def _in_workers(rig: Rig, work: Sequence[Job], jobs: int, done: Callable[[Job], None]) -> list[Outcome]:
    from concurrent.futures import FIRST_COMPLETED, wait
    from concurrent.futures.process import BrokenProcessPool

    from .workers import CONTEXT, pool

    _warm(rig, work[0])
    seconds, cancel = CONTEXT.Value("d", 0.0), CONTEXT.Value("b", 0)
    outcomes: list[Outcome] = []
    tell = Once()
    workers = pool(jobs, _start_worker, seconds, cancel)
    try:
        with _progress(_total_seconds(work)) as show:
            waiting = {workers.submit(_work, job): job for job in work}
            while waiting:
                ready, _ = wait(waiting, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                show(seconds.value)
                for future in ready:
                    job = waiting.pop(future)
                    try:
                        message, notes, rendered, spent = future.result()
                    except BrokenProcessPool:
                        message = f"{job.source}: its worker process died: is there enough memory? Try --jobs 1"
                        notes, rendered, spent = [], None, 0.0
                    for note in notes:
                        tell(note)
                    outcomes.append(Outcome(job, rendered, AudioFileError(message) if message else None, spent))
                    if not message:
                        done(job)
    except BaseException:
        cancel.value = 1
        workers.shutdown(wait=True, cancel_futures=True)
        raise
    workers.shutdown()
    places = {job.target: place for place, job in enumerate(work)}
    return sorted(outcomes, key=lambda outcome: places[outcome.job.target])


def _start_worker(seconds: Any, cancel: Any) -> None:
    """Set a worker up."""
    _shared.update(seconds=seconds, cancel=cancel)


def _work(job: Job) -> tuple[str, list[str], Any, float]:
    """Render one job in a worker; return the error's words or "", notes, what was written, and the seconds it took."""
    from .render import build, render_one

    seconds, cancel = _shared["seconds"], _shared["cancel"]
    reported, rate = 0, _rate(job)
    notes: list[str] = []
    begun = time.perf_counter()

    def report(done: int, total: int | None) -> None:
        nonlocal reported
        if cancel.value:
            raise Cancelled
        with seconds.get_lock():
            seconds.value += (done - reported) / rate
        reported = done

    try:
        if "rig" not in _shared:
            _shared["rig"] = build(job.what, job.flags)
        rendered = render_one(_shared["rig"], job, report, notes.append)
    except Cancelled:
        return "interrupted", notes, None, 0.0
    except RtfxError as error:
        return str(error), notes, None, 0.0
    return "", notes, rendered, time.perf_counter() - begun


def _warm(rig: Rig, job: Job) -> None:
    """Compile into the disk cache here, once, rather than in every worker."""
    from ..host.wave import Reader

    with contextlib.suppress(RtfxError), Reader(job.source) as reader:
        channels = 1 if job.mono else reader.channels
        rig.stream_blocks(iter(()), reader.sample_rate, channels, bare=job.flags.bare, model_rate=job.rate)


def _rate(job: Job) -> float:
    import soundfile

    if job.source == "-":
        return 48000.0  # a pipe's rate is known only once it is read: its progress is approximate
    try:
        return float(soundfile.info(os.fsencode(job.source)).samplerate)
    except (soundfile.SoundFileError, OSError, TypeError):
        return 48000.0  # the reader will say what is wrong with the file


def _total_seconds(work: Sequence[Job]) -> float | None:
    """Return the length of all sources in seconds, None if there is a pipe among them."""
    import soundfile

    total = 0.0
    for job in work:
        if job.source == "-":
            return None
        with contextlib.suppress(soundfile.SoundFileError, OSError, TypeError):
            total += float(soundfile.info(os.fsencode(job.source)).duration)
    return total


@contextlib.contextmanager
def _progress(total: float | None) -> Iterator[Any]:
    """Yield ``show(seconds of audio done)``: a bar in a terminal, one line at the end elsewhere."""
    # the clock starts at the first call, so that the speed is not that of the compiler
    begun, done = 0.0, 0.0
    if not sys.stderr.isatty():

        def count(seconds: float) -> None:
            nonlocal begun, done
            begun, done = begun or time.perf_counter(), seconds

        yield count
        _tell(done, begun)
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
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
