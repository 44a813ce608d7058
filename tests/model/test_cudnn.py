"""Keras' CuDNNLSTM and CuDNNGRU: plain layers whose tensors have the layout of cuDNN."""

import h5py
import numpy as np
import pytest

from rtfx.model.load import load
from rtfx.model.read.keras_graph import plain_tensors
from rtfx.model.reference import evaluate

from .guitar_nets import smartamppro
from .nets import dense, gru, lstm, network, refuse, write
from .test_keras_file import DENSE, functional, h5_of, layer, save

X = np.random.default_rng(2).normal(0, 0.4, (1, 60))
WIDE = np.random.default_rng(2).normal(0, 0.4, (3, 60))
CELLS = {"CuDNNLSTM": (lstm, "LSTM", 4), "CuDNNGRU": (gru, "GRU", 3)}


def for_cudnn(tensors, gates):
    """The tensors of a plain layer as cuDNN's layer has them; the bias of an LSTM is split in two."""
    kernel, recurrent, bias = (np.asarray(each) for each in tensors)
    turned = np.hstack([block.T.reshape(block.shape) for block in np.split(kernel, gates, axis=1)])
    crossed = np.hstack([block.T for block in np.split(recurrent, gates, axis=1)])
    two = bias if bias.ndim == 2 else np.stack([0.3 * bias, 0.7 * bias])
    return [turned, crossed, two.ravel()]


def test_the_layout():
    """cuDNN reads the numbers of a gate's input kernel as a matrix (hidden, inputs), row by row."""
    matrix = np.arange(6.0).reshape(3, 2)
    stored, square = matrix.ravel().reshape(2, 3), np.arange(9.0).reshape(3, 3)
    kernel, recurrent, bias = plain_tensors(
        "CuDNNLSTM", [np.hstack([stored] * 4), np.hstack([square] * 4), np.arange(24.0)], ""
    )
    assert (kernel == np.hstack([matrix.T] * 4)).all() and (recurrent == np.hstack([square.T] * 4)).all()
    assert (bias == np.arange(12) + np.arange(12, 24)).all()


@pytest.mark.parametrize("spelled", ["CuDNNLSTM", "cudnnlstm", "cudnn_lstm", "cudnn-lstm", "lstm"])
@pytest.mark.parametrize("kind", CELLS)
def test_rtneural_json(tmp_path, kind, spelled):
    make, _, gates = CELLS[kind]
    rng = np.random.default_rng(3)
    entry, head = make(rng, 3, 5), dense(rng, 5, 1)
    name = spelled if kind == "CuDNNLSTM" else spelled.replace("LSTM", "GRU").replace("lstm", "gru")
    cudnn = entry | {"type": name, "weights": [t.tolist() for t in for_cudnn(entry["weights"], gates)]}
    plain = load(write(tmp_path, network(3, entry, head)), inputs="channels")
    found = load(write(tmp_path, network(3, cudnn, head), "cudnn.json"), inputs="channels")
    assert np.abs(evaluate(found, WIDE) - evaluate(plain, WIDE)).max() < 1e-14
    assert [knob.name for knob in load(tmp_path / "cudnn.json").knobs] == ["drive", "tone"]


@pytest.mark.parametrize("kind", CELLS)
def test_keras_archives(tmp_path, kind):
    make, plain, gates = CELLS[kind]
    rng = np.random.default_rng(4)
    entry, head = make(rng, 1, 5), dense(rng, 5, 1)
    usual = {"activation": "tanh", "recurrent_activation": "sigmoid", "reset_after": True}
    both = {"return_sequences": True, "go_backwards": False}

    def answer(name, config, tensors):
        model = functional(
            layer(name, "r", [("x", 0)], **config), layer("Dense", "d", [("r", 0)], **DENSE), output=("d", 0, 0)
        )
        return evaluate(load(save(tmp_path / f"{name}.keras", model, {"r": tensors, "d": head["weights"]})), X)

    expected = answer(plain, usual | both, entry["weights"])
    found = answer(kind, both, for_cudnn(entry["weights"], gates))
    assert np.abs(found - expected).max() < 1e-6 < np.abs(expected).max()  # the two biases add up in single precision


def test_guitarlstm_with_a_cudnn_layer(tmp_path):
    net = smartamppro(np.random.default_rng(3), 30, strides=(4, 4), recurrent=True)
    h5_of(tmp_path / "plain.h5", net)
    h5_of(tmp_path / "cudnn.h5", net)
    with h5py.File(tmp_path / "cudnn.h5", "r+") as file:
        config = file.attrs["model_config"]
        file.attrs["model_config"] = config.replace('"LSTM"', '"CuDNNLSTM"').replace(
            '"recurrent_activation": "sigmoid", ', ""
        )
        names = [n if isinstance(n, str) else n.decode() for n in file["model_weights/lstm"].attrs["weight_names"]]
        tensors = for_cudnn([file[f"model_weights/lstm/{name}"][()] for name in names], 4)
        for name, tensor in zip(names, tensors, strict=True):
            del file[f"model_weights/lstm/{name}"]
            file[f"model_weights/lstm/{name}"] = np.float32(tensor)
    plain, found = (evaluate(load(tmp_path / f"{name}.h5"), X) for name in ("plain", "cudnn"))
    assert np.abs(found - plain).max() < 1e-5 * np.abs(plain).max()


def test_shapes_are_checked(tmp_path):
    entry = lstm(np.random.default_rng(5), 1, 4) | {"type": "CuDNNLSTM"}
    refuse(write(tmp_path, network(1, entry)), "ShapeMismatch", "layers[0].weights[2] has shape (16,), expected (32,)")
