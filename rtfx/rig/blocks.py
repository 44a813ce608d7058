"""The blocks of a chain as a set list or Python code states them, and the words that name their types."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from ..errors import PresetError, UsageError, did_you_mean, quoted
from ..find import AUDIO_SUFFIXES, MODEL_SUFFIXES
from . import random_block
from .parameters import Parameter

ROUTERS = ("split", "crossover", "mid_side")  # the keys that hold paths
PATHS = range(2, 9)  # how many a router may have
PATH_KEY = re.compile(r"(level|pan|delay|invert|mute|solo|freq)(_db|_ms|_hz)?")  # keys that hold a value for each path
INPUT = "input"  # the name of the rig's input as a side input
ALIASES = {"ir": "cab", "cabinet": "cab", "nam": "model", "amp": "model", "pedal": "model"}


class BlockType(Protocol):
    """What this package needs of an effect: its parameters and the kind of file it plays ("" for none)."""

    @property
    def parameters(self) -> tuple[Parameter, ...]: ...

    @property
    def file(self) -> str: ...

    @property
    def key(self) -> bool: ...

    def of(self, router: Router | None) -> BlockType: ...


class Router(NamedTuple):
    """What decides which parameters a routing block has.

    Parameters
    ----------
    paths : int
        2 to 8.
    panned, delayed, blended : bool
        Whether the set list places the paths between left and right, delays any, or blends between two.
    """

    paths: int
    panned: bool = False
    delayed: bool = False
    blended: bool = False

    @classmethod
    def of(cls, paths: int, names: Collection[str]) -> Router:
        """Return the router of a number of paths whose values have these names."""
        return cls(
            paths,
            any(name.startswith("pan") for name in names),
            any(name.startswith("delay") for name in names),
            "blend" in names,
        )


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
    key : str
        The side input that controls it: "input", the rig's own input, or the id of a block before it; "" for none.
    router : Router or None
        The paths of a routing block; the blocks on them follow it in the chain.
    branch : tuple of (str, int)
        The routing blocks around it, the outermost first: the id of each, and which of its paths, from 0.
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
    key: str = ""
    router: Router | None = None
    branch: tuple[tuple[str, int], ...] = ()

    @property
    def written(self) -> tuple:
        """All that a set list says about it, for comparison."""
        return self.type, self.id, self.values, self.file, self.level, self.inputs, self.key, self.router, self.branch

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

    def link_to(self, stream: Any, preset: str, block: str) -> None:
        """Tell the model that this block of this stream plays it; `preset` is a name."""


class Placed(NamedTuple):
    """An item of a chain and where it stands.

    Parameters
    ----------
    item : object
        As it was written; of a routing block without its paths.
    place : str
        For messages, such as ``chain[2].split[0][1]``.
    paths : int
        How many paths follow; 0 if it is no routing block.
    branch : tuple of (int, int)
        The routing blocks around it, the outermost first: the index of each in the flat list, and its path, from 0.
    """

    item: Any
    place: str
    paths: int = 0
    branch: tuple[tuple[int, int], ...] = ()


def router_of(keys: Collection[str]) -> str:
    """Return the key that makes a block with these keys a routing block, "" if there is none."""
    return next((word for word in ROUTERS if word in keys), "")


def free_id(wanted: str, taken: Collection[str]) -> str:
    """Return an id that is not taken: the wanted one, else with a number from 2 on, such as ``eq_2``."""
    found, number = wanted, 2
    while found in taken:
        found, number = f"{wanted}_{number}", number + 1
    return found


def flat(chain: Sequence[Any], place: str = "chain") -> list[Placed]:
    """Return all items of a chain in the order in which they are processed: a routing block, then its paths.

    Raises
    ------
    UsageError
        The paths of a routing block are not two to eight lists.
    """
    found: list[Placed] = []
    _flatten(chain, place, (), found)
    return found


def two_cabs(keys: Mapping[str, Any], wrap: Callable[[Any], Any] = lambda value: value) -> dict[str, Any] | None:
    """Return a cabinet with a second response, ``file2``, as a split of two cabinets; None for any other block.

    The keys of paths (`blend`, `pan`, `delay_ms`, `invert`, lists of levels), `id` and `on` are the split's, all others
    those of both cabinets. `wrap` makes a value of the kind that `keys` holds.
    """
    if "file2" not in keys:
        return None
    outer: dict[str, Any] = {}
    inner: dict[str, Any] = {}
    for key, value in keys.items():
        plain = getattr(value, "value", value)
        paths = PATH_KEY.fullmatch(key) and (isinstance(plain, list | tuple) or not key.startswith("level"))
        target = outer if paths or key in ("id", "on", "blend", "blend_law") else inner
        target[key] = value
    title = str(getattr(keys.get("id"), "value", keys.get("id", "cab")))
    second = inner.pop("file2")
    cabs = [
        wrap([wrap({**inner, "id": wrap(f"{title}-{number}"), "file": file})])
        for number, file in ((1, inner.get("file", second)), (2, second))
    ]
    # the responses of one loudspeaker are alike, so their gains add up to 1
    return {"id": wrap(title), "blend": wrap(0.5), "blend_law": wrap("gain"), **outer, "split": wrap(cabs)}


def _flatten(chain: Sequence[Any], place: str, branch: tuple[tuple[int, int], ...], found: list[Placed]) -> None:
    for position, item in enumerate(chain):
        here = f"{place}[{position}]"
        item = (two_cabs(item) if isinstance(item, Mapping) else None) or item
        kind = router_of(item) if isinstance(item, Mapping) else ""
        if not kind:
            found.append(Placed(item, here, 0, branch))
            continue
        paths = item[kind]
        if not isinstance(paths, list | tuple) or not all(isinstance(path, list | tuple) for path in paths):
            raise UsageError(
                f"{here}: {kind} is {paths!r}, expected a list of chains, such as [[amp.nam], [clean.nam]]"
            )
        check_paths(kind, len(paths), here)
        rest = {"type": kind, **{key: value for key, value in item.items() if key != kind}}
        index = len(found)
        found.append(Placed(rest, here, len(paths), branch))
        for number, path in enumerate(paths):
            _flatten(path, f"{here}.{kind}[{number}]", (*branch, (index, number)), found)


def check_paths(kind: str, count: int, place: str) -> None:
    """Raise UsageError if a routing block cannot have this number of paths."""
    if count not in PATHS or kind == "mid_side" and count != 2:
        expected = "2, the middle and the sides" if kind == "mid_side" else f"2 to {PATHS[-1]}"
        raise UsageError(f"{place}: {kind} has {count} path{'s' * (count != 1)}, expected {expected}")


def per_path(key: str, value: Any) -> dict[str, Any]:
    """Return the values of the paths that one key of a routing block holds: ``level_db: [0, -2]`` is two levels."""
    match = PATH_KEY.fullmatch(key)
    if match is None or not isinstance(value, list | tuple):
        return {key: value}
    return {f"{match[1]}{number}{match[2] or ''}": one for number, one in enumerate(value, 1)}


def blocks_of(chain: list, types: Mapping[str, BlockType]) -> tuple[list[BlockSpec], list[Any]]:
    """Return the chain of a preset from the items that a caller passed, and the item of each block.

    Raises
    ------
    UsageError
        An item is not a block, or its type is unknown.
    """
    placed = flat(chain)
    blocks: list[BlockSpec] = []
    for item, _, paths, branch in placed:
        block = _block_of(item, types, {block.id for block in blocks})
        around = tuple((blocks[index].id, path) for index, path in branch)
        if paths:
            values = {name: one for key, value in block.values.items() for name, one in per_path(key, value).items()}
            block = replace(block, values=values, router=Router.of(paths, values))
        blocks.append(replace(block, branch=around))
    return blocks, [each.item for each in placed]


def _block_of(item: Any, types: Mapping[str, BlockType], used: set[str]) -> BlockSpec:
    """Return the block of one item; `used` are the ids before it."""
    kind: Any
    file: Any
    values: dict[str, Any]
    if isinstance(item, Mapping) and item.get("type") == random_block.TYPE and "model" in types:
        item = random_block.model_of(item)
    level, inputs, key, title = "", "", "", ""
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
        if types[kind].key and "key" in values:
            key = str(values.pop("key"))
    elif not isinstance(item, str | PathLike):
        raise UsageError(f"block is {item!r}, expected a model, a path, or a mapping such as {{'type': 'gate'}}")
    else:
        kind = "cab" if str(item).lower().endswith(AUDIO_SUFFIXES) else "model"
        file, values = str(item), {}
    title = title or kind
    return BlockSpec(kind, free_id(title, used), values, file, level, inputs, key=key)


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
