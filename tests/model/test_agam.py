"""Automated-GuitarAmpModelling: every form against the second evaluator, knobs, rates, levels, and refused files."""

import json

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.nodes import Conv1d, Mul
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save

from ..reference_more import evaluate_more
from .guitar_nets import agam_files, gated_conv_net, legacy, recnet, simple_rnn
from .nets import refuse, write

FILES = agam_files()
X = np.random.default_rng(5).normal(0, 0.3, 300)
RNG = np.random.default_rng(6)


@pytest.mark.parametrize("cold", [False, True], ids=["prewarmed", "cold"])
@pytest.mark.parametrize("name", FILES)
def test_both_oracles_agree(tmp_path, name, cold):
    path = write(tmp_path, FILES[name])
    spec = load(path, inputs="knobs")
    assert spec.family == "agam"
    knobs = {knob.name: 0.2 + 0.6 * i for i, knob in enumerate(spec.knobs)}
    expected = evaluate_more(path, X, knobs, cold)
    found = evaluate(spec, X, knobs, cold=cold)
    assert expected.shape == found.shape == (spec.outputs, 300)
    assert np.abs(found - expected).max() <= 1e-13 * max(1.0, np.abs(expected).max())
    save(spec, tmp_path / "copy.json")
    assert np.array_equal(evaluate(load(tmp_path / "copy.json"), X, knobs, cold=cold), found)


def test_the_skip_adds_audio_and_not_the_knob(tmp_path):
    data = simple_rnn(np.random.default_rng(1), inputs=2, skip=1)
    with_skip = evaluate(load(write(tmp_path, data)), X)
    data["model_data"]["skip"] = 0
    assert np.abs(with_skip - X - evaluate(load(write(tmp_path, data)), X)).max() < 1e-14
    del data["model_data"]["skip"]
    assert np.array_equal(evaluate(load(write(tmp_path, data)), X), with_skip)


@pytest.mark.parametrize("inputs, knobs", [(1, []), (2, ["drive"]), (3, ["drive", "tone"])])
def test_knobs(tmp_path, inputs, knobs):
    spec = load(write(tmp_path, simple_rnn(RNG, inputs=inputs)))
    assert [(knob.name, knob.minimum, knob.maximum, knob.default) for knob in spec.knobs] == [
        (name, 0.0, 1.0, 0.5) for name in knobs
    ]


@pytest.mark.parametrize(
    "name, keys, rate, source",
    [
        ("amp.json", {}, 44100.0, "family"),
        ("model_ts9_48k_cond2.json", {}, 48000.0, "name"),
        ("amp_48K.json", {}, 48000.0, "name"),
        ("amp_48k.json", {"samplerate": "96000"}, 96000.0, "file"),
        ("amp.json", {"metadata": {"sample_rate": 48000}}, 48000.0, "metadata"),
        ("amp.json", {"samplerate": True}, 44100.0, "family"),
        ("amp.json", {"samplerate": "fast"}, 44100.0, "family"),
    ],
)
def test_rates(tmp_path, name, keys, rate, source):
    spec = load(write(tmp_path, simple_rnn(RNG) | keys, name))
    assert (spec.sample_rate, spec.rate_source) == (rate, source)
    assert len(spec.warnings) == (source in ("family", "name"))
    assert all(f"{rate:g} Hz" in text for text in spec.warnings)


@pytest.mark.parametrize(
    "hidden, inputs, plugin, gain",
    [(40, 1, "Proteus", 1.25), (40, 2, "Proteus", 1.5), (20, 1, "NeuralPi", 1.0), (32, 1, "Chameleon", 1.0),
     (32, 3, "TS-M1N3", 3.0), (7, 1, None, 1.0)],
)  # fmt: skip
def test_the_gains_of_plugins_are_named_and_not_in_the_bare_function(tmp_path, hidden, inputs, plugin, gain):
    path = write(tmp_path, simple_rnn(RNG, hidden=hidden, inputs=inputs))
    spec = load(path)
    assert spec.metadata.get("level") == plugin
    assert spec.metadata.get("levels", {}) == ({plugin: {"input_gain": gain, "output_gain": 1.0}} if plugin else {})
    assert spec.input_db == pytest.approx(20 * np.log10(gain)) and spec.level_db == 0.0
    assert np.abs(evaluate(spec, X[:50], cold=True) - evaluate_more(path, X[:50], cold=True)).max() < 1e-13


