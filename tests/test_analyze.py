"""What `rtfx analyze` measures, against formulas: tanh, a biquad, a delay, an oversampled tanh, noise."""

import math

import numpy as np
import pytest
import scipy.signal

import rtfx
from rtfx.analyze import ALIASING_POINTS, HARMONICS, aliasing_ratio, analyze, measure
from rtfx.errors import UsageError

RATE = 48000.0
DRIVE = 4.0


def tanh(x):
    return np.tanh(DRIVE * x)


@pytest.fixture(scope="module")
def of_tanh():
    return measure(tanh, RATE, "tanh")


def harmonics_of_tanh(db, count=4000):
    """The amplitudes of the harmonics of tanh(DRIVE sin), from their integral over many points of one cycle."""
    angles = 2.0 * np.pi * np.arange(1 << 16) / (1 << 16)
    wave = np.tanh(DRIVE * 10.0 ** (db / 20.0) * np.sin(angles))
    return 2.0 * np.abs(np.fft.rfft(wave))[:count] / len(wave)


@pytest.mark.parametrize("db", [-40.0, -20.0, 0.0])
def test_harmonics_of_tanh(of_tanh, db):
    own = harmonics_of_tanh(db)
    expected = 20.0 * np.log10(np.maximum(own[1 : HARMONICS + 1] / own[1], 1e-10))
    found = np.array(of_tanh.harmonics[f"{db:g} dB"]["level_db"])
    heard = expected > -60.0  # what aliases onto no harmonic, but float64 and neighbours leave traces far below
    assert found[heard] == pytest.approx(expected[heard], abs=0.01)
    assert (found[~heard] < -55.0).all()
    below = own[2 : int(0.5 * RATE / 1000.0)]
    thd = 10.0 * math.log10((below**2).sum() / own[1] ** 2)
    assert of_tanh.harmonics[f"{db:g} dB"]["thd_db"] == pytest.approx(thd, abs=0.01)


def test_the_transfer_curve_of_tanh_is_tanh(of_tanh):
    for curve in of_tanh.transfer.values():
        assert np.allclose(curve["output"], tanh(np.array(curve["input"])), atol=2e-3)
    assert max(of_tanh.transfer["0 dB"]["input"]) == pytest.approx(1.0, abs=1e-4)


def test_the_transfer_curve_of_an_inverting_stage_falls():
    curve = measure(lambda x: -0.5 * x, RATE, "minus").transfer["0 dB"]
    assert np.allclose(curve["output"], -0.5 * np.array(curve["input"]), atol=1e-9)


def test_levels_of_tanh(of_tanh):
    powers = [(harmonics_of_tanh(db)[1:] ** 2).sum() for db in of_tanh.levels["input_dbfs"]]
    assert of_tanh.levels["output_dbfs"] == pytest.approx(10.0 * np.log10(powers), abs=0.02)


@pytest.mark.parametrize("hertz", [1000.0, 2300.0, 5000.0])
def test_aliasing_of_tanh_is_the_energy_of_the_harmonics_above_half_the_rate(hertz):
    own = harmonics_of_tanh(0.0) ** 2
    last = int(0.5 * RATE / hertz)
    expected = 10.0 * math.log10(own[last + 1 :].sum() / own[1 : last + 1].sum())
    assert aliasing_ratio(tanh, RATE, hertz) == pytest.approx(expected, abs=0.05)


def test_an_oversampled_tanh_aliases_far_less(of_tanh):
    low_pass = scipy.signal.firwin(16 * 128 + 1, 0.95 / 16.0, window=("kaiser", 12.0))

    def oversampled(x):  # causal: nothing is cut off at the end
        up = scipy.signal.upfirdn(16.0 * low_pass, x, 16)[: 16 * len(x)]
        return scipy.signal.upfirdn(low_pass, np.tanh(DRIVE * up))[: 16 * len(x) : 16]

    better = [aliasing_ratio(oversampled, RATE, hertz) for hertz in of_tanh.aliasing["hz"][::8]]
    assert max(better) < -80.0
    assert (np.array(of_tanh.aliasing["asr_db"][::8]) - better > 20.0)[1:].all()
    assert len(of_tanh.aliasing["hz"]) == ALIASING_POINTS and of_tanh.aliasing["hz"][-1] == pytest.approx(5000.0)


