"""One file of every guitar family through the engine: compiled output against the reference, cold and prewarmed."""

import numpy as np
import pytest

from rtfx.api import Model
from rtfx.model.load import load
from rtfx.model.reference import evaluate

from .guitar_nets import agam_files, smartamppro_files, wavenet_va_files
from .nets import small_nets, write
from .test_state_dict import DOWN, UP, described

AGAM, VA, PRO, KERAS = agam_files(), wavenet_va_files(), smartamppro_files(), small_nets()
FILES = {
    "simple-deep": AGAM["deep-LSTM"],
    "simple-elman": AGAM["simple-RNN"],
    "simple-knobs": AGAM["simple-two-knobs"],
    "simple-outputs": AGAM["simple-skip-both"],
    "recnet": AGAM["recnet-skip"],
    "gated-conv-net": AGAM["gated"],
    "gated": VA["gated"],
    "softgated-conditioned": VA["conditioned"] | {"activation": "softgated"},
    "linear": VA["linear"],
    "window": PRO["uneven-padding"],
    "window-of-steps": PRO["two-steps"],
    "conv2d": KERAS["conv2d-same"],
}
X = np.random.default_rng(4).normal(0, 0.3, 1500).astype(np.float32)
RATE = 44100.0


def assert_engine_agrees(path, cold):
    spec = load(path)
    x = np.stack([np.roll(X, i) for i in range(spec.inputs)])
    knobs = {knob.name: 0.7 for knob in spec.knobs}
    expected = evaluate(spec, x, knobs, RATE, cold)
    found = np.atleast_2d(Model(spec, **knobs)(x, spec.sample_rate or RATE, bare=True, cold=cold))
    assert np.abs(found - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("cold", [False, True], ids=["prewarmed", "cold"])
@pytest.mark.parametrize("name", FILES)
def test_generated_files(tmp_path, name, cold):
    assert_engine_agrees(write(tmp_path, FILES[name]), cold)


@pytest.mark.parametrize("cold", [False, True], ids=["prewarmed", "cold"])
def test_a_strided_state_dict(tmp_path, cold):
    layers = [
        {"type": "conv1d", "prefix": "down.", "stride": 3},
        {"type": "conv1d", "prefix": "mid.", "dilation": 2},
        {"type": "conv_transpose1d", "prefix": "up.", "stride": 3},
    ]
    assert_engine_agrees(described(tmp_path, DOWN | UP, *layers), cold)
