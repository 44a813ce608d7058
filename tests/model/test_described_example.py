"""The example in docs/reference/formats.md loads, and its table names every type of layer and every key."""

import json
import re
from pathlib import Path

import numpy as np

from rtfx.model.load import load
from rtfx.model.read.state_dict import LAYERS
from rtfx.model.reference import evaluate

from .guitar_nets import filled, rnn_shapes
from .nets import write

PAGE = (Path(__file__).parents[2] / "docs/reference/formats.md").read_text()


def test_the_example(tmp_path):
    (text,) = re.findall(r"^```json\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    rng = np.random.default_rng(3)
    shapes = {"conv1.weight": (4, 1, 3), "conv1.bias": (4,), "film1.weight": (8, 1), "film1.bias": (8,)}
    state = filled(rng, shapes | rnn_shapes("gru.", "GRU", 4, 4, 2) | {"dense.weight": (1, 4), "dense.bias": (1,)})
    write(tmp_path, json.loads(text), "net.arch.json")
    spec = load(write(tmp_path, state))
    assert ([knob.name for knob in spec.knobs], spec.sample_rate, spec.kind) == (["drive"], 44100.0, "amp")
    quiet, loud = (evaluate(spec, rng.normal(0, 0.3, (1, 90)), {"drive": value}) for value in (0.0, 1.0))
    assert np.abs(quiet - loud).max() > 1e-3


def test_the_table():
    rows = re.findall(r"^\| (`[a-z0-9_`, ]+`) \| (.*) \|$", PAGE, re.MULTILINE)
    told = {name: text for names, text in rows for name in re.findall("`(.*?)`", names)}
    assert LAYERS.keys() <= told.keys()
    for name, keys in LAYERS.items():
        assert all(f"`{key}`" in told[name] for key in keys), name
