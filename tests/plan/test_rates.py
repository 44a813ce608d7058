"""Models at another rate than their own: which method runs, that it is exact where it can be, and refused or replaced
where it cannot."""

from dataclasses import replace

import numpy as np
import pytest

from rtfx.effects.table import BLOCKS
from rtfx.errors import ShapeMismatch, UsageError
from rtfx.model.nodes import Conv1d, Dense, Gru, Hold, Input, Lstm, Rnn
from rtfx.model.nodes.recurrent import past_states
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save
from rtfx.model.spec import Knob, ModelSpec
from rtfx.plan.block import ReadyBlock
from rtfx.plan.chain import plan_chain
from rtfx.plan.rates import choose_method, fitted, largest_pole
from rtfx.plan.resolve import Models, resolve
from rtfx.rig.blocks import BlockSpec
from rtfx.rig.parameters import Options
from rtfx.rig.presets import Preset
from tests.engine.rigs import CUTS, cut, drive, engine, gru, lstm, model, noise, tcn

HOME = 48000.0
X = noise(2400)


def weights(*shape):
    return np.random.default_rng(list(shape)).uniform(-1.0, 1.0, shape) / np.sqrt(shape[-1])


def elman(hidden=6):
    tensors = weights(hidden, 1), weights(hidden, hidden), weights(hidden)
    return ModelSpec("t", (Input(()), Rnn((0,), *tensors), Dense((1,), weights(1, hidden), np.zeros(1))), name="elman")


def stack():
    """A convolution, a GRU and an LSTM that starts from a stored state."""
    start = weights(5), weights(2, 5)[0]
    nodes = (
        Input(()),
        Conv1d((0,), weights(3, 1, 4), weights(3), dilation=5),
        Gru((1,), weights(12, 3), weights(12, 4), weights(12), weights(2, 12)[0]),
        Lstm((2,), weights(20, 4), weights(20, 5), weights(20), *start),
        Dense((3,), weights(1, 5), np.zeros(1)),
    )
    return ModelSpec("t", nodes, name="stack")


NETS = {"gru": gru(9), "lstm": lstm(21), "elman": elman(), "stack": stack(), "large": lstm(130), "tcn": tcn()}


def at(spec, rate=HOME):
    return replace(spec, sample_rate=rate, rate_source="file")


def play(spec, x=X, blocks=(512,) * 4 + (352,)):
    return drive(engine([model(spec, bare=True)], limiter=False), x, blocks)[:, 0]


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("name", NETS)
def test_whole_multiples_are_interleaved_copies_bit_for_bit(name, factor):
    """Every M-th sample is what the net makes of every M-th sample at its own rate, prewarm included."""
    spec = at(NETS[name])
    y = play(spec.stretched(factor))
    assert np.abs(y).max() > 1e-3
    for first in range(factor):
        x = X[first::factor]
        assert np.array_equal(y[first::factor], play(spec, x, [len(x)])), first


@pytest.mark.parametrize("factor", [2.0, 48 / 44.1, 96 / 44.1, 192 / 44.1])
@pytest.mark.parametrize("name", ["gru", "lstm", "elman", "large"])
def test_kernels_agree_with_the_reference(name, factor):
    """The states of weak random nets do not oscillate, at any delay."""
    spec = NETS[name].stretched(factor)
    exact = evaluate(spec, X[:, 0])[0]
    assert np.abs(exact - evaluate(NETS[name], X[:, 0])[0]).max() > 1e-4, "the delay does nothing"
    assert np.abs(play(spec) - exact).max() < 2e-6


