"""The same file with other values: numbers as strings, null for absent values, 0 and 1 for false and true."""

import copy
import json

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.values import NUMERAL_LENGTH, tensor, unquoted

from . import guitar_nets, nam_files, nets

BULK = ("weights", "data", "state_dict")  # long lists: their spelling is `tensor`'s matter
FILES = {
    ".nam": [
        nam_files.by_feature()[name] for name in ("film-no-shift", "mixed-gates", "convnet-wide", "activation-slopes")
    ],
    ".json": [
        guitar_nets.agam_files()["recnet"], guitar_nets.agam_files()["deep-LSTM"],
        guitar_nets.wavenet_va_files()["level-adjust"], guitar_nets.smartamppro_files()["uneven-padding"],
        nets.small_nets()["conv1d-groups"], nets.small_nets()["conv2d-same"], nets.small_nets()["batchnorm"],
    ],
}  # fmt: skip
CASES = [(suffix, data) for suffix, entries in FILES.items() for data in entries]
OPTIONAL = {"groups", "shift", "skip", "num_layers", "output_size", "negative_slope", "sample_rate", "level_adjust"}


def respelled(value, change, key=""):
    """Return JSON with `change(key, value)` for every scalar outside bulk data."""
    if isinstance(value, dict):
        return {k: v if k in BULK else respelled(v, change, k) for k, v in value.items()}
    if isinstance(value, list):
        return [respelled(entry, change, key) for entry in value]
    return change(key, value)


def graph(tmp_path, data, suffix):
    path = tmp_path / f"net{suffix}"
    path.write_text(json.dumps(data))
    spec = load(path)
    nodes = [(type(n).__name__, n.sources, *(t.tobytes() for t in n.tensors.values())) for n in spec.nodes]
    return nodes, spec.sample_rate


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


@pytest.mark.parametrize(("suffix", "data"), CASES)
def test_numbers_as_strings(tmp_path, suffix, data):
    found = respelled(data, lambda key, value: repr(value) if is_number(value) else value)
    assert found != data
    assert graph(tmp_path, found, suffix) == graph(tmp_path, data, suffix)


@pytest.mark.parametrize(("suffix", "data"), CASES)
def test_null_is_as_if_it_were_not_there(tmp_path, suffix, data):
    def dropped(value):
        if isinstance(value, list):
            return [dropped(entry) for entry in value]
        return {k: dropped(v) for k, v in value.items() if k not in OPTIONAL} if isinstance(value, dict) else value

    expected = dropped(copy.deepcopy(data))
    found = respelled(data, lambda key, value: None if key in OPTIONAL else value)
    try:
        plain = graph(tmp_path, expected, suffix)
    except errors.ModelError as error:  # a file that needs one of them
        with pytest.raises(type(error)):
            graph(tmp_path, found, suffix)
    else:
        assert graph(tmp_path, found, suffix) == plain


def test_zero_and_one_are_flags(tmp_path):
    for data in FILES[".nam"]:
        found = respelled(data, lambda key, value: int(value) if isinstance(value, bool) else value)
        assert graph(tmp_path, found, ".nam") == graph(tmp_path, data, ".nam")


def test_a_skip_may_be_a_flag(tmp_path):
    data = guitar_nets.simple_rnn(np.random.default_rng(0), skip=1)
    flagged = data | {"model_data": data["model_data"] | {"skip": True}}
    assert graph(tmp_path, flagged, ".json") == graph(tmp_path, data, ".json")


def test_a_gate_needs_its_activation_said_as_before(tmp_path):
    data = nam_files.nam("WaveNet", nam_files.wavenet(nam_files.gated(secondary_activation=None)))
    with pytest.raises(errors.ModelError, match="activation"):
        graph(tmp_path, data, ".nam")


@pytest.mark.parametrize("text", ["", "x", "nan", "1e", "0x10", "1_000", "9" * (NUMERAL_LENGTH + 1), "١"])
def test_what_is_no_number_stays_text(text):
    assert unquoted(text) == text


def test_a_long_string_among_numbers_takes_no_memory():
    with pytest.raises(errors.ShapeMismatch, match="something else than numbers"):
        tensor(["x" * 1_000_000, *["y"] * 1_000_000], "weights")  # as text 4 TB: every entry as wide as the widest
