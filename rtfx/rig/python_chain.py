"""A chain as a caller writes it in Python, turned into the blocks of a preset; what people call types of blocks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from typing import Any, Protocol, runtime_checkable

from ..errors import UsageError, did_you_mean, quoted
from ..find import AUDIO_SUFFIXES, MODEL_SUFFIXES
from . import random_block
from .description import BlockSpec

ALIASES = {"ir": "cab", "cabinet": "cab", "nam": "model", "amp": "model", "pedal": "model"}


def type_and_file(word: str, types: Collection[str]) -> tuple[str, str | None] | None:
    """Return the type of block that a word means, and the file if it is the name of one; None if it means nothing.

    Parameters
    ----------
    word : str
        A type, another word for one, or the name of a model or of an impulse response with its suffix.
    """
    low = word.lower()
    kind = low if low in types else ALIASES.get(low, "")
    if kind in types:
        return kind, None
    if low.endswith(AUDIO_SUFFIXES) and "cab" in types:
        return "cab", word
    if (low.endswith(MODEL_SUFFIXES) or low.startswith("random:")) and "model" in types:
        return "model", word
    return None


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
        level, inputs, title = "", "", ""
        if isinstance(item, HasKnobs):
            kind, file, values = "model", item.spec, {}
        elif isinstance(item, Mapping):
            values = dict(item)
            word, file = values.pop("type", None), values.pop("file", None)
            kind, file, title = _meant(item, word, file, types)
            title = values.pop("id", None) or title
            if kind == "model" and isinstance(values.get("level"), str):  # a number is a knob
                level = values.pop("level")
            if kind == "model" and isinstance(values.get("inputs"), str):
                inputs = values.pop("inputs")
        elif not isinstance(item, str | PathLike):
            raise UsageError(f"block is {item!r}, expected a model, a path, or a mapping such as {{'type': 'gate'}}")
        else:
            kind = "cab" if str(item).lower().endswith(AUDIO_SUFFIXES) else "model"
            file, values = str(item), {}
        title = title or kind
        used = {block.id for block in blocks}
        name, number = title, 2
        while name in used:
            name, number = f"{title}_{number}", number + 1
        blocks.append(BlockSpec(kind, name, values, file, level, inputs))
    return blocks


def _meant(item: Mapping, word: Any, file: Any, types: Collection[str]) -> tuple[str, Any, str]:
    """Return type, file and title of a mapping."""
    meant = type_and_file(word, types) if isinstance(word, str) else None
    if meant is None:
        hint = did_you_mean(word, types) if isinstance(word, str) else ""
        raise UsageError(f"block {item!r} has type {quoted(word)}{hint}, expected one of: {', '.join(types)}")
    kind, named = meant
    if named and file is not None:
        raise UsageError(f"block {item!r} names two files, expected one")
    return kind, named or file, kind if named else word.lower()
