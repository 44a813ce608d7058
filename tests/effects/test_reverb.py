"""Reverb: it decays as fast as it says, its echoes are dense soon, no mode sticks out, mono and stereo are equal."""

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import scipy.special

from rtfx.effects import reverb_lines, reverb_network, reverb_plate, reverb_spring
from rtfx.effects.reverb import REVERB
from rtfx.effects.reverb_lines import KINDS

from .harness import RATE, Run, constant, glide, guitar, run

WET = {"mix": 1.0, "predelay_ms": 0.0, "damping": 0.0}


def impulse_response(seconds: float, values: dict, rate: float = RATE) -> np.ndarray:
    x = np.zeros(int(seconds * rate), np.float32)
    x[0] = 1.0
    return run(REVERB, x, WET | values, rate).astype(float)


def band(h, hertz, rate=RATE):
    sos = scipy.signal.butter(4, [hertz / 2**0.5, hertz * 2**0.5], "band", fs=rate, output="sos")
    return scipy.signal.sosfilt(sos, h)


def decay(h, hertz, rate=RATE) -> float:
    """Return the RT60 of an octave in s: the slope of Schroeder's backward integral of both channels, -5 to -35 dB."""
    energy = (band(h, hertz, rate) ** 2).sum(axis=0)
    left = 10 * np.log10(np.cumsum(energy[::-1])[::-1] / energy.sum() + 1e-30)
    first, last = np.argmax(left < -5), np.argmax(left < -35)
    return -60 / np.polyfit(np.arange(first, last) / rate, left[first:last], 1)[0]


def echo_density(h) -> tuple[np.ndarray, np.ndarray]:
    """Return times in s and the share of samples beyond the standard deviation, over that of Gaussian noise.

    J. Abel, P. Huang, "A simple, robust measure of reverberation echo density" (2006), windows of 20 ms.
    """
    weights = np.hanning(961) / np.hanning(961).sum()
    centres = np.arange(480, h.size - 480, 240)
    parts = np.stack([h[centre - 480 : centre + 481] for centre in centres])
    deviation = np.sqrt((parts**2) @ weights)
    return centres / RATE, ((np.abs(parts) > deviation[:, None]) @ weights) / scipy.special.erfc(2**-0.5)


def peak_db(h, decay_s, start) -> float:
    """Return how far the loudest frequency from 400 to 2500 Hz is above their mean power, in 1 s without its decay."""
    part = h[int(start * RATE) :][:RATE] * 10 ** (3 * np.arange(RATE) / RATE / decay_s)
    power = np.abs(np.fft.rfft(part * np.hanning(RATE))[400:2500]) ** 2
    return 10 * np.log10(power.max() / power.mean())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("decay_s", [0.6, 1.5, 5.0])
def test_it_decays_as_fast_as_the_knob_says(kind, decay_s):
    h = impulse_response(1.4 * decay_s + 0.3, {"kind": kind, "decay_s": decay_s})
    for hertz in (500, 1000, 2000):
        assert decay(h, hertz) == pytest.approx(decay_s, rel=0.05), hertz
    default = impulse_response(1.4 * decay_s + 0.3, {"kind": kind, "decay_s": decay_s, "damping": 0.4})
    assert decay(default, 1000) == pytest.approx(decay_s, rel=0.05)


@pytest.mark.parametrize("rate", [44100, 96000])
@pytest.mark.parametrize("size", [0.0, 1.0])
def test_neither_size_nor_rate_changes_the_decay(rate, size):
    for kind in KINDS:
        h = impulse_response(2.8, {"kind": kind, "decay_s": 2.0, "size": size}, rate)
        assert decay(h, 1000, rate) == pytest.approx(2.0, rel=0.05), kind


@pytest.mark.parametrize("kind", KINDS)
def test_damping_shortens_the_treble_alone(kind):
    h = impulse_response(3.0, {"kind": kind, "decay_s": 2.0, "damping": 0.8})
    assert decay(h, 1000) == pytest.approx(2.0, rel=0.06)
    treble = 3000 if kind == "spring" else 8000
    assert decay(h, treble) < 0.85 * 2.0


