"""Random nets that would cost too much are refused with figures before they are built; the suggested net fits."""

import time
from dataclasses import replace

import numpy as np
import pytest

from rtfx.errors import ResourceLimit
from rtfx.model.load import load
from rtfx.model.random.net_settings import HISTORY_BYTES, LOAD, RANGES, Tcn, nearest, predicted_load
from rtfx.model.reference import evaluate

LARGEST = {"layers": 24, "channels": 64, "kernel": 64, "dilation": 4}


@pytest.mark.parametrize("keys", [("layers", "dilation"), ("layers", "channels", "kernel"), tuple(LARGEST)])
def test_refused_with_both_figures_and_a_setting_that_fits(keys):
    words = "&".join(f"{key}={LARGEST[key]}" for key in keys)
    start = time.perf_counter()
    with pytest.raises(
        ResourceLimit, match=r"MB of history and a predicted load of .*at most 256 MB and 0.8"
    ) as caught:
        load(f"random:tcn?{words}")
    assert time.perf_counter() - start < 10  # the largest would hold a petabyte
    advice = str(caught.value).rpartition(": ")[2].removesuffix(" fits")
    changed = dict(pair.split("=") for pair in advice.split("&"))
    assert all(int(value) < LARGEST.get(key, 99) for key, value in changed.items())
    values = {key: LARGEST[key] for key in keys} | {key: int(value) for key, value in changed.items()}
    settings = Tcn(**values)
    assert settings.history_floats * 4 <= HISTORY_BYTES and predicted_load(settings) <= LOAD


def test_whatever_is_asked_for_either_fits_or_is_told_what_does():
    rng = np.random.default_rng(4)
    fitted = 0
    for _ in range(300):
        low_high = {key: RANGES[key] for key in LARGEST}
        settings = Tcn(**{key: int(rng.integers(low, high + 1)) for key, (low, high) in low_high.items()})
        if settings.history_floats * 4 <= HISTORY_BYTES and predicted_load(settings) <= LOAD:
            fitted += 1
            continue
        near = nearest(settings)
        assert near.history_floats * 4 <= HISTORY_BYTES and predicted_load(near) <= LOAD
        assert sum(getattr(near, key) != getattr(settings, key) for key in LARGEST) in (1, 2, 3)
    assert 10 < fitted < 290


def test_figures_are_those_of_the_net():
    settings = Tcn(layers=5, channels=6, kernel=7, dilation=3, depthwise=True)
    spec = load("random:tcn?layers=5&channels=6&kernel=7&dilation=3&depthwise=yes")
    shapes = [node.weight.shape for node in spec.nodes if hasattr(node, "dilation")]
    assert settings.shapes == shapes and settings.receptive_field == spec.receptive_field
    widths = [1, 6, 6, 6, 6]
    assert settings.history_floats == sum(6 * 3**layer * width for layer, width in enumerate(widths))
    assert predicted_load(replace(settings, depthwise=False)) > predicted_load(settings)


def test_a_memory_of_a_minute_loads_at_once_and_is_loud_enough():
    spec = load("random:tcn?layers=11&dilation=4&seed=3")
    assert spec.receptive_field > 48000 * 58 and spec.prewarm_frames == 0
    assert abs(spec.level_db - load("random:tcn?layers=11&dilation=2&seed=3").level_db) < 12


def test_the_level_holds_once_a_long_memory_is_full():
    """5461 frames: the burst alone, through the net's own dilations, would fill a third of it."""
    spec = load("random:tcn?layers=7&kernel=3&dilation=4&seed=5&activation=relu")
    y = evaluate(spec, np.random.default_rng(1).normal(0, 0.1, (1, 16000)))[:, 12000:] * 10 ** (spec.level_db / 20)
    assert abs(20 * np.log10(np.std(y)) + 18) < 6
