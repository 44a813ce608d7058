"""The klon block in a rig: its two modes differ little, and the change between them makes no click."""

import time

import numpy as np
import pytest
import soundfile

from rtfx.engine.engine_rig import EngineRig
from rtfx.engine.offline import Offline
from rtfx.errors import RtfxError
from rtfx.find import shipped
from rtfx.live.controller import Controller
from rtfx.loading.preset import LoadedPreset
from rtfx.plan.chain import plan_chain
from rtfx.plan.resolve import Models, resolve
from rtfx.rig.blocks import BlockSpec
from rtfx.rig.parameters import Options
from rtfx.rig.presets import Preset
from tests.engine.rigs import drive, engine

RATE = 48000
NEAR = 0.006  # of signal power: twice what models/README.md says of held-out music


def chain(sample_rate=RATE, **values):
    preset = Preset("pedal", (BlockSpec("klon", "klon", values=values),))
    return resolve(preset, sample_rate, Models(), Options())


def esr(target, found):
    return np.sum((target - found) ** 2) / np.sum(target**2)


def rendered(sample_rate, x, **values):
    blocks, _ = chain(sample_rate, **values)
    plan = plan_chain(blocks, sample_rate, 1)
    y = Offline(plan, limiter=False).process(np.float32(x)[:, None])[:, 0].astype(float)
    return y[plan.latency_frames :]


@pytest.fixture(scope="module")
def music():
    x, rate = soundfile.read(shipped() / "models/riff.flac", frames=RATE)
    assert rate == RATE
    return x


@pytest.mark.parametrize("gain", [0.0, 0.5, 1.0])
def test_the_net_follows_the_circuit(gain, music):
    wanted, found = (rendered(RATE, music, mode=mode, gain=gain) for mode in ("circuit", "neural"))
    assert esr(wanted[RATE // 4 :], found[RATE // 4 :]) < NEAR


@pytest.mark.parametrize("rate", [44100, 96000])
@pytest.mark.parametrize("mode", ["circuit", "neural"])
def test_it_is_right_at_other_rates(mode, rate, music):
    import soxr

    wanted = rendered(RATE, music, mode=mode, gain=0.8)[RATE // 4 : -2000]
    there = rendered(rate, soxr.resample(music, RATE, rate), mode=mode, gain=0.8)
    found = soxr.resample(there, rate, RATE)[RATE // 4 :][: wanted.size]
    assert esr(wanted, found) < 2e-3


def test_the_net_is_resampled_only_where_it_plays():
    for mode, late in (("circuit", 0), ("neural", 1)):
        blocks, notes = chain(44100, mode=mode)
        assert bool(plan_chain(blocks, 44100, 1).latency_frames) == bool(late)
        assert bool([note for note in notes if "resampled" in note]) == bool(late)


def test_an_unknown_mode_is_refused():
    with pytest.raises(RtfxError, match="neural, circuit"):
        chain(mode="digital")


@pytest.mark.parametrize("first, second", [("neural", "circuit"), ("circuit", "neural")])
def test_the_switch_of_the_mode_is_no_click(first, second):
    """A bass note through both modes: during the change the sound is a mix of both, sample by sample."""
    t = np.arange(RATE) / RATE
    x = np.float32(0.2 * np.sin(2 * np.pi * 110 * t) * np.minimum(1.0, 20 * t))[:, None]
    blocks, _ = chain(mode=first)
    e = engine(blocks, limiter=False)
    template = EngineRig(plan_chain(blocks, RATE, 1))
    controller = Controller(e, [LoadedPreset("pedal", template.plan, template, {})])
    at_first = controller.playing
    before = drive(e, x[: RATE // 2])[:, 0]
    controller.start()
    try:
        controller.set("klon.mode", second)
        deadline = time.monotonic() + 60.0
        while controller.playing is at_first and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        controller.stop()
    after = drive(e, x[RATE // 2 :])[:, 0]
    y = np.concatenate([before, after]).astype(float)
    ways = [rendered(RATE, x[:, 0], mode=mode)[: y.size] for mode in (first, second)]
    assert np.abs(y[-4800:] - ways[1][-4800:]).max() < 0.02 * np.abs(ways[1]).max()
    jump = max(np.abs(np.diff(way)).max() for way in ways)
    assert np.abs(np.diff(y)).max() < 1.2 * jump
    assert np.abs(y).max() < 1.02 * max(np.abs(way).max() for way in ways)  # equal gain: no bulge


def above_8_khz(y):
    taps = np.arange(-64, 65)
    low = np.sinc(taps / 3.0) / 3.0 * np.hanning(131)[1:-1]
    return np.abs(y - np.convolve(y, low, "same"))[200:-200].max()


@pytest.mark.parametrize("mode, bound", [("neural", 1e-5), ("circuit", 5e-5)])
def test_a_turn_of_the_gain_makes_no_noise(mode, bound):
    """A bass note while the knob goes to and fro: nothing above 8 kHz comes within 100 dB of it (net; measured 111, and
    as much with the knob at rest) or 86 dB (circuit; 86.6); steps would be 40."""
    t = np.arange(RATE) / RATE
    x = np.float32(0.2 * np.sin(2 * np.pi * 110 * t) * np.minimum(1.0, 20 * t))[:, None]
    blocks, _ = chain(mode=mode, gain=0.0)
    e = engine(blocks, limiter=False)
    rig = next(iter(e.rigs.values()))
    turned = [drive(e, x[: RATE // 2])[:, 0]]
    for part, gain in zip(np.split(x[RATE // 2 :], 12), (1.0, 0.0, 0.4, 0.7, 0.2, 1.0) * 2, strict=True):
        rig.glide_to([blocks[0].values | {"gain": gain}])
        turned.append(drive(e, part)[:, 0])
    y = np.concatenate(turned).astype(float)
    assert above_8_khz(y[RATE // 2 :]) < bound * np.abs(y).max()
