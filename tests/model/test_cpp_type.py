"""The compile-time C++ type that `rtfx info` prints, word by word."""

import pytest

from rtfx.model.describe import describe
from rtfx.model.load import load

from .guitar_nets import agam_files
from .nets import small_nets, write

TYPES = {
    "lstm": "float, 1, 1, RTNeural::LSTMLayerT<float, 1, 6>, RTNeural::DenseT<float, 6, 1>",
    "two-input-gru": "float, 2, 1, RTNeural::GRULayerT<float, 2, 6>, RTNeural::DenseT<float, 6, 1>",
    "conv1d-groups": (
        "float, 1, 1, RTNeural::DenseT<float, 1, 4>, RTNeural::Conv1DT<float, 4, 6, 3, 3, 2>, "
        "RTNeural::DenseT<float, 6, 1>"
    ),
    "conv1d": "float, 1, 1, RTNeural::Conv1DT<float, 1, 6, 3, 2>, RTNeural::DenseT<float, 6, 1>",
    "batchnorm": (
        "float, 1, 1, RTNeural::DenseT<float, 1, 6>, RTNeural::BatchNorm1DT<float, 6>, RTNeural::DenseT<float, 6, 1>"
    ),
    "prelu": (
        "float, 1, 1, RTNeural::DenseT<float, 1, 6>, RTNeural::PReLUActivationT<float, 6>, "
        "RTNeural::DenseT<float, 6, 1>"
    ),
    "dense-relu": (
        "float, 1, 1, RTNeural::DenseT<float, 1, 6>, RTNeural::ReLuActivationT<float, 6>, RTNeural::DenseT<float, 6, 1>"
    ),
}


@pytest.mark.parametrize("name", TYPES)
def test_the_type(tmp_path, name):
    path = write(tmp_path, small_nets()[name])
    assert describe(load(path), path)["rtneural_type"] == f"RTNeural::ModelT<{TYPES[name]}>"


def test_a_net_that_is_no_chain_has_none(tmp_path):
    path = write(tmp_path, agam_files()["simple-LSTM"])
    assert describe(load(path), path)["rtneural_type"] is None
