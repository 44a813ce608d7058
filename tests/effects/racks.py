"""Random racks: chains of any effects, with paths, at random values, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np

from rtfx.effects.table import BLOCKS
from rtfx.rig.blocks import PATHS, ROUTERS, Router
from rtfx.rig.parameters import Parameter

FILES = {"model": "klon.json", "audio": "open-2x12.wav"}
NOTES = ("1/4", "1/8.", "1/8t")


def random_value(parameter: Parameter, generator: np.random.Generator) -> Any:
    """Return any value that a parameter takes."""
    if parameter.kind == "switch":
        return bool(generator.random() < 0.8)
    if parameter.choices:
        return str(generator.choice(parameter.choices))
    if parameter.note and generator.random() < 0.3:
        return str(generator.choice(NOTES))
    value = generator.uniform(parameter.minimum, parameter.maximum)
    return int(value) if parameter.whole else float(value)


def random_block(generator: np.random.Generator, depth: int = 0) -> dict[str, Any]:
    """Return a block as a chain holds it; a routing block has paths of its own, two levels deep at most."""
    types = [name for name in BLOCKS if depth < 2 or name not in ROUTERS]
    name = str(generator.choice(types))
    if name in ROUTERS:
        count = 2 if name == "mid_side" else int(generator.integers(PATHS[0], 4))
        paths = [random_chain(generator, int(generator.integers(0, 3)), depth + 1) for _ in range(count)]
        if name == "mid_side":
            paths = [[*path, {"type": "mono"}] for path in paths]
        panned = name == "split" and bool(generator.random() < 0.5)
        effect = BLOCKS[name].of(Router(count, panned, bool(generator.random() < 0.3)))
        values = {p.name: random_value(p, generator) for p in effect.parameters if generator.random() < 0.7}
        first = {p.name: 0.0 for p in effect.parameters if p.name in ("pan1", "delay1_ms")}
        return {name: paths, **first, **values}
    effect = BLOCKS[name]
    values = {p.name: random_value(p, generator) for p in effect.parameters if generator.random() < 0.7}
    values.pop("oversample", None)
    file = {"file": FILES[effect.file]} if effect.file else {}
    return {"type": name, **file, **values}


def random_chain(generator: np.random.Generator, length: int, depth: int = 0) -> list[dict[str, Any]]:
    """Return a chain of `length` blocks."""
    return [random_block(generator, depth) for _ in range(length)]