def test_the_reference_interpolates_the_state_by_a_cubic():
    """One linear unit, h[t] = tanh of next to nothing, against a polynomial fitted through the states."""
    gain, delay, scale = 0.9, 2.3, 1e-4
    cell = Rnn((0,), np.ones((1, 1)), np.full((1, 1), gain), np.zeros(1), delay=delay)
    x = scale * noise(60)[:, 0].astype(np.float64)
    h = np.zeros(70)  # ten states of rest
    for t in range(10, 70):
        ages = np.arange(1, 5)
        h[t] = x[t - 10] + gain * np.polyval(np.polyfit(ages, h[t - ages], 3), delay)
    y = evaluate(ModelSpec("t", (Input(()), cell)), x, cold=True)[0]
    assert np.abs(y - h[10:]).max() < 1e-6 * np.abs(h).max()


@pytest.mark.parametrize("delay, ages", [(1.0, [1]), (3.0, [3]), (1.1, [1, 2, 3, 4]), (1.9, [1, 2, 3, 4])])
def test_no_state_of_this_frame_is_used(delay, ages):
    assert [age for age, _ in past_states(delay)] == ages
    assert [age for age, _ in past_states(4.5)] == [3, 4, 5, 6]


@pytest.mark.parametrize("factor", [3, 96 / 44.1])
@pytest.mark.parametrize("name", ["gru", "lstm", "elman", "large"])
def test_any_cut_gives_the_same_bits(name, factor):
    spec = NETS[name].stretched(factor)
    whole = play(spec, X, [len(X)])
    for block in (1, 64, "random") if name == "large" else CUTS:
        assert np.array_equal(play(spec, X, cut(len(X), block)), whole), block


@pytest.mark.parametrize(
    "name, home, rate, method",
    [
        ("lstm", 48000, 48000, "none"),
        ("lstm", 48000, 96000, "delay"),
        ("lstm", 48000, 192000, "delay"),
        ("lstm", 44100, 48000, "delay"),
        ("lstm", 44100, 96000, "delay"),
        ("lstm", 48000, 44100, "resample"),
        ("stack", 48000, 96000, "delay"),
        ("stack", 44100, 96000, "resample"),  # a convolution cannot reach between frames
        ("tcn", 44100, 88200, "dilate"),
        ("tcn", 44100, 48000, "resample"),
        ("tcn", 96000, 48000, "resample"),
    ],
)
def test_what_auto_takes(name, home, rate, method):
    choice = choose_method(at(NETS[name], home), rate)
    assert (choice.method, choice.why) == (method, "")


def slow(memory=0.999):
    """A GRU whose update gate is all but closed: its state is the mean of a thousand frames."""
    gate = np.log(memory / (1.0 - memory))
    nodes = (
        Input(()),
        Gru((0,), np.ones((3, 1)) * [[0], [0], [1]], np.zeros((3, 1)), np.array([0, gate, 0]), np.zeros(3)),
    )
    return ModelSpec("t", nodes, name="slow")


def test_a_net_that_would_howl_is_resampled_and_the_reason_is_said():
    """At 88.2 kHz a state of 48 kHz lies 1.84 frames back, where the cubic looks beside its middle and amplifies."""
    spec = at(slow())
    assert largest_pole(spec, 1.0) < 1.0 < largest_pole(spec, 88200 / HOME)
    block = ReadyBlock("model", BLOCKS["model"], {}, spec)
    for wanted in ("auto", "delay"):
        found, notes = fitted(block, 88200.0, wanted)
        assert found.model_rate == HOME and found.spec is spec
        assert len(notes) == 1 and "1.837 frames ago would not be stable" in notes[0] and "adds 1.4 ms" in notes[0]
    x = 0.5 * np.sign(noise(4000)[:, 0])
    bounded = evaluate(spec, x)
    howling = evaluate(spec.stretched(88200 / HOME), x)
    assert np.abs(bounded).max() <= 1.0 and np.abs(howling).max() > 1e3, "the bound foretells what happens"


