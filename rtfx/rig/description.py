"""What a set list says: blocks, presets, scenes; checked, with the lines it said it on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import PresetError, UsageError, did_you_mean, quoted, same_accents
from .parameters import Parameter


class BlockType(Protocol):
    """What rig needs to know of an effect: its parameters and the kind of file it plays ("" for none)."""

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
        `id` is unique in the chain and the first half of the address "id.parameter".
    values : dict
        What was given, in native units, a model's knobs among them; parameters that are not here have their default.
    file : Path, str or None
        A path if the file stands beside the set list, else the name as written, to be looked for in the usual places.
    level : str
        The named level of a model, "" for the usual one.
    inputs : str
        What the inputs of a model are that has several: "channels" or "knobs", "" for what its file says.
    lines : dict
        Line of each key; empty if the block does not come from a file.
    place : str
        "chain[1] (gate)".
    path : Path or None
        The set list.
    weights : ModelSpec or None
        What a model has learned since its file was read.
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
    def beside(self) -> tuple[Path, ...]:
        """The folders to look in for its file before the usual places."""
        return folders_of(self.path)

    def error(self, key: str, message: str) -> PresetError:
        """Return the error that says `message` of `key`, with file and line."""
        line = self.lines.get(key, self.lines.get("type"))
        return PresetError(f"{_where(self.path, line)}{self.place or self.id}: {message}")


@dataclass(frozen=True)
class Preset:
    """A chain and its scenes.

    Parameters
    ----------
    scenes : dict
        Name to {"block.parameter": value}; a scene holds values only.
    lines : dict
        (scene, address) to line.
    number : int
        Its place in the set list as written, from 1; 0 if it is in none.
    """

    name: str
    chain: tuple[BlockSpec, ...]
    scenes: dict[str, dict[str, float | str]] = field(default_factory=dict)
    lines: dict[tuple[str, str], int] = field(default_factory=dict)
    path: Path | None = None
    number: int = 0

    def block(self, block_id: str) -> BlockSpec | None:
        """Return the block of this id, or None."""
        return next((block for block in self.chain if block.id == block_id), None)

    def check(self, block: BlockSpec, parameters: Sequence[Parameter]) -> None:
        """Raise the first of `mistakes`."""
        for mistake in self.mistakes(block, parameters):
            raise mistake

    def mistakes(self, block: BlockSpec, parameters: Sequence[Parameter]) -> Iterator[PresetError]:
        """Find all that is wrong in what this preset says of a block, scenes included, now that its knobs are known.

        Parameters
        ----------
        parameters : sequence of Parameter
            All that the block has: those of its type, then its knobs.

        Yields
        ------
        PresetError
            An unknown name or a value out of range; with line, did-you-mean and what is allowed.
        """
        table = {parameter.name: parameter for parameter in parameters}
        for key, value in block.values.items():
            try:
                check_value(table, key, value, ("type", "id", "file", "level", "inputs"))
            except UsageError as error:
                yield block.error(key, str(error))
        for scene, values in self.scenes.items():
            for address, value in values.items():
                block_id, _, key = address.partition(".")
                if block_id == block.id:
                    try:
                        check_scene_value(table, key, value)
                    except UsageError as error:
                        yield self.scene_error(scene, address, str(error))

    def scene_error(self, scene: str, address: str, message: str) -> PresetError:
        """Return the error that says `message` of one value of a scene, with file and line."""
        return PresetError(f"{_where(self.path, self.lines.get((scene, address)))}scenes.{scene}: {address}: {message}")


@dataclass(frozen=True)
class SetList:
    """A set list; the order of `presets` is their number, from 1."""

    path: Path
    device: dict[str, Any] = field(default_factory=dict)
    globals: dict[str, float | bool] = field(default_factory=dict)
    presets: tuple[Preset, ...] = ()

    def index(self, key: str | int | None = None) -> int:
        """Return the place in `presets`, from 0, of a name or of a number from 1; None is the first.

        Raises
        ------
        UsageError
            No such preset; lists them.
        """
        names = [preset.name for preset in self.presets]
        if key is None:
            return 0
        composed = [same_accents(name) for name in names]
        if isinstance(key, str) and same_accents(key) in composed:
            return composed.index(same_accents(key))
        try:
            number = int(key)
        except ValueError:
            number = 0
        if 1 <= number <= len(names):
            return number - 1
        listed = ", ".join(f"{position} {name}" for position, name in enumerate(names, 1))
        hint = did_you_mean(str(key), names)
        raise UsageError(f"{self.path}: no preset {quoted(key)}{hint}, expected one of: {listed}")

    def select(self, key: str | int | None = None) -> Preset:
        """Return the preset of a name or number; see `index`."""
        return self.presets[self.index(key)]


def check_value(table: Mapping[str, Parameter], key: str, value, other_keys: Sequence[str] = ()):
    """Return `value` as parameter `key` stores it, or raise UsageError that lists `other_keys` and parameters."""
    if key not in table:
        allowed = [*other_keys, *table]
        raise UsageError(
            f"unknown key {quoted(key)}{did_you_mean(key, allowed)}, allowed: {', '.join(allowed) or 'none'}"
        )
    return table[key].check(value)


def check_scene_value(table: Mapping[str, Parameter], key: str, value):
    """Return `value` as a scene stores it, or raise UsageError: as `check_value`, but nothing that needs a new plan."""
    result = check_value(table, key, value)
    if table[key].kind == "structural":
        raise UsageError(f"{key} is structural, expected a parameter that can move while it plays")
    return result


def folders_of(path: Path | None) -> tuple[Path, ...]:
    """Return the folder of a set list, and that of the file itself where the set list is a link to it."""
    return () if path is None else tuple(dict.fromkeys((path.parent, _real(path).parent)))


def _real(path: Path) -> Path:
    return path.resolve() if path.is_symlink() else path


def _where(path: Path | None, line: int | None) -> str:
    """Return "path:line: ", as much of it as is known."""
    if path is None:
        return ""
    return f"{path}:{line}: " if line else f"{path}: "
