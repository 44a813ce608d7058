"""Opens any model: finds the file, tells its family by its keys, and hands it to that family's reader."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ModelError, NotAModelFile, ResourceLimit, UnsupportedArchitecture
from ..find import find_model
from . import aidax, rtfx_json, rtneural
from .limits import FILE_BYTES, check_limits
from .spec import ModelSpec
from .values import shown

Reader = Callable[[dict[str, Any], Path], ModelSpec]
RANDOM = "random:"
SUPPORTED = "rtfx reads RTNeural JSON, AIDA-X and rtfx JSON so far"
STATE_DICT_ENDINGS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked", "eps")


class Family(NamedTuple):
    """How a family is told: the first whose `test` holds reads the file; without a reader it is refused by name."""

    name: str
    test: Callable[[dict[str, Any], Path], bool]
    read: Reader | None = None


def _has(*keys: str) -> Callable[[dict[str, Any], Path], bool]:
    """Return a test for the presence of all `keys`."""
    return lambda data, path: all(key in data for key in keys)


def _is_keras(data: dict[str, Any], path: Path) -> bool:
    return isinstance(data.get("layers"), list) and isinstance(data.get("in_shape"), list)


def _is_aidax(data: dict[str, Any], path: Path) -> bool:
    return _is_keras(data, path) and (path.suffix.lower() == ".aidax" or any(key in data for key in aidax.KEYS))


def _is_state_dict(data: dict[str, Any], path: Path) -> bool:
    return bool(data) and all(key.endswith(STATE_DICT_ENDINGS) or ".weight_" in key or ".bias_" in key for key in data)


FAMILIES = (
    Family("rtfx JSON", lambda data, path: data.get("format") == "rtfx", rtfx_json.read),
    Family("NAM", _has("architecture", "config", "weights")),
    Family("NAM 0.4 (config.json beside weights.npy)", _has("architecture", "config")),
    Family("Automated-GuitarAmpModelling (Proteus, NeuralPi)", lambda d, path: isinstance(d.get("model_data"), dict)),
    Family("AIDA-X", _is_aidax, aidax.read),
    Family("RTNeural", _is_keras, rtneural.read),
    Family("WaveNetVA (SmartGuitarAmp, PedalNetRT)", _has("dilations", "residual_channels", "variables")),
    Family("SmartAmpPro", _has("conv1d", "conv1d_1", "lstm", "dense")),
    Family("legacy CoreAudioML", _has("unit_type", "in_size")),
    Family("PyTorch state_dict without a description of the network", _is_state_dict),
    # one of the two keys alone: RTNeural's reader names the other
    Family("RTNeural", lambda data, path: "layers" in data or "in_shape" in data, rtneural.read),
)

BINARY = (
    (b"\x89HDF", "a Keras HDF5 file: export it as JSON first"),
    (b"PK", "a zip archive, perhaps a PyTorch .pt: export it as JSON first"),
    (b"\x80", "a Python pickle, which rtfx never opens: export it as JSON first"),
    (b"\x93NUMPY", "a NumPy array: name the folder's config.json instead"),
    (b"RIFF", "a WAV file: use it as a cab"),
    (b"<", "an HTML or XML page, perhaps a failed download: fetch the raw file"),
)


def load(name: str | Path) -> ModelSpec:
    """Return the model called `name`.

    Parameters
    ----------
    name : str or Path
        A path, the name of a model in the user's folder or among those shipped, or ``random:KIND?key=value&...``.

    Raises
    ------
    RtfxError
        One line that names the file, what was found and what was expected. Nothing else is ever raised.
    """
    if str(name).startswith(RANDOM):
        from .random import random_spec

        return check_limits(random_spec(str(name)[len(RANDOM) :]))
    path = find_model(name)
    try:
        data = parse(path)
        return check_limits(_reader(data, path)(data, path))
    except ModelError as error:
        raise type(error)(" ".join(f"{path}: {error}".split())) from error


def parse(path: Path) -> dict[str, Any]:
    """Return the JSON object in the file at `path`, at most `limits.FILE_BYTES` long; duplicate keys are refused."""
    if path.is_dir():
        if (path / "config.json").exists():
            raise UnsupportedArchitecture(f"a NAM 0.4 folder, not supported yet: {SUPPORTED}")
        raise NotAModelFile("a folder, expected a model file")
    if not path.is_file():
        raise NotAModelFile("not an ordinary file, expected a model file")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > FILE_BYTES:
                raise ResourceLimit(f"{size} bytes, at most {FILE_BYTES}: is this a model file?")
            content = file.read()
    except OSError as error:
        raise NotAModelFile(f"cannot be read: {error.strerror or error}") from error
    if not content.strip():
        raise NotAModelFile("the file is empty, expected JSON: fetch or export it again")
    for start, what in BINARY:
        if content.lstrip().startswith(start):
            raise NotAModelFile(f"{what}; {SUPPORTED}")
    try:
        data = json.loads(content, object_pairs_hook=_unique)
    except RecursionError as error:
        raise ResourceLimit("nested too deeply, expected a few levels: is this a model file?") from error
    except ValueError as error:
        raise NotAModelFile(f"not JSON ({str(error)[:100]}): fetch or export it again") from error
    if not isinstance(data, dict):
        raise NotAModelFile(f"the file holds {shown(data)}, expected a JSON object")
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object of `pairs`, whose keys must differ."""
    data = dict(pairs)
    if len(data) != len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise NotAModelFile(f"the key {shown(twice)} appears twice in one object: which is meant?")
    return data


def _reader(data: dict[str, Any], path: Path) -> Reader:
    """Return the reader of the first family whose test holds."""
    for family in FAMILIES:
        if family.test(data, path):
            if family.read is None:
                raise UnsupportedArchitecture(f"the family is {family.name}, not supported yet: {SUPPORTED}")
            return family.read
    keys = ", ".join(shown(key) for key in list(data)[:5]) or "none"
    raise NotAModelFile(f"no known model family; its first keys: {keys}; {SUPPORTED}")
