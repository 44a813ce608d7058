"""Keras files, made here as Keras 3 and Keras 2 write them, with what Keras answered; Keras itself is not needed."""

import copy
import json
import zipfile
from collections import Counter

import h5py
import numpy as np
import pytest

from rtfx import errors
from rtfx.model.load import load
from rtfx.model.read import keras_file
from rtfx.model.read.keras_file import snake
from rtfx.model.reference import evaluate

from ..fuzz import change
from .guitar_nets import smartamppro
from .test_from_keras import STORED

FUNCTIONAL = {"module": "keras.src.models.functional", "class_name": "Functional", "config": STORED["config"]}


def save(path, model, weights):
    """Write a .keras archive: `weights` are lists by the layer's name."""
    with h5py.File(path.with_suffix(".part"), "w") as file:
        counts = Counter()
        for entry in model["config"]["layers"]:
            kind, name = snake(entry["class_name"]), entry["config"]["name"]
            group = f"layers/{kind}" + (f"_{counts[kind]}" if counts[kind] else "")
            counts[kind] += 1
            cell = "/cell/vars" if kind in ("lstm", "gru", "simple_rnn") else "/vars"
            for i, tensor in enumerate(weights.get(name, [])):
                file[f"{group}{cell}/{i}"] = np.float32(tensor)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(model))
        archive.write(path.with_suffix(".part"), "model.weights.h5")
    return path


def layer(kind, name, *reads, **config):
    """Return an entry of a functional config; `reads` holds one list of arguments for each call."""

    def argument(value):
        return (
            {"class_name": "__keras_tensor__", "config": {"keras_history": [*value, 0]}}
            if isinstance(value, tuple)
            else value
        )

    calls = [{"args": [argument(value) for value in arguments], "kwargs": {}} for arguments in reads]
    return {"module": "keras.layers", "class_name": kind, "config": {"name": name} | config, "inbound_nodes": calls}


def functional(*layers, output):
    entries = [layer("InputLayer", "x", batch_shape=[None, None, 1]), *layers]
    return {"class_name": "Functional", "config": {"name": "net", "layers": entries, "output_layers": [list(output)]}}


def answer(path, x):
    return evaluate(load(path), x, cold=True)


X = np.random.default_rng(1).normal(0, 0.4, (1, 60)).astype(np.float32)
SLOPED = {"negative_slope": 0.1, "threshold": 0.0}
DENSE = {"activation": "linear", "use_bias": True}


def test_it_answers_as_keras_does(tmp_path):
    y = answer(save(tmp_path / "net.keras", FUNCTIONAL, STORED["weights"]), X)
    assert np.abs(y - STORED["answer"]).max() < 1e-6 < np.abs(STORED["answer"]).max()  # Keras computes in float32


def test_the_description_beside_it_names_rate_and_kind(tmp_path):
    path = save(tmp_path / "net.keras", FUNCTIONAL, STORED["weights"])
    (tmp_path / "net.arch.json").write_text('{"sample_rate": 44100, "kind": "amp", "name": "My amp"}')
    spec = load(path)
    assert (spec.family, spec.sample_rate, spec.kind, spec.name) == ("keras", 44100.0, "amp", "My amp")


def test_a_layer_called_twice_numbers_and_differences(tmp_path):
    """y = 0.5 d(d(x)) - (2 - x), d one dense layer: operators are layers too, with numbers among their arguments."""
    model = functional(
        layer("Subtract", "last", [("half", 0), ("rest", 0)]),  # listed before the layers that it reads, as in Keras
        layer("Dense", "d", [("x", 0)], [("d", 0)], **DENSE),
        layer("Multiply", "half", [("d", 1), 0.5]),
        layer("Subtract", "rest", [2.0, ("x", 0)]),
        output=("last", 0, 0),
    )
    weights = {"d": [[[0.7]], [0.1]]}
    path = save(tmp_path / "net.keras", model, weights)
    with pytest.raises(errors.UnsupportedArchitecture, match="not the last layer"):
        load(save(tmp_path / "more.keras", functional(*model["config"]["layers"][1:], output=("d", 0, 0)), weights))
    d = np.float32(0.7) * np.float64(X) + np.float32(0.1)
    expected = 0.5 * (np.float64(np.float32(0.7)) * d + np.float32(0.1)) - (2 - np.float64(X))
    assert np.abs(answer(path, X) - expected).max() < 1e-7


