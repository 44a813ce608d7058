"""Mono: the mean of the channels."""

import numpy as np
import pytest

from rtfx.effects.mono import MONO

from .harness import run


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_it_is_the_mean(channels):
    x = np.random.default_rng(0).standard_normal((channels, 1000)).astype(np.float32)
    y = run(MONO, x)
    assert y.shape == (1, 1000)
    np.testing.assert_allclose(y[0], x.astype(float).mean(axis=0), atol=1e-6)


def test_one_channel_keeps_every_bit():
    x = np.random.default_rng(1).standard_normal(1000).astype(np.float32)
    np.testing.assert_array_equal(run(MONO, x), x)
