"""Runs a block processor at its own sample rate inside a stream of another, by soxr, in constant memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from numbers import Real
from typing import Any

import numpy as np

from ..engine.layout import LOUDEST_SAMPLE
from ..errors import UnsupportedInput, UsageError
from ..plan.layout import MAX_CHANNELS

QUALITY = "VHQ"
RATES = (1.0, 10e6)  # Hz; soxr never returns from NaN


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
    """Yield the processed stream, as long as the input plus its tail.

    Parameters
    ----------
    blocks : iterable of (frames, channels_in) float32
    process : callable
        ``(frames, channels_in) -> (frames, channels_out)`` at `rig_rate`.
    skip : int
        Frames at `rig_rate` to drop at the front: the rig's latency.
    tail : int
        Frames at `rig_rate` of silence fed after the input, so that the rig rings out.

    Raises
    ------
    UsageError
        A rate that is no number of Hz.
    """
    for rate in (stream_rate, rig_rate):
        if not isinstance(rate, Real) or not RATES[0] <= rate <= RATES[1]:
            raise UsageError(f"sample rate is {rate!r}, expected Hz, such as 48000")
    import soxr

    same = stream_rate == rig_rate
    ratio = stream_rate / rig_rate
    before = None if same else soxr.ResampleStream(stream_rate, rig_rate, channels_in, dtype="float32", quality=QUALITY)
    behind = (
        None if same else soxr.ResampleStream(rig_rate, stream_rate, channels_out, dtype="float32", quality=QUALITY)
    )
    fed = given = 0
    left_to_skip = skip

    def through(x: np.ndarray, last: bool) -> np.ndarray:
        nonlocal left_to_skip
        y = process(x) if len(x) else np.zeros((0, channels_out), np.float32)
        dropped = min(left_to_skip, len(y))
        left_to_skip -= dropped
        y = y[dropped:]
        return _resampled(behind, y, last, channels_out) if behind is not None else y

    for block in blocks:
        fed += len(block)
        x = block if before is None else _resampled(before, sound(block), False, channels_in)
        y = through(x, False)
        y = y[: max(fed - given, 0)] if tail == 0 and skip == 0 else y
        given += len(y)
        yield y
    rest = np.zeros((0, channels_in), np.float32)
    if before is not None:
        rest = _resampled(before, rest, True, channels_in)
    flush = np.zeros((tail + skip, channels_in), np.float32)
    y = through(np.concatenate([rest, flush]), True)
    wanted = fed + round(tail * ratio)
    y = y[: max(wanted - given, 0)]
    given += len(y)
    yield y
    if given < wanted:
        yield np.zeros((wanted - given, channels_out), np.float32)


def sound(x: np.ndarray) -> np.ndarray:
    """Return samples with 0 in place of what is no sound: a filter would make a burst of it."""
    return np.where(np.abs(x) <= LOUDEST_SAMPLE, x, np.float32(0.0))


def count_no_sound(x: np.ndarray) -> int:
    """Return how many samples are no sound."""
    return x.size - int(np.count_nonzero(np.abs(x) <= LOUDEST_SAMPLE))


def no_sound(name: str, count: int) -> list[str]:
    """Return the warning about a file with so many samples that are no sound, none for 0."""
    if not count:
        return []
    samples = "1 sample is" if count == 1 else f"{count} samples are"
    return [
        f"{name}: {samples} beyond +48 dBFS or no number: taken for silence, but by --bare (is all so loud? scale it)"
    ]


def _resampled(stream, x: np.ndarray, last: bool, channels: int) -> np.ndarray:
    """Return (frames, channels): soxr hands mono back flat."""
    return stream.resample_chunk(np.ascontiguousarray(x if channels > 1 else x[:, 0]), last=last).reshape(-1, channels)


def as_array(x: Any) -> Any:
    """Return a torch tensor as an array, from whatever device and graph; anything else as it is."""
    if not hasattr(x, "detach"):
        return x
    tensor = x.detach().cpu()
    try:
        return tensor.numpy()
    except TypeError:  # bfloat16
        return tensor.float().numpy()


def planar(x: Any) -> np.ndarray:
    """Return (channels, n) float32, or raise naming what is no audio, or the transpose."""
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
