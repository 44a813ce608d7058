"""Impulse responses: front and tail cut, any rate, one loudness, bad files refused in one line."""

import numpy as np
import pytest
import scipy.signal
import soundfile

from rtfx.api import Rig
from rtfx.effects.cab import CAB, READ_SECONDS, load_impulse, read_impulse
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


def near(found, expected, rate=48000) -> float:
    """Return the largest difference of two responses between 80 Hz and 5 kHz, in dB."""
    frequencies = np.geomspace(80, 5000, 200)
    return np.abs(magnitude_db(found[0], rate, frequencies) - magnitude_db(expected[0], rate, frequencies)).max()


def noisy(response, db: float, lead: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Return a response of peak 1 behind `lead` frames, with Gaussian noise of so many dB (RMS) all over it."""
    x = np.concatenate([np.zeros(lead), response / np.abs(response).max()])
    return x + 10 ** (db / 20) * np.random.default_rng(seed).standard_normal((channels, x.size))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("lead", [600, 4800, 48000, 300000])
@pytest.mark.parametrize("db", [-75, -60, -50, -40])
def test_a_response_behind_noise_is_found(tmp_path, db, lead, channels):
    """The noise of a recording is above -60 dB of the peak long before the response: it must not take its place."""
    response = speaker(48000)
    found, notes = read_impulse(write(tmp_path, noisy(response, db, lead, channels)), 48000)
    assert found.shape[0] == channels and np.argmax(np.abs(found[0])) <= 40
    of_noise = {-75: 0.3, -60: 0.6, -50: 1.6, -40: 5.0}[db]  # what runs on under the response
    assert near(found, load_impulse(write(tmp_path, response), 48000)) < of_noise
    assert len(notes) <= 1 and ("noise" in notes[0] if notes else db < -50)


@pytest.mark.parametrize("hum", [50.0, 60.0, 120.0])
def test_a_response_behind_hum_is_found(tmp_path, hum):
    lead = 20000
    x = np.concatenate([np.zeros(lead), speaker(48000)])
    x += 3e-3 * np.sin(2 * np.pi * hum * np.arange(x.size) / 48000)
    found = load_impulse(write(tmp_path, x), 48000)
    assert np.argmax(np.abs(found[0])) <= 40


def test_what_comes_before_the_peak_and_is_no_noise_stays(tmp_path):
    """A quiet direct sound with a louder reflection, and a response that swells."""
    direct = np.concatenate([0.1 * speaker(48000)[:1500], speaker(48000)])
    swell = np.concatenate([speaker(48000)[::-1], speaker(48000)])
    for response in (direct, swell):
        for lead in (0, 3000):
            whole = np.concatenate([np.zeros(lead), response])
            found, notes = read_impulse(write(tmp_path, whole), 48000, normalise=False)
            loud = np.flatnonzero(np.abs(response) > 1e-3 * np.abs(response).max())
            assert np.argmax(np.abs(found[0])) == np.argmax(np.abs(response)) - loud[0] and not notes


@pytest.mark.parametrize("offset", [0.001, 0.01, -0.05])
@pytest.mark.parametrize("channels", [1, 2])
def test_an_offset_is_removed_and_said(tmp_path, offset, channels):
    """An inaudible offset lowered the level: 26,000 samples of 0.01 weigh more than the response at 0 Hz."""
    response = np.concatenate([speaker(48000), np.zeros(24000)])
    expected = load_impulse(write(tmp_path, response), 48000)
    path = write(tmp_path, np.stack([response + offset, response][:channels]))
    found, notes = read_impulse(path, 48000)
    assert near(found, expected) < 0.05
    assert abs(loudness(found[0], 48000) - 1.0) < 0.02
    assert len(notes) == 1 and "ir.wav has a constant offset of" in notes[0] and "removed" in notes[0]


@pytest.mark.parametrize(
    "response",
    [
        [0.25],
        [1.0, 0.5, 0.25],
        np.ones(64) / 64,
        np.exp(-np.arange(2000) / 600),
        speaker(48000),
        speaker(48000)[:500],
        np.exp(-np.arange(3000) / 900) * np.cos(2 * np.pi * 30 * np.arange(3000) / 48000),
    ],
    ids=["wire", "three", "mean", "decay", "speaker", "cut short", "slow"],
)
def test_a_response_that_has_no_offset_is_left_alone(tmp_path, response):
    found, notes = read_impulse(write(tmp_path, response), 48000, normalise=False)
    taps = -(-found.shape[1] // 2)  # the end is faded
    assert not notes and np.abs(found[0, :taps] - np.asarray(response)[:taps]).max() < 1e-6


def test_limits_of_length_are_told(tmp_path):
    long = np.exp(-np.arange(48000) / 9000) * np.random.default_rng(0).standard_normal(48000)
    found, notes = read_impulse(write(tmp_path, long), 48000, max_taps=8192)
    assert found.shape[1] == 8192
    assert notes == ("ir.wav is longer than 0.171 s: what comes later, -8 dB of it, is cut",)
    found, notes = read_impulse(write(tmp_path, long), 48000)
    assert found.shape[1] == 48000 and not notes
    endless = np.concatenate([speaker(48000), np.zeros(int(READ_SECONDS * 48000))])
    assert read_impulse(write(tmp_path, endless), 48000).notes == ("ir.wav is longer than 10 s: only that is read",)


def test_what_is_told_of_a_file_reaches_the_player(tmp_path):
    path = write(tmp_path, np.concatenate([speaker(48000), np.zeros(24000)]) + 0.01)
    rig = Rig([{"type": "cab", "file": str(path)}])
    rig.plan(48000)
    assert rig.notes == ["cab: ir.wav has a constant offset of 0.01: removed"]


def test_the_tail_is_cut_where_nothing_is_left(tmp_path):
    response = np.concatenate([speaker(48000), 1e-9 * np.ones(40000)])
    taps = load_impulse(write(tmp_path, response), 48000, max_taps=50000)
    assert taps.shape[1] < 4000
    kept, whole = (magnitude_db(r, 48000, np.geomspace(80, 5000, 50)) for r in (taps[0], response))
    assert np.ptp(kept - whole) < 0.01


def test_longest(tmp_path):
    noise = np.random.default_rng(0).standard_normal(20000)
    taps = load_impulse(write(tmp_path, noise), 48000, max_taps=8192)
    assert taps.shape == (1, 8192)
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
    cells = CAB.cells(CAB.complete({"level_db": -20.0}), 48000)
    assert cells[0] == pytest.approx(0.1) and cells[3:6] == cells[8:11] == [0.0, 0.0, 0.0]  # flat sections


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("seconds", [0.1, 1.0, 4.0])
def test_a_long_response_is_convolved_exactly_and_at_once(tmp_path, seconds, channels):
    """A hall's response: the chain's output is SciPy's within -120 dB of its peak, from the first frame on."""
    generator = np.random.default_rng(7)
    t = np.arange(int(seconds * 48000)) / seconds / 48000
    response = generator.standard_normal((channels, t.size)) * np.exp(-4 * t)
    response[:, 0] = 5.0
    path = write(tmp_path, response)
    x = generator.uniform(-0.1, 0.1, (channels, 100000)).astype(np.float32)
    y = Rig([{"type": "cab", "file": str(path)}])(x, 48000)
    taps = load_impulse(path, 48000)
    expected = scipy.signal.fftconvolve(x.astype(np.float64), taps, axes=1)[:, : x.shape[1]]
    assert np.abs(y - expected).max() < 1e-6 * np.abs(expected).max()


def test_the_cuts_are_butterworth_filters_behind_the_response(tmp_path):
    path = write(tmp_path, speaker(48000))
    x = np.zeros(48000, np.float32)
    x[0] = 0.5
    plain = Rig([{"type": "cab", "file": str(path)}])(x, 48000)
    y = Rig([{"type": "cab", "file": str(path), "low_cut_hz": 100.0, "high_cut_hz": 5000.0}])(x, 48000)
    grid = np.geomspace(50, 12000, 60)
    found = magnitude_db(y, 48000, grid) - magnitude_db(plain, 48000, grid)
    low = scipy.signal.freqs(*scipy.signal.butter(2, 100, "high", analog=True), grid)[1]
    high = scipy.signal.freqs(*scipy.signal.butter(2, 5000, "low", analog=True), grid)[1]
    assert np.abs(found - 20 * np.log10(np.abs(low * high))).max() < 0.4
