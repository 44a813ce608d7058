"""File to file in constant memory: reads blocks, has them processed, writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audio import Reader
from ..errors import AudioFileError
from ..files import STANDARD
from .convert import count_no_sound, no_sound
from .wave import Writer, check_target

READ_FRAMES = 8192  # per block: small against any memory, large against the cost of a call

Process = Callable[[Iterable[np.ndarray], int, int], tuple[Iterator[np.ndarray], int]]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Rendered:
    """What was written; frames at `sample_rate` Hz; what is wrong with the source although it was rendered."""

    frames_in: int
    frames_out: int
    sample_rate: int
    channels: int
    warnings: tuple[str, ...] = ()


def render_file(
    process: Process,
    source: str | Path,
    target: str | Path,
    encoding: str = "PCM_24",
    mono: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Rendered:
    """Render one file.

    Parameters
    ----------
    process : callable
        ``process(blocks, sample_rate, channels) -> (blocks, channels)`` on (frames, channels) float32 blocks, lazily.
    source, target : str or Path
        ``-`` is WAV through standard input or output.
    encoding : str
        PCM_16, PCM_24 or FLOAT.
    mono : bool
        Average the input's channels first.
    overwrite : bool
        Replace an existing target.
    progress : callable, optional
        Called as ``progress(frames read, frames in all or None)``, first with 0 when processing begins.

    Raises
    ------
    AudioFileError
        Source or target cannot be used. The target appears only when it is complete.
    """
    if str(target) != STANDARD:
        check_target(Path(target), encoding, overwrite)  # before anything costly
        _check_different(Path(source), Path(target))
    with Reader(source) as reader:
        done = spoiled = 0

        def blocks() -> Iterator[np.ndarray]:
            nonlocal done, spoiled
            for block in reader.blocks(READ_FRAMES):
                spoiled += count_no_sound(block)
                yield block.mean(axis=1, keepdims=True) if mono and reader.channels > 1 else block
                done += len(block)
                if progress:
                    progress(done, reader.frames)

        outputs, channels = process(blocks(), reader.sample_rate, 1 if mono else reader.channels)
        if progress:
            progress(0, reader.frames)  # whatever had to be compiled is
        known = reader.frames or 0
        with Writer(target, reader.sample_rate, channels, encoding, overwrite, reader.tags, known) as writer:
            for block in outputs:
                writer.write(block)
        warnings = (*reader.warnings, *no_sound(reader.name, spoiled))
        return Rendered(done, writer.frames, reader.sample_rate, channels, warnings)


def _check_different(source: Path, target: Path) -> None:
    """Raise if the target is the source, whatever it is called: the recording would be gone."""
    if source.exists() and target.exists() and source.samefile(target):
        raise AudioFileError(f"{target} is what is read, and the dry recording would be lost: name another file")
