"""Models and rigs as functions of arrays: layouts, types, state from call to call, knobs, errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

import rtfx
from rtfx.api import Model, Rig
from rtfx.errors import RtfxError, UnsupportedInput, UsageError
from rtfx.host.render import at_rate
from rtfx.model.nodes import Conv1d, Dense, Input
from rtfx.model.reference import evaluate
from rtfx.model.spec import ModelSpec

from .engine.rigs import gru, lstm, noise, response, tcn

RATE = 48000
SPECS = {"gru": gru, "lstm": lstm, "tcn": tcn}


def mono(frames=3000, seed=0, level=0.2):
    return noise(frames, seed, level)[:, 0]


def wide(inputs: int, outputs: int) -> ModelSpec:
    """Return ``y = W x`` with a weight that tells rows and columns apart."""
    weight = np.arange(1.0, 1.0 + inputs * outputs).reshape(outputs, inputs) / 10.0
    nodes = (Input((), channels=inputs), Dense((0,), weight=weight, bias=np.zeros(outputs)))
    return ModelSpec("test", nodes, name="wide")


@pytest.mark.parametrize("name", SPECS)
def test_bare_cold_call_is_the_reference(name):
    spec = SPECS[name]()
    x = mono()
    y = Model(spec)(x, RATE, bare=True, cold=True)
    exact = evaluate(spec, x[None].astype(np.float64), sample_rate=RATE, cold=True)[0]
    assert np.abs(y - exact).max() < 5e-6


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_layout_and_type(kind):
    m = Model(gru())
    x = mono().astype(kind)
    flat = m(x, RATE)
    assert flat.dtype == np.float32 and flat.shape == x.shape
    assert m(x[None], RATE).shape == (1, 3000)
    assert np.array_equal(m(x[None], RATE)[0], flat)
    assert np.array_equal(m(np.repeat(x, 2)[::2], RATE), flat), "a strided view"
    assert np.array_equal(m(x.tolist(), RATE), flat), "a list"
    assert m(x[:0], RATE).shape == (0,)
    assert m(x[None, :0], RATE).shape == (1, 0)


def test_input_is_not_written_to():
    x = mono()
    x.setflags(write=False)
    Model(gru())(x, RATE)
    Rig([{"type": "gain", "gain_db": 6.0}])(x, RATE)


def test_stereo_is_two_independent_instances():
    m = Model(lstm())
    left, right = mono(seed=1, level=0.02), mono(seed=2, level=0.02)  # the limiter, not at work here, is one for both
    y = m(np.stack([left, right]), RATE)
    assert y.shape == (2, 3000)
    assert np.array_equal(y[0], m(left, RATE))
    assert np.array_equal(y[1], m(right, RATE))


@pytest.mark.parametrize("rate", [RATE, 44100])
def test_a_stereo_call_reads_rewrites_and_packs_once(monkeypatch, rate):
    """Both channels have a state of their own in one plan, whose weights are packed for the first of them."""
    from rtfx.loading import preset as load
    from rtfx.plan.arena import Builder

    lower = sys.modules["rtfx.plan.lowering.lower"]  # the package has a function of that name
    done: list[str] = []

    def counted(name, function):
        return lambda *arguments, **named: (done.append(name), function(*arguments, **named))[1]

    monkeypatch.setattr(load, "resolve", counted("resolve", load.resolve))
    monkeypatch.setattr(lower, "rewrite", counted("rewrite", lower.rewrite))
    monkeypatch.setattr(Builder, "_weights_offset", counted("pack", Builder._weights_offset))
    x = np.stack([mono(seed=seed, level=0.02) for seed in (0, 1)])
    blocks = ["klon.json", {"type": "klon"}, {"type": "cab", "file": "open-2x12.wav"}]
    found = []
    for audio in (x[0], x):
        done.clear()
        Rig(blocks)(audio, rate)  # levels are found, kernels compiled
        done.clear()
        y = Rig(blocks)(audio, rate)
        found.append({name: done.count(name) for name in sorted(set(done))})
    assert found[0] == found[1]
    assert found[1]["resolve"] == 1 and found[1]["rewrite"] == 2, "the model, and the net of the klon block"
    alone = [Rig(blocks)(each, rate) for each in x]
    assert np.array_equal(y, np.stack(alone)), "the limiter, which all channels share, has nothing to do"


def test_models_of_several_inputs_and_outputs():
    x = np.stack([mono(seed=1), mono(seed=2)])
    y = Model(wide(2, 3))(x, RATE, bare=True)
    assert y.shape == (3, 3000)
    assert np.abs(y - np.array([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]]) @ x).max() < 1e-6
    assert Model(wide(1, 2))(x[0], RATE, bare=True).shape == (2, 3000)
    with pytest.raises(UnsupportedInput, match="2 inputs"):
        Model(wide(2, 1))(np.zeros((3, 10)), RATE)
    with pytest.raises(UnsupportedInput):
        Model(wide(1, 2))(x, RATE)


def test_more_than_32_channels_is_an_error_that_names_the_transpose():
    m = Model(gru())
    m(np.zeros((32, 16)), RATE)
    with pytest.raises(UnsupportedInput, match=r"\(480, 2\).*transpose"):
        m(np.zeros((480, 2)), RATE)
    with pytest.raises(UnsupportedInput, match="transpose"):
        m(np.zeros((2, 2, 10)), RATE)
    with pytest.raises(UnsupportedInput, match="33 input channels, expected at most 32"):  # a file's
        Rig([Model(wide(33, 1))]).plan(RATE, 33)


@pytest.mark.parametrize("name", SPECS)
def test_calls_in_pieces_equal_one_call(name):
    m = Model(SPECS[name]())
    x = mono()
    whole = m(x, RATE)
    edges = [0, 1, 17, 600, 1300, 3000]
    pieces = [m(x[a:b], RATE, reset=a == 0) for a, b in zip(edges, edges[1:], strict=False)]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(m(x, RATE), whole), "reset begins anew"
    m.reset()
    assert np.array_equal(m(x, RATE, reset=False), whole), "and so does reset()"


def test_going_on_otherwise_is_an_error():
    m = Model(gru())
    m(mono(), RATE)
    with pytest.raises(UsageError, match="reset=True"):
        m(np.zeros((2, 100)), RATE, reset=False)
    with pytest.raises(UsageError, match="reset=True"):
        m(mono(), RATE, reset=False, bare=True)


def test_prewarm_cold_and_bare_differ():
    m = Model(tcn())
    x = mono(200)
    warm, cold, bare = m(x, RATE, bare=True), m(x, RATE, bare=True, cold=True), m(x, RATE)
    assert np.abs(warm - cold)[:50].max() > 1e-4
    assert np.abs(warm - bare).max() > 1e-4, "the DC blocker"
    frames = m.spec.prewarm_frames
    silence_first = evaluate(m.spec, np.pad(x, (frames, 0))[None].astype(np.float64), sample_rate=RATE, cold=True)
    assert np.abs(warm - silence_first[0, frames:]).max() < 2e-6


def test_knobs():
    x = mono()
    low, high = Model(lstm(), drive=0.0), Model(lstm(), drive=1.0)
    assert high.knobs == {"drive": 1.0} and Model(lstm()).knobs == {"drive": 0.5}
    assert not np.array_equal(low(x, RATE), high(x, RATE))
    low.set("drive", 1.0)
    assert np.array_equal(low(x, RATE), high(x, RATE)), "read at the next call that resets"
    low.knobs["drive"] = 0.0
    assert not np.array_equal(low(x, RATE), high(x, RATE))
    with pytest.raises(UsageError, match="did you mean 'drive'"):
        Model(lstm(), drve=0.5)
    with pytest.raises(UsageError, match="0 to 1"):
        Model(lstm(), drive=2.0)


def test_a_rig_runs_its_blocks_in_order(tmp_path):
    x = mono(level=0.02)  # too quiet for the limiter
    taps = response(300)
    path = tmp_path / "cab.wav"
    soundfile.write(path, taps, RATE, subtype="DOUBLE")
    m = Model(lstm(), drive=0.7)
    y = Rig([m, {"type": "gain", "gain_db": -6.0}, str(path)])(x, RATE)
    dry = m(x, RATE).astype(np.float64)
    wet = np.convolve(dry, taps)[:3000]
    scale = float(wet @ y) / float(wet @ wet)  # a cabinet is brought to a standard level
    assert np.abs(y - scale * wet).max() < 2e-3 * np.abs(y).max()
    assert not np.array_equal(Rig([m])(x, RATE), Rig([{"type": "gain"}, Model(lstm(), drive=0.1)])(x, RATE))


def test_a_rig_reads_the_knobs_of_the_models_it_holds():
    m = Model(lstm())
    rig = Rig([m])
    x = mono()
    before = rig(x, RATE)
    m.set("drive", 1.0)
    assert not np.array_equal(rig(x, RATE), before)
    assert np.array_equal(rig(x, RATE), Model(lstm(), drive=1.0)(x, RATE))


def test_an_empty_rig_is_a_wire():
    x = mono()
    assert np.array_equal(Rig()(x, RATE), x)


def test_rig_from_yaml(tmp_path):
    file = tmp_path / "set.yaml"
    file.write_text(
        "version: 1\npresets:\n  - {name: a, chain: [{type: gain, gain_db: -6}]}\n"
        "  - {name: b, chain: [{type: gain, gain_db: -20}]}\n"
    )
    x = mono()
    assert np.abs(Rig.from_yaml(file)(x, RATE) - x * 10**-0.3).max() < 1e-6
    for key in ("b", 2):
        assert np.abs(Rig.from_yaml(file, key)(x, RATE) - x * 0.1).max() < 1e-6
    with pytest.raises(RtfxError, match="1 a, 2 b"):
        Rig.from_yaml(file, "c")


@pytest.mark.parametrize(
    "chain, said",
    [
        ([{"type": "flangre"}], "eq"),
        ([{"type": "gain", "gain": 3}], "gain_db"),
        ([3], "block is 3, expected a model, a path, or a mapping"),
        ("klon.json", r"chain is 'klon.json', expected a list of blocks, such as Rig\(\['klon.json'\]\)"),
        (Path("klon.json"), "expected a list of blocks"),
        ({"type": "gate"}, "expected a list of blocks"),
    ],
)
def test_bad_chains_name_what_is_allowed(chain, said):
    with pytest.raises(RtfxError, match=said):
        Rig(chain)(mono(), RATE)


def test_output_stays_within_full_scale_but_bare_does_not():
    loud = ModelSpec("test", (Input(()), Dense((0,), weight=np.full((1, 1), 40.0), bias=np.zeros(1))), name="loud")
    x = mono()
    assert np.abs(Model(loud)(x, RATE)).max() <= 1.0
    assert np.abs(Model(loud)(x, RATE, bare=True) - 40.0 * x).max() < 1e-5


def test_another_rate_is_converted_there_and_back():
    """A model of 48 kHz on audio of 44.1 kHz: the same sound, the input's length."""
    taps = np.zeros((1, 1, 20))
    taps[0, 0, 5] = 0.5  # 14 samples late at 48 kHz
    nodes = (Input(()), Conv1d((0,), weight=taps, bias=np.zeros(1)))
    spec = ModelSpec("test", nodes, name="late", sample_rate=48000.0, rate_source="file")
    x = soxr.resample(mono(1500), 1, 2, quality="VHQ")  # nothing above a quarter of the rate
    y = Model(spec)(x, 44100, bare=True)
    assert y.shape == x.shape
    late = 14 / 48000 * 44100
    spectrum = np.fft.rfft(x, 16384) * np.exp(-2j * np.pi * np.fft.rfftfreq(16384) * late) * 0.5
    exact = np.fft.irfft(spectrum, 16384)[: len(x)]
    assert np.abs(y - exact)[200:-200].max() < 2e-3 * np.abs(x).max()