@pytest.mark.parametrize(("kind", "seconds"), [("room", 0.08), ("hall", 0.11), ("plate", 0.22)])
def test_its_echoes_are_as_dense_as_noise_soon(kind, seconds):
    for h in impulse_response(2.0, {"kind": kind, "decay_s": 2.0}):
        times, density = echo_density(h)
        assert times[np.argmax(density > 0.9)] < seconds
        assert density[times > 2 * seconds].mean() == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("kind", ["room", "hall", "plate"])
def test_no_mode_rings_longer_than_the_others(kind):
    """In Gaussian noise the loudest of these frequencies is 9 dB above the mean; a metallic reverb has 15 and more."""
    noise = np.random.default_rng(1).standard_normal(2 * RATE) * 10 ** (-3 * np.arange(2 * RATE) / RATE / 2.0)
    assert 8.0 < peak_db(noise, 2.0, 0.3) < 11.0
    peaks = [peak_db(h, 2.0, start) for h in impulse_response(2.6, {"kind": kind}) for start in (0.3, 0.8, 1.3)]
    assert np.mean(peaks) < 12.0 and max(peaks) < 14.0


def test_a_spring_is_a_train_of_chirps():
    """Each echo begins low and ends at the transition frequency; above that there is nothing."""
    h = impulse_response(1.0, {"kind": "spring", "modulation": 0.0, "low_cut_hz": 20.0})[1]
    first = h[: int(0.051 * RATE)]
    late = [
        np.argmax(np.abs(scipy.signal.hilbert(band(band(first, f)[::-1], f)[::-1]))) / RATE for f in (600, 1800, 3000)
    ]
    assert late[0] < late[1] < late[2] - 0.002
    power = np.abs(np.fft.rfft(h)) ** 2
    assert power[6000:10000].mean() < 1e-4 * power[500:3000].mean()


@pytest.mark.parametrize("kind", KINDS)
def test_mono_is_not_hollow_and_width_is_what_it_says(kind):
    wide = impulse_response(1.5, {"kind": kind})
    ratio = (wide.mean(axis=0) ** 2).sum() / (wide**2).sum(axis=1).mean()
    assert 10 * np.log10(ratio) > -4.5  # two sounds that are not alike: -3 dB
    assert abs(np.corrcoef(wide)[0, 1]) < 0.35
    assert abs(10 * np.log10((wide[0] ** 2).sum() / (wide[1] ** 2).sum())) < 1.0
    narrow = impulse_response(1.5, {"kind": kind, "width": 0.0})
    np.testing.assert_array_equal(narrow[0], narrow[1])


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_are_equally_loud_whatever_the_decay(kind):
    x = guitar(4 * RATE).astype(float)
    levels = []
    for decay_s in (0.7, 1.5, 4.0):
        y = run(REVERB, x, {"kind": kind, "decay_s": decay_s, "mix": 1.0})
        levels.append(10 * np.log10((y[:, RATE:] ** 2).mean() / (x[RATE:] ** 2).mean()))
    assert max(levels) - min(levels) < 6.5
    assert abs(np.mean(levels)) < 4.0


def test_predelay_and_mix():
    x = np.zeros(RATE, np.float32)
    x[0] = 1.0
    early = run(REVERB, x, {"mix": 0.5, "predelay_ms": 0.0})
    late = run(REVERB, x, {"mix": 0.5, "predelay_ms": 100.0})
    assert early[0, 0] == late[0, 0] == 1.0
    np.testing.assert_array_equal(late[:, 1:4800], 0.0)
    first = [np.argmax(np.abs(y[0, 1:]) > 1e-3) for y in (early, late)]
    assert first[1] - first[0] == 4799  # a predelay of 0 is one frame
    np.testing.assert_array_equal(run(REVERB, x, {"mix": 0.0})[0], x)


