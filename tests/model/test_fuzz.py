"""Mutated model files: loading any of them gives a spec or an RtfxError of one line."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rtfx.errors import RtfxError
from rtfx.model.load import load
from rtfx.model.reference import evaluate
from rtfx.model.rtfx_json import save

from .nets import small_nets

pytestmark = pytest.mark.slow

FUZZ = settings(
    max_examples=300, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)
NETS = list(small_nets().values())
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.sampled_from([0, 1, -1, 2, 3, 7, 2**31, 2**63, 1e308, -1e39, 1e-320, float("nan"), float("inf")]),
    st.text(max_size=5),
    st.sampled_from(["tanh", "gru", "dense", "conv1d", "input", "add", "audio", "any", "\ud800", "\n"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def places(data, path=()):
    """Return the paths of every value in nested lists and objects, of long lists the first two entries only."""
    found = [path] if path else []
    items = list(data.items()) if isinstance(data, dict) else []
    if isinstance(data, list):
        items = list(enumerate(data))[:2]
    for key, value in items:
        found += places(value, (*path, key))
    return found


def mutate(data, draw):
    """Replace, remove, repeat or move one value."""
    data = copy.deepcopy(data)
    *parents, key = draw(st.sampled_from(places(data)))
    holder = data
    for parent in parents:
        holder = holder[parent]
    action = draw(st.sampled_from(["replace", "remove", "repeat", "move"]))
    if action == "replace":
        holder[key] = draw(VALUES)
    elif action == "remove":
        del holder[key]
    elif action == "repeat" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
    elif action == "move" and isinstance(holder, dict):
        other = draw(st.sampled_from(sorted(holder)))
        holder[key], holder[other] = holder[other], holder[key]
    return data


def loads_or_refuses(path):
    """A spec that came through must also evaluate, and be saved."""
    try:
        spec = load(path)
    except RtfxError as error:
        message = str(error)
        assert str(path) in message and "\n" not in message and len(message) < 1000
        return
    if spec.receptive_field is None or spec.receptive_field < 5000:
        y = evaluate(spec, np.zeros((spec.inputs, 4)), sample_rate=48000.0, cold=True)
        assert y.shape == (spec.outputs, 4)
    save(spec, path.with_name("copy.json"))


@FUZZ
@given(data=st.data())
def test_mutated_keras_files(tmp_path, data):
    net = mutate(data.draw(st.sampled_from(NETS)), data.draw)
    path = tmp_path / "fuzz.json"
    path.write_text(json.dumps(net))
    loads_or_refuses(path)


@FUZZ
@given(data=st.data())
def test_mutated_rtfx_files(tmp_path, data):
    source, path = tmp_path / "source.json", tmp_path / "fuzz.json"
    source.write_text(json.dumps(data.draw(st.sampled_from(NETS))))
    save(load(source), path)
    net = mutate(mutate(json.loads(path.read_text()), data.draw), data.draw)
    path.write_text(json.dumps(net))
    loads_or_refuses(path)


@FUZZ
@given(data=st.data())
def test_damaged_bytes(tmp_path, data):
    content = bytearray(json.dumps(data.draw(st.sampled_from(NETS))).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "fuzz.json"
    path.write_bytes(bytes(content))
    loads_or_refuses(path)