@pytest.mark.parametrize(
    ("kind", "config", "expected"),
    [
        (
            "ReLU",
            {"max_value": 0.3, "negative_slope": 0.1, "threshold": 0.0},
            np.where(X < 0, 0.1 * X, np.minimum(X, 0.3)),
        ),
        ("ReLU", {"max_value": None, "negative_slope": 0.1, "threshold": 0.0}, np.where(X < 0, 0.1 * X, X)),
        ("Activation", {"activation": "relu6"}, np.clip(X, 0, 6)),
        ("Activation", {"activation": "leaky_relu"}, np.where(X < 0, 0.2 * X, X)),
        ("Tanh", {}, np.tanh(np.float64(X))),
        ("AlphaDropout", {"rate": 0.5}, X),
    ],
)
def test_activations_with_constants(tmp_path, kind, config, expected):
    before = layer("Dense", "d", [("x", 0)], **DENSE)
    model = functional(before, layer(kind, "bent", [("d", 0)], **config), output=("bent", 0, 0))
    assert np.abs(answer(save(tmp_path / "net.keras", model, {"d": [[[1.0]], [0.0]]}), X) - expected).max() < 1e-7


def test_a_model_in_a_model(tmp_path):
    inner = {"name": "inner", "layers": [{"class_name": "Dense", "config": {"name": "a"} | DENSE}]}
    model = functional(
        layer("Sequential", "inner", [("x", 0)], layers=inner["layers"]),
        layer(
            "Add",
            "sum",
            [[{"class_name": "__keras_tensor__", "config": {"keras_history": [n, 0, 0]}} for n in ("inner", "x")]],
        ),
        output=("sum", 0, 0),
    )
    path = save(tmp_path / "net.keras", model, {})
    with h5py.File(tmp_path / "net.part", "a") as file:
        file["layers/sequential/layers/dense/vars/0"], file["layers/sequential/layers/dense/vars/1"] = [[3.0]], [0.5]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(model))
        archive.write(tmp_path / "net.part", "model.weights.h5")
    assert np.allclose(answer(path, X), 4 * X + 0.5)


def test_one_tap_is_causal_whatever_its_padding(tmp_path):
    options = {"padding": "same", "strides": [1], "dilation_rate": [1], "activation": "linear"}
    model = functional(layer("Conv1D", "mix", [("x", 0)], kernel_size=[1], **options), output=("mix", 0, 0))
    assert np.allclose(answer(save(tmp_path / "net.keras", model, {"mix": [[[[3.0]]], [0.5]]}), X), 3 * X + 0.5)
    model = functional(layer("Conv1D", "mix", [("x", 0)], kernel_size=[2], **options), output=("mix", 0, 0))
    with pytest.raises(errors.UnsupportedArchitecture, match="expected 'causal'"):
        load(save(tmp_path / "net.keras", model, {"mix": [[[[3.0]], [[1.0]]], [0.5]]}))


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (layer("Lambda", "mine", [("x", 0)], function={"code": "x"}), "layer mine .Lambda.*never run"),
        (layer("Dense", "mine", [("x", 0)], **DENSE) | {"registered_name": "Custom>Dense"}, "Custom>Dense.*never run"),
        (layer("Dense", "mine", [("x", 0)], **DENSE) | {"module": "os"}, "os, whose code is never run"),
        (layer("Dense", "mine", [("mine", 0)], **DENSE), "reads itself"),
        (layer("Multiply", "mine", [("x", 0), "two"]), "called with 'two'"),
        (layer("Dense", "mine", [("x", 0), ("x", 0)], **DENSE), "called with 2 signals"),
        (layer("Activation", "mine", [("x", 0)], activation={"class_name": "function", "config": "f"}), "function"),
        (layer("Conv1D", "mine", [("x", 0)], padding="same", strides=[1]), "expected 'causal'"),
        (layer("Conv1D", "mine", [("x", 0)], padding="causal", strides=[2]), "a stride of 2, expected none"),
    ],
)
def test_what_is_refused(tmp_path, entry, words):
    with pytest.raises(errors.UnsupportedArchitecture, match=words):
        load(save(tmp_path / "net.keras", functional(entry, output=("mine", 0, 0)), {"mine": [[[1.0]], [0.0]]}))


