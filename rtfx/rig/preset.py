"""Set lists: read YAML, check all that can be checked without opening a model, and say on which line it is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import PresetError, RtfxError, UsageError, did_you_mean
from . import random_block
from .description import BlockSpec, BlockType, Preset, SetList, check_scene_value, check_value
from .parameters import Parameter
from .yaml_marks import Marked, read_yaml

__all__ = ["GLOBALS", "BlockSpec", "Preset", "SetList", "load_set_list", "split_selection"]

VERSION = 1
TOP_KEYS = ("version", "device", "global", "presets", "take")  # a take is a set list with what was played on it
PRESET_KEYS = ("name", "chain", "scenes")
ID = re.compile(r"[A-Za-z0-9_-]{1,40}")  # no dot: an address is "id.parameter"

GLOBALS = (
    Parameter("in_gain_db", 0.0, -60.0, 40.0, "dB", summary="before every chain"),
    Parameter("out_gain_db", 0.0, -60.0, 24.0, "dB", summary="after every chain"),
)
DEVICE_NUMBERS = (
    Parameter("in_channel", 1.0, 1.0, 256.0, "", kind="structural", summary="input channel, from 1"),
    Parameter("sample_rate", 48000.0, 8000.0, 384000.0, "Hz", kind="structural"),
    Parameter("block", 0.0, 0.0, 8192.0, "frames", kind="structural", summary="0: as the device likes it"),
)
DEVICE_NAMES = ("input", "output", "device")  # an index or a part of a name


def split_selection(text: str) -> tuple[str, str | None]:
    """Split "rig.yaml:preset" into file and preset; None where no preset is named."""
    match = re.fullmatch(r"(.*\.ya?ml):(.+)", text, re.IGNORECASE | re.DOTALL)
    return (match[1], match[2]) if match else (text, None)


def load_set_list(path: str | Path, blocks: Mapping[str, BlockType]) -> SetList:
    """Read a set list.

    Parameters
    ----------
    path : str or Path
    blocks : mapping
        Type to effect: `effects.table.BLOCKS`.

    Returns
    -------
    SetList
        Checked but for what needs the files themselves: whether they exist, and the names and ranges of a model's knobs
        (`Preset.check`, `BlockSpec.error`).

    Raises
    ------
    PresetError
        One line: "file:line: place: what was found, what was expected".
    """
    path = Path(path)
    return Reader(path, blocks).set_list(read_yaml(path))


class Reader:
    """One reading of one file."""

    def __init__(self, path: Path, blocks: Mapping[str, BlockType]):
        self.path = path
        self.blocks = blocks

    def error(self, marked: Marked, message: str) -> PresetError:
        return PresetError(f"{self.path}:{marked.line}: {message}")

    def mapping(self, marked: Marked, place: str, allowed: tuple[str, ...] = ()) -> dict[str, Marked]:
        """Return the keys of a mapping; where `allowed` is given, no others."""
        if not isinstance(marked.value, dict):
            raise self.error(marked, f"{place} is {_show(marked)}, expected keys with values")
        for key, item in marked.value.items():
            if allowed and key not in allowed:
                hint = did_you_mean(key, allowed)
                raise self.error(item, f"{place}: unknown key {key!r}{hint}, allowed: {', '.join(allowed)}")
        return marked.value

    def items(self, marked: Marked, place: str, what: str) -> list[Marked]:
        """Return the items of a list that is not empty."""
        if not isinstance(marked.value, list) or not marked.value:
            raise self.error(marked, f"{place} is {_show(marked)}, expected a list of {what}")
        return marked.value

    def text(self, marked: Marked, place: str) -> str:
        """Return text that is not empty and has one line."""
        if not isinstance(marked.value, str) or not marked.value.strip() or not marked.value.isprintable():
            quoted = isinstance(marked.value, (bool, int, float))
            hint = ": put it in quotes" if quoted else ""
            raise self.error(marked, f"{place} is {_show(marked)}, expected text{hint}")
        return marked.value

    def require(self, keys: dict[str, Marked], key: str, owner: Marked, place: str) -> Marked:
        """Return the value of a key that must be there."""
        if key not in keys:
            raise self.error(owner, f"{place}: missing key {key!r}")
        return keys[key]

    def set_list(self, root: Marked) -> SetList:
        keys = self.mapping(root, "the set list", TOP_KEYS)
        version = self.require(keys, "version", root, "the set list")
        if version.value != VERSION or isinstance(version.value, bool):
            raise self.error(version, f"version is {_show(version)}, expected {VERSION}: is this rtfx too old?")
        listed = self.items(self.require(keys, "presets", root, "the set list"), "presets", "presets")
        presets: list[Preset] = []
        for number, item in enumerate(listed):
            preset = self.preset(item, f"presets[{number}]")
            if any(other.name == preset.name for other in presets):
                raise self.error(item, f"presets[{number}]: a second preset is called {preset.name!r}: rename one")
            presets.append(preset)
        return SetList(self.path, self.device(keys.get("device")), self.globals(keys.get("global")), tuple(presets))

    def device(self, marked: Marked | None) -> dict[str, str | float]:
        table = {parameter.name: parameter for parameter in DEVICE_NUMBERS}
        keys = self.mapping(marked, "device", (*DEVICE_NAMES, *table, "latency")) if marked else {}
        result: dict[str, str | float] = {}
        for key, item in keys.items():
            if key in table:
                number = self.value(item, table, key, "device")
                if key != "sample_rate" and number != int(number):
                    raise self.error(item, f"device: {key} is {_show(item)}, expected a whole number")
                result[key] = number if key == "sample_rate" else int(number)
            elif key == "latency" and item.value not in ("low", "high"):
                result[key] = self.value(item, {key: Parameter(key, 0.0, 0.0, 5.0, "s, low or high")}, key, "device")
            elif isinstance(item.value, int) and not isinstance(item.value, bool):
                result[key] = item.value
            else:
                result[key] = self.text(item, f"device: {key}")
        return result

    def globals(self, marked: Marked | None) -> dict[str, float | bool]:
        table = {parameter.name: parameter for parameter in GLOBALS}
        keys = self.mapping(marked, "global", (*table, "limiter")) if marked else {}
        result: dict[str, float | bool] = {}
        for key, item in keys.items():
            if key in table:
                result[key] = self.value(item, table, key, "global")
            elif isinstance(item.value, bool):
                result[key] = item.value
            else:
                raise self.error(item, f"global: {key} is {_show(item)}, expected true or false")
        return result

    def value(self, item: Marked, table: Mapping[str, Parameter], key: str, place: str):
        """Return the value of a parameter in `table`."""
        try:
            return check_value(table, key, item.plain)
        except UsageError as error:
            raise self.error(item, f"{place}: {error}") from None

    def preset(self, marked: Marked, place: str) -> Preset:
        keys = self.mapping(marked, place, PRESET_KEYS)
        name = self.text(self.require(keys, "name", marked, place), f"{place}: name")
        chain_marked = self.require(keys, "chain", marked, place)
        listed = self.items(chain_marked, f"{place}: chain", "blocks, such as {type: gate}")
        chain = self.chain(listed)
        scenes, lines = self.scenes(keys.get("scenes"), chain)
        return Preset(name, chain, scenes, lines, self.path)

    def chain(self, listed: list[Marked]) -> tuple[BlockSpec, ...]:
        taken: dict[str, int] = {}
        for position, item in enumerate(listed):
            given = self.mapping(item, f"chain[{position}]").get("id")
            if given is None:
                continue
            text = self.text(given, f"chain[{position}]: id")
            if not ID.fullmatch(text):
                raise self.error(given, f"chain[{position}]: id is {text!r}, expected letters, digits, - and _")
            if text in taken:
                raise self.error(given, f"chain[{position}]: id {text!r} is that of chain[{taken[text]}]: rename one")
            taken[text] = position
        chain = []
        for position, item in enumerate(listed):
            block = self.block(item, position, taken)
            taken[block.id] = position
            chain.append(block)
        return tuple(chain)

    def block(self, marked: Marked, position: int, taken: Mapping[str, int]) -> BlockSpec:
        """Return a block; `taken` are the ids that a block without one may not get."""
        keys = dict(self.mapping(marked, f"chain[{position}]"))
        lines = {key: item.line for key, item in keys.items()}
        kind = self.require(keys, "type", marked, f"chain[{position}]")
        name = block_type = str(kind.value)
        if name == random_block.TYPE and "model" in self.blocks:
            block_type = "model"
            try:
                keys = random_block.as_model(keys, kind.line)
            except RtfxError as error:
                raise self.error(kind, f"chain[{position}] (random): {error}") from None
        if not isinstance(kind.value, str) or block_type not in self.blocks:
            hint = did_you_mean(kind.value, self.blocks) if isinstance(kind.value, str) else ""
            types = ", ".join(sorted({*self.blocks, random_block.TYPE}))
            raise self.error(kind, f"chain[{position}]: unknown type {_show(kind)}{hint}, expected one of: {types}")
        del keys["type"]
        place = f"chain[{position}] ({name})"
        if "id" in keys:
            block_id = str(keys.pop("id").value)
        else:
            count = 1
            while (block_id := name if count == 1 else f"{name}_{count}") in taken:
                count += 1
        effect = self.blocks[block_type]
        extra = {"": (), "model": ("file", "level")}.get(effect.file, ("file",))
        file = self.file(keys.pop("file"), place) if effect.file and "file" in keys else None
        parameters = _table(effect, file)
        allowed = ("type", "id", *extra, *parameters)
        level = ""
        if effect.file == "model" and "level" in keys and not _is_number(keys["level"]):  # a number is a knob
            level = self.text(keys.pop("level"), f"{place}: level")
        values = {}
        for key, item in keys.items():
            if effect.file == "model" and key not in parameters and _is_number(item):
                values[key] = item.plain
            elif key in parameters:
                values[key] = self.value(item, parameters, key, place)
            else:
                hint = did_you_mean(key, allowed)
                if effect.file == "model" and not hint:
                    raise self.error(item, f"{place}: {key} is {_show(item)}, expected a number: a knob of the model")
                raise self.error(item, f"{place}: unknown key {key!r}{hint}, allowed: {', '.join(allowed)}")
        if effect.file and file is None:
            raise self.error(marked, f"{place}: missing key 'file'")
        return BlockSpec(block_type, block_id, values, file, level, lines, place, self.path)

    def file(self, marked: Marked, place: str) -> Path | str:
        """Return the path beside the set list where there is one, else the name."""
        name = self.text(marked, f"{place}: file")
        try:
            beside = self.path.parent / Path(name).expanduser()
            return beside if beside.is_file() else name
        except (OSError, RuntimeError):  # a name too long for the system, or ~ without a home
            return name

    def scenes(self, marked: Marked | None, chain: tuple[BlockSpec, ...]):
        """Return scenes and lines as `Preset` holds them."""
        scenes: dict[str, dict[str, float | str]] = {}
        lines: dict[tuple[str, str], int] = {}
        types = {block.id: block.type for block in chain}
        tables = {block.id: _table(self.blocks[block.type], block.file) for block in chain}
        known = [f"{block.id}.{name}" for block in chain for name in (*tables[block.id], *block.values)]
        for scene, values in (self.mapping(marked, "scenes") if marked else {}).items():
            if not scene.strip() or not scene.isprintable():
                raise self.error(values, f"scenes: the name {scene!r} is not text")
            scenes[scene] = {}
            for address, item in self.mapping(values, f"scenes.{scene}").items():
                block_id, dot, key = address.partition(".")
                if not dot or not key or block_id not in types:
                    hint = did_you_mean(address, known)
                    expected = f"block.parameter with a block of: {', '.join(types)}"
                    raise self.error(item, f"scenes.{scene}: unknown address {address!r}{hint}, expected {expected}")
                effect, table = self.blocks[types[block_id]], tables[block_id]
                try:
                    if effect.file == "model" and key not in table:
                        if not _is_number(item):
                            raise UsageError(f"is {_show(item)}, expected a number: a knob of the model")
                        scenes[scene][address] = item.plain
                    else:
                        scenes[scene][address] = check_scene_value(table, key, item.plain)
                except UsageError as error:
                    raise self.error(item, f"scenes.{scene}: {address}: {error}") from None
                lines[scene, address] = item.line
        return scenes, lines


def _table(effect: BlockType, file: Path | str | None) -> dict[str, Parameter]:
    """Return the parameters of a block by name, but for the knobs that its file may have."""
    return {parameter.name: parameter for parameter in (*effect.parameters, *random_block.turned_in(file))}


def _is_number(marked: Marked) -> bool:
    return isinstance(marked.value, (int, float)) and not isinstance(marked.value, bool)


def _show(marked: Marked) -> str:
    """Return a value in few words."""
    if isinstance(marked.value, dict):
        return "a mapping"
    if isinstance(marked.value, list):
        return "a list" if marked.value else "an empty list"
    return "empty" if marked.value is None else repr(marked.value)[:60]
