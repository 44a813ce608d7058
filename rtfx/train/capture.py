"""Checks a capture, which is a dry and a wet recording of one device: aligns both and describes each fault.

The delay is the time of the first arrival in the impulse response from dry to wet, not the peak of their correlation:
the group delay of an amp with little treble is part of the amp's sound, and a net cannot read future frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..audio import read_audio
from ..errors import AudioFileError
from ..units import db_from_gain

QUIET_PEAK_DB = -30.0
SILENT_DB = -80.0  # root mean square
FULL_SCALE = 0.99  # three samples in a row at the peak, if that is at least this, are clipping
CLIPPED_SHARE = 1e-4  # share of frames in runs of three at the peak: from here on it is an error
NOISE_SHARE = 1e-3  # noise power relative to wet: no net reaches a lower ESR
PAUSE_FRAMES, PAUSE_SHARE = 2400, 1e-8  # share of dry's squared peak: -80 dB
SHORT_SECONDS, LEAST_SECONDS = 30.0, 2.0
OWN_DELAY = -0.5, 8.0  # frames; a delay in this range comes from the device, an interface's is longer
DRIFT_WARNED, DRIFT_REFUSED, JUMP_REFUSED = 4.0, 12.0, 4.0  # frames
OFFSET_SHARE = 0.01  # relative to the root mean square of wet
LONGEST_SECONDS = 1.0  # longest delay, early or late
LISTENED_SECONDS, PIECE_SECONDS = 20.0, 5.0  # length of the loudest part, used for the delay; of a local measurement
ALIKE = 20.0  # least likeness of recordings of one performance; different ones have 4 to 12, equal ones 90 and more
WINDOW = 8192  # frames of a local measurement
FINER = 16  # steps within a frame
FIRST = 0.5  # an earlier arrival counts if it has this share of the strongest one
PIECES = 10  # local measurements along the recording
REGULAR = 1e-3  # of dry's mean power: frequencies with less power are not measured
TAPS = 64  # taps of the interpolator, whose Kaiser window attenuates by 100 dB
KAISER = 10.0


@dataclass
class Capture:
    """Aligned dry and wet, (frames,) float32, and the faults found: errors prevent training, warnings do not."""

    dry: np.ndarray
    wet: np.ndarray
    sample_rate: int
    name: str
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_capture(dry: str | Path, wet: str | Path) -> Capture:
    """Read two audio files, check them and align the wet one.

    Raises
    ------
    AudioFileError
        A file cannot be read. Faults of the recordings are in `errors` instead.
    """
    x, rate, said = _mono(dry)
    y, wet_rate, more = _mono(wet)
    warnings = [*said, *more]
    if wet_rate != rate:
        import soxr

        warnings.append(
            f"{wet} is at {wet_rate} Hz, {dry} at {rate}: it is resampled; were both recorded at one rate, a header is "
            "wrong, and the model will be too"
        )
        y = soxr.resample(y, wet_rate, rate, quality="VHQ").astype(np.float32)
    capture = look_through(x, y, rate, str(dry), str(wet))
    capture.warnings[:0] = warnings
    return capture


def look_through(dry: np.ndarray, wet: np.ndarray, rate: int, dry_name="dry", wet_name="wet") -> Capture:
    """Return the capture of two recordings, (frames,) each, checked and aligned."""
    found = Capture(dry, wet, rate, Path(wet_name).name)
    for name, wave in ((dry_name, dry), (wet_name, wet)):
        _level(found, name, wave)
    if found.errors:
        return found
    aside = abs(wet.size - dry.size) / rate
    if aside > LEAST_SECONDS:
        shorter, longer = (wet_name, dry_name) if wet.size < dry.size else (dry_name, wet_name)
        found.warnings.append(f"{shorter} is {aside:.1f} s shorter than {longer}: only what both have is used")
    if min(wet.size, dry.size) < LEAST_SECONDS * rate:
        found.errors.append(
            f"{wet_name} and {dry_name} have {min(wet.size, dry.size) / rate:.1f} s in common: record two to three "
            "minutes"
        )
        return found
    _aligned(found, align(dry, wet, rate), dry_name, wet_name)
    if not found.errors:
        _pauses(found, wet_name)
    if found.dry.size < SHORT_SECONDS * rate:
        found.warnings.append(
            f"only {found.dry.size / rate:.0f} s of audio: record two to three minutes, loud and soft, high and low"
        )
    return found


def _mono(path: str | Path) -> tuple[np.ndarray, int, list[str]]:
    """Read one channel; return (frames,), the rate in Hz and warnings."""
    audio, rate, warnings = read_audio(path)
    if not audio.size:
        raise AudioFileError(f"{path} is empty, expected audio")
    if audio.shape[1] == 1 or not (audio - audio[:, :1]).any():
        return np.ascontiguousarray(audio[:, 0]), rate, warnings
    loud = int(np.argmax(np.mean(audio.astype(np.float64) ** 2, axis=0)))
    warnings.append(
        f"{path} has {audio.shape[1]} channels that differ: channel {loud + 1}, the loudest, is used; record in mono"
    )
    return np.ascontiguousarray(audio[:, loud]), rate, warnings


def _level(found: Capture, name: str, wave: np.ndarray) -> None:
    """Check one recording on its own."""
    if not np.isfinite(wave).all():
        found.errors.append(f"{name} holds NaN or infinity: export it again")
        return
    peak, power = float(np.abs(wave).max()), float(np.mean(np.square(wave, dtype=np.float64)))
    if db_from_gain(power**0.5) < SILENT_DB:
        found.errors.append(f"{name} is silent ({db_from_gain(power**0.5):.0f} dBFS): was the right input recorded?")
        return
    if db_from_gain(peak) < QUIET_PEAK_DB:
        found.warnings.append(
            f"{name} peaks at {db_from_gain(peak):.0f} dBFS: record louder, with peaks between -12 and -1, so that "
            "noise counts less"
        )
    full = np.abs(wave) >= max(FULL_SCALE, 0.9999 * peak)
    runs = full[2:] & full[1:-1] & full[:-2]
    count = int(np.count_nonzero(np.diff(runs.astype(np.int8)) == 1) + (runs.size and runs[0]))
    if count:
        where = (int(np.argmax(runs))) / found.sample_rate
        text = (
            f"{name} clips at full scale in {count} place{'s' if count > 1 else ''}, first at {where:.2f} s: turn the "
            "interface's input down and record again"
        )
        heavy = np.count_nonzero(runs) > CLIPPED_SHARE * wave.size
        (found.errors if heavy else found.warnings).append(text)


def _aligned(found: Capture, measured: Alignment, dry_name: str, wet_name: str) -> None:
    """Check the delay of wet against dry, and shift wet by it."""
    rate, delay = found.sample_rate, measured.delay
    if measured.likeness < ALIKE:
        found.errors.append(
            f"{wet_name} does not follow {dry_name} (likeness {measured.likeness:.0f}, expected {ALIKE:.0f} or more): "
            "are both of one performance, and less than a second apart?"
        )
        return
    at, jump = measured.jump
    if abs(jump) > JUMP_REFUSED:
        found.errors.append(
            f"{wet_name} jumps by {jump:+.0f} frames against {dry_name} before {at / rate:.0f} s: the interface lost "
            "audio; record again with larger blocks"
        )
    elif abs(measured.drift) > DRIFT_WARNED:
        ppm = 1e6 * measured.drift / max(1, measured.places[-1] - measured.places[0])
        text = (
            f"{wet_name} drifts against {dry_name} by {measured.drift:+.1f} frames, {ppm:+.1f} ppm: two clocks; play "
            "and record with one interface"
        )
        (found.errors if abs(measured.drift) > DRIFT_REFUSED else found.warnings).append(text)
    moved = not OWN_DELAY[0] <= delay <= OWN_DELAY[1]
    if not moved:
        found.notes.append(f"{wet_name} is {delay:.2f} frames late: so short a delay is the device's own and is kept")
    else:
        found.wet = shifted(found.wet, delay)
        found.notes.append(f"{wet_name} was {delay:.2f} frames late ({1000 * delay / rate:.2f} ms): aligned")
    if measured.inverted:
        found.warnings.append(
            f"{wet_name} has the polarity of {dry_name} inverted, and so will the model: that matters only where it is "
            "mixed with the dry sound"
        )
    length = min(found.dry.size, found.wet.size - (max(0, int(np.ceil(delay))) if moved else 0))
    found.dry, found.wet = found.dry[:length], found.wet[:length]


def _pauses(found: Capture, wet_name: str) -> None:
    """Measure the noise and the constant offset of wet where dry is silent."""
    count = found.dry.size // PAUSE_FRAMES
    dry, wet = (
        wave[: count * PAUSE_FRAMES].reshape(count, PAUSE_FRAMES).astype(np.float64) for wave in (found.dry, found.wet)
    )
    pauses = np.mean(dry**2, axis=1) < PAUSE_SHARE * np.abs(found.dry).max() ** 2
    pauses[1:] &= pauses[:-1].copy()  # a decaying note is over after the first
    pauses[:1] = False
    if not pauses.any():
        found.notes.append("no pause in the playing: the noise could not be measured; leave two seconds of silence")
        return
    noise, signal = float(np.median(wet[pauses].var(axis=1))), float(wet.var())
    floor, offset = db_from_gain(noise**0.5), float(np.median(wet[pauses].mean(axis=1)))
    if noise > NOISE_SHARE * signal:
        found.warnings.append(
            f"{wet_name} has noise of {floor:.0f} dBFS where nothing is played: no net comes below an ESR of "
            f"{100 * noise / signal:.2g} %; look for hum, a noisy lead or a gain too low at the interface"
        )
    else:
        found.notes.append(f"noise of {wet_name}: {floor:.0f} dBFS")
    if abs(offset) > OFFSET_SHARE * signal**0.5:
        found.warnings.append(
            f"{wet_name} has a constant offset of {offset:+.4f}: the model will have it too; rtfx play removes it"
        )


@dataclass(frozen=True)
class Alignment:
    """Delay, polarity and similarity of wet against dry.

    Attributes
    ----------
    delay : float
        Frames by which wet is late.
    inverted : bool
    likeness : float
        The height of the arrival divided by the root mean square of the response around it, see `ALIKE`.
    places, delays : numpy.ndarray
        Frames at which the delay was measured again, and the delays found there, in frames.
    """

    delay: float
    inverted: bool
    likeness: float
    places: np.ndarray
    delays: np.ndarray

    @property
    def drift(self) -> float:
        """Frames by which the delay grows from the first measured place to the last, without jumps."""
        steps = np.diff(self.delays)
        return float(np.median(steps) * steps.size) if steps.size > 1 else 0.0

    @property
    def jump(self) -> tuple[int, float]:
        """The first measured place after the largest jump, and the size of the jump in frames, without drift."""
        steps = np.diff(self.delays)
        if steps.size < 2:
            return 0, 0.0
        beyond = steps - np.median(steps)
        at = int(np.argmax(np.abs(beyond)))
        return int(self.places[at + 1]), float(beyond[at])


def align(dry: np.ndarray, wet: np.ndarray, rate: float) -> Alignment:
    """Measure the delay of wet against dry; both are (frames,) at `rate` Hz."""
    longest, length = int(LONGEST_SECONDS * rate), min(dry.size, wet.size)
    span = min(length, int(LISTENED_SECONDS * rate))
    energy = np.concatenate([[0.0], np.cumsum(np.square(dry[:length], dtype=np.float64))])
    starts = np.arange(0, length - span + 1, max(1, span // 2))
    loudest = int(starts[np.argmax(energy[starts + span] - energy[starts])])
    loudest_part = slice(loudest, loudest + span)
    coarse, likeness = _coarse(dry[loudest_part], wet[loudest_part], longest)
    delay, value = _fine(dry, wet, coarse)
    places, delays = [], []
    span = min(length // PIECES, int(PIECE_SECONDS * rate))
    for start in range(0, length - span + 1, length // PIECES) if span >= 4 * WINDOW else ():
        if energy[start + span] - energy[start] < 0.05 * span * energy[-1] / length:
            continue  # the delay cannot be measured in a pause
        part = slice(start, start + span)
        near, here = _coarse(dry[part], wet[part], longest)
        if here > ALIKE:
            places.append(start)
            delays.append(_fine(dry[part], wet[part], near)[0])
    return Alignment(delay, value < 0.0, likeness, np.array(places), np.array(delays))


def shifted(wave: np.ndarray, frames: float) -> np.ndarray:
    """Return the wave `frames` earlier, by windowed sinc interpolation; zeros fill the end."""
    whole = int(np.floor(frames + 0.5))
    part = frames - whole
    moved = np.zeros_like(wave)
    kept = wave[max(whole, 0) : wave.size + min(whole, 0)]
    moved[max(-whole, 0) : max(-whole, 0) + kept.size] = kept
    if abs(part) < 1e-3:
        return moved
    n = np.arange(-TAPS // 2, TAPS // 2 + 1)
    taps = np.sinc(n + part) * np.kaiser(n.size, KAISER)
    return np.convolve(moved, taps / taps.sum(), "same").astype(wave.dtype)


def _coarse(dry: np.ndarray, wet: np.ndarray, longest: int) -> tuple[int, float]:
    """Return the delay of the strongest arrival within `longest`, in whole frames, and its likeness."""
    size = 1 << int(np.ceil(np.log2(max(dry.size, wet.size) + longest)))
    x, y = np.fft.rfft(dry, size), np.fft.rfft(wet, size)
    power = np.abs(x) ** 2
    response = np.fft.irfft(y * np.conj(x) / (power + REGULAR * power.mean() + 1e-30), size)
    around = np.concatenate([response[-longest:], response[: longest + 1]])
    at = int(np.argmax(np.abs(around)))
    return at - longest, float(np.abs(around[at]) / (np.sqrt(np.mean(around**2)) + 1e-30))


def _fine(dry: np.ndarray, wet: np.ndarray, coarse: int) -> tuple[float, float]:
    """Return the delay to a fraction of a frame, and the response there, averaged over windows."""
    start = max(0, -coarse)
    x, y = dry[start:], wet[start + coarse :]
    length = min(x.size, y.size) // WINDOW * WINDOW
    if not length:
        return float(coarse), 1.0
    window = np.hanning(WINDOW)
    xs, ys = (np.fft.rfft(wave[:length].reshape(-1, WINDOW) * window) for wave in (x, y))
    power = np.mean(np.abs(xs) ** 2, axis=0)
    response = np.mean(ys * np.conj(xs), axis=0) / (power + REGULAR * power.mean() + 1e-30)
    bins = np.arange(response.size) / response.size
    response = response * np.cos(0.5 * np.pi * bins) ** 2  # a sharp end of the spectrum would ring
    fine = np.fft.irfft(response, WINDOW * FINER)
    reach = 64 * FINER
    around = np.concatenate([fine[-reach:], fine[: reach + 1]])
    size = np.abs(around)
    middle = size[1:-1]
    peaks = np.flatnonzero((middle >= size[:-2]) & (middle >= size[2:]) & (middle >= FIRST * size.max())) + 1
    if not peaks.size:
        return float(coarse), 1.0
    at = int(peaks[0])
    before, top, behind = size[at - 1 : at + 2]
    bend = before - 2.0 * top + behind
    offset = 0.5 * (before - behind) / bend if bend else 0.0
    return coarse + (at + offset - reach) / FINER, float(around[at])
