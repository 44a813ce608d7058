"""Looks a capture through, dry and wet recording of one device, and says in a sentence each what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..audio import read_audio
from ..errors import AudioFileError
from ..units import db_from_gain
from .align import ALIKE, Alignment, align, shifted

QUIET_PEAK_DB = -30.0
SILENT_DB = -80.0  # root mean square
FULL_SCALE = 0.99
CLIPPED_SHARE = 1e-4  # of all frames, in runs of three at the peak: from there on it is an error
NOISE_SHARE = 1e-3  # of the power of wet: below an ESR of it no net can come
PAUSE_FRAMES, PAUSE_SHARE = 2400, 1e-8  # of the square of dry's peak: -80 dB
SHORT_SECONDS, LEAST_SECONDS = 30.0, 2.0
OWN_DELAY = -0.5, 8.0  # frames: what lies between is the device's own, an interface's round trip is longer
DRIFT_WARNED, DRIFT_REFUSED, JUMP_REFUSED = 4.0, 12.0, 4.0  # frames
OFFSET_SHARE = 0.01  # of the root mean square of wet


@dataclass
class Capture:
    """Dry and wet, (frames,) float32, aligned; what was found: errors forbid to train, warnings should be read."""

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
        A file cannot be read. What is wrong with what was recorded is in `errors`.
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
            f"{found.dry.size / rate:.0f} s are little to learn from: record two to three minutes, loud and soft, high "
            "and low"
        )
    return found


def _mono(path: str | Path) -> tuple[np.ndarray, int, list[str]]:
    """Return (frames,), rate and warnings."""
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
    """Check one recording for itself."""
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
    """Judge how wet follows dry, and move it."""
    rate, delay = found.sample_rate, measured.delay
    if measured.likeness < ALIKE:
        found.errors.append(
            f"{wet_name} does not follow {dry_name} (likeness {measured.likeness:.0f}, expected {ALIKE:.0f} or more): "
            "are they of the same playing, and less than a second apart?"
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
        found.notes.append(f"{wet_name} is {delay:.2f} frames late: taken for the device's own, left as it is")
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
    """Measure the noise and the constant offset of wet where dry pauses."""
    count = found.dry.size // PAUSE_FRAMES
    dry, wet = (
        wave[: count * PAUSE_FRAMES].reshape(count, PAUSE_FRAMES).astype(np.float64) for wave in (found.dry, found.wet)
    )
    pauses = np.mean(dry**2, axis=1) < PAUSE_SHARE * np.abs(found.dry).max() ** 2
    pauses[1:] &= pauses[:-1].copy()  # what rang on has died away
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
