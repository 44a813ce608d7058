"""Offline rendering: file to file in constant memory, with conversion to the rig's rate and checks of samples."""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from ..audio import Reader
from ..engine.layout import LOUDEST_SAMPLE
from ..errors import AudioFileError, UnsupportedInput, UsageError, reason_of
from ..files import STANDARD
from ..plan.arena import MAX_CHANNELS
from ..units import gain_from_db
from .wave import Writer, check_target

if TYPE_CHECKING:
    from .meter import Meter

READ_FRAMES = 8192  # per block: little memory, and the cost of a call does not matter
QUALITY = "VHQ"  # soxr's quality
HIGHEST_PEAK_DBTP = -1.0  # of a levelled file, as streaming services and EBU R 128 want it
RATES = (1.0, 10e6)  # Hz; soxr never returns if a rate is NaN

Process = Callable[[Iterable[np.ndarray], int, int], tuple[Iterator[np.ndarray], int]]
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class Rendered:
    """The rendered file: frames at `sample_rate` Hz, warnings about the source, and if measured its levels."""

    frames_in: int
    frames_out: int
    sample_rate: int
    channels: int
    warnings: tuple[str, ...] = ()
    lufs: float | None = None
    true_peak_dbtp: float | None = None


def render_file(
    process: Process,
    source: str | Path,
    target: str | Path,
    encoding: str = "PCM_24",
    mono: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    lufs: float | None = None,
    measure: bool = False,
) -> Rendered:
    """Render one file.

    Parameters
    ----------
    process : callable
        ``process(blocks, sample_rate, channels) -> (blocks, channels)`` on (frames, channels) float32 blocks, lazily.
    source, target : str or Path
        ``-`` is WAV on standard input or output.
    encoding : str
        PCM_16, PCM_24 or FLOAT.
    mono : bool
        Average the input's channels first.
    overwrite : bool
        Replace an existing target.
    progress : callable, optional
        Called as ``progress(frames read, frames in all or None)``, first with 0 when processing begins.
    lufs : float, optional
        Bring the output to this integrated loudness by one gain, or as near as a true peak of `HIGHEST_PEAK_DBTP`
        allows; a warning says so.
    measure : bool
        Measure the loudness and the true peak of the output.

    Raises
    ------
    AudioFileError
        Source or target cannot be used. The target appears under its name only when it is complete.
    """
    if str(target) != STANDARD:
        check_target(Path(target), encoding, overwrite)  # before anything costly
        _check_different(Path(source), Path(target))
    with Reader(source) as reader:
        done = replaced = 0

        def blocks() -> Iterator[np.ndarray]:
            nonlocal done, replaced
            for block in reader.blocks(READ_FRAMES):
                replaced += count_no_sound(block)
                yield block.mean(axis=1, keepdims=True) if mono and reader.channels > 1 else block
                done += len(block)
                if progress:
                    progress(done, reader.frames)

        outputs, channels = process(blocks(), reader.sample_rate, 1 if mono else reader.channels)
        if progress:
            progress(0, reader.frames)  # everything is compiled now
        known = reader.frames or 0
        with contextlib.ExitStack() as stack:
            writer = stack.enter_context(
                Writer(target, reader.sample_rate, channels, encoding, overwrite, reader.tags, known)
            )
            levels: tuple[float | None, float | None] = None, None
            said: list[str] = []
            if lufs is not None or measure:
                from .meter import Meter

                meter = Meter(reader.sample_rate, channels)
                outputs = _measured(outputs, meter)
                if lufs is not None:
                    spool = stack.enter_context(tempfile.TemporaryFile(dir=_folder_of(target)))
                    outputs, gain_db, said = _levelled(outputs, spool, meter, lufs, writer.name)
                for block in outputs:
                    writer.write(block)
                applied = gain_db if lufs is not None else 0.0
                levels = meter.lufs + applied, meter.true_peak_dbtp + applied
            else:
                for block in outputs:
                    writer.write(block)
        warnings = (*reader.warnings, *no_sound(reader.name, replaced), *said)
        return Rendered(done, writer.frames, reader.sample_rate, channels, warnings, *levels)


def _measured(blocks: Iterable[np.ndarray], meter: Meter) -> Iterator[np.ndarray]:
    for block in blocks:
        meter.add(block)
        yield block


def _folder_of(target: str | Path) -> Path | None:
    """Return where the samples wait for their gain: beside the target, None for the system's temporary folder."""
    return None if str(target) == STANDARD else Path(target).parent


def _levelled(
    blocks: Iterable[np.ndarray], spool: IO[bytes], meter: Meter, lufs: float, name: str
) -> tuple[Iterator[np.ndarray], float, list[str]]:
    """Return the blocks with the gain that brings them to `lufs`, the gain in dB, and what the user must know of it."""
    try:
        for block in blocks:
            spool.write(np.ascontiguousarray(block, np.float32).tobytes())
        spool.seek(0)
    except OSError as error:
        raise AudioFileError(f"{name}: cannot be written ({reason_of(error)}): is the disk full?") from error
    found = meter.lufs
    gain_db, said = lufs - found, []
    if not math.isfinite(found):
        gain_db, said = 0.0, [f"{name} is silent: it has no loudness to bring to {lufs:g} LUFS"]
    elif meter.true_peak_dbtp + gain_db > HIGHEST_PEAK_DBTP:
        wished = meter.true_peak_dbtp + gain_db
        gain_db = HIGHEST_PEAK_DBTP - meter.true_peak_dbtp
        said = [
            f"{name}: at {lufs:g} LUFS its true peak would be {wished:+.1f} dBTP: levelled to "
            f"{found + gain_db:.1f} LUFS, where it is {HIGHEST_PEAK_DBTP:g} dBTP"
        ]
    gain = np.float32(gain_from_db(gain_db))
    channels = meter.channels
    pieces = iter(lambda: spool.read(4 * channels * READ_FRAMES), b"")
    return (gain * np.frombuffer(piece, np.float32).reshape(-1, channels) for piece in pieces), gain_db, said


