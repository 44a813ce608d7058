"""WaveNetVA: every activation and form against the second evaluator, knobs, levels, and refused files."""

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save

from ..reference_more import evaluate_more
from .guitar_nets import wavenet_va, wavenet_va_files
from .nets import refuse, write
from .test_agam import changed

FILES = wavenet_va_files()
X = np.random.default_rng(5).normal(0, 0.3, 200)
RNG = np.random.default_rng(6)
SHARED = [
    "wavenetva/WaveNet1-ds1.json",
    "wavenetva/WaveNet2-ts7.json",
    "pedalnetrt/pedalnet.json",
    "smartguitaramp_wavenet/ProcoRat_highDist.json",
    "smartguitarpedal_wavenet/ts9_fullD.json",
]


@pytest.mark.parametrize("cold", [False, True], ids=["prewarmed", "cold"])
@pytest.mark.parametrize("name", FILES)
def test_both_oracles_agree(tmp_path, name, cold):
    path = write(tmp_path, FILES[name])
    spec = load(path)
    assert spec.family == "wavenetva"
    knobs = {knob.name: 0.8 for knob in spec.knobs}
    expected = evaluate_more(path, X, knobs, cold)
    found = evaluate(spec, X, knobs, cold=cold)
    assert expected.shape == found.shape == (spec.outputs, 200)
    assert np.abs(found - expected).max() <= 1e-13 * max(1.0, np.abs(expected).max())
    save(spec, tmp_path / "copy.json")
    assert np.array_equal(evaluate(load(tmp_path / "copy.json"), X, knobs, cold=cold), found)


@pytest.mark.parametrize("file", SHARED)
def test_shared_files(shared, file):
    path = shared / "models" / file
    expected = evaluate_more(path, X)
    assert np.abs(expected).max() > 1e-3
    assert np.abs(evaluate(load(path), X) - expected).max() <= 1e-12 * np.abs(expected).max()


def test_a_prewarmed_net_has_no_transient(tmp_path):
    spec = load(write(tmp_path, FILES["gated"]))
    assert spec.receptive_field == spec.prewarm_frames == 1 + 2 * 7
    silence = np.zeros(50)
    warm, cold = evaluate(spec, silence)[0], evaluate(spec, silence, cold=True)[0]
    assert np.ptp(warm) < 1e-14 and np.ptp(cold) > 1e-3
    assert cold[-1] == pytest.approx(warm[-1], abs=1e-14)


def test_the_second_input_is_the_knob_drive(tmp_path):
    spec = load(write(tmp_path, FILES["conditioned"]))
    assert (spec.inputs, [knob.name for knob in spec.knobs], spec.kind) == (1, ["drive"], "pedal")
    assert not np.allclose(evaluate(spec, X, {"drive": 0.0}), evaluate(spec, X, {"drive": 1.0}))


@pytest.mark.parametrize(
    "keys, level, input_gain, output_gain",
    [
        ({}, "WaveNetVA", 1.0, 1.0),
        ({"text": True}, "SmartGuitarAmp", 4.0, 1.0),
        ({"text": True, "level_adjust": 10.0, "gain_max": 20}, "SmartGuitarAmp", 4.0, 10.0),
        ({"level_adjust": "2.5"}, "SmartGuitarAmp", 4.0, 2.5),
        ({"text": True, "level_adjust": 0.0}, "SmartGuitarAmp", 4.0, 1.0),
        ({"text": True, "level_adjust": float("nan")}, "SmartGuitarAmp", 4.0, 1.0),
        ({"inputs": 2}, "SmartGuitarPedal", 10.0, 1.0),
    ],
)
def test_plugin_gains_are_levels(tmp_path, keys, level, input_gain, output_gain):
    spec = load(write(tmp_path, wavenet_va(np.random.default_rng(1), **keys)))
    assert spec.metadata["level"] == level
    assert spec.metadata["levels"][level] == {"input_gain": input_gain, "output_gain": output_gain}
    assert (spec.input_db, spec.level_db) == pytest.approx((20 * np.log10(input_gain), 20 * np.log10(output_gain)))
    assert (spec.sample_rate, spec.rate_source) == (44100.0, "family")


NET = wavenet_va(RNG)
REFUSED = {
    "activation": (changed(NET, "activation", value="Gated"), "UnsupportedArchitecture", "activation"),
    "no-activation": (changed(NET, "activation"), "MissingKey", "activation"),
    "three-inputs": (wavenet_va(RNG, inputs=3), "UnsupportedInput", "input_channels"),
    "no-layers": (wavenet_va(RNG, dilations=()), "ShapeMismatch", "dilations is empty"),
    "dilation": (changed(NET, "dilations", 0, value=0), "ShapeMismatch", "dilations[0]"),
    "missing": (changed(NET, "variables", 3), "MissingKey", "'b_conv' of layer 0"),
    "twice": (changed(NET, "variables", 3, "name", value="W_conv"), "WeightCountMismatch", "twice"),
    "layer-too-many": (changed(NET, "dilations", value=[1, 2]), "MissingKey", "'W' of layer 2"),
    "unused": (
        changed(NET, "variables", value=NET["variables"] + [{"layer_idx": 9, "name": "W", "data": []}]),
        "WeightCountMismatch", "'W' of layer 9",
    ),
    "short": (changed(NET, "variables", 2, "data", 0), "ShapeMismatch", "has 95 numbers, expected 96"),
    "word": (changed(NET, "variables", 2, "data", 0, value="loud"), "NotAModelFile", "'loud'"),
    "nan-string": (changed(NET, "variables", 2, "data", 0, value="nan"), "NonFiniteWeights", "'W_conv' of layer 0"),
    "nested": (changed(NET, "variables", 2, "data", 0, value=[1]), "ShapeMismatch", "'W_conv' of layer 0"),
    "huge": (changed(NET, "residual_channels", value=10**9), "ResourceLimit", "residual_channels"),
    "layer": (changed(NET, "variables", 0, "layer_idx", value=-2), "ShapeMismatch", "layer_idx"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    data, error, words = REFUSED[name]
    refuse(write(tmp_path, data), error, words)
