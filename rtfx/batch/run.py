"""Renders many files: a single one in this process, several in worker processes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import AudioFileError, RtfxError
from ..files import STANDARD, sweep
from .job import Cancelled, Job, Outcome, Rigs, render_one
from .workers import CONTEXT, pool

if TYPE_CHECKING:
    from ..api import Rig

POLL_SECONDS = 0.1
Progress = Callable[[float | None], AbstractContextManager[Callable[[float], None]]]
_shared: dict[str, Any] = {}  # in a worker: the counters from its start, and its rigs


def render_all(
    rigs: Rigs,
    work: Sequence[Job],
    jobs: int,
    progress: Progress,
    tell: Callable[[str], None],
    done: Callable[[Job], None] = lambda job: None,
) -> list[Outcome]:
    """Render every job and return the result of each.

    Parameters
    ----------
    jobs : int
        The number of files rendered at a time, or of pieces of one long file.
    progress : callable
        Takes the seconds of audio in all sources, or None if not known; returns a context manager of a function to call
        with the seconds done.
    tell : callable
        Called with each message for the user; a message may come more than once.
    done : callable
        Called for each job that succeeds.
    """
    if len(work) == 1 and jobs > 1:
        outcome = _in_pieces(rigs.of(work[0]), work[0], jobs, progress, tell)
        if outcome:
            if not outcome.error:
                done(work[0])
            return [outcome]
    if min(jobs, len(work)) <= 1:
        return _here(rigs, work, progress, tell, done)
    return _in_workers(rigs, work, min(jobs, len(work)), progress, tell, done)


def _in_pieces(rig: Rig, job: Job, jobs: int, progress: Progress, tell: Callable[[str], None]) -> Outcome | None:
    """Render one long file in pieces over all cores; return None if it cannot be cut."""
    from .pieces import Uncuttable, cut, render_pieces

    begun = time.perf_counter()
    try:
        if cut(rig, job) is None:
            return None
        rate = _rate(job)
        with progress(_total_seconds([job])) as show:
            rendered = render_pieces(rig, job, jobs, lambda done, total: show(done / rate))
    except Uncuttable:
        return None
    except RtfxError as error:
        return Outcome(job, error=error)
    for note in (*rig.notes, f"plan {rig.digest}", *rendered.warnings):
        tell(note)
    return Outcome(job, rendered, seconds=time.perf_counter() - begun)


def _here(
    rigs: Rigs, work: Sequence[Job], progress: Progress, tell: Callable[[str], None], done: Callable[[Job], None]
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    seconds_before = 0.0
    with progress(_total_seconds(work)) as show:
        for job in work:
            rate, begun = _rate(job), time.perf_counter()

            def report(read: int, total: int | None, before: float = seconds_before, rate: float = rate) -> None:
                show(before + read / rate)

            try:
                rendered = render_one(rigs.of(job), job, report, tell)
            except RtfxError as error:
                outcomes.append(Outcome(job, error=error))
                continue
            outcomes.append(Outcome(job, rendered, seconds=time.perf_counter() - begun))
            done(job)
            seconds_before += rendered.frames_in / rendered.sample_rate
            show(seconds_before)
    return outcomes


def _in_workers(
    rigs: Rigs,
    work: Sequence[Job],
    jobs: int,
    progress: Progress,
    tell: Callable[[str], None],
    done: Callable[[Job], None],
) -> list[Outcome]:
    """Render in worker processes. If one dies, the pool ends; the remaining jobs are then rendered one by one."""
    for job in {(*job.words, job.preset): job for job in work}.values():
        _warm(rigs, job)
    counters = CONTEXT.Value("d", 0.0), CONTEXT.Value("b", 0)  # seconds done, whether to end
    with progress(_total_seconds(work)) as show:
        outcomes, left = _in_pool(work, jobs, counters, show, tell, done)
        for job in left:
            again, dead = _in_pool([job], 1, counters, show, tell, done)
            outcomes += again
            if dead:
                error = AudioFileError(f"{job.source}: its worker process died: is there enough memory? Try --jobs 1")
                outcomes.append(Outcome(job, error=error))
    places = {job.target: place for place, job in enumerate(work)}
    return sorted(outcomes, key=lambda outcome: places[outcome.job.target])


def _in_pool(
    work: Sequence[Job],
    jobs: int,
    counters: tuple[Any, Any],
    show: Callable[[float], None],
    tell: Callable[[str], None],
    done: Callable[[Job], None],
) -> tuple[list[Outcome], list[Job]]:
    """Return the outcome of each job, and the jobs that were not done when a process died."""
    from concurrent.futures import FIRST_COMPLETED, wait
    from concurrent.futures.process import BrokenProcessPool

    seconds, cancel = counters
    outcomes: list[Outcome] = []
    left: list[Job] = []
    workers = pool(jobs, _start_worker, seconds, cancel)
    try:
        waiting = {workers.submit(_work, job): job for job in work}
        while waiting:
            ready, _ = wait(waiting, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            show(seconds.value)
            for future in ready:
                job = waiting.pop(future)
                try:
                    message, notes, rendered, spent = future.result()
                except BrokenProcessPool:
                    left.append(job)
                    continue
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
    for job in left:
        sweep(Path(job.target))
    return outcomes, left


def _start_worker(seconds: Any, cancel: Any) -> None:
    """Initialise a worker."""
    _shared.update(seconds=seconds, cancel=cancel, rigs=Rigs())


def _work(job: Job) -> tuple[str, list[str], Any, float]:
    """Render one job in a worker; return the error message or "", the notes, the result and the seconds it took."""
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
        rendered = render_one(_shared["rigs"].of(job), job, report, notes.append)
    except Cancelled:
        return "interrupted", notes, None, 0.0
    except RtfxError as error:
        return str(error), notes, None, 0.0
    return "", notes, rendered, time.perf_counter() - begun


def _warm(rigs: Rigs, job: Job) -> None:
    """Compile once into the disk cache, so that the workers need not compile."""
    from ..audio import Reader

    with contextlib.suppress(RtfxError), Reader(job.source) as reader:
        channels = 1 if job.mono else reader.channels
        rigs.of(job).stream_blocks(iter(()), reader.sample_rate, channels, model_rate=job.rate)
        if job.measure or job.lufs is not None:
            from ..host.meter import WEIGH

            WEIGH.address  # noqa: B018 - compiles


def _rate(job: Job) -> float:
    info = job.info()
    return float(info.sample_rate) if info else 48000.0  # a pipe's rate is not known yet: the progress is approximate


def _total_seconds(work: Sequence[Job]) -> float | None:
    """Return the total length of the sources in seconds, None if the length of one is not known."""
    infos = [job.info() for job in work]
    if any(job.source == STANDARD for job in work) or any(info and info.frames is None for info in infos):
        return None
    return sum((info.frames or 0) / info.sample_rate for info in infos if info)