def _check_different(source: Path, target: Path) -> None:
    """Raise if the target is the source, even under another name, because the recording would be lost."""
    if source.exists() and target.exists() and source.samefile(target):
        raise AudioFileError(f"{target} is what is read, and the dry recording would be lost: name another file")


def at_rate(
    blocks: Iterable[np.ndarray],
    process: Callable[[np.ndarray], np.ndarray],
    stream_rate: float,
    rig_rate: float,
    channels_in: int,
    channels_out: int,
    skip: int = 0,
    tail: int = 0,
) -> Iterator[np.ndarray]:
    """Run a block processor at its own sample rate inside a stream of another rate, with soxr, in constant memory.

    Yields the processed stream, which is as long as the input plus the tail.

    Parameters
    ----------
    blocks : iterable of (frames, channels_in) float32
    process : callable
        ``(frames, channels_in) -> (frames, channels_out)`` at `rig_rate`.
    stream_rate, rig_rate : float
        Hz.
    channels_in, channels_out : int
        Channels that `process` takes and returns.
    skip : int
        Frames at `rig_rate` to remove at the front: the rig's latency.
    tail : int
        Frames of silence at `rig_rate` after the input, during which the rig's sound decays.

    Raises
    ------
    UsageError
        A rate is not a number of Hz.
    """
    for rate in (stream_rate, rig_rate):
        if not isinstance(rate, Real) or not RATES[0] <= rate <= RATES[1]:
            raise UsageError(f"sample rate is {rate!r}, expected Hz, such as 48000")
    inward, outward = _converter(stream_rate, rig_rate, channels_in), _converter(rig_rate, stream_rate, channels_out)
    fed = given = 0
    left_to_skip = skip

    def through(x: np.ndarray, last: bool) -> np.ndarray:
        nonlocal left_to_skip
        y = process(x) if len(x) else np.zeros((0, channels_out), np.float32)
        dropped = min(left_to_skip, len(y))
        left_to_skip -= dropped
        return outward(y[dropped:], last)

    for block in blocks:
        fed += len(block)
        y = through(inward(block if stream_rate == rig_rate else sound(block), False), False)
        y = y[: max(fed - given, 0)] if tail == 0 and skip == 0 else y
        given += len(y)
        yield y
    rest = inward(np.zeros((0, channels_in), np.float32), True)
    flush = np.zeros((tail + skip, channels_in), np.float32)
    wanted = fed + round(tail * stream_rate / rig_rate)
    y = through(np.concatenate([rest, flush]), True)[: max(wanted - given, 0)]
    yield y
    if given + len(y) < wanted:
        yield np.zeros((wanted - given - len(y), channels_out), np.float32)


def _converter(old_rate: float, new_rate: float, channels: int) -> Callable[[np.ndarray, bool], np.ndarray]:
    """Return a function ``(block, last)`` that converts (frames, channels) blocks; with equal rates it returns them."""
    if old_rate == new_rate:
        return lambda x, last: x
    import soxr

    stream = soxr.ResampleStream(old_rate, new_rate, channels, dtype="float32", quality=QUALITY)

    def convert(x: np.ndarray, last: bool) -> np.ndarray:
        x = np.ascontiguousarray(x if channels > 1 else x[:, 0])  # soxr has mono flat
        return stream.resample_chunk(x, last=last).reshape(-1, channels)

    return convert


def sound(x: np.ndarray) -> np.ndarray:
    """Return samples with 0 in place of those above `LOUDEST_SAMPLE` or not finite, to which a filter would ring."""
    return np.where(np.abs(x) <= LOUDEST_SAMPLE, x, np.float32(0.0))


def count_no_sound(x: np.ndarray) -> int:
    """Return the number of samples that `sound` would replace."""
    return x.size - int(np.count_nonzero(np.abs(x) <= LOUDEST_SAMPLE))


def no_sound(name: str, count: int) -> list[str]:
    """Return the warning about a file in which `sound` replaces `count` samples; an empty list for 0."""
    if not count:
        return []
    samples = "1 sample is" if count == 1 else f"{count} samples are"
    return [
        f"{name}: {samples} above +48 dBFS or not a number: replaced by silence, except with --bare (if all of it "
        "is so loud, scale it down)"
    ]


def as_array(x: Any) -> Any:
    """Return a torch tensor of any device as an array, without its gradients; return other values unchanged."""
    if not hasattr(x, "detach"):
        return x
    tensor = x.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:  # bfloat16
        return tensor.float().numpy()


def planar(x: Any) -> np.ndarray:
    """Return audio as (channels, n) float32.

    Raises
    ------
    UnsupportedInput
        `x` is not an array of numbers, or has more channels than rtfx plays: then it is probably transposed.
    """
    try:
        found = np.asarray(as_array(x))
    except ValueError:  # rows of different lengths
        found = np.asarray(None)
    if found.dtype.kind not in "buif":
        raise UnsupportedInput(f"audio is {x!r:.40}, expected an array of numbers, (n,) or (channels, n)")
    audio = np.atleast_2d(found.astype(np.float32, copy=False))
    if audio.ndim != 2 or audio.shape[0] > MAX_CHANNELS:
        raise UnsupportedInput(
            f"audio has shape {np.shape(x)}, expected (n,) or (channels, n) with at most {MAX_CHANNELS} "
            "channels: transpose it"
        )
    return audio
