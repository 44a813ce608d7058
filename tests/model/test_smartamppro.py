"""SmartAmpPro: the folded form against the network run window by window, and refused files."""

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save

from ..reference_more import evaluate_more
from .guitar_nets import smartamppro, smartamppro_files
from .nets import refuse, write
from .test_agam import changed

FILES = smartamppro_files()
X = np.random.default_rng(5).normal(0, 0.3, 160)
RNG = np.random.default_rng(6)


@pytest.mark.parametrize("cold", [False, True], ids=["prewarmed", "cold"])
@pytest.mark.parametrize("name", FILES)
def test_both_oracles_agree(tmp_path, name, cold):
    path = write(tmp_path, FILES[name])
    spec = load(path)
    assert (spec.family, spec.recurrent, spec.knobs) == ("smartamppro", False, ())
    assert spec.prewarm_frames == spec.receptive_field == FILES[name]["input_size"]
    expected = evaluate_more(path, X, cold=cold)
    found = evaluate(spec, X, cold=cold)
    assert np.abs(found - expected).max() <= 1e-13 * max(1.0, np.abs(expected).max())
    save(spec, tmp_path / "copy.json")
    assert np.array_equal(evaluate(load(tmp_path / "copy.json"), X, cold=cold), found)


@pytest.mark.parametrize("name", ["ClearBlueSky", "TubeClean", "Tantrum_Pedal"])
def test_shared_files(shared, name):
    path = shared / f"models/smartamppro/{name}.json"
    spec = load(path)
    expected = evaluate_more(path, X)
    assert np.abs(expected).max() > 1e-3
    assert np.abs(evaluate(spec, X) - expected).max() <= 1e-12 * np.abs(expected).max()
    assert (spec.sample_rate, spec.rate_source, spec.receptive_field) == (44100.0, "family", 120)


def test_a_stride_that_is_not_stated_is_named(tmp_path):
    warnings = load(write(tmp_path, FILES["no-stride"])).warnings
    assert [text for text in warnings if "conv1d_1_stride" in text and "12 assumed" in text]


NET = smartamppro(RNG)
REFUSED = {
    "several-steps": (smartamppro(RNG, 64), "MissingKey", "3 steps at input_size 64"),
    "no-kernel": (changed(NET, "lstm", "kernel:0"), "MissingKey", "kernel:0"),
    "no-input-size": (changed(NET, "input_size"), "MissingKey", "input_size"),
    "channels": (changed(NET, "conv1d_1", "kernel:0", 0, 0, value=[1.0]), "ShapeMismatch", "conv1d_1 kernel:0"),
    "bias": (changed(NET, "conv1d", "bias:0", value=[1.0]), "ShapeMismatch", "conv1d bias:0"),
    "lstm": (changed(NET, "lstm", "bias:0", value=[1.0]), "ShapeMismatch", "lstm bias:0"),
    "lstm-width": (changed(NET, "lstm", "kernel:0", value=[[1.0] * 20] * 3), "ShapeMismatch", "(2, 20)"),
    "dense": (changed(NET, "dense", "kernel:0", value=[[1.0]]), "ShapeMismatch", "weight has shape (1, 1)"),
    "no-gates": (changed(NET, "lstm", "kernel:0", value=[[1.0], [1.0]]), "ShapeMismatch", "lstm kernel:0"),
    "stride": (changed(NET, "conv1d_stride", value=0), "ShapeMismatch", "conv1d_stride"),
    "huge": (changed(NET, "input_size", value=10**9), "ResourceLimit", "input_size"),
    "long-window": (
        smartamppro(RNG, 2000, strides=(1, 1), taps=(20, 20)), "ResourceLimit", "multiply-adds to fold conv1d",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, name):
    data, error, words = REFUSED[name]
    refuse(write(tmp_path, data), error, words)