@pytest.mark.parametrize("rate", [48000, 88200, 96000, 192000])
def test_what_is_called_stable_stays_bounded(rate):
    """At 44.1 kHz the same net is fed back through its interpolator's quiet side."""
    spec = at(slow(), 44100.0)
    assert choose_method(spec, rate).method == "delay"
    x = 0.5 * np.sign(noise(8000)[:, 0])
    assert np.abs(evaluate(spec.stretched(rate / 44100.0), x)).max() < 2.0


def test_a_net_that_oscillates_by_itself_is_not_refused_for_that():
    """h = tanh(1.2 h): its rest is unstable at every rate, and no more so at another."""
    cell = Rnn((0,), np.ones((1, 1)), np.full((1, 1), 1.2), np.zeros(1))
    spec = at(ModelSpec("t", (Input(()), cell), name="latch"), 44100.0)
    assert largest_pole(spec, 96 / 44.1) > 1.0
    assert choose_method(spec, 96000).method == "delay"


@pytest.mark.parametrize(
    "spec, rate, wanted, said",
    [
        (tcn(), 96000, "delay", "needs a recurrent net"),
        (lstm(), 44100, "delay", "in a stream above 48000 Hz, found a recurrent net at 44100 Hz: use resample"),
        (stack(), 88200, "delay", "without long convolutions"),
        (tcn(), 88200, "dilate", "whole multiple of 48000 Hz"),
        (lstm(), 96000, "dilate", "without recurrence"),
        (ModelSpec("t", (Input(()), Hold((0,), 2)), name="held"), 96000, "dilate", "strides"),
    ],
)
def test_a_method_that_does_not_fit_is_refused(spec, rate, wanted, said):
    with pytest.raises(UsageError, match=said):
        choose_method(at(spec), rate, wanted)


def test_unknown_names_are_refused():
    for wrong in ({"rate_method": "delays"}, {"resample_phase": "zero"}):
        with pytest.raises(UsageError, match="expected one of"):
            Options(**wrong)


def test_every_size_of_a_slimmable_net_is_stretched():
    small, full = at(tcn(2)), at(tcn(4))
    spec = replace(full, sizes=((0.5, small), (2.0, full)), knobs=(Knob("size", default=1.0),))
    found = spec.stretched(2)
    dilations = [
        [n.dilation for n in net.nodes if isinstance(n, Conv1d)] for net in (found, *(s for _, s in found.sizes))
    ]
    assert dilations == [[2, 16, 128]] * 3
    mixed = replace(spec, sizes=((0.5, at(lstm())), (2.0, full)))
    assert choose_method(mixed, 96000).method == "delay"


def test_a_stretched_model_is_told_its_own_sample_period():
    nodes = (
        Input(()),
        Input((), role="sample_period"),
        Rnn((1,), np.full((1, 1), HOME), np.zeros((1, 1)), np.zeros(1)),
    )
    spec = at(ModelSpec("t", nodes, name="period"))
    preset = Preset("p", (BlockSpec("model", "model", file=spec),))
    for rate, method in ((96000.0, "delay"), (96000.0, "resample"), (48000.0, "auto")):
        chain, _ = resolve(preset, rate, Models(), Options(bare=True, rate_method=method))
        y = drive(engine(chain), X[:600])
        assert np.abs(y[-1] - np.tanh(1.0)) < 1e-5


def test_a_model_at_its_own_rate_pays_nothing():
    """No delay line in its kernel, no conversion, no latency."""
    for spec in (at(gru()), at(lstm())):
        block, notes = fitted(model(spec), HOME)
        plan = plan_chain([block], HOME)
        assert notes == [] and plan.latency_frames == 0
        assert [k.name for k in plan.kernels] == [k.name for k in plan_chain([model(spec)], HOME).kernels]
        assert any("taps0" in kernel.name for kernel in plan.kernels)


def test_files_state_no_delay(tmp_path):
    save(at(gru()), tmp_path / "net.json")
    assert "delay" not in (tmp_path / "net.json").read_text()
    with pytest.raises(ShapeMismatch, match="0.5 frames old"):
        gru().stretched(0.5)
