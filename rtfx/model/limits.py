"""How large a model may be: checked before anything of that size is allocated."""

from __future__ import annotations

from typing import Any

from ..errors import ResourceLimit

FILE_BYTES = 24 << 20  # the largest public model files are below 1 MB; JSON of empty lists takes 30 times its size
DEPTH = 128  # of JSON: weights have five levels, containers of containers three for each
NODES = 4096  # NAM's largest layer has some fifty
WIDTH = 4096  # features of one signal
CHANNELS = 32  # of audio, in and out: what the engine has meters for
WEIGHTS = 1 << 24
PARAMETERS = ("input_db", "level_db", "sample_period")  # of every model beside its knobs
SIZES = 64  # of one slimmable net
RECEPTIVE_FIELD = 1 << 20  # 21.8 s at 48 kHz
HISTORY_FLOATS = 1 << 25  # 128 MB of past samples


def shallow(data: Any, what: str) -> Any:
    """Return parsed JSON, or raise ResourceLimit if it is nested so deeply that a walk over it would not end."""
    level, depth = [data] if nested(data) else [], 0
    while level := [v for each in level for v in (each.values() if isinstance(each, dict) else each) if nested(v)]:
        depth += 1
        if depth > DEPTH:
            raise ResourceLimit(
                f"{what} is nested more than {DEPTH} levels deep, expected a few: is this a model file?"
            )
    return data


def nested(value: Any) -> bool:
    """Tell what holds other values from what is one."""
    return isinstance(value, (dict, list))


def at_most(found: int, limit: int, what: str) -> int:
    """Return `found`, or raise ResourceLimit naming both figures."""
    if found > limit:
        # a JSON integer may have thousands of digits, and Python refuses to print a product of two such
        bits = int(found).bit_length()
        figure = str(found) if bits <= 64 else f"2^{bits - 1} or more"
        raise ResourceLimit(f"{what}: {figure}, at most {limit}: use a smaller model")
    return found
