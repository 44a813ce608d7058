"""Cabinet: its level and its two cuts, and the reading of the impulse response that `plan` convolves with.

A response is brought to the stream's rate and then cut, so that it costs neither latency nor inaudible work:

- offset: a constant at the end of the response, such as a recording's converter adds, is subtracted;
- front: everything before the first sample above -60 dB of the peak is removed; if steady noise precedes the response,
  everything before the first sample above six times that noise;
- rate: soxr converts the response, which is then multiplied by (old rate / new rate), since the sum of more samples of
  the same curve is louder. If the conversion rings before the front, at most `PRERING` frames of that are kept;
- tail: the response fades out after the point where -80 dB of the energy is left, within an eighth of its length so far
  and at most 256 taps. If that exceeds `READ_SECONDS`, or `max_taps`, it fades out earlier, to end there;
- level: the mean power gain over 80 Hz to 5 kHz, equal weight to each octave, is 1, so that cabinets can be compared
  and changed without a change of loudness; but no frequency is raised by more than 12 dB.

`Impulse.notes` reports an offset, noise before the response, and an end that was cut because it was too long.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..audio import read_audio
from ..errors import AudioFileError
from ..rig.parameters import Parameter
from ..units import db_from_gain, gain_from_db
from .effect import Effect
from .sections import BUTTERWORTH_Q, LOWEST_CUT_HZ, matched_cells

HIGH_CUT_OFF_HZ = 20000.0
PARAMETERS = (
    Parameter("level_db", 0.0, -60.0, 40.0, "dB", summary="gain after the cabinet"),
    Parameter("low_cut_hz", 0.0, 0.0, 500.0, "Hz", summary="removes what is below, 12 dB an octave; 0 is off"),
    Parameter("high_cut_hz", HIGH_CUT_OFF_HZ, 1000.0, HIGH_CUT_OFF_HZ, "Hz", summary="the same above; 20000 is off"),
)

READ_SECONDS = 10.0  # more of a file is not read: the response of a cabinet lasts 50 ms, that of a hall 5 s
FRONT_DB = -60.0
OFFSET_DB = (-80.0, -6.0)  # of the peak: a smaller value may be the end of the response; a larger one is no offset
OFFSET_SECONDS = 0.005  # of the response's last quarter, at least
OFFSET_STEADY = 0.1  # largest difference between its parts, as a share of the offset
NOISE_WINDOW = 0.001  # s
NOISE_WINDOWS = 10  # shortest lead-in whose noise is measured
NOISE_STEADY_DB = 4.0  # largest level change from its first to its second half: what grows belongs to the response
OVER_NOISE = 6.0  # times its RMS: none of a million samples of Gaussian noise is larger
PRENOISE = 0.0005  # s kept before the first sample above the noise, as the response begins there
TAIL_ENERGY_DB = -80.0
PRERING = 32  # frames: 0.7 ms at 48 kHz
LOUDNESS_HZ = (80.0, 5000.0)
HIGHEST_GAIN = 4.0  # 12 dB


def cells(values, sample_rate: float) -> list[float]:
    """Return [linear gain, the cells of the two cuts]."""
    result = [gain_from_db(values["level_db"])]
    slope = (1.0, 1.0 / BUTTERWORTH_Q, 1.0)
    low, high = values["low_cut_hz"], values["high_cut_hz"]
    for numerator, frequency, off in (
        ((1.0, 0.0, 0.0), max(low, LOWEST_CUT_HZ), low <= 0.0),
        ((0.0, 0.0, 1.0), high, high >= HIGH_CUT_OFF_HZ),
    ):
        result += matched_cells(slope if off else numerator, slope, frequency, sample_rate)
    return result


def cuts(values) -> bool:
    """Return whether the low or the high cut does anything."""
    return values["low_cut_hz"] > 0.0 or values["high_cut_hz"] < HIGH_CUT_OFF_HZ


CAB = Effect("cab", PARAMETERS, cells, file="audio", summary="a loudspeaker cabinet: an impulse response")


class Impulse(NamedTuple):
    """An impulse response, (channels, taps) float64, and notes about its file for the user."""

    response: np.ndarray
    notes: tuple[str, ...]


def load_impulse(path, sample_rate: float, max_taps: int | None = None, normalise: bool = True) -> np.ndarray:
    """Return the response alone that `read_impulse` reads."""
    return read_impulse(path, sample_rate, max_taps, normalise).response


def read_impulse(path, sample_rate: float, max_taps: int | None = None, normalise: bool = True) -> Impulse:
    """Read an impulse response from a WAV, FLAC or AIFF file of any rate.

    Parameters
    ----------
    path : str or Path
    sample_rate : float
        Hz, of the stream that will be convolved.
    max_taps : int, optional
        Longest result, in frames at `sample_rate`; by default `READ_SECONDS`.
    normalise : bool
        Bring the level to that of the module's docstring; otherwise it is the file's.

    Returns
    -------
    Impulse
        One gain for all channels.

    Raises
    ------
    AudioFileError
        Missing, not audio, silent, not finite, or more than two channels.
    """
    name = Path(path).name
    max_taps = max_taps or round(READ_SECONDS * sample_rate)
    response, file_rate, notes = _read(Path(path))
    offset = _offset(response, file_rate)
    if offset.any():
        notes.append(f"{name} has a constant offset of {np.abs(offset).max():.2g}: removed")
        response = response - offset[:, None]
    onset = _first_loud(response)
    after_noise = _behind_noise(response, file_rate)
    if after_noise > onset:
        notes.append(f"{name} begins with {after_noise / file_rate:.2g} s of noise: left out")
        onset = after_noise
    response = response[:, onset:]
    if file_rate != sample_rate:
        response = _resample(response, file_rate, sample_rate)
    whole = response
    response = _cut_tail(response, max_taps)
    if response.shape[1] == max_taps < whole.shape[1]:
        lost = float((whole[:, max_taps:] ** 2).sum() / (whole**2).sum())
        notes.append(
            f"{name} is longer than {max_taps / sample_rate:.3g} s: what comes "
            f"later, {db_from_gain(lost**0.5):.0f} dB of it, is cut"
        )
    return Impulse(response * _level(response, sample_rate) if normalise else response, tuple(notes))


def _read(path: Path) -> tuple[np.ndarray, int, list[str]]:
    """Return ((channels, frames) float64, Hz, warnings about the file)."""
    audio, rate, notes = read_audio(path, seconds=READ_SECONDS + 1.0, dtype="float64", what="an impulse response")
    frames, channels = round(READ_SECONDS * rate), audio.shape[1]
    if len(audio) > frames:
        notes.append(f"{path.name} is longer than {READ_SECONDS:g} s: only that is read")
    data = audio[:frames].T
    if channels > 2:
        raise AudioFileError(f"{path}: has {channels} channels, expected an impulse response of 1 or 2")
    if not np.isfinite(data).all():
        raise AudioFileError(f"{path}: holds NaN or infinite samples, expected an impulse response: export it again")
    if data.size == 0 or not data.any():
        raise AudioFileError(f"{path}: is {'empty' if data.size == 0 else 'silent'}, expected an impulse response")
    return data, rate, notes


def _offset(response: np.ndarray, rate: float) -> np.ndarray:
    """Return the constant offset of each channel, (channels,): 0 if its last quarter is not constant enough."""
    frames = response.shape[1] // 16
    if 4 * frames < OFFSET_SECONDS * rate:
        return np.zeros(len(response))
    parts = response[:, -4 * frames :].reshape(len(response), 4, frames)
    means = parts.mean(axis=2)
    mean = means.mean(axis=1)
    steady = np.ptp(means, axis=1) <= OFFSET_STEADY * np.abs(mean)
    low, high = (np.abs(response).max() * gain_from_db(db) for db in OFFSET_DB)
    return np.where(steady & (low < np.abs(mean)) & (np.abs(mean) < high), mean, 0.0)


def _behind_noise(response: np.ndarray, rate: float) -> int:
    """Return the frame at which a response begins after a lead-in of steady noise, 0 if there is none.

    The level of the noise is the median energy of short windows before the peak. A response that begins at once and has
    a late peak is above that level from its first sample on.
    """
    loudest = np.abs(response).max(axis=0)
    window = max(round(NOISE_WINDOW * rate), 1)
    count = int(np.argmax(loudest)) // window
    if count < NOISE_WINDOWS:
        return 0
    energies = (response[:, : count * window] ** 2).sum(axis=0).reshape(count, window).mean(axis=1)
    floor = float(np.median(energies))
    above = int(np.argmax(loudest > OVER_NOISE * floor**0.5))
    half = above // 2
    if above < NOISE_WINDOWS * window:
        return 0
    halves = [float((response[:, part] ** 2).mean()) for part in (slice(0, half), slice(half, 2 * half))]
    if min(halves) <= 0.0 or abs(db_from_gain((halves[0] / halves[1]) ** 0.5)) > NOISE_STEADY_DB:
        return 0
    return above - round(PRENOISE * rate)


def _first_loud(response: np.ndarray) -> int:
    """Return the first frame in which any channel exceeds `FRONT_DB` of the peak."""
    loud = np.abs(response).max(axis=0)
    return int(np.argmax(loud > loud.max() * gain_from_db(FRONT_DB)))


def _resample(response: np.ndarray, old_rate: float, new_rate: float) -> np.ndarray:
    """Return the response at another rate with the same frequency response."""
    import soxr

    lead = int(PRERING * old_rate / new_rate)
    padded = np.pad(response, ((0, 0), (lead, int(old_rate * 0.01))))
    dense = np.atleast_2d(soxr.resample(padded.T, old_rate, new_rate, quality="VHQ").T) * (old_rate / new_rate)
    return dense[:, _first_loud(dense) :]


def _cut_tail(response: np.ndarray, max_taps: int) -> np.ndarray:
    """Return the response without its inaudible end, faded if anything was cut."""
    energy_left = np.cumsum((response**2).sum(axis=0)[::-1])[::-1]
    audible = int(np.count_nonzero(energy_left > energy_left[0] * 10.0 ** (TAIL_ENERGY_DB / 10.0)))
    taps = min(audible + min(audible // 8, 256), max_taps)
    if taps >= response.shape[1]:
        return response
    result = response[:, :taps].copy()
    fade = min(taps // 9, 256)
    result[:, taps - fade :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / (fade + 1))
    return result


def _level(response: np.ndarray, sample_rate: float) -> float:
    """Return the gain that brings the response to a loudness of 0 dB; at most `HIGHEST_GAIN` at any frequency."""
    size = max(16384, 2 ** int(np.ceil(np.log2(response.shape[1]))))
    power = (np.abs(np.fft.rfft(response, size)) ** 2).mean(axis=0)
    frequencies = np.fft.rfftfreq(size, 1.0 / sample_rate)
    low, high = LOUDNESS_HZ
    grid = np.geomspace(low, min(high, 0.5 * sample_rate), 400)
    loudness = float(np.interp(grid, frequencies, power).mean())
    return min(loudness**-0.5 if loudness > 0.0 else np.inf, HIGHEST_GAIN / float(power.max()) ** 0.5)
