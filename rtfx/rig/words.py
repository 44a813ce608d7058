"""A chain as a caller writes it in Python: models, paths and mappings, turned into the blocks of a preset."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from typing import Any, Protocol, runtime_checkable

from ..errors import UsageError
from . import random_block
from .description import BlockSpec


@runtime_checkable
class HasKnobs(Protocol):
    """A model that the caller holds: what its file says, and its knobs as they are now."""

    spec: Any
    knobs: dict[str, float]

    def heard_in(self, stream: Any, preset: int, block: str) -> None:
        """Tell the model which block of which stream plays it."""


def blocks_of(items: list, types: Collection[str]) -> list[BlockSpec]:
    """Return the chain of a preset for what a caller passed.

    Raises
    ------
    UsageError
        Something that is no block, or of no known type.
    """
    blocks: list[BlockSpec] = []
    kind: Any
    file: Any
    values: dict[str, Any]
    for item in items:
        if isinstance(item, Mapping) and item.get("type") == random_block.TYPE and "model" in types:
            item = random_block.model_of(item)
        level = ""
        if isinstance(item, HasKnobs):
            kind, file, values = "model", item.spec, {}
        elif isinstance(item, Mapping):
            values = dict(item)
            kind, file = values.pop("type", None), values.pop("file", None)
            values.pop("id", None)
            if kind == "model" and isinstance(values.get("level"), str):  # a number is a knob
                level = values.pop("level")
        elif not isinstance(item, str | PathLike):
            raise UsageError(f"block is {item!r}, expected a model, a path, or a mapping such as {{'type': 'gate'}}")
        else:
            kind = "cab" if str(item).lower().endswith((".wav", ".flac", ".aif", ".aiff")) else "model"
            file, values = str(item), {}
        if kind not in types:
            raise UsageError(f"block {item!r} has type {kind!r}, expected one of: {', '.join(types)}")
        wanted = (isinstance(item, Mapping) and item.get("id")) or kind
        used = {block.id for block in blocks}
        name, number = wanted, 2
        while name in used:
            name, number = f"{wanted}_{number}", number + 1
        blocks.append(BlockSpec(kind, name, values, file, level))
    return blocks
