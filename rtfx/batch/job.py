"""One file to render, how, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import AudioFileError, RtfxError, message_of
from ..files import STANDARD
from ..rig_arguments import RigFlags, build

if TYPE_CHECKING:
    from ..api import Rig
    from ..plan.chain import Plan


class Info(NamedTuple):
    """What a source says of itself; rate in Hz, frames None where it does not say."""

    sample_rate: int
    channels: int
    frames: int | None


class Cancelled(Exception):
    """The user has interrupted; raised in a worker so that it leaves no half file."""


@dataclass(frozen=True)
class Job:
    """One file to render, and how: all that a worker process needs.

    `preset` is the place, from 0, in the rig that `what` and `flags` name; `label` is its name where there are several.
    """

    what: str | None
    flags: RigFlags
    values: dict[str, Any]
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

    @property
    def words(self) -> tuple[str | None, RigFlags]:
        """What names the rig."""
        return self.what, self.flags

    def build(self) -> Rig:
        """Return the rig, at the preset, built anew."""
        rig = build(*self.words)
        rig.index = self.preset
        return rig

    def info(self) -> Info | None:
        """Return what the source says of itself; None for a pipe and for no audio, as its reader will say."""
        from ..audio import Reader

        if self.source == STANDARD:
            return None
        try:
            with Reader(self.source) as reader:
                return Info(reader.sample_rate, reader.channels, reader.frames)
        except AudioFileError:
            return None

    def plan(self, rig: Rig, sample_rate: float, channels: int) -> Plan:
        """Return the rig compiled as the flags say."""
        return rig.plan(sample_rate, channels, values=self.values, **self.flags.models)

    def gains(self, rig: Rig) -> tuple[float, float]:
        """Return input and output gain in dB."""
        said = rig.set_list.globals
        return (
            float(said.get("in_gain_db", 0.0)) if self.flags.in_gain is None else self.flags.in_gain,
            float(said.get("out_gain_db", 0.0)) if self.flags.out_gain is None else self.flags.out_gain,
        )


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Parameters
    ----------
    rendered : host.render.Rendered or None
        None if it failed, or was finished before.
    error : RtfxError or None
    seconds : float
        It took.
    """

    job: Job
    rendered: Any = None
    error: RtfxError | None = None
    seconds: float = 0.0


def render_one(rig: Rig, job: Job, progress: Any = None, tell: Callable[[str], None] = lambda note: None) -> Any:
    """Render one file and return what was written; `tell` gets what the user should know about the rig.

    Raises
    ------
    RtfxError
        Words of whatever was wrong; no half file is left.
    """
    from ..engine.offline import BLOCK_FRAMES
    from ..host.render import render_file

    flags, gains = job.flags, job.gains(rig)

    def process(blocks, sample_rate: int, channels: int):
        outputs = rig.stream_blocks(
            blocks,
            sample_rate,
            channels,
            cold=flags.cold,
            align=job.align,
            model_rate=job.rate,
            block=job.block or BLOCK_FRAMES,
            in_gain_db=gains[0],
            out_gain_db=gains[1],
            values=job.values,
            **flags.models,
        )
        for note in rig.notes:
            tell(f"{job.label}: {note}" if job.label else note)
        tell(f"plan {rig.digest}")
        return outputs

    try:
        rendered = render_file(process, job.source, job.target, job.encoding, job.mono, job.overwrite, progress)
    except (RtfxError, BrokenPipeError, Cancelled):
        raise
    except MemoryError as error:
        raise AudioFileError(f"{job.source}: not enough memory") from error
    except Exception as error:  # of whatever kind: the other files are to be rendered
        raise AudioFileError(f"{job.source}: internal error, please report it ({message_of(error)})") from error
    for warning in rendered.warnings:
        tell(warning)
    return rendered
