"""The blocks of a chain as a set list or Python code states them, and the words that name their types."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from ..errors import PresetError, UsageError, did_you_mean, quoted
from ..find import AUDIO_SUFFIXES, MODEL_SUFFIXES
from . import random_block
from .parameters import Parameter

ALIASES = {"ir": "cab", "cabinet": "cab", "nam": "model", "amp": "model", "pedal": "model"}


class BlockType(Protocol):
    """What this package needs of an effect: its parameters and the kind of file it plays ("" for none)."""

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    @property
    def file(self) -> str: ...


@dataclass(frozen=True)
class BlockSpec:
    """One block of a chain.

    Parameters
    ----------
    type, id : str
        `id` is unique in the chain; it is the first half of an address, "id.parameter".
    values : dict
        The given values in the parameters' units, including a model's knobs. Other parameters have their defaults.
    file : Path, str or None
        A path if the file is beside the set list, else the name as written, which is searched in the usual folders.
    level : str
        The name of a model's level; "" for the normal one.
    inputs : str
        How a model with several inputs uses them: "channels" or "knobs"; "" for the use that its file states.
    lines : dict
        Line number of each key; empty if the block does not come from a file.
    place : str
        The place in the chain for messages, such as "chain[1] (gate)".
    path : Path or None
        The path of the set list.
    weights : ModelSpec or None
        A model with the weights that it has learned since its file was read.
    """

    type: str
    id: str
    values: dict[str, float | str] = field(default_factory=dict)
    file: Path | str | None = None
    level: str = ""
    inputs: str = ""
    lines: dict[str, int] = field(default_factory=dict)
    place: str = ""
    path: Path | None = None
    weights: Any = None

    @property
    def random_net(self) -> str:
        """The name of its random net, such as ``random:tcn?seed=7``; "" for any other block."""
        name = str(getattr(self.file, "name", self.file))
        return name if self.type == "model" and name.startswith("random:") else ""

    @property
    def beside(self) -> tuple[Path, ...]:
        """The folders that are searched for its file before the usual ones."""
        return folders_of(self.path)

    def error(self, key: str, message: str) -> PresetError:
        """Return an error with `message` about `key`, with file and line."""
        line = self.lines.get(key, self.lines.get("type"))
        return PresetError(f"{where(self.path, line)}{self.place or self.id}: {message}")


def type_and_file(word: str, types: Collection[str]) -> tuple[str, str | None] | None:
    """Return the type of block that a word names, and the file if the word is a file name; None for an unknown word.

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
    """A model object that the caller passed: its architecture and weights, and its present knobs."""

    spec: Any
    knobs: dict[str, float]

    def heard_in(self, stream: Any, preset: str, block: str) -> None:
        """Tell the model that this block of this stream plays it; `preset` is a name."""


def blocks_of(items: list, types: Collection[str]) -> list[BlockSpec]:
    """Return the chain of a preset from the items that a caller passed.

    Raises
    ------
    UsageError
        An item is not a block, or its type is unknown.
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


def check_value(table: Mapping[str, Parameter], key: str, value, other_keys: Sequence[str] = ()):
    """Return `value` as parameter `key` stores it, or raise UsageError with the allowed keys."""
    if key not in table:
        allowed = [*other_keys, *table]
        raise UsageError(
            f"unknown key {quoted(key)}{did_you_mean(key, allowed)}, allowed: {', '.join(allowed) or 'none'}"
        )
    return table[key].check(value)


def check_scene_value(table: Mapping[str, Parameter], key: str, value):
    """Return `value` as a scene stores it, or raise UsageError; a scene may not change structural parameters."""
    result = check_value(table, key, value)
    if table[key].kind == "structural":
        raise UsageError(f"{key} is structural, expected a parameter that can move while it plays")
    return result


def folders_of(path: Path | None) -> tuple[Path, ...]:
    """Return the folder of a set list, and if it is a link also the folder of its target."""
    return () if path is None else tuple(dict.fromkeys((path.parent, _real(path).parent)))


def where(path: Path | None, line: int | None) -> str:
    """Return "path:line: ", without the parts that are not known."""
    if path is None:
        return ""
    return f"{path}:{line}: " if line else f"{path}: "


def _real(path: Path) -> Path:
    return path.resolve() if path.is_symlink() else path
