"""Impulse responses: front and tail cut, any rate, one loudness, bad files refused in one line."""

import numpy as np
import pytest
import scipy.signal
import soundfile

from rtfx.effects.cab import CAB, MAX_TAPS, load_impulse
from rtfx.errors import AudioFileError


def speaker(rate: int, seconds: float = 0.06) -> np.ndarray:
    """Return a loudspeaker-like response: band-pass, a cone resonance, a decaying tail."""
    x = np.zeros(int(seconds * rate))
    x[0] = 1.0
    y = scipy.signal.sosfilt(scipy.signal.butter(2, 90, "high", fs=rate, output="sos"), x)
    y = scipy.signal.sosfilt(scipy.signal.butter(4, 5000, "low", fs=rate, output="sos"), y)
    return y + 0.5 * scipy.signal.lfilter(*scipy.signal.iirpeak(2500, 6, fs=rate), y)


def write(folder, data, rate=48000, name="ir.wav", **options):
    path = folder / name
    soundfile.write(path, np.asarray(data).T, rate, **({"subtype": "FLOAT"} if name.endswith("wav") else {}) | options)
    return path


def loudness(response, rate) -> float:
    grid = np.geomspace(80, 5000, 999)
    return float(np.mean(np.abs(scipy.signal.freqz(response, worN=grid, fs=rate)[1]) ** 2))


def magnitude_db(response, rate, frequencies):
    return 20 * np.log10(np.abs(scipy.signal.freqz(response, worN=frequencies, fs=rate)[1]))


def test_leading_silence_is_cut(tmp_path):
    response = speaker(48000)
    quiet = np.concatenate([1e-4 * response.max() * np.ones(700), response])
    expected = load_impulse(write(tmp_path, response), 48000)
    assert np.abs(response[0]) > 1e-3 * np.abs(response).max()
    np.testing.assert_allclose(load_impulse(write(tmp_path, quiet), 48000), expected, rtol=1e-6)


def test_the_tail_is_cut_where_nothing_is_left(tmp_path):
    response = np.concatenate([speaker(48000), 1e-9 * np.ones(40000)])
    taps = load_impulse(write(tmp_path, response), 48000, max_taps=50000)
    assert taps.shape[1] < 4000
    kept, whole = (magnitude_db(r, 48000, np.geomspace(80, 5000, 50)) for r in (taps[0], response))
    assert np.ptp(kept - whole) < 0.01


def test_longest(tmp_path):
    noise = np.random.default_rng(0).standard_normal(20000)
    taps = load_impulse(write(tmp_path, noise), 48000)
    assert taps.shape == (1, MAX_TAPS)
    assert np.abs(taps[0, -8:]).max() < 1e-3 * np.abs(taps).max()  # faded
    assert load_impulse(write(tmp_path, noise), 48000, max_taps=100).shape == (1, 100)


@pytest.mark.parametrize(("file_rate", "rate"), [(44100, 48000), (96000, 48000), (48000, 44100), (22050, 48000)])
def test_other_rates_keep_the_frequency_response(tmp_path, file_rate, rate):
    response = speaker(file_rate)
    taps = load_impulse(write(tmp_path, response, file_rate), rate, normalise=False)
    frequencies = np.geomspace(60, 9000, 60)
    got, expected = (10 ** (magnitude_db(r, f, frequencies) / 20) for r, f in ((taps[0], rate), (response, file_rate)))
    assert 20 * np.log10(np.abs(got - expected).max() / expected.max()) < -50.0
    delay = np.argmax(np.abs(taps[0])) / rate - np.argmax(np.abs(response)) / file_rate
    assert abs(delay) * rate < 6  # frames; the lead in which the conversion may ring has 32 and is cut again


def test_a_bare_click_survives_a_change_of_rate(tmp_path):
    taps = load_impulse(write(tmp_path, [1.0] + [0.0] * 500, 44100), 48000, normalise=False)
    np.testing.assert_allclose(magnitude_db(taps[0], 48000, np.geomspace(40, 16000, 60)), 0.0, atol=0.3)
    assert np.argmax(np.abs(taps[0])) <= 32


@pytest.mark.parametrize("scale", [1e-3, 1.0, 0.5])
def test_loudness_is_that_of_a_wire(tmp_path, scale):
    taps = load_impulse(write(tmp_path, scale * speaker(48000)), 48000)
    assert 10 * np.log10(loudness(taps[0], 48000)) == pytest.approx(0.0, abs=0.05)


def test_a_wire_stays_a_wire(tmp_path):
    np.testing.assert_allclose(load_impulse(write(tmp_path, [0.25]), 48000), [[1.0]], rtol=1e-12)


def test_a_narrow_response_is_raised_by_12_db_at_most(tmp_path):
    whistle = np.exp(-np.arange(4000) / 800) * np.sin(2 * np.pi * 1000 * np.arange(4000) / 48000)
    taps = load_impulse(write(tmp_path, whistle), 48000)
    assert np.abs(np.fft.rfft(taps[0], 65536)).max() == pytest.approx(4.0, rel=0.01)


def test_stereo_keeps_its_balance(tmp_path):
    left = speaker(48000)
    taps = load_impulse(write(tmp_path, [left, 0.5 * left]), 48000)
    assert taps.shape[0] == 2
    np.testing.assert_allclose(taps[1], 0.5 * taps[0], atol=1e-7)


@pytest.mark.parametrize("name", ["ir.flac", "ir.aiff", "ir.wav"])
def test_formats(tmp_path, name):
    response = 0.5 * speaker(48000) / np.abs(speaker(48000)).max()
    expected = load_impulse(write(tmp_path, response, name="reference.wav"), 48000)
    taps = load_impulse(write(tmp_path, response, name=name, subtype="PCM_24"), 48000)
    frames = min(taps.shape[1], expected.shape[1]) * 3 // 4
    np.testing.assert_allclose(taps[:, :frames], expected[:, :frames], atol=1e-6)


def truncated(folder):
    path = folder / "ir.flac"
    soundfile.write(path, speaker(48000) / 4, 48000)
    path.write_bytes(path.read_bytes()[:20])
    return path


def text(folder):
    path = folder / "ir.wav"
    path.write_text("<html>\nNot found\n</html>")
    return path


BAD = {
    "missing": (lambda folder: folder / "nowhere.wav", "no such file"),
    "folder": (lambda folder: folder, "is a folder"),
    "text": (text, "cannot be read as audio"),
    "truncated": (truncated, "cannot be read as audio"),
    "empty": (lambda folder: write(folder, np.zeros(0)), "is empty"),
    "silent": (lambda folder: write(folder, np.zeros(100)), "is silent"),
    "nan": (lambda folder: write(folder, [1.0, np.nan]), "NaN"),
    "channels": (lambda folder: write(folder, np.ones((6, 10))), "6 channels, expected an impulse response of 1 or 2"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files(tmp_path, case):
    make, expected = BAD[case]
    path = make(tmp_path)
    with pytest.raises(AudioFileError) as caught:
        load_impulse(path, 48000)
    message = str(caught.value)
    assert expected in message and str(path) in message and "\n" not in message


def test_level():
    assert CAB.cells({"level_db": -20.0}, 48000) == pytest.approx([0.1])
