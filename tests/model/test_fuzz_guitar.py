"""Mutated files of the guitar families: loading ends in a spec that evaluates, or in an RtfxError of one line."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtfx.model.load import load

from .guitar_nets import agam_files, filled, rnn_shapes, smartamppro_files, wavenet_va_files
from .nets import small_nets
from .test_fuzz import loads_or_refuses, mutate

pytestmark = pytest.mark.slow

FUZZ = settings(
    max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
FILES = [
    *agam_files().values(),
    *wavenet_va_files().values(),
    *smartamppro_files().values(),
    *(net for name, net in small_nets().items() if name.startswith("conv2d")),
]
RNG = np.random.default_rng(3)
SHAPES = rnn_shapes("g.", "GRU", 3, 4, 2) | {
    "c.weight": (3, 1, 4), "c.bias": (3,), "u.weight": (3, 2, 4), "p.weight": (1,), "l.weight": (2, 4), "l.bias": (2,),
    "n.running_mean": (3,), "n.weight": (3,), "n.bias": (3,),
}  # fmt: skip
STATE = filled(RNG, SHAPES) | {"n.running_var": [0.5, 1.0, 2.0]}
CONV = {"type": "conv1d", "prefix": "c.", "dilation": 2, "groups": 1}
NORM = {"type": "batchnorm", "prefix": "n.", "eps": 1e-5}
UP = {"type": "conv_transpose1d", "prefix": "u.", "stride": 2, "phase": "torch"}
SLOPES = {"type": "prelu", "prefix": "p."}
GRU = [{"type": "gru", "prefix": "g.", "layers": 2}, {"type": "linear", "prefix": "l."}]
FIRST = {"type": "slice", "start": 0, "stop": 2}
HALF = {"type": "parallel", "branches": [[FIRST], [FIRST, {"type": "activation", "kind": "tanh"}]], "join": "mul"}
ARCHES = [
    {"layers": [CONV, NORM, SLOPES, *GRU], "sample_rate": 48000},
    {"layers": [CONV | {"stride": 2}, {"type": "residual", "layers": [NORM]}, SLOPES, UP], "inputs": 1},
    {"layers": [CONV, {"type": "activation", "kind": "elu", "slope": 0.5}, HALF], "knobs": []},
]


@FUZZ
@given(data=st.data())
def test_mutated_files(tmp_path, data):
    path = tmp_path / "fuzz.json"
    path.write_text(json.dumps(mutate(data.draw(st.sampled_from(FILES)), data.draw)))
    loads_or_refuses(path)


@FUZZ
@given(data=st.data())
def test_mutated_descriptions(tmp_path, data):
    """The tensors that a description has no use for are left out first, so that some mutants load."""
    arch = mutate(data.draw(st.sampled_from(ARCHES)), data.draw)
    text = json.dumps(arch)
    state = {name: value for name, value in STATE.items() if json.dumps(name.split(".")[0] + ".") in text}
    path = tmp_path / "fuzz.json"
    path.write_text(json.dumps(mutate(state, data.draw) if state and data.draw(st.booleans()) else state))
    (tmp_path / "fuzz.arch.json").write_text(text)
    loads_or_refuses(path)


def test_the_descriptions_load_unmutated(tmp_path):
    for arch in ARCHES:
        state = {name: value for name, value in STATE.items() if json.dumps(name[:2]) in json.dumps(arch)}
        (tmp_path / "net.json").write_text(json.dumps(state))
        (tmp_path / "net.arch.json").write_text(json.dumps(arch))
        assert load(tmp_path / "net.json").outputs == 2
