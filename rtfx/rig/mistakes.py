"""All mistakes of a set list at once, in the order of its lines; what can be read in spite of them is returned too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import PresetError
from .description import BlockSpec, BlockType, Preset, SetList
from .preset import Reader
from .yaml_marks import Marked, read_yaml


def read_in_spite(path: Path, blocks: Mapping[str, BlockType]) -> tuple[SetList | None, list[Preset], list[str]]:
    """Return what can be read of a set list, what is left of presets with mistakes, and the mistakes.

    None where nothing can be: it is not YAML, or it has no list of presets.
    """
    reader = _Patient(path, blocks)
    try:
        read = reader.set_list(read_yaml(path))
    except PresetError as error:
        return None, reader.spoiled, [*reader.mistakes, str(error)]
    good = tuple(preset for preset in read.presets if preset.chain)
    return SetList(read.path, read.device, read.globals, good), reader.spoiled, reader.mistakes


def line_of(mistake: str, path: Path) -> int:
    """Return the line that a message names, 0 if none."""
    number = mistake.removeprefix(f"{path}:").partition(":")[0]
    return int(number) if number.isdigit() else 0


class _Patient(Reader):
    """Notes a mistake and goes on behind it."""

    def __init__(self, path: Path, blocks: Mapping[str, BlockType]):
        super().__init__(path, blocks)
        self.mistakes: list[str] = []
        self.spoiled: list[Preset] = []

    def preset(self, marked: Marked, place: str) -> Preset:
        before, found = len(self.mistakes), None
        try:
            found = super().preset(marked, place)
        except PresetError as error:
            self.mistakes.append(str(error))
        if found and len(self.mistakes) == before:
            return found
        left = tuple(block for block in found.chain if block.type) if found else ()
        self.spoiled.append(Preset(found.name if found else "", left, path=self.path))
        return Preset(f"\0{len(self.spoiled)}", ())

    def block(self, marked: Marked, position: int, taken: Mapping[str, int]) -> BlockSpec:
        try:
            return super().block(marked, position, taken)
        except PresetError as error:
            self.mistakes.append(str(error))
            return BlockSpec("", f"\0{position}")

    def scenes(self, marked: Marked | None, chain: tuple[BlockSpec, ...]):
        if any(not block.type for block in chain):  # an address of a block with a mistake would be a second one
            return {}, {}
        return super().scenes(marked, chain)

    def device(self, marked: Marked | None) -> dict[str, str | float]:
        try:
            return super().device(marked)
        except PresetError as error:
            self.mistakes.append(str(error))
            return {}

    def globals(self, marked: Marked | None) -> dict[str, float | bool]:
        try:
            return super().globals(marked)
        except PresetError as error:
            self.mistakes.append(str(error))
            return {}
