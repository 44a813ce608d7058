"""AIDA-X: gains, direct path, knobs and rates against the formula of the plugin."""

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.reference import evaluate

from .nets import dense, lstm, network, write

RNG = np.random.default_rng(2)
LAYERS = [lstm(RNG, 1, 6), dense(RNG, 6, 1)]
X = np.random.default_rng(4).normal(0, 0.3, (1, 100))


def run(tmp_path, **keys):
    return evaluate(load(write(tmp_path, network(1, *LAYERS, **keys))), X, cold=True)


@pytest.mark.parametrize("skip", [0, 1])
def test_output_is_gain_times_skip_plus_net(tmp_path, skip):
    in_gain, out_gain = 10 ** (6 / 20), 10 ** (-9 / 20)
    net = evaluate(load(write(tmp_path, network(1, *LAYERS))), in_gain * X, cold=True)
    found = run(tmp_path, in_skip=skip, in_gain=6, out_gain=-9.0)
    assert np.abs(found - out_gain * (skip * in_gain * X + net)).max() < 1e-14


def test_minus_90_db_is_silence_and_words_are_no_gain(tmp_path):
    assert not run(tmp_path, in_skip=1, out_gain=-90).any()
    assert np.array_equal(run(tmp_path, in_gain="6", out_gain=None, in_skip="1"), run(tmp_path, in_skip=0))


@pytest.mark.parametrize(
    "keys, rate, source",
    [
        ({"samplerate": "48000"}, 48000.0, "file"),
        ({"samplerate": 44100}, 44100.0, "file"),
        ({"metadata": {"samplerate": "96000"}}, 96000.0, "file"),
        ({"metadata": {}}, 48000.0, "family"),
        ({"samplerate": "fast"}, 48000.0, "family"),
        ({"samplerate": 1e300}, 48000.0, "family"),
        ({"samplerate": 0}, 48000.0, "family"),
    ],
)
def test_rates(tmp_path, keys, rate, source):
    spec = load(write(tmp_path, network(1, *LAYERS, **keys)))
    assert (spec.sample_rate, spec.rate_source) == (rate, source)
    assert bool(spec.warnings) == (source == "family")


def test_the_suffix_alone_makes_an_aidax_file(tmp_path):
    assert load(write(tmp_path, network(1, *LAYERS), "amp.aidax")).family == "aidax"
    assert load(write(tmp_path, network(1, *LAYERS), "amp.json")).family == "rtneural"


def test_metadata_names_the_model_and_leaves_the_batches_out(tmp_path):
    data = network(1, *LAYERS, metadata={"name": "tweaker", "esr": 0.01}, input_batch=[0.0] * 10, author="me")
    spec = load(write(tmp_path, data))
    assert spec.name == "tweaker"
    assert spec.metadata == {"name": "tweaker", "esr": 0.01, "author": "me"}
