"""What a set list says: presets, each a chain of blocks with scenes and controls, and what they share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import PresetError, UsageError, did_you_mean, quoted, same_accents
from .blocks import BlockSpec, check_scene_value, check_value, where
from .controls import Control
from .midi_map import MidiMap
from .parameters import Parameter


@dataclass(frozen=True)
class Preset:
    """A chain and its scenes.

    Parameters
    ----------
    scenes : dict
        For each name, {"block.parameter": value}.
    lines : dict
        Line number of each (scene, address).
    number : int
        Its place in the set list as written, from 1; 0 if it is not in a set list.
    louder : dict
        ``louder_db`` of the preset, under "", and of scenes by name: how much louder than all others they are to be.
    controls : tuple of Control
        Its macros, and what its containers expose.
    """

    name: str
    chain: tuple[BlockSpec, ...]
    scenes: dict[str, dict[str, float | str]] = field(default_factory=dict)
    lines: dict[tuple[str, str], int] = field(default_factory=dict)
    path: Path | None = None
    number: int = 0
    louder: dict[str, float] = field(default_factory=dict)
    controls: tuple[Control, ...] = ()

    def louder_db(self, scene: str = "") -> float:
        """Return how much louder than all others the preset, or one of its scenes, is to be, in dB."""
        return self.louder.get(scene, self.louder.get("", 0.0))

    def between(self, before: Sequence[BlockSpec], after: Sequence[BlockSpec]) -> Preset:
        """Return the preset with further blocks before and after its own."""
        return replace(self, chain=(*before, *self.chain, *after))

    def block(self, block_id: str) -> BlockSpec | None:
        """Return the block with this id, or None."""
        return next((block for block in self.chain if block.id == block_id), None)

    def check(self, block: BlockSpec, parameters: Sequence[Parameter]) -> None:
        """Raise the first of `mistakes`."""
        for mistake in self.mistakes(block, parameters):
            raise mistake

    def mistakes(self, block: BlockSpec, parameters: Sequence[Parameter]) -> Iterator[PresetError]:
        """Find all mistakes in the values of a block, including those in scenes, once its knobs are known.

        Parameters
        ----------
        parameters : sequence of Parameter
            All parameters of the block: those of its type, then its knobs.

        Yields
        ------
        PresetError
            For each unknown name or value out of range; with the line, a suggestion and the allowed values.
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
        """Return an error with `message` about one value of a scene, with file and line."""
        return PresetError(f"{where(self.path, self.lines.get((scene, address)))}scenes.{scene}: {address}: {message}")


@dataclass(frozen=True)
class SetList:
    """A set list; presets are numbered from 1 in the order of `presets`.

    `before` and `after` are the blocks that all presets share, before and after their own.
    """

    path: Path
    device: dict[str, Any] = field(default_factory=dict)
    globals: dict[str, float | bool] = field(default_factory=dict)
    presets: tuple[Preset, ...] = ()
    midi: MidiMap | None = None
    before: tuple[BlockSpec, ...] = ()
    after: tuple[BlockSpec, ...] = ()

    def whole(self, preset: Preset) -> Preset:
        """Return a preset with the shared blocks in its own chain, as a rig that plays it alone needs it."""
        return preset.between(self.before, self.after)

    def index(self, key: str | int | None = None) -> int:
        """Return the index in `presets`, from 0, of a name or of a number from 1; None is the first preset.

        Raises
        ------
        UsageError
            There is no such preset; the message lists the presets.
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
        """Return the preset with a name or number; see `index`."""
        return self.presets[self.index(key)]


def split_selection(text: str) -> tuple[str, str | None]:
    """Split "rig.yaml:preset" into file and preset, which is None if the text names no preset."""
    match = re.fullmatch(r"(.*\.ya?ml):(.+)", text, re.IGNORECASE | re.DOTALL)
    return (match[1], match[2]) if match else (text, None)