def h5_of(path, data):
    """Write SmartAmpPro's network as Keras 2 did, from its JSON form."""
    same = {"padding": "same", "activation": "linear"}
    convolutions: list[dict] = [
        {"class_name": "Conv1D", "config": same | {"name": name, "strides": [data[f"{name}_stride"]]}}
        for name in ("conv1d", "conv1d_1")
    ]
    convolutions[0]["config"]["batch_input_shape"] = [None, data["input_size"], 1]
    lstm = {"name": "lstm", "activation": "tanh", "recurrent_activation": "sigmoid", "return_sequences": False}
    layers = [*convolutions, {"class_name": "LSTM", "config": lstm}]
    layers.append({"class_name": "Dense", "config": {"name": "dense", "activation": "linear"}})
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": {"name": "s", "layers": layers}})
        for name in ("conv1d", "conv1d_1", "lstm", "dense"):
            keys = [key for key in ("kernel:0", "recurrent_kernel:0", "bias:0") if key in data[name]]
            file.create_group(f"model_weights/{name}").attrs["weight_names"] = [f"{name}/{key}" for key in keys]
            for key in keys:
                file[f"model_weights/{name}/{name}/{key}"] = np.array(data[name][key])
    return path


def test_an_h5_of_smartamppro_is_its_json(tmp_path):
    data = smartamppro(np.random.default_rng(3), 30, strides=(4, 4), recurrent=True)
    (tmp_path / "net.json").write_text(json.dumps(data))
    found = load(h5_of(tmp_path / "net.h5", data))
    assert found.family == "smartamppro"
    y = evaluate(load(tmp_path / "net.json"), X, cold=True)
    assert np.array_equal(evaluate(found, X, cold=True), y) and np.abs(y).max() > 0.01


def test_damage_is_told_and_ends_nothing(tmp_path):
    """Every member of the archive and the h5 itself, cut and changed; the library may crash in its process."""
    path = save(tmp_path / "net.keras", FUNCTIONAL, STORED["weights"])
    weights = (tmp_path / "net.part").read_bytes()
    rng = np.random.default_rng(5)
    for i in range(6):
        damaged = bytearray(weights[: len(weights) // 2] if i == 0 else weights)
        for place in rng.integers(0, 2000, 40):
            damaged[place] = rng.integers(256)
        with zipfile.ZipFile(tmp_path / "bad.keras", "w") as archive:
            archive.writestr("config.json", json.dumps(FUNCTIONAL))
            archive.writestr("model.weights.h5", bytes(damaged))
        try:
            load(tmp_path / "bad.keras")
        except errors.ModelError as error:
            assert "\n" not in str(error)
    changed = copy.deepcopy(FUNCTIONAL)
    changed["config"]["layers"][1]["config"]["dilation_rate"] = [1 << 40]
    with pytest.raises(errors.ModelError):
        load(save(tmp_path / "wide.keras", changed, STORED["weights"]))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(errors.NotAModelFile, match="cannot be read"):
        load(path)


def test_a_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", json.dumps(FUNCTIONAL))
        archive.writestr("model.weights.h5", bytes(40 << 20))
    with pytest.raises(errors.ResourceLimit, match=r"model\.weights\.h5 has more than"):
        load(tmp_path / "net.keras")
    with h5py.File(tmp_path / "wide.h5", "w") as file:  # a hundred bytes that say they are 8 TB of zeros
        file.attrs["model_config"] = "{}"
        file.create_dataset("model_weights/a", shape=(1 << 40,), dtype="f8", chunks=(1 << 10,))
    with pytest.raises(errors.NotAModelFile, match="bytes of numbers"):
        load(tmp_path / "wide.h5")


def test_mutated_configs(tmp_path, monkeypatch):
    """The tensors are read once: it is the config that a mutant changes."""
    path = save(tmp_path / "net.keras", FUNCTIONAL, STORED["weights"])
    stored = keras_file.read_hdf5(tmp_path / "net.part")
    monkeypatch.setattr(keras_file, "read_hdf5", lambda path: stored)
    rng, refused = np.random.default_rng(8), 0
    for _ in range(400):
        mutant = copy.deepcopy(FUNCTIONAL)
        change(mutant, rng)
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("config.json", json.dumps(mutant))
            archive.writestr("model.weights.h5", b"")
        try:
            load(path)
        except errors.ModelError:
            refused += 1
    assert 50 < refused < 350
