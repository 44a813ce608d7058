"""Cabinet: the level parameter, and reading an impulse response for plan to convolve with.

A response is brought to the stream's rate and then cut, so that it costs neither latency nor time that nobody hears:

- front: everything before the first sample above -60 dB of the peak;
- rate: by soxr, multiplied by (old rate / new rate), since a denser sum of the same curve is louder. Where the
  conversion itself rings ahead of the front, at most `PRERING` frames of that are kept;
- tail: after the point where -80 dB of the energy is left it fades out, within an eighth of what came before or 256
  taps; where that would be beyond `max_taps` it fades out before;
- level: the mean power gain over 80 Hz to 5 kHz, equal weight to each octave, is 1, so that cabinets can be compared
  and changed without a change of loudness; but no frequency is raised by more than 12 dB.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..audio import read_audio
from ..errors import AudioFileError
from ..rig.parameters import Parameter
from ..units import gain_from_db
from .block import Block

PARAMETERS = (Parameter("level_db", 0.0, -60.0, 40.0, "dB", summary="gain after the cabinet"),)

MAX_TAPS = 8192  # 170 ms at 48 kHz: a close-miked cabinet is over in 50
READ_SECONDS = 10.0  # of a longer file: the rest cannot matter
FRONT_DB = -60.0
TAIL_ENERGY_DB = -80.0
PRERING = 32  # frames: 0.7 ms at 48 kHz
LOUDNESS_HZ = (80.0, 5000.0)
HIGHEST_GAIN = 4.0  # 12 dB


def cells(values, sample_rate: float) -> list[float]:
    """Return [linear gain]."""
    return [gain_from_db(values["level_db"])]


CAB = Block("cab", PARAMETERS, cells, file="audio", summary="a loudspeaker cabinet: an impulse response")


def load_impulse(path, sample_rate: float, max_taps: int = MAX_TAPS, normalise: bool = True) -> np.ndarray:
    """Read an impulse response from a WAV, FLAC or AIFF file of any rate.

    Parameters
    ----------
    path : str or Path
    sample_rate : float
        Hz, of the stream that will be convolved.
    max_taps : int
        Longest result, in frames at `sample_rate`.
    normalise : bool
        Bring the level to that of the module's docstring; otherwise it is the file's.

    Returns
    -------
    numpy.ndarray
        float64, (channels, taps); one gain for all channels.

    Raises
    ------
    AudioFileError
        Missing, not audio, silent, not finite, or more than two channels.
    """
    response, file_rate = _read(Path(path))
    onset = _first_loud(response)
    response = response[:, onset:]
    if file_rate != sample_rate:
        response = _resample(response, file_rate, sample_rate)
    response = _cut_tail(response, max_taps)
    return response * _level(response, sample_rate) if normalise else response


def _read(path: Path) -> tuple[np.ndarray, int]:
    """Return ((channels, frames) float64, Hz)."""
    audio, rate, _ = read_audio(path, seconds=READ_SECONDS, dtype="float64", what="an impulse response")
    data, channels = audio.T, audio.shape[1]
    if channels > 2:
        raise AudioFileError(f"{path}: has {channels} channels, expected an impulse response of 1 or 2")
    if not np.isfinite(data).all():
        raise AudioFileError(f"{path}: holds NaN or infinite samples, expected an impulse response: export it again")
    if data.size == 0 or not data.any():
        raise AudioFileError(f"{path}: is {'empty' if data.size == 0 else 'silent'}, expected an impulse response")
    return data, rate


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
    """Return the gain that makes the response as loud as a wire."""
    size = max(16384, 2 ** int(np.ceil(np.log2(response.shape[1]))))
    power = (np.abs(np.fft.rfft(response, size)) ** 2).mean(axis=0)
    frequencies = np.fft.rfftfreq(size, 1.0 / sample_rate)
    low, high = LOUDNESS_HZ
    grid = np.geomspace(low, min(high, 0.5 * sample_rate), 400)
    loudness = float(np.interp(grid, frequencies, power).mean())
    return min(loudness**-0.5 if loudness > 0.0 else np.inf, HIGHEST_GAIN / float(power.max()) ** 0.5)
