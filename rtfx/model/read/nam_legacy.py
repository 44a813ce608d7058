"""Reads NAM models of version 0.4: a folder with ``config.json`` and ``weights.npy``, or such a pair with a prefix."""

from __future__ import annotations

import math
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import MissingKey, NotAModelFile, ResourceLimit, ShapeMismatch
from ...files import read_file
from ..limits import FILE_BYTES
from ..spec import ModelSpec
from . import nam

CONFIG, WEIGHTS = "config.json", "weights.npy"


def read(data: dict[str, Any], path: Path, compat: str | None = None, inputs: str | None = None) -> ModelSpec:
    """Return the model of a config whose weights are in a file beside it.

    Parameters
    ----------
    data : dict
        The parsed ``config.json``.
    path : Path
        Of that file; its name may have a prefix, which is then also that of ``weights.npy``.

    Raises
    ------
    ModelError
        MissingKey where there is no file of weights; else as for NAM files.
    """
    prefix = path.name.removesuffix(CONFIG)
    beside = path.with_name(prefix + WEIGHTS)
    if prefix == path.name or not beside.is_file():
        raise MissingKey(f"the file has no key 'weights', and there is no {WEIGHTS} beside it: re-export the model")
    whole = data | {"weights": _weights(beside)}
    name = prefix.strip("_-. ") or path.absolute().parent.name
    return nam.read(whole, Path(name + ".nam"), compat, inputs)


def _weights(path: Path) -> np.ndarray:
    """Return the numbers in a .npy file; a header that promises too much allocates nothing."""
    size = path.stat().st_size
    if size > FILE_BYTES:
        raise ResourceLimit(f"{path.name} has {size} bytes, at most {FILE_BYTES}: is this a model's?")
    try:
        content = BytesIO(read_file(path))  # not mapped: a file that is cut short meanwhile would end the process
        version = np.lib.format.read_magic(content)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = header(content)
        rest = content.read()
        if kind.hasobject or min(shape, default=0) < 0 or kind.itemsize * math.prod(shape) > len(rest):
            raise ValueError(f"its header promises {shape} of {kind}, the file has {len(rest)} bytes")
        array = np.frombuffer(rest, kind, math.prod(shape)).reshape(shape)
    except Exception as error:  # NumPy documents no list of what a damaged header raises
        raise NotAModelFile(f"{path.name} is not a NumPy array ({str(error)[:100]}): fetch it again") from error
    if array.ndim != 1 or array.dtype.kind != "f":
        found = f"{array.dtype.name[:40]} of shape {array.shape}"
        raise ShapeMismatch(f"{path.name} holds {found}, expected a list of floats")
    return np.array(array, np.float64)