def test_the_old_kind_rings_on():
    x = guitar(RATE)
    before, after = ({"kind": kind, "mix": 1.0, "decay_s": 3.0} for kind in ("hall", "spring"))
    play = Run(REVERB)
    play(x, constant(REVERB, before, RATE))
    y = play(np.zeros(RATE), glide(REVERB, before, after, RATE, start=0))
    still = play(np.zeros(RATE), constant(REVERB, after, RATE))
    falls = 10 * np.log10((still[:, -4800:] ** 2).mean() / (y[:, 4800:9600] ** 2).mean())
    assert -50 < falls < -25  # 1.8 s of a decay of 3 s: 36 dB


def test_it_sleeps_in_silence_and_wakes():
    x = np.concatenate([guitar(RATE // 2), np.zeros(5 * RATE), guitar(RATE // 2)])
    values = {"decay_s": 0.3, "modulation": 0.0}
    y = run(REVERB, x, values)
    assert not y[:, 5 * RATE : 5 * RATE + 1000].any()
    again = slice(5 * RATE + RATE // 2, None)
    np.testing.assert_allclose(y[:, again], run(REVERB, x[again], values), atol=1e-6)


def test_a_new_size_bends_the_pitch_and_does_not_click():
    t = np.arange(RATE)
    x = 0.25 * np.sin(2 * np.pi * 220 * t / RATE) * np.minimum(1.0, t / 9600)
    sos = scipy.signal.butter(8, 5000, "high", fs=RATE, output="sos")
    for kind in KINDS:
        before, after = ({"kind": kind, "mix": 1.0, "size": size} for size in (0.0, 1.0))
        y = Run(REVERB)(x, glide(REVERB, before, after, RATE, start=RATE // 2)).astype(float)
        assert np.abs(scipy.signal.sosfilt(sos, y)[:, RATE // 4 :]).max() < 1e-3 * np.abs(y).max(), kind


def test_lines_are_as_long_as_their_knobs_may_make_them():
    for rate in (8000.0, 48000.0, 192000.0):
        sizes, base = reverb_lines.rings(rate), reverb_lines.lengths(rate)
        grown = [
            n * (reverb_lines.LARGEST if size else 1.0) for n, size in zip(base, reverb_lines.scaled(), strict=True)
        ]
        assert all(size > n for size, n in zip(sizes, grown, strict=True))
        assert len(sizes) == len(base) == reverb_lines.COUNT


def test_the_networks_matrix_is_that_of_hadamard():
    columns = []
    for k in range(16):
        v = np.zeros(16, np.float32)
        v[k] = 1.0
        for place in range(4):
            reverb_network.mix_four.function(v, 4 * place, 1)
        for place in range(4):
            reverb_network.mix_four.function(v, place, 4)
        columns.append(v)
    np.testing.assert_array_equal(np.stack(columns), scipy.linalg.hadamard(16) / 4)


def test_the_springs_low_pass_is_that_of_butterworth():
    g, *dampings = reverb_spring.low_pass(RATE)
    hertz = np.array([500.0, 2000.0, 3600.0, 6000.0])
    s = 1j * np.tan(np.pi * hertz / RATE) / g
    found = np.abs(np.prod([1.0 / (s * s + k * s + 1.0) for k in dampings], axis=0))
    corner = reverb_spring.CUT * reverb_lines.TRANSITION_HZ
    sos = scipy.signal.butter(8, corner, fs=RATE, output="sos")
    np.testing.assert_allclose(found, np.abs(scipy.signal.freqz_sos(sos, hertz, fs=RATE)[1]), rtol=1e-3)


def test_the_plates_taps_lie_within_its_lines():
    """Two taps of a line of 4453, 1800 or 3720 (4217, 2656, 3163) frames are each read in one of these lines."""
    assert reverb_plate.LINES == len(reverb_lines.DATTORRO) == 12
    for rate in (8000.0, 48000.0, 192000.0):
        taps = reverb_lines.constants(rate, 0.6)["plate_taps"]
        rings = reverb_lines.rings(rate)[reverb_plate.TANK :][:8]
        d1, ap2, d2, d3, ap4, d4 = (rings[k] for k in (1, 2, 3, 5, 6, 7))
        read = (d3, d3, ap4, d4, d1, ap2, d2, d1, d1, ap2, d2, d3, ap4, d4)
        assert all(tap < ring for tap, ring in zip(taps, read, strict=True))
