"""A model may run at several times the stream's rate: less aliasing, the same tone, little latency."""

from dataclasses import replace

import numpy as np
import pytest

import rtfx
from rtfx.engine.offline import Offline
from rtfx.errors import PresetError, UsageError
from rtfx.model import rtfx_json
from rtfx.model.nodes import Hold
from rtfx.model.reference import evaluate
from tests.engine.rigs import lstm, tcn

RATE = 48000
FRAMES = 1 << 14
SEED = "random:tcn?seed=3&channels=8&layers=4&activation=tanh"


def tone(hertz: float, level: float) -> np.ndarray:
    return np.float32(level * np.sin(2.0 * np.pi * hertz * np.arange(2 * FRAMES) / RATE))


def aliasing_db(y: np.ndarray, hertz: float) -> float:
    """Return the energy beside the harmonics over that of the harmonics; `hertz` is a whole number of bins."""
    spectrum = np.abs(np.fft.rfft(y[-FRAMES:].astype(np.float64) * np.blackman(FRAMES))) ** 2
    bins = np.arange(spectrum.size)
    step = hertz * FRAMES / RATE
    harmonic = np.abs((bins + step / 2) % step - step / 2) <= 3
    return float(10.0 * np.log10(spectrum[~harmonic].sum() / spectrum[harmonic].sum()))


def played(file, times: int, x: np.ndarray, **values) -> tuple[np.ndarray, int]:
    rig = rtfx.Rig([{"type": "model", "file": file, "oversample": times, **values}], cab="none")
    return rig(x, RATE), rig.plan(RATE).latency_frames


@pytest.mark.parametrize("file", ["klon.json", SEED])
def test_oversampling_removes_aliases(file):
    """A tone at an odd bin near 5 kHz, loud: its harmonics beyond half the rate fold back between the others."""
    hertz = 1701 * RATE / FRAMES
    x = tone(hertz, 0.9)
    once, four = (aliasing_db(played(file, times, x, input_db=12.0)[0], hertz) for times in (1, 4))
    assert four < once - 20.0


@pytest.mark.parametrize("file", ["klon.json", SEED])
def test_the_tone_stays(file):
    """At -40 dB the level of a tone up to 8 kHz is that at the model's own rate."""
    for bin in (34, 341, 1024, 2048, 2730):
        hertz = bin * RATE / FRAMES
        carrier = np.exp(-2j * np.pi * hertz * np.arange(FRAMES) / RATE)
        levels = [abs(np.dot(played(file, times, tone(hertz, 0.01))[0][-FRAMES:], carrier)) for times in (1, 4)]
        assert abs(20.0 * np.log10(levels[1] / levels[0])) < 0.1, hertz


def test_the_filters_are_late_by_a_quarter_of_a_millisecond_at_most():
    late = {times: played("klon.json", times, np.zeros(64, np.float32))[1] for times in (1, 2, 4, 8, 16)}
    assert late[1] == 0 and all(0 < frames <= 12 for times, frames in late.items() if times > 1)
    assert played("klon.json", 4, np.zeros(64, np.float32), phase="linear")[1] > 12


@pytest.mark.parametrize("spec", [tcn(), lstm()], ids=["tcn", "lstm"])
def test_each_interleaved_copy_is_the_net(spec):
    """At four times the rate every fourth sample depends on every fourth one: the net with its own weights."""
    x = np.random.default_rng(8).uniform(-0.5, 0.5, 4000).astype(np.float32)
    slow = [evaluate(spec, x[None, phase::4], {"drive": 0.5} if spec.knobs else {}) for phase in range(4)]
    fast = evaluate(spec.stretched(4), x[None], {"drive": 0.5} if spec.knobs else {})
    for phase in range(4):
        assert np.allclose(fast[:, phase::4], slow[phase], atol=1e-12)


@pytest.mark.parametrize("block", [1, 63, 512])
def test_any_block_size_gives_the_same_sound(block):
    x = np.random.default_rng(9).uniform(-0.5, 0.5, (3000, 1)).astype(np.float32)
    plan = rtfx.Rig([{"type": "model", "file": "klon.json", "oversample": 4}], cab="none").plan(RATE)
    assert np.array_equal(Offline(plan, block=block).process(x), Offline(plan, block=256).process(x))


def test_it_can_be_asked_of_all_models_at_once():
    rig = rtfx.Rig(["klon.json"], cab="none")
    assert rig.plan(RATE, oversample="4").latency_frames == rig.plan(RATE, oversample="8").latency_frames > 0
    assert rig.plan(RATE, oversample="4", phase="linear").latency_frames > 12


def test_it_changes_while_it_plays():
    with rtfx.Rig(["klon.json"], cab="none").play(device="null") as stream:
        stream.set("oversample", 4)
        assert stream.get("model.oversample") == "4"


def test_what_cannot_be_is_told(tmp_path):
    with pytest.raises(PresetError, match="oversample is 3, expected one of: 1, 2, 4, 8, 16"):
        played("klon.json", 3, np.zeros(8, np.float32))
    spec = rtfx.load(write_strided(tmp_path)).spec
    with pytest.raises(UsageError, match="oversample is 2, expected 1: .* has strides"):
        played(spec, 2, np.zeros(8, np.float32))


def write_strided(folder):
    """Save a net with a stride and return its path."""
    spec = tcn()
    rtfx_json.save(replace(spec, nodes=(*spec.nodes, Hold((len(spec.nodes) - 1,), 2, 0))), folder / "strided.json")
    return folder / "strided.json"
