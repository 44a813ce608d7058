"""Reads Keras' files, ``.keras`` archives and the older ``.h5``, without Keras; and converts Keras model objects.

No code in a file is run. h5py reads HDF5 in another process with limits of memory and time. An archive holds
config.json and model.weights.h5, whose groups are named after the class of a layer (conv1d, conv1d_1) and store the
layer's name. An .h5 file holds the config as an attribute and the tensors under the layers' names. A network of two
strided convolutions and an LSTM that gives one frame for a window is SmartAmpPro's (GuitarLSTM's). Source: Keras
saving_lib.py, legacy hdf5_format.py.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import ModelError, NotAModelFile, ResourceLimit, UnsupportedArchitecture, UsageError
from ..spec import ModelSpec
from ..values import FILE_BYTES, WEIGHTS, integer, listed, mapping, required
from . import smartamppro
from .keras_graph import MODELS, PLAIN, plain_tensors, spec_from_config, understood

CONFIG_MEMBER, WEIGHTS_MEMBER = "config.json", "model.weights.h5"
PARTS = ("/vars", "/cell/vars", "/layer/vars")  # the group of a layer's own tensors
SECONDS = 60.0  # s of wall-clock time, in case the processor is busy with other work
SUFFIXES = (".h5", ".hdf5")
CONFIG = b"model_config"  # the attribute of a saved model; the library writes names as they are
PROCESS = Path(__file__).with_name("hdf5_process.py")


def read_archive(opened: zipfile.ZipFile, name: str, side: dict[str, Any], inputs: str | None = None) -> ModelSpec:
    """Return the model in an archive; `side` is the description beside it, `inputs` is as in `sort_inputs`."""
    config = _json(_member(opened, CONFIG_MEMBER), CONFIG_MEMBER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WEIGHTS_MEMBER
        path.write_bytes(_member(opened, WEIGHTS_MEMBER))
        stored = read_hdf5(path)
    return _spec(config, lambda inner: _of_archive(stored, inner, ""), name, side, inputs)


def read_h5(path: Path, side: dict[str, Any], inputs: str | None = None) -> ModelSpec:
    """Return the model in a .h5 file that holds its config too."""
    stored = read_hdf5(path)
    text = stored.attributes.get("", {}).get("model_config")
    if not isinstance(text, str):
        raise NotAModelFile("an HDF5 file without Keras' model_config, expected a saved model: save it as .keras")
    return _spec(_json(text, "model_config"), lambda inner: _of_h5(stored, inner), path.stem, side, inputs)


def _spec(config: Any, weights: Any, name: str, side: dict[str, Any], inputs: str | None) -> ModelSpec:
    """Return the model of a whole config; `weights` returns the tensors for the inner config."""
    kind = mapping(config, CONFIG_MEMBER).get("class_name")
    inner = mapping(required(config, "config", CONFIG_MEMBER), "config")
    if kind not in MODELS or not isinstance(inner.get("layers"), list):
        raise UnsupportedArchitecture(f"the model is a {str(kind)[:60]!r}, expected Sequential or Functional")
    for i, entry in enumerate(inner["layers"]):
        layer = mapping(required(mapping(entry, f"layers[{i}]"), "config", f"layers[{i}]"), f"layers[{i}].config")
        if not isinstance(entry.get("class_name"), str) or not isinstance(layer.get("name"), str):
            raise NotAModelFile(f"layers[{i}] has no class or no name: save the model again")
    with understood():
        found = weights(inner)
        window = _smartamppro(inner, found)
    if window is not None:
        return smartamppro.read(window, Path(name))
    return spec_from_config(inner, found, _width(inner), side.get("knobs"), side.get("sample_rate"), name, inputs)


def _width(config: dict[str, Any]) -> int:
    """Return the features of the input."""
    shape = _shape(config)
    if len(shape) != 3:
        raise UnsupportedArchitecture(f"the input has {len(shape)} axes, expected batch, frames, features")
    return integer(shape[-1], "features of the input")


def _shape(config: dict[str, Any]) -> list:
    """Return the shape that the first layer takes."""
    entries = config["layers"]
    first = entries[0]["config"] if entries else {}
    for found in (first, config):
        for key in ("batch_shape", "batch_input_shape", "build_input_shape"):
            if found.get(key) is not None:
                return listed(found[key], key)
    raise UnsupportedArchitecture("the model does not say the shape of its input: save it when it has been built")


def _of_archive(stored: Stored, config: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Return the tensors of every layer of a model whose groups begin with `prefix`."""
    counts: Counter[str] = Counter()
    named = {
        entry["name"]: path.removesuffix("/vars")
        for path, entry in stored.attributes.items()
        if path.startswith(f"{prefix}layers/") and path.count("/") == prefix.count("/") + 2 and "name" in entry
    }
    found: dict[str, Any] = {}
    for entry in config["layers"]:
        name, kind = entry["config"]["name"], snake(entry["class_name"])
        counts[kind] += 1
        group = f"{prefix}layers/{kind}" + (f"_{counts[kind] - 1}" if counts[kind] > 1 else "")
        group = named.get(name, group)
        if entry["class_name"] in MODELS:
            found[name] = _of_archive(stored, entry["config"], f"{group}/")
            continue
        own = {int(path.rsplit("/", 1)[1]): path for part in PARTS for path in _numbered(stored, group + part)}
        found[name] = [stored.arrays[own[i]] for i in sorted(own)]
    return found


