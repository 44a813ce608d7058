"""Typed values out of parsed JSON: a wrong type, shape or number is an error that names its place in the file.

Exporters differ in what they write for the same thing: a string that holds a number is that number, an entry that is
null is as if it were not there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..errors import (
    MissingKey,
    NonFiniteWeights,
    NotAModelFile,
    ShapeMismatch,
    UnsupportedArchitecture,
    did_you_mean,
)

NUMERAL = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
NUMERAL_LENGTH = 60  # characters of a string that may be a number: no double needs half as many
LARGEST = float(np.finfo(np.float32).max)  # kernels compute in float32: larger weights would be infinite there


def shown(value: Any) -> str:
    """Return `value` as messages show it: short, on one line, containers by their type."""
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


def unquoted(value: Any) -> Any:
    """Return the number that a string holds, an int where it has neither point nor exponent; all else as it is."""
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
    """Return nested JSON lists of finite numbers as a float64 array; of whatever they hold, it takes 8 bytes each.

    Parameters
    ----------
    shape : tuple of int, optional
        The only shape accepted.
    axes : int, optional
        The number of axes, where the sizes are not known beforehand.
    """
    try:
        with np.errstate(invalid="ignore"):  # a NaN that signals
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
