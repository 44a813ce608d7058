"""The conversion around a model: flat, with exactly the reported delay, and with less delay at minimum phase."""

from dataclasses import replace

import numpy as np
import pytest

from rtfx.kernels.resample import Ratio
from rtfx.model.nodes import Dense, Input
from rtfx.model.spec import ModelSpec
from rtfx.plan.chain import plan_chain
from rtfx.plan.resampling import Conversion, minimum_phase
from rtfx.rig.parameters import PHASES
from tests.engine.rigs import CUTS, cut, drive, engine, gru, model, noise

RATES = (44100, 48000, 88200, 96000, 192000)
PAIRS = [(home, rate) for home in (44100, 48000, 96000) for rate in RATES if rate != home]
RIG_RATE = 48000


def wire(rate):
    nodes = (Input(()), Dense((0,), weight=np.ones((1, 1)), bias=np.zeros(1)))
    return ModelSpec("t", nodes, name="wire", sample_rate=float(rate), rate_source="file")


def between(spec, phase):
    """Return the model between two conversions."""
    return replace(model(spec, bare=True), model_rate=spec.sample_rate, resample_phase=phase)


def response(home, phase, place=500, frames=1400):
    x = np.zeros((frames, 1), np.float32)
    x[place] = 1.0
    return drive(engine([between(wire(home), phase)]), x)[:, 0].astype(np.float64)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("home", [44100, 96000, 88200, 24000])
def test_the_latency_is_the_delay_of_an_impulse(home, phase):
    """Its centre of gravity; the impulse stands at several places between the model's frames."""
    reported = plan_chain([between(wire(home), phase)], RIG_RATE).latency_frames
    for place in (500, 501, 537):
        y = response(home, phase, place)
        centre = np.arange(len(y)) @ y / y.sum() - place
        assert abs(centre - reported) < 0.15
    assert reported > 10 * plan_chain([between(wire(home), "minimum")], RIG_RATE).latency_frames or phase == "minimum"


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("home, rate", PAIRS)
def test_a_sine_comes_back_whole_frames_late(home, rate, phase):
    """Both filters one after the other, in float64: 1 kHz, 0.01 dB and 0.05 frames."""
    ratio = Ratio.of(home, rate)
    conversion = Conversion(ratio, phase)
    inward, outward = conversion.filters
    step = 2j * np.pi * 1000.0 / rate

    def gain(rows, phases, to_input):
        ages = np.arange(rows.shape[1])[::-1] + np.arange(phases)[:, None] / phases
        return (rows * np.exp(-step * ages * to_input)).sum(axis=1)

    forth = gain(inward, ratio.up, 1.0)
    back = gain(outward, ratio.down, ratio.down / ratio.up)
    for total in (forth.mean() * back, forth * back.mean()):
        late = -np.angle(total * np.exp(step * conversion.latency)) / abs(step)
        assert np.abs(late).max() < 0.05
        assert np.abs(20.0 * np.log10(np.abs(total))).max() < 0.01


@pytest.mark.parametrize("home", [44100, 96000])
def test_minimum_phase_keeps_the_magnitude(home):
    """Up to 16 kHz the same as linear phase, within 0.05 dB."""
    spectra = [np.abs(np.fft.rfft(response(home, phase)[500:], 4800)) for phase in PHASES]
    heard = slice(0, 1600)
    assert np.abs(20.0 * np.log10(spectra[0][heard] / spectra[1][heard])).max() < 0.05
    assert np.abs(20.0 * np.log10(spectra[1][heard])).max() < 0.2


def test_minimum_phase_is_found_from_any_phase():
    """Zeros at 0.5 and -0.8 stay inside the unit circle wherever they began."""
    inside = np.convolve([1.0, -0.5], [1.0, 0.8])
    outside = np.convolve([-0.5, 1.0], [0.8, 1.0])
    padded = np.concatenate([outside, np.zeros(61)])
    assert np.abs(minimum_phase(padded)[:3] - inside).max() < 1e-6


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("home", [44100, 96000])
def test_any_cut_gives_the_same_bits(home, phase):
    x = noise(3000)
    chain = [between(replace(gru(), sample_rate=float(home)), phase)]
    whole = drive(engine(chain), x, [len(x)])
    assert np.abs(whole).max() > 1e-3
    for block in CUTS:
        assert np.array_equal(drive(engine(chain), x, cut(len(x), block)), whole), block
