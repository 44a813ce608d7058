"""Keras models by their config and weights, stored with what Keras answered; Keras itself is not needed."""

import copy
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rtfx import errors
from rtfx.model.read.keras_file import spec_from_keras
from rtfx.model.reference import evaluate

STORED = json.loads((Path(__file__).parent / "exports/keras.json").read_text())


def stored(change=lambda layers: None):
    """What rtfx asks of a Keras model, from the stored one."""
    config = copy.deepcopy(STORED["config"])
    change({layer["class_name"]: layer for layer in config["layers"]})

    def layer(name, tensors):
        return SimpleNamespace(name=name, get_weights=lambda: [np.array(t) for t in tensors])

    layers = [layer(name, tensors) for name, tensors in STORED["weights"].items()]
    return SimpleNamespace(name="net", layers=layers, input_shape=(None, None, 1), get_config=lambda: config)


def test_it_answers_as_keras_does():
    """Conv1D, batch normalisation, GRU, LSTM, SimpleRNN, slopes, a concatenation and a residual path."""
    x = np.random.default_rng(1).normal(0, 0.4, (1, 60)).astype(np.float32)
    y = evaluate(spec_from_keras(stored(), sample_rate=48000), x, cold=True)
    assert np.abs(y - STORED["answer"]).max() < 1e-6 < np.abs(STORED["answer"]).max()  # Keras computes in float32


@pytest.mark.parametrize(
    ("kind", "keys", "words"),
    [
        ("GRU", {"reset_after": False}, r"layer gru \(GRU\): expected reset_after=True"),
        ("LSTM", {"return_sequences": False}, "return_sequences=True"),
        ("Conv1D", {"padding": "same"}, "padding 'same', expected 'causal'"),
        ("Dense", {"activation": "exponential"}, "activation 'exponential' is none that rtfx knows"),
    ],
)
def test_what_cannot_be_is_said(kind, keys, words):
    with pytest.raises(errors.UnsupportedArchitecture, match=words):
        spec_from_keras(stored(lambda layers: layers[kind]["config"].update(keys)))


def test_an_unknown_layer_and_no_model():
    with pytest.raises(errors.UnsupportedArchitecture, match="layer p_re_lu.* no layer that rtfx knows"):
        spec_from_keras(stored(lambda layers: layers["PReLU"].update(class_name="Fancy")))
    with pytest.raises(errors.UsageError, match="expected a Keras model, found int"):
        spec_from_keras(3)
