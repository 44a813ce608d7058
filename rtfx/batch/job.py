"""One file to render and its result; and a list of finished files, by which an interrupted run can continue."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import AudioFileError, RtfxError, message_of
from ..files import STANDARD, read_file, sweep, write_file
from ..rig_arguments import RigFlags, build

if TYPE_CHECKING:
    from ..api import Rig
    from ..plan.chain import Plan


LEDGER = ".rtfx-render.json"


class Info(NamedTuple):
    """The header of a source; rate in Hz, frames None if the header does not give the length."""

    sample_rate: int
    channels: int
    frames: int | None


class Cancelled(Exception):
    """Raised in a worker after an interrupt, so that no incomplete file is left."""


@dataclass(frozen=True)
class Job:
    """One file to render, and how: everything that a worker process needs.

    `preset` is an index, from 0, into the rig that `what` and `flags` name; `label` is its name if there are several.
    """

    what: str | None
    flags: RigFlags
    source: str
    target: str
    encoding: str
    mono: bool
    align: bool
    overwrite: bool
    block: int
    rate: float | None
    preset: int = 0
    label: str = ""
    lufs: float | None = None
    measure: bool = False

    @property
    def words(self) -> tuple[str | None, RigFlags]:
        """The arguments that name the rig."""
        return self.what, self.flags

    def build(self) -> Rig:
        """Build the rig again, select the preset and return it."""
        rig = build(*self.words)
        rig.index = self.preset
        return rig

    def info(self) -> Info | None:
        """Return the header of the source; None for a pipe, or if the source is not audio (the reader will raise)."""
        from ..audio import Reader

        if self.source == STANDARD:
            return None
        try:
            with Reader(self.source) as reader:
                return Info(reader.sample_rate, reader.channels, reader.frames)
        except AudioFileError:
            return None

    def plan(self, rig: Rig, sample_rate: float, channels: int) -> Plan:
        """Return the rig, compiled with the settings of the flags."""
        return rig.plan(sample_rate, channels, values=dict(self.flags.values))

    def gains(self, rig: Rig) -> tuple[float, float]:
        """Return input and output gain in dB."""
        said = rig.set_list.globals
        return (
            float(said.get("in_gain_db", 0.0)) if self.flags.in_gain is None else self.flags.in_gain,
            float(said.get("out_gain_db", 0.0)) if self.flags.out_gain is None else self.flags.out_gain,
        )


@dataclass(frozen=True)
class Outcome:
    """The result of one file.

    Parameters
    ----------
    rendered : host.render.Rendered or None
        None if it failed, or if an earlier run finished it.
    error : RtfxError or None
    seconds : float
        The time it took.
    """

    job: Job
    rendered: Any = None
    error: RtfxError | None = None
    seconds: float = 0.0


def render_one(rig: Rig, job: Job, progress: Any = None, tell: Callable[[str], None] = lambda note: None) -> Any:
    """Render one file and return its `Rendered`; `tell` gets lines for the user.

    Raises
    ------
    RtfxError
        Any error; no incomplete file is left.
    """
    from ..engine.offline import BLOCK_FRAMES
    from ..host.render import render_file

    gains = job.gains(rig)

    def process(blocks, sample_rate: int, channels: int):
        outputs = rig.stream_blocks(
            blocks,
            sample_rate,
            channels,
            align=job.align,
            model_rate=job.rate,
            block=job.block or BLOCK_FRAMES,
            in_gain_db=gains[0],
            out_gain_db=gains[1],
            values=dict(job.flags.values),
        )
        for note in rig.notes:
            tell(f"{job.label}: {note}" if job.label else note)
        tell(f"plan {rig.digest}")
        return outputs

    try:
        how = (job.encoding, job.mono, job.overwrite, progress, job.lufs, job.measure)
        rendered = render_file(process, job.source, job.target, *how)
    except (RtfxError, BrokenPipeError, Cancelled):
        raise
    except MemoryError as error:
        raise AudioFileError(f"{job.source}: not enough memory") from error
    except Exception as error:  # of any class: the other files are still rendered
        raise AudioFileError(f"{job.source}: internal error, please report it ({message_of(error)})") from error
    for warning in rendered.warnings:
        tell(warning)
    return rendered


class Rigs:
    """The rigs of jobs: the given ones, and the rig of the last job."""

    def __init__(self, given: Iterable[tuple[tuple, Rig]] = ()):
        self._built = dict(given)

    def of(self, job: Job) -> Rig:
        """Return the rig of a job, at its preset."""
        if job.words not in self._built:
            self._built = {job.words: job.build()}
        rig = self._built[job.words]
        rig.index = job.preset
        return rig


class Ledger:
    """A file in the output folder with the settings, the source and, when finished, size and time of each output.

    An output that is listed but not finished comes from an interrupted run and may be replaced.
    """

    def __init__(self, folder: Path, settings: Callable[[Job], str]):
        self._folder, self._path, self._settings = folder, folder / LEDGER, settings
        self._entries: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError, ValueError, AttributeError, RecursionError):
            read = json.loads(read_file(self._path))
            self._entries = {k: v for k, v in read.items() if isinstance(v, dict)}

    def open(self, work: Sequence[Job]) -> tuple[list[Job], list[Job]]:
        """Return (jobs to do, jobs that are finished); remove incomplete files that killed runs have left."""
        to_do, finished = [], []
        for job in work:
            target = Path(job.target)
            sweep(target)
            entry = self._entries.get(self._name(job))
            if entry and not job.overwrite and target.exists():
                if entry == self._entry(job, target):
                    finished.append(job)
                    continue
                ours = not entry.get("output")
                job = replace(job, overwrite=ours)
            to_do.append(job)
        for job in to_do:
            if job.overwrite or not Path(job.target).exists():
                self._entries[self._name(job)] = self._entry(job, None)
        self._write()
        return to_do, finished

    def done(self, job: Job) -> None:
        """Record that a job is finished."""
        self._entries[self._name(job)] = self._entry(job, Path(job.target))
        self._write()

    def _name(self, job: Job) -> str:
        return os.path.relpath(job.target, self._folder)

    def _entry(self, job: Job, target: Path | None) -> dict[str, Any]:
        return {
            "settings": self._settings(job),
            "source": [os.path.abspath(job.source), *_stamp(Path(job.source))],
            "output": _stamp(target) if target else [],
        }

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # without the ledger no file is skipped: all are rendered
            write_file(self._path, json.dumps(self._entries, indent=0))


class Settings:
    """A digest for each job of all that its output depends on, except the source; each is computed once."""

    def __init__(self, rigs: Rigs):
        self._rigs = rigs
        self._known: dict[tuple, str] = {}

    def __call__(self, job: Job) -> str:
        key = (*job.words, job.preset)
        if key not in self._known:
            self._known[key] = self._digest(job)
        return self._known[key]

    def _digest(self, job: Job) -> str:
        from .. import __version__
        from ..loading.files import identity

        rig = self._rigs.of(job)
        try:
            files = [identity(block) for block in rig.preset.chain if block.file is not None]
        except RtfxError:
            return ""  # nothing will be rendered
        common = replace(job, source="", target="", overwrite=False, measure=False)
        facts = (__version__, job.what, common, files, rig.preset.chain, rig.set_list.globals)
        return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def _stamp(path: Path) -> list[int]:
    """Return size and time of a file, an empty list if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return []
    return [status.st_size, status.st_mtime_ns]
