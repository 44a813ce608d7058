"""The shipped evaluator: knobs, rates, prewarm and shapes."""

import numpy as np
import pytest

from rtfx.errors import UnsupportedInput, UsageError
from rtfx.model.load import load
from rtfx.model.reference import evaluate

from .nets import small_nets, write

NETS = small_nets()
X = np.random.default_rng(8).normal(0, 0.3, 200)


@pytest.fixture
def klon(tmp_path):
    return load(write(tmp_path, NETS["klon"]))


def test_knobs_and_rate_reach_the_net(klon):
    base = evaluate(klon, X, {"gain": 0.5}, 48000.0)
    assert np.array_equal(base, evaluate(klon, X, sample_rate=48000.0))
    assert not np.allclose(base, evaluate(klon, X, {"gain": 0.6}, 48000.0))
    assert not np.array_equal(base, evaluate(klon, X, {"gain": 0.5}, 44100.0))


def test_mistakes_of_the_caller(klon):
    with pytest.raises(UsageError, match="did you mean 'gain'"):
        evaluate(klon, X, {"gian": 0.5}, 48000.0)
    with pytest.raises(UsageError, match="sample rate"):
        evaluate(klon, X)
    with pytest.raises(UnsupportedInput, match=r"shape \(2, 200\), expected \(1, frames\)"):
        evaluate(klon, np.stack([X, X]), sample_rate=48000.0)


@pytest.mark.parametrize("name", ["gru", "lstm", "conv1d-groups", "stacked"])
def test_prewarm_is_that_many_zeros(tmp_path, name):
    spec = load(write(tmp_path, NETS[name]))
    padded = np.concatenate([np.zeros(spec.prewarm_frames), X])
    assert spec.prewarm_frames == (2048 if spec.recurrent else spec.receptive_field)
    warm, cold = evaluate(spec, X), evaluate(spec, X, cold=True)
    assert np.allclose(warm, evaluate(spec, padded, cold=True)[:, -200:], rtol=0, atol=1e-14)
    assert not np.allclose(warm, cold, rtol=0, atol=1e-6)


def test_frames_may_be_few_or_none(tmp_path):
    spec = load(write(tmp_path, NETS["conv1d"]))
    whole = evaluate(spec, X)
    assert np.allclose(evaluate(spec, X[:1]), whole[:, :1], rtol=0, atol=1e-14)
    assert evaluate(spec, X[:0]).shape == (1, 0)