def test_what_is_linear_has_no_aliasing_and_no_harmonics():
    found = measure(lambda x: 0.5 * x, RATE, "half")
    assert max(found.aliasing["asr_db"]) < -150.0
    assert all(one["thd_db"] < -150.0 for one in found.harmonics.values())
    assert found.levels["output_dbfs"] == pytest.approx([db - 6.0206 for db in found.levels["input_dbfs"]], abs=1e-3)


def test_the_response_of_a_known_filter_and_a_known_delay():
    delay = 37
    sections = scipy.signal.butter(2, [200.0, 5000.0], "band", fs=RATE, output="sos")

    def process(x):
        return scipy.signal.sosfilt(sections, np.concatenate([np.zeros(delay), x]))[: len(x)]

    found = measure(process, RATE, "band", latency_frames=delay)
    hz = np.array(found.response["hz"])
    expected = 20.0 * np.log10(np.abs(scipy.signal.sosfreqz(sections, hz, fs=RATE)[1]))
    inside = (hz > 25.0) & (hz < 18000.0)  # at the ends the average over a twelfth of an octave is not the middle
    for db in (-40, -20, 0):
        assert np.abs(np.array(found.response[f"{db} dB"]) - expected)[inside].max() < 0.15
    impulse = np.zeros(1000)
    impulse[0] = 1.0
    assert found.response_peak_frames == int(np.argmax(np.abs(process(impulse)))) >= delay
    assert found.latency_frames == delay


def test_the_response_leaves_harmonics_out(of_tanh):
    for db in (-40.0, -20.0, 0.0):
        curve = np.array(of_tanh.response[f"{db:g} dB"])
        gain = 20.0 * math.log10(harmonics_of_tanh(db)[1] / 10.0 ** (db / 20.0))
        middle = slice(20, 120)  # below the frequencies at which aliases fall onto the sweep
        assert curve[middle] == pytest.approx(np.full(100, gain), abs=0.2)


def test_step_noise_and_dc():
    rng = np.random.default_rng(0)
    decay = 0.99

    def process(x):
        return scipy.signal.lfilter([1.0 - decay], [1.0, -decay], x) + 0.25 + 1e-3 * rng.standard_normal(len(x))

    found = measure(process, RATE, "slow")
    assert found.noise_dbfs == pytest.approx(-60.0, abs=0.2)
    assert found.dc_dbfs == pytest.approx(-12.04, abs=0.01)
    frames = np.round(np.array(found.step["ms"]) * RATE / 1000.0)
    expected = 0.25 + 0.1 * np.where(frames >= 0, 1.0 - decay ** (frames + 1.0), 0.0)
    assert np.abs(np.array(found.step["output"]) - expected).max() < 6e-3
    assert found.step["ms"][0] == pytest.approx(-5.0, abs=0.1) and found.step["ms"][-1] == pytest.approx(50.0, abs=0.1)


def test_a_rig_is_measured_without_its_limiter():
    found = analyze(rtfx.Rig([{"type": "gain", "gain_db": 12.0}]), "gain")
    assert (found.sample_rate, found.latency_frames) == (48000.0, 0)
    assert found.levels["output_dbfs"][-1] == pytest.approx(12.0, abs=1e-3)
    assert found.response["0 dB"] == pytest.approx(np.full(200, 12.0), abs=0.02)
    assert max(found.aliasing["asr_db"]) < -110.0  # float32


def test_a_rate_too_low_for_the_test_signals_is_refused():
    with pytest.raises(UsageError, match="sample rate is 8000 Hz, expected at least 11000"):
        measure(tanh, 8000.0, "low")
