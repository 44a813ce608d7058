"""Reads typed values from parsed JSON and checks limits; errors name the place of the wrong value in the file.

Exporters write the same value in different ways: a string that holds a number is read as that number, and an entry that
is null as a missing one. Sizes are checked before memory of that size is allocated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import (
    MissingKey,
    NonFiniteWeights,
    NotAModelFile,
    ResourceLimit,
    ShapeMismatch,
    UnsupportedArchitecture,
    did_you_mean,
)

NUMERAL = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
NUMERAL_LENGTH = 60  # longest string, in characters, that is read as a number; a double needs at most 25
LARGEST = float(np.finfo(np.float32).max)  # kernels compute in float32: larger weights would be infinite there
FILE_BYTES = 24 << 20  # the largest public model files are below 1 MB; JSON of empty lists takes 30 times its size
DEPTH = 128  # nesting levels of JSON: weights have five levels, each container around others adds three
NODES = 4096  # NAM's largest layer has about fifty
WIDTH = 4096  # features of one signal
CHANNELS = 32  # audio channels in and out: the engine has no meters for more
WEIGHTS = 1 << 24
PARAMETERS = (
    "input_db",
    "level_db",
    "on",
    "oversample",
    "phase",
    "sample_period",
)  # names that every model has besides its knobs
SIZES = 64  # most sizes of one slimmable net
RECEPTIVE_FIELD = 1 << 20  # 21.8 s at 48 kHz
HISTORY_FLOATS = 1 << 25  # 128 MB of past samples


def shown(value: Any) -> str:
    """Return `value` as text for a message: short, on one line, a container as its type."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def required(data: dict, key: str, where: str = "") -> Any:
    """Return ``data[key]`` or raise MissingKey."""
    if key not in data:
        raise MissingKey(f"{where or 'the file'} has no key {key!r}: re-export the model")
    return data[key]


def at(data: dict[str, Any], key: str, where: str, read: Callable[..., Any], *choices: Any) -> Any:
    """Return ``data[key]``, which must exist, converted by `read`, a function of this module.

    Parameters
    ----------
    where : str
        The place of `data` in the file, "" for the file itself; messages name the place of the entry.
    read : callable
        ``(value, *choices, place)``.
    """
    return read(required(data, key, where), *choices, f"{where}.{key}" if where else key)


def unquoted(value: Any) -> Any:
    """Return the number in a string, as int if it has neither point nor exponent; return other values unchanged."""
    if not isinstance(value, str) or len(value) > NUMERAL_LENGTH or not NUMERAL.fullmatch(value):
        return value
    return int(value) if value.strip().lstrip("+-").isdigit() else float(value)


def number(value: Any, where: str) -> float:
    """Return a finite JSON number as float."""
    value = unquoted(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NotAModelFile(f"{where} is {shown(value)}, expected a number")
    if not abs(value) <= LARGEST:
        raise NonFiniteWeights(f"{where} is {shown(value)}, expected a finite float32 number")
    return float(value)


def integer(value: Any, where: str, minimum: int = 1) -> int:
    """Return a JSON integer of at least `minimum`; 3.0 counts as 3."""
    value = unquoted(value)
    whole = isinstance(value, float) and math.isfinite(value) and value == int(value)
    if isinstance(value, bool) or not (isinstance(value, int) or whole) or value < minimum:
        raise ShapeMismatch(f"{where} is {shown(value)}, expected an integer of at least {minimum}")
    return int(value)


def integer_at(
    data: dict[str, Any], key: str, where: str = "", default: int | None = None, limit: int = WIDTH, minimum: int = 1
) -> int:
    """Return ``data[key]``, an integer from `minimum` to `limit`; without a default the key must exist."""
    place = f"{where}.{key}" if where else key
    value = required(data, key, where) if default is None else data.get(key, default)
    return at_most(integer(value, place, minimum), limit, place)


def string(value: Any, where: str) -> str:
    """Return a JSON string."""
    if not isinstance(value, str):
        raise NotAModelFile(f"{where} is {shown(value)}, expected a string")
    return value


def listed(value: Any, where: str) -> list:
    """Return a JSON list."""
    if not isinstance(value, list):
        raise NotAModelFile(f"{where} is {shown(value)}, expected a list")
    return value


def mapping(value: Any, where: str) -> dict:
    """Return a JSON object, without entries that are null."""
    if not isinstance(value, dict):
        raise NotAModelFile(f"{where} is {shown(value)}, expected an object")
    return {key: entry for key, entry in value.items() if entry is not None}


def one_of(value: Any, choices: Iterable[str], where: str) -> str:
    """Return `value` if it is among `choices`, or raise UnsupportedArchitecture."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        hint = did_you_mean(value[:60], choices) if isinstance(value, str) else ""
        raise UnsupportedArchitecture(
            f"{where} is {shown(value)}{hint}, expected one of: {', '.join(map(repr, choices))}"
        )
    return value


def tensor(value: Any, where: str, shape: tuple[int, ...] | None = None, axes: int | None = None) -> np.ndarray:
    """Return nested JSON lists of finite numbers as a float64 array.

    Parameters
    ----------
    shape : tuple of int, optional
        The only shape accepted.
    axes : int, optional
        The number of axes, if the sizes are not known beforehand.
    """
    try:
        with np.errstate(invalid="ignore"):  # no warning about a signalling NaN
            array = np.array(value, np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        if "inhomogeneous" in str(error) or "sequence" in str(error):
            raise ShapeMismatch(f"{where} is a ragged list, expected a full array: re-export the model") from error
        raise ShapeMismatch(f"{where} holds something else than numbers: re-export the model") from error
    if shape is not None and array.shape != shape:
        raise ShapeMismatch(f"{where} has shape {array.shape}, expected {shape}: is the declared size right?")
    if axes is not None and array.ndim != axes:
        raise ShapeMismatch(f"{where} has shape {array.shape}, expected {axes} axes")
    if not (np.abs(array) <= LARGEST).all():
        raise NonFiniteWeights(f"{where} holds NaN, infinity or a number beyond float32: re-export the model")
    return array


def shallow(data: Any, what: str) -> Any:
    """Return parsed JSON, or raise ResourceLimit if it is nested too deeply for the functions that walk over it."""
    level, depth = [data] if nested(data) else [], 0
    while level := [v for each in level for v in (each.values() if isinstance(each, dict) else each) if nested(v)]:
        depth += 1
        if depth > DEPTH:
            raise ResourceLimit(
                f"{what} is nested more than {DEPTH} levels deep, expected a few: is this a model file?"
            )
    return data


def nested(value: Any) -> bool:
    """Tell whether a JSON value is an object or a list, which hold other values."""
    return isinstance(value, (dict, list))


def at_most(found: int, limit: int, what: str) -> int:
    """Return `found` if it is at most `limit`, else raise ResourceLimit with both numbers."""
    if found > limit:
        # a JSON integer may have thousands of digits, and Python refuses to print a product of two such numbers
        bits = int(found).bit_length()
        figure = str(found) if bits <= 64 else f"2^{bits - 1} or more"
        raise ResourceLimit(f"{what}: {figure}, at most {limit}: use a smaller model")
    return found