def test_a_gated_stack_is_written_for_the_layer_kernels(tmp_path):
    spec = load(write(tmp_path, gated_conv_net(RNG, blocks=2, layers=3)))
    assert [sum(isinstance(node, kind) for node in spec.nodes) for kind in (Conv1d, Mul)] == [6, 6]
    assert spec.nodes[-1].sources and len(spec.nodes[-1].sources) == 6
    assert spec.receptive_field == 1 + 2 * 2 * (1 + 2 + 4)


def test_legacy_weights_beside_the_description(tmp_path):
    data = legacy(np.random.default_rng(3))
    whole = load(write(tmp_path, data))
    state = data.pop("state_dict")
    with pytest.raises(errors.MissingKey, match="pickle.*modelBest.json"):
        load(write(tmp_path, data))
    write(tmp_path, state, "modelBest.json")
    assert np.array_equal(evaluate(load(tmp_path / "net.json"), X), evaluate(whole, X))
    (tmp_path / "modelBest.json").write_text("[" * 100_000)
    with pytest.raises(errors.ModelError):
        load(tmp_path / "net.json")


def changed(data, *path, value=None):
    """Return a copy with one value replaced, removed if `value` is None."""
    data = json.loads(json.dumps(data))
    *parents, key = path
    holder = data
    for parent in parents:
        holder = holder[parent]
    if value is None:
        del holder[key]
    else:
        holder[key] = value
    return data


LSTM, GATED, BLOCKS = simple_rnn(RNG), gated_conv_net(RNG), recnet(RNG, ("GRU", 1, 4, 1, {}))
REFUSED = {
    "no-state": (changed(LSTM, "state_dict"), "MissingKey", "no weights"),
    "unknown-model": (changed(LSTM, "model_data", "model", value="ConvSimpleRNN"), "UnsupportedArchitecture", "model"),
    "no-model": (changed(LSTM, "model_data", "model"), "MissingKey", "'model'"),
    "unknown-unit": (changed(LSTM, "model_data", "unit_type", value="SRU"), "UnsupportedArchitecture", "unit_type"),
    "hidden": (changed(LSTM, "model_data", "hidden_size", value=7), "ShapeMismatch", "expected (28, 1)"),
    "hidden-huge": (changed(LSTM, "model_data", "hidden_size", value=10**9), "ResourceLimit", "hidden_size"),
    "inputs": (changed(LSTM, "model_data", "input_size", value=2), "ShapeMismatch", "expected (24, 2)"),
    "four-inputs": (simple_rnn(RNG, inputs=4), "UnsupportedInput", "at most 3"),
    "tensor-missing": (changed(LSTM, "state_dict", "rec.weight_hh_l0"), "MissingKey", "rec.weight_hh_l0"),
    "bias-missing": (changed(LSTM, "state_dict", "lin.bias"), "MissingKey", "lin.bias"),
    "tensor-unused": (changed(LSTM, "state_dict", "gate.weight", value=[1]), "WeightCountMismatch", "gate.weight"),
    "layer-unused": (
        changed(simple_rnn(RNG, layers=2), "model_data", "num_layers", value=1), "WeightCountMismatch", "4 tensors",
    ),
    "not-finite": (changed(LSTM, "state_dict", "lin.bias", value=[float("nan")]), "NonFiniteWeights", "lin.bias"),
    "skip-too-wide": (simple_rnn(RNG, inputs=2, skip=2), "UnsupportedInput", "skip"),
    "channels-huge": (changed(GATED, "model_data", "channels", value=10**9), "ResourceLimit", "channels"),
    "layers-huge": (changed(GATED, "model_data", "layers", value=10**9), "MissingKey", "layers.3"),
    "taps": (changed(GATED, "model_data", "kernel_size", value=2), "ShapeMismatch", "conv.weight"),
    "dilation": (
        changed(GATED, "model_data", "dilation_growth", value=10**30), "ResourceLimit", "dilation",
    ),
    "no-blocks": (changed(BLOCKS, "blocks"), "MissingKey", "blocks"),
    "block-one-missing": (changed(BLOCKS, "blocks", value={"1": {}}), "MissingKey", "'0'"),
    "block-chain": (
        recnet(RNG, ("GRU", 1, 4, 1, {}), ("GRU", 2, 4, 1, {})), "UnsupportedInput", "expected the 1 outputs",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    data, error, words = REFUSED[name]
    refuse(write(tmp_path, data), error, words)