def _numbered(stored: Stored, group: str) -> list[str]:
    """Return the paths of a group's arrays, which are called 0, 1, ..."""
    paths: list[str] = []
    while f"{group}/{len(paths)}" in stored.arrays:
        paths.append(f"{group}/{len(paths)}")
    return paths


def _of_h5(stored: Stored, config: dict[str, Any]) -> dict[str, Any]:
    """Return the tensors of every layer, in the order of the attribute that lists them."""
    found: dict[str, Any] = {}
    for entry in config["layers"]:
        name = entry["config"]["name"]
        if entry["class_name"] in MODELS:
            raise UnsupportedArchitecture(f"layer {name[:60]} is a model in a model: save it as .keras")
        names = stored.attributes.get(f"model_weights/{name}", {}).get("weight_names") or []
        found[name] = [stored.arrays[f"model_weights/{name}/{path}"] for path in names if isinstance(path, str)]
    return found


def snake(name: str) -> str:
    """Return the name of the group in which Keras stores a layer of this class."""
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", re.sub(r"\W+", "", name))
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _smartamppro(config: dict[str, Any], weights: dict[str, Any]) -> dict[str, Any] | None:
    """Return a network of SmartAmpPro's kind as its JSON form, None for any other."""
    entries = [entry for entry in config["layers"] if entry["class_name"] not in ("InputLayer", "Dropout")]
    kinds = [entry["class_name"] for entry in entries]
    if [PLAIN.get(kind, kind) for kind in kinds] != ["Conv1D", "Conv1D", "LSTM", "Dense"]:
        return None
    convolutions, lstm, dense = entries[:2], entries[2]["config"], entries[3]["config"]
    cudnn = kinds[2] in PLAIN
    if lstm.get("return_sequences") or any(each["config"].get("padding") != "same" for each in convolutions):
        return None
    plain = [*(each["config"].get("activation") for each in convolutions), dense.get("activation")]
    usual = ("tanh", "sigmoid") if cudnn else (lstm.get("activation"), lstm.get("recurrent_activation"))
    if any(name not in (None, "linear") for name in plain) or usual != ("tanh", "sigmoid"):
        raise UnsupportedArchitecture(f"activations {plain}, {usual}, expected none but the LSTM's own")
    shape = _shape(config)
    if len(shape) != 3 or shape[2] != 1:
        raise UnsupportedArchitecture(f"the input has shape {shape}, expected frames of one feature")
    data: dict[str, Any] = {"input_size": integer(shape[1], "input_size")}
    for name, entry in zip(("conv1d", "conv1d_1", "lstm", "dense"), entries, strict=True):
        keys = ("kernel:0", "recurrent_kernel:0", "bias:0") if name == "lstm" else ("kernel:0", "bias:0")
        tensors = weights[entry["config"]["name"]]
        if name == "lstm" and cudnn:
            tensors = plain_tensors(kinds[2], tensors, "layer lstm")
        if len(tensors) != len(keys):
            raise UnsupportedArchitecture(f"layer {name} holds {len(tensors)} tensors, expected {len(keys)}")
        data[name] = dict(zip(keys, tensors, strict=True))
        if name.startswith("conv1d"):
            data[f"{name}_stride"] = listed(entry["config"].get("strides"), "strides")[0]
    return data


