"""Batches inside the files, the circuit that a net was trained on, and shared files through both oracles."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.nodes import Activation
from rtfx.model.reference import evaluate

from ..reference import evaluate_file

KERAS = ["dense", "conv", "gru_1d", "lstm_1d", "conv_stateless"]
AIDAX = ["tw40_blues_deluxe", "tw40_british_lead", "tw40_california_clean"]
FILES = [
    *(f"rtneural_json/{name}.json" for name in KERAS),
    "rtneural_json/hello_test_net.json",
    *(f"klon_centaur/centaur{name}.json" for name in ("", "_small", "_0", "_50", "_100")),
    *(f"aidax/{name}_deerinkstudios.json" for name in AIDAX),
]


@pytest.mark.parametrize("name", AIDAX)
def test_aidax_batches_inside_the_files(shared, name):
    path = shared / f"models/aidax/{name}_deerinkstudios.json"
    data = json.loads(path.read_text())
    y = evaluate(load(path), np.ravel(data["input_batch"]), cold=True)[0]
    assert np.abs(y - np.ravel(data["output_batch"])).max() <= 1.4e-6


@pytest.mark.parametrize("file", FILES)
def test_shared_files_through_both_oracles(shared, file):
    path = shared / "models" / file
    x = np.random.default_rng(5).normal(0, 0.2, (1, 400))
    spec = load(path)
    knobs = {knob.name: 0.8 for knob in spec.knobs}
    y = evaluate(spec, x, knobs, 48000.0)
    assert np.abs(y).max() > 1e-3
    assert np.abs(y - evaluate_file(path, x, knobs, 48000.0)).max() <= 1e-12 * np.abs(y).max()


def wav(path):
    """Return a mono 16-bit WAV file as floats, without a library."""
    content = path.read_bytes()
    start = content.index(b"data") + 8
    return np.frombuffer(content[start : start + (len(content) - start) // 2 * 2], "<i2") / 32768.0


def test_tanh_is_implied_in_klon_nets(shared):
    """At full gain the net follows the simulated circuit only with the tanh that its file does not mention.

    The first quarter second of the target is the simulation's own start-up, pinned at -1, and says nothing.
    """
    folder = shared / "reference/klon_centaur"
    x, y = wav(folder / "DataIn_sample42.wav"), wav(folder / "Data100_sample42.wav")
    spec = load(shared / "models/klon_centaur/centaur_small.json")
    linear = [replace(n, kind="leaky_relu", slope=1.0) if isinstance(n, Activation) else n for n in spec.nodes]

    def esr(model):
        error = evaluate(model, x, {"gain": 1.0}, 44100.0)[0, 12000 : len(y)] - y[12000 : len(x)]
        return np.sum(error**2) / np.sum(y[12000 : len(x)] ** 2)

    assert esr(spec) < 0.6 and esr(replace(spec, nodes=tuple(linear))) > 2.0