@pytest.mark.parametrize("rate", [0, -48000, float("nan"), float("inf"), "48k", None])
def test_a_rate_that_is_no_number_of_hertz_is_refused(rate):
    with pytest.raises(UsageError, match="sample rate is .*, expected Hz"):
        list(at_rate([noise(10)[:, None]], lambda x: x, rate, 48000, 1, 1))


def test_names_are_found_lazily():
    """``import rtfx`` itself loads neither NumPy nor Numba."""
    code = "import sys, rtfx; assert 'numba' not in sys.modules and 'numpy' not in sys.modules; rtfx.Rig; print('ok')"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True)
    assert done.stdout == "ok\n", done.stderr
    assert {"load", "Rig", "Model"} <= set(rtfx.__all__)
    with pytest.raises(AttributeError):
        rtfx.nothing  # noqa: B018


@pytest.mark.parametrize("name", [None, 3, b"klon.json"])
def test_what_is_no_name_is_no_model(name):
    with pytest.raises(UsageError, match="expected a path, a name, or random:"):
        rtfx.load(name)


def test_a_rig_and_a_stream_say_what_they_are():
    rig = Rig([{"type": "gate"}, rtfx.load("klon.json")])
    assert repr(rig) == "<rtfx.Rig rig, 1 of 1: gate, model>"
    with rig.play(device="null", seconds=0.1) as stream:
        assert repr(stream).startswith("<rtfx.Stream on null, playing: rig, 0.")
    assert "not playing" in repr(stream)


def test_load_errors_are_one_line(tmp_path):
    bad = tmp_path / "model.json"
    bad.write_text("{not json")
    for name in (bad, "no-such-model.json", "random:nothing"):
        with pytest.raises(RtfxError) as caught:
            rtfx.load(name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("x", ["abc", None, [[1.0], [1.0, 2.0]], {"a": 1}, [1, "a"]], ids=repr)
def test_what_is_no_audio_is_refused_in_words(x):
    with pytest.raises(UnsupportedInput, match="expected an array of numbers"):
        Model(gru())(x, RATE)