def _member(opened: zipfile.ZipFile, name: str) -> bytes:
    """Return one file of an archive, at most `values.FILE_BYTES` unpacked, whatever size the archive states."""
    try:
        with opened.open(name) as file:
            content = file.read(FILE_BYTES + 1)
    except KeyError as error:
        raise NotAModelFile(f"the archive has no {name}: save the model again") from error
    except Exception as error:  # zipfile and zlib document no list of what a damaged archive raises
        raise NotAModelFile(f"{name} cannot be unpacked ({str(error)[:100]}): fetch it again") from error
    if len(content) > FILE_BYTES:
        raise ResourceLimit(f"{name} has more than {FILE_BYTES} bytes: is this a model file?")
    return content


def _json(content: str | bytes, what: str) -> Any:
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ResourceLimit(f"{what} is nested too deeply, expected a few levels") from error
    except ValueError as error:
        raise NotAModelFile(f"{what} is not JSON ({str(error)[:100]}): save the model again") from error


class Stored(NamedTuple):
    """Arrays (float64) by path, and Keras' attributes by the path of the group that has them ("" for the file)."""

    arrays: dict[str, np.ndarray]
    attributes: dict[str, dict[str, Any]]


def holds_model(path: Path) -> bool:
    """Return, without opening it as HDF5, whether a file is a model saved by Keras and not only weights or data."""
    try:
        return path.stat().st_size <= FILE_BYTES and CONFIG in path.read_bytes()
    except OSError:
        return False


def read_hdf5(path: Path) -> Stored:
    """Return the content of a file of at most `values.FILE_BYTES`.

    Raises
    ------
    ModelError
        h5py is not installed, or the file is damaged or too large.
    """
    if importlib.util.find_spec("h5py") is None:
        raise NotAModelFile("a Keras model, read by h5py, which is not installed: pip install 'rtfx[keras]'")
    size = path.stat().st_size
    if size > FILE_BYTES:
        raise ResourceLimit(f"{size} bytes, at most {FILE_BYTES}: is this a model file?")
    command = [sys.executable, "-I", str(PROCESS), str(path.absolute()), str(8 * WEIGHTS)]
    alone = os.environ | {"OPENBLAS_NUM_THREADS": "1", "HDF5_USE_FILE_LOCKING": "FALSE"}
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, env=alone, check=False)
    except subprocess.TimeoutExpired as error:
        raise ResourceLimit(f"reading took more than {SECONDS:g} s: fetch or export it again") from error
    except OSError as error:
        raise NotAModelFile(f"a Keras model; h5py cannot be started: {error.strerror or error}") from error
    if done.returncode:
        why = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"ended by {done.returncode}"]
        raise NotAModelFile(f"the HDF5 file cannot be read ({why[0][:120]}): fetch or export it again")
    with np.load(BytesIO(done.stdout), allow_pickle=False) as found:
        index = json.loads(found["index"].item())
        arrays = {name: found[str(i)] for i, name in enumerate(index["names"])}
    return Stored(arrays, index["attributes"])


def spec_from_keras(
    model: Any, knobs: Sequence[str] | None = None, sample_rate: float | None = None, name: str | None = None
) -> ModelSpec:
    """Return a Keras model, whose input has the shape (batch, frames, features), as a model.

    Raises
    ------
    ModelError
        UnsupportedArchitecture names a layer that rtfx does not support.
    UsageError
        The object is not a Keras model.
    """
    if not callable(getattr(model, "get_config", None)) or not hasattr(model, "layers"):
        raise UsageError(f"expected a Keras model, found {type(model).__name__}")
    try:
        config, width = model.get_config(), int(model.input_shape[-1])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, ModelError):
            raise
        raise UnsupportedArchitecture(f"not understood ({type(error).__name__}: {error})") from error
    return spec_from_config(config, _weights_of(model), width, knobs, sample_rate, name or str(model.name))


def _weights_of(model: Any) -> dict[str, Any]:
    """Return the tensors of every layer by its name; those of an inner model are in a dict of their own."""
    return {
        layer.name: _weights_of(layer)
        if hasattr(layer, "layers")
        else [np.asarray(w, np.float64) for w in layer.get_weights()]
        for layer in model.layers
    }
