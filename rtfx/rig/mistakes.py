"""All mistakes of a set list at once, in the order of its lines; what can be read in spite of them is returned too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..errors import PresetError
from .description import BlockSpec, BlockType, Preset, SetList
from .preset import Reader
from .yaml_marks import Marked, read_yaml


def read_in_spite(path: Path, blocks: Mapping[str, BlockType]) -> tuple[SetList | None, list[str]]:
    """Return what can be read of a set list, presets with mistakes left out, and the mistakes.

    None where nothing can be: it is not YAML, or it has no list of presets.
    """
    reader = _Patient(path, blocks)
    try:
        read = reader.set_list(read_yaml(path))
    except PresetError as error:
        return None, in_order([*reader.mistakes, str(error)], path)
    good = tuple(preset for preset in read.presets if preset.chain)
    return SetList(read.path, read.device, read.globals, good), in_order(reader.mistakes, path)


def in_order(mistakes: list[str], path: Path) -> list[str]:
    """Return mistakes by their lines."""

    def line(mistake: str) -> int:
        number = mistake.removeprefix(f"{path}:").partition(":")[0]
        return int(number) if number.isdigit() else 0

    return sorted(mistakes, key=line)


class _Patient(Reader):
    """Notes a mistake and goes on behind it."""

    def __init__(self, path: Path, blocks: Mapping[str, BlockType]):
        super().__init__(path, blocks)
        self.mistakes: list[str] = []
        self._spoiled = 0

    def preset(self, marked: Marked, place: str) -> Preset:
        before = len(self.mistakes)
        try:
            found = super().preset(marked, place)
        except PresetError as error:
            self.mistakes.append(str(error))
        if len(self.mistakes) == before:
            return found
        self._spoiled += 1
        return Preset(f"\0{self._spoiled}", ())

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
