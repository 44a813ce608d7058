"""Opens any model: finds the file, recognises its family by its keys, and calls the reader of that family."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import (
    ModelError,
    NotAModelFile,
    ResourceLimit,
    UsageError,
    did_you_mean,
    is_text,
    one_line,
)
from ..files import oddity
from ..find import find_model
from . import rtfx_json
from .read import agam, aidax, nam, rtneural, smartamppro, state_dict, wavenetva
from .read.binary import read_binary
from .read.inputs import check_inputs
from .read.json_file import configuration, parse
from .spec import ModelSpec, check_limits
from .values import shown

Reader = Callable[..., ModelSpec]  # (data, path), and compat where its family has choices
RANDOM = "random:"
MESSAGE = 400  # most characters of a message besides the path: a file may hold names and numbers of any length
SUPPORTED = (
    "rtfx reads NAM, Automated-GuitarAmpModelling, AIDA-X, RTNeural, WaveNetVA, SmartAmpPro, rtfx JSON, ONNX, "
    ".pt2, .safetensors and Keras files"
)
STATE_DICT_KEY = re.compile(
    r"(.*\.)?(weight|bias|running_mean|running_var|num_batches_tracked|eps|(weight|bias)_(ih|hh)_l\d+(_reverse)?)", re.S
)


class Family(NamedTuple):
    """How a family is recognised: the first whose `test` holds reads the file.

    `compat` holds the values of `load`'s parameter `compat` that the reader accepts; `inputs` is true if the reader
    accepts `load`'s parameter `inputs`.
    """

    name: str
    test: Callable[[dict[str, Any], Path], bool]
    read: Reader
    compat: tuple[str, ...] = ()
    inputs: bool = True


def _has(*keys: str) -> Callable[[dict[str, Any], Path], bool]:
    """Return a test for the presence of all `keys`."""
    return lambda data, path: all(key in data for key in keys)


def _is_keras(data: dict[str, Any], path: Path) -> bool:
    return isinstance(data.get("layers"), list) and isinstance(data.get("in_shape"), list)


def _is_aidax(data: dict[str, Any], path: Path) -> bool:
    return _is_keras(data, path) and (path.suffix.lower() == ".aidax" or any(key in data for key in aidax.KEYS))


def _is_state_dict(data: dict[str, Any], path: Path) -> bool:
    return bool(data) and (all(map(STATE_DICT_KEY.fullmatch, data)) or state_dict.description(path) is not None)


def _is_partial_nam(data: dict[str, Any], path: Path) -> bool:
    """Tell whether this is a NAM file that lacks one of its keys; the reader's error names the key."""
    return path.suffix.lower() == ".nam" and any(key in data for key in ("architecture", "config", "weights"))


FAMILIES = (
    Family("rtfx JSON", lambda data, path: data.get("format") == "rtfx", rtfx_json.read, inputs=False),
    Family("NAM", _has("architecture", "config", "weights"), nam.read, nam.COMPAT),
    Family("NAM 0.4 (config.json beside weights.npy)", _has("architecture", "config"), nam.read_folder, nam.COMPAT),
    Family("Automated-GuitarAmpModelling", lambda data, path: isinstance(data.get("model_data"), dict), agam.read),
    Family("AIDA-X", _is_aidax, aidax.read),
    Family("RTNeural", _is_keras, rtneural.read),
    Family("WaveNetVA", _has("dilations", "residual_channels", "variables"), wavenetva.read),
    Family("SmartAmpPro", _has("conv1d", "conv1d_1", "lstm", "dense"), smartamppro.read, inputs=False),
    Family("legacy CoreAudioML", _has("unit_type", "in_size"), agam.read_legacy),
    Family("PyTorch state_dict", _is_state_dict, state_dict.read),
    # one of the two keys is missing: RTNeural's reader names it
    Family("RTNeural", lambda data, path: "layers" in data or "in_shape" in data, rtneural.read),
    Family("NAM", _is_partial_nam, nam.read, nam.COMPAT),
)

COMPAT = tuple(dict.fromkeys(choice for family in FAMILIES for choice in family.compat))


def load(name: str | Path, compat: str | None = None, inputs: str | None = None) -> ModelSpec:
    """Return the model called `name`.

    Parameters
    ----------
    name : str or Path
        A path, the name of a model in the user's folder or among those shipped, or ``random:KIND?key=value&...``.
    compat : str, optional
        Reads a family's files as an older version of its player did, to compare with older renderings: one of
        `COMPAT`. It does not affect files of other families.
    inputs : str, optional
        "channels" or "knobs": the meaning of the inputs of a net with several inputs. It overrides the file and
        rtfx's guess.

    Raises
    ------
    RtfxError
        The message is one line that names the file, the value found and the value expected. No other exception is
        raised.
    """
    if compat is not None and compat not in COMPAT:
        raise UsageError(f"compat is {compat!r}{did_you_mean(compat, COMPAT)}, expected one of: {', '.join(COMPAT)}")
    check_inputs(inputs)
    if not isinstance(name, str | os.PathLike):
        raise UsageError(f"model is {name!r}, expected a path, a name, or random:KIND?key=value&...")
    if str(name).startswith(RANDOM):
        from .random.nets import random_spec

        return random_spec(str(name)[len(RANDOM) :])
    path = find_model(name)
    if (path / nam.CONFIG).is_file():
        path = path / nam.CONFIG
    try:
        if not oddity(path) and (spec := read_binary(path, inputs)) is not None:
            return check_limits(spec)
        data = parse(path)
        family = _family(data, path)
        options = {"compat": compat} if compat in family.compat else {}
        if family.inputs and inputs is not None:
            options["inputs"] = inputs
        return check_limits(family.read(data, path, **options))
    except RecursionError as error:  # a header inside an archive, which no limit of this module has seen
        raise ResourceLimit(
            f"{one_line(path)}: nested too deeply, expected a few levels: is this a model file?"
        ) from error
    except (ModelError, UsageError) as error:  # UsageError: a wrong value in a description beside the file
        message = "".join(c if is_text(c) else "?" for c in one_line(error))
        if len(message) > MESSAGE:
            message = f"{message[: MESSAGE // 2]} ... {message[-MESSAGE // 3 :]}"
        raise type(error)(f"{one_line(path)}: {message}") from error


def _family(data: dict[str, Any], path: Path) -> Family:
    """Return the first family whose test holds."""
    for family in FAMILIES:
        if family.test(data, path):
            return family
    if (what := configuration(data)) is not None:
        raise NotAModelFile(what)
    keys = ", ".join(shown(key) for key in list(data)[:5]) or "none"
    raise NotAModelFile(f"no known model family; its first keys: {keys}; {SUPPORTED}")
