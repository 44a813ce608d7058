"""Set lists: reads YAML, checks everything that needs no model file, and reports mistakes with their lines.

Reading continues after a mistake, so that one reading finds all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import PresetError, RtfxError, UsageError, closest, did_you_mean, is_text, quoted, same_accents
from ..find import find_beside
from ..model.read.inputs import CHOICES
from . import random_block
from .blocks import (
    INPUT,
    PATH_KEY,
    BlockSpec,
    BlockType,
    Placed,
    Router,
    check_paths,
    check_scene_value,
    check_value,
    folders_of,
    free_id,
    per_path,
    router_of,
    two_cabs,
    type_and_file,
)
from .controls import (
    TEMPO_BPM,
    Container,
    Control,
    container_file,
    expand,
    read_containers,
    read_macros,
)
from .midi_map import MidiMap, read_section
from .parameters import BPM, CHANNELS_EXPECTED, Parameter, channels_of
from .presets import Preset, SetList
from .yaml_marks import Marked, read_yaml

VERSION = 1
TOP_KEYS = ("version", "device", "global", "midi", "define", "presets", "take")  # "take" holds the events of a take
PRESET_KEYS = ("name", "bpm", "louder_db", "chain", "macros", "scenes")
SHARED = ("before", "after")  # keys of `global` that hold blocks
SHOWN = 60  # characters of a wrong value that a message shows
ID = re.compile(r"[A-Za-z0-9_-]{1,40}")  # no dot: an address is "id.parameter"

GLOBALS = (
    Parameter("in_gain_db", 0.0, -60.0, 40.0, "dB", summary="before every chain"),
    Parameter("out_gain_db", 0.0, -60.0, 24.0, "dB", summary="after every chain"),
)
LOUDER = Parameter("louder_db", 0.0, -30.0, 30.0, "dB", summary="against all other presets, for rtfx match and check")
DEVICE_NUMBERS = (
    Parameter("sample_rate", 48000.0, 8000.0, 384000.0, "Hz", kind="structural"),
    Parameter("block", 0.0, 0.0, 8192.0, "frames", kind="structural", summary="0: as the device likes it"),
)
DEVICE_NAMES = ("input", "output", "device")  # an index or a part of a name
DEVICE_CHANNELS = ("in_channel", "out_channels")


def load_set_list(path: str | Path, blocks: Mapping[str, BlockType]) -> SetList:
    """Read a set list.

    Parameters
    ----------
    path : str or Path
    blocks : mapping
        The effect of each type: `effects.table.BLOCKS`.

    Returns
    -------
    SetList
        Checked, except for what needs the files: whether they exist, and the names and ranges of a model's knobs
        (`Preset.check` checks these).

    Raises
    ------
    PresetError
        One line: "file:line: place: what was found, what was expected", for the first mistake, with the number of
        further mistakes.
    """
    path = Path(path)
    read = read_in_spite(path, blocks)
    if read.mistakes:
        first, more = read.mistakes[0], len(read.mistakes) - 1
        raise PresetError(f"{first} (and {more} more: rtfx check {path.name} lists them)" if more else first)
    assert read.set_list is not None
    return read.set_list


class Read(NamedTuple):
    """The usable content of a set list with mistakes.

    Parameters
    ----------
    set_list : SetList or None
        The presets without mistakes; None if there is no list of presets.
    spoiled : list of Preset
        The presets with mistakes, reduced to their blocks of known types.
    mistakes : list of str
        Messages in the order of their lines.
    """

    set_list: SetList | None
    spoiled: list[Preset]
    mistakes: list[str]


def read_in_spite(path: Path, blocks: Mapping[str, BlockType]) -> Read:
    """Read a set list and collect its mistakes instead of raising the first one."""
    reader = Reader(path, blocks)
    try:
        read = reader.set_list(read_yaml(path))
    except PresetError as error:
        return Read(None, [], [str(error)])
    return Read(read, reader.spoiled, [mistake for _, mistake in sorted(reader.mistakes, key=lambda one: one[0])])


class Reader:
    """Reads one file. It notes each mistake in `mistakes` as (line, message), and skips the wrong value."""

    def __init__(self, path: Path, blocks: Mapping[str, BlockType]):
        self.path = path
        self.blocks = blocks
        self.beside = folders_of(path)
        self.mistakes: list[tuple[int, str]] = []
        self.spoiled: list[Preset] = []
        self.containers: dict[str, Container | None] = {}
        self.shared_ids: set[str] = set()
        self.used: set[str] = set()  # ids of the containers in the preset that is read

    def wrong(self, marked: Marked, message: str) -> None:
        """Note a mistake."""
        self.mistakes.append((marked.line, f"{self.path}:{marked.line}: {message}"))

    def mapping(self, marked: Marked, place: str, allowed: tuple[str, ...] = (), needed: tuple[str, ...] = ()):
        """Return a mapping with its `allowed` keys only; None if it is not a mapping or lacks a `needed` key."""
        if not isinstance(marked.value, dict):
            self.wrong(marked, f"{place} is {_show(marked)}, expected keys with values")
            return None
        keys, misspelt = {}, set()
        for key, item in marked.value.items():
            if allowed and key not in allowed:
                self.wrong(
                    item,
                    f"{place}: unknown key {quoted(key)}{did_you_mean(key, allowed)}, allowed: {', '.join(allowed)}",
                )
                misspelt.add(closest(key, allowed))
            else:
                keys[key] = item
        for key in needed:
            if key not in keys and key not in misspelt:
                self.wrong(marked, f"{place}: missing key {key!r}")
        return keys

    def items(self, marked: Marked | None, place: str, what: str) -> list[Marked]:
        """Return the items of a list, which must not be empty."""
        if marked is None:
            return []
        if not isinstance(marked.value, list) or not marked.value:
            self.wrong(marked, f"{place} is {_show(marked)}, expected a list of {what}")
            return []
        return marked.value

    def text(self, marked: Marked, place: str) -> str | None:
        """Return text, which must be a single line and not empty."""
        if not isinstance(marked.value, str) or not marked.value.strip() or not is_text(marked.value):
            is_number = isinstance(marked.value, (bool, int, float))
            hint = ": put it in quotes" if is_number else ""
            self.wrong(marked, f"{place} is {_show(marked)}, expected text{hint}")
            return None
        return marked.value

    def set_list(self, root: Marked) -> SetList | None:
        keys = self.mapping(root, "the set list", TOP_KEYS, ("version", "presets"))
        if keys is None:
            return None
        version = keys.get("version")
        if version and (version.value != VERSION or isinstance(version.value, bool)):
            self.wrong(version, f"version is {_show(version)}, expected {VERSION}: is this rtfx too old?")
            return None
        self.containers |= read_containers(self, keys.get("define"))
        shared = self.globals(keys.get("global"))
        before, after = (self.shared(keys.get("global"), each) for each in SHARED)
        listed = self.items(keys.get("presets"), "presets", "presets")
        names: set[str] = set()
        presets = [self.preset(item, number, names) for number, item in enumerate(listed, 1)]
        device, midi = self.device(keys.get("device")), self.midi(keys.get("midi"))
        known = tuple(filter(None, presets))
        return SetList(self.path, device, shared, known, midi, before, after) if listed else None

    def midi(self, marked: Marked | None) -> MidiMap | None:
        return read_section(self, marked) if marked else None

    def device(self, marked: Marked | None) -> dict[str, Any]:
        table = {parameter.name: parameter for parameter in DEVICE_NUMBERS}
        known = (*DEVICE_NAMES, *DEVICE_CHANNELS, *table, "latency")
        keys = self.mapping(marked, "device", known) if marked else None
        result: dict[str, Any] = {}
        for key, item in (keys or {}).items():
            if key in table:
                number = self.value(item, table, key, "device")
                if number is not None and key != "sample_rate" and number != int(number):
                    self.wrong(item, f"device: {key} is {_show(item)}, expected a whole number")
                    continue
                result[key] = number if number is None or key == "sample_rate" else int(number)
            elif key in DEVICE_CHANNELS:
                channels = channels_of(item.plain)
                if channels is None:
                    self.wrong(item, f"device: {key} is {_show(item)}, expected {CHANNELS_EXPECTED}")
                else:
                    result[key] = channels
            elif key == "latency" and item.value not in ("low", "high"):
                result[key] = self.value(item, {key: Parameter(key, 0.0, 0.0, 5.0, "s, low or high")}, key, "device")
            elif isinstance(item.value, int) and not isinstance(item.value, bool):
                result[key] = item.value
            else:
                result[key] = self.text(item, f"device: {key}")
        return {key: value for key, value in result.items() if value is not None}

    def globals(self, marked: Marked | None) -> dict[str, float | bool]:
        table = {parameter.name: parameter for parameter in GLOBALS}
        keys = self.mapping(marked, "global", (*table, "limiter", *SHARED)) if marked else None
        result: dict[str, float | bool] = {}
        for key, item in (keys or {}).items():
            if key in SHARED:
                continue
            if key in table:
                result[key] = self.value(item, table, key, "global")
            elif isinstance(item.value, bool):
                result[key] = item.value
            else:
                self.wrong(item, f"global: {key} is {_show(item)}, expected true or false")
        return result

    def shared(self, marked: Marked | None, key: str) -> tuple[BlockSpec, ...]:
        """Return the blocks that all presets share, `key` their own; without an id they get one that begins with it."""
        item = marked.value.get(key) if marked and isinstance(marked.value, dict) else None
        if item is None:
            return ()
        listed = []
        for each in self.items(item, f"global: {key}", "blocks, such as {type: gate}"):
            keys = dict(each.value) if isinstance(each.value, dict) else {"type": each}
            word = router_of(keys) or str(keys["type"].value if "type" in keys else "")
            if "id" not in keys and ID.fullmatch(f"{key}-{word}"):
                keys["id"] = Marked(f"{key}-{word}", each.line)
            listed.append(Marked(keys, each.line))
        blocks, _ = self.chain(listed)
        for block in blocks:
            if block.id in self.shared_ids:
                self.mistakes.append((item.line, f"{self.path}:{item.line}: global: two blocks have the id {block.id}"))
            self.shared_ids.add(block.id)
        return blocks

    def value(self, item: Marked, table: Mapping[str, Parameter], key: str, place: str):
        """Return the value of a parameter in `table`."""
        try:
            return check_value(table, key, item.plain)
        except UsageError as error:
            self.wrong(item, f"{place}: {error}")
            return None

    def preset(self, marked: Marked, number: int, names: set[str]) -> Preset | None:
        """Return a preset; if it has mistakes, return None and add its usable part to `spoiled`.

        `names` holds the names of the presets before it; its own name is added.
        """
        before, place = len(self.mistakes), f"presets[{number - 1}]"
        keys = self.mapping(marked, place, PRESET_KEYS, ("name", "chain"))
        if keys is None:
            return None
        name = self.text(keys["name"], f"{place}: name") if "name" in keys else None
        if name and same_accents(name) in names:
            self.wrong(marked, f"{place}: a second preset is called {quoted(name)}: rename one")
        names.add(same_accents(name or ""))
        listed = self.items(keys.get("chain"), f"{place}: chain", "blocks, such as {type: gate}")
        exposed: list[Control] = []
        self.used = set()
        chain, unknown = self.chain(expand(self, listed, "chain", exposed))
        for block in chain:
            if block.id in self.shared_ids:
                line = block.lines.get("id", marked.line)
                said = f"{block.place}: id {quoted(block.id)} is that of a global block: rename one"
                self.mistakes.append((line, f"{self.path}:{line}: {said}"))
        if "bpm" in keys:
            bpm = self.value(keys["bpm"], {BPM.name: BPM}, BPM.name, place)
            chain = tuple(self.at_tempo(block, bpm) for block in chain)
        controls = (*read_macros(self, keys.get("macros")), *exposed)
        if len(self.mistakes) == before:  # else a target may be missing only because its block is
            for control in controls:
                self.check_targets(control, chain, unknown)
        scenes, lines, louder = self.scenes(keys.get("scenes"), chain, unknown, controls)
        if "louder_db" in keys:
            louder[""] = self.value(keys["louder_db"], {LOUDER.name: LOUDER}, LOUDER.name, place)
        found = Preset(name or "", chain, scenes, lines, self.path, number, louder, controls)
        if len(self.mistakes) == before:
            return found
        self.spoiled.append(found)
        return None

    def at_tempo(self, block: BlockSpec, bpm: float | None) -> BlockSpec:
        """Return a block with the tempo of its preset, if it has notes and no tempo of its own."""
        has_notes = BPM.name in _table(self.blocks[block.type].of(block.router), block.file)
        return replace(block, values={BPM.name: bpm, **block.values}) if bpm and has_notes else block

    def check_targets(self, control: Control, chain: tuple[BlockSpec, ...], unknown: set[str]) -> None:
        """Note targets of a control that are no parameters; knobs of models are checked when these are read."""
        blocks = {block.id: block for block in chain}
        tables = {id: _table(self.blocks[block.type].of(block.router), block.file) for id, block in blocks.items()}
        for target in control.targets:
            block = target.address.partition(".")[0]
            name = target.address.partition(".")[2]
            a_knob = block in blocks and self.blocks[blocks[block].type].file == "model" and name not in tables[block]
            if block in unknown or a_knob and name:
                continue
            try:
                replace(control, targets=(target,)).parameter(tables)
            except UsageError as error:
                self.mistakes.append((control.line, f"{self.path}:{control.line}: {control.address}: {error}"))

    def container(self, name: str, marked: Marked, place: str) -> Container | None:
        """Return the container with a name, or in a file; None after a mistake."""
        if name not in self.containers and name.lower().endswith((".yaml", ".yml")):
            self.containers[name] = container_file(self, name, marked, place)
        if name not in self.containers:
            known = ", ".join(self.containers) or "nothing is defined; define: {NAME: {chain: [...]}} does"
            hint = did_you_mean(name, self.containers)
            self.wrong(marked, f"{place}: use is {quoted(name)}{hint}, expected a file or one of: {known}")
        return self.containers.get(name)

    def chain(self, listed: list[Marked]) -> tuple[tuple[BlockSpec, ...], set[str]]:
        """Return the blocks of known types in the order of processing, and the ids of the other blocks."""
        placed: list[Placed] = []
        self.flatten(listed, "chain", (), placed)
        taken: dict[str, str] = {}
        for item, place, _, _ in placed:
            given = item.value.get("id") if isinstance(item.value, dict) else None
            text = self.text(given, f"{place}: id") if given else None
            if given is None or text is None:
                continue
            if not ID.fullmatch(text):
                self.wrong(given, f"{place}: id is {quoted(text)}, expected letters, digits, - and _")
            elif text in taken:
                self.wrong(given, f"{place}: id {quoted(text)} is that of {taken[text]}: rename one")
            else:
                taken[text] = place
        blocks: list[BlockSpec | str] = []
        for item, place, paths, branch in placed:
            block = self.block(item, place, taken, paths)
            if isinstance(block, BlockSpec):
                taken[block.id] = place
                around = ((blocks[index], path) for index, path in branch)
                block = replace(block, branch=tuple((b.id, path) for b, path in around if isinstance(b, BlockSpec)))
                self.check_key(block, [b.id for b in blocks if isinstance(b, BlockSpec)])
            blocks.append(block)
        known = tuple(block for block in blocks if isinstance(block, BlockSpec))
        return known, {block for block in blocks if isinstance(block, str)}

    def flatten(self, listed: list[Marked], place: str, branch: tuple, found: list[Placed]) -> None:
        """Append all blocks of a chain: each routing block without its paths, then the blocks on them."""
        for position, item in enumerate(listed):
            here = f"{place}[{position}]"
            keys = item.value if isinstance(item.value, dict) else {}
            keys = two_cabs(keys, partial(Marked, line=item.line)) or keys
            kind = router_of(keys)
            if not kind:
                found.append(Placed(item, here, 0, branch))
                continue
            paths = self.items(keys[kind], f"{here}: {kind}", "chains, such as [[{type: gate}], [{type: eq}]]")
            try:
                check_paths(kind, len(paths), here)
            except UsageError as error:
                if paths:
                    self.wrong(keys[kind], str(error))
                continue
            rest = {"type": Marked(kind, item.line), **{key: value for key, value in keys.items() if key != kind}}
            index = len(found)
            found.append(Placed(Marked(rest, item.line), here, len(paths), branch))
            for number, path in enumerate(paths):
                below = f"{here}.{kind}[{number}]"
                if path.value in ([], None):  # a path without blocks is the dry signal
                    continue
                self.flatten(self.items(path, below, "blocks"), below, (*branch, (index, number)), found)

    def check_key(self, block: BlockSpec, before: Sequence[str]) -> None:
        """Note a side input that is no block before this one."""
        if block.key and block.key != INPUT and block.key not in before:
            hint = did_you_mean(block.key, [INPUT, *before])
            expected = ", ".join([f"{INPUT} (the rig's own input)", *before])
            line = block.lines.get("key", 0)
            said = f"key is {quoted(block.key)}{hint}, expected a block before it, one of: {expected}"
            self.mistakes.append((line, f"{self.path}:{line}: {block.place}: {said}"))

    def block(self, marked: Marked, place: str, taken: Mapping[str, str], paths: int) -> BlockSpec | str:
        """Return a block, or the id of a block of unknown type; `taken` are ids that a block without id may not get."""
        before = len(self.mistakes)
        if isinstance(marked.value, str) and type_and_file(marked.value, self.blocks):
            marked = Marked({"type": Marked(marked.value, marked.line)}, marked.line)  # only a type or a file
        found = self.mapping(marked, place, needed=("type",))
        if found is None or "type" not in found:
            return str(found["id"].value) if found and "id" in found else ""
        keys = dict(found)
        lines = {key: item.line for key, item in keys.items()}
        kind = keys["type"]
        name, block_type = str(kind.value), ""
        if name == random_block.TYPE and "model" in self.blocks:
            block_type = "model"
            try:
                keys = random_block.as_model(keys, kind.line)
            except RtfxError as error:
                self.wrong(kind, f"{place} (random): {error}")
                return str(keys["id"].value) if "id" in keys else name
        elif meant := type_and_file(name, self.blocks) if isinstance(kind.value, str) else None:
            block_type, named = meant
            name = block_type if named else name.lower()
            if named and "file" in keys:
                self.wrong(keys["file"], f"{place}: names two files, {quoted(named)} as its type: remove one")
            elif named:
                keys["file"], lines["file"] = kind, kind.line
        if not block_type:
            hint = did_you_mean(kind.value, self.blocks) if isinstance(kind.value, str) else ""
            types = ", ".join(sorted({*self.blocks, random_block.TYPE}))
            self.wrong(kind, f"{place}: unknown type {_show(kind)}{hint}, expected one of: {types}")
            return str(keys["id"].value) if "id" in keys else name
        del keys["type"]
        place = f"{place} ({name})"
        if "id" in keys:
            block_id = str(keys.pop("id").value)
        else:
            block_id = free_id(name, taken)
        router = None
        if paths:
            keys = {name: item for key, one in keys.items() for name, item in self.per_path(key, one, place, paths)}
            router = Router.of(paths, keys)
        effect = self.blocks[block_type].of(router)
        key = self.text(keys.pop("key"), f"{place}: key") if effect.key and "key" in keys else None
        file = self.file(keys.pop("file"), place, effect.file) if effect.file and "file" in keys else None
        level = None
        if effect.file == "model" and "level" in keys and not _is_number(keys["level"]):  # a number is a knob
            level = self.text(keys.pop("level"), f"{place}: level")
        inputs = None
        if effect.file == "model" and "inputs" in keys and not _is_number(keys["inputs"]):
            word = keys.pop("inputs")
            inputs = self.text(word, f"{place}: inputs")
            if inputs and inputs not in CHOICES:
                hint = did_you_mean(inputs, CHOICES)
                self.wrong(word, f"{place}: inputs is {_show(word)}{hint}, expected one of: {', '.join(CHOICES)}")
        values = self.values(keys, place, effect, file)
        if effect.file and file is None and len(self.mistakes) == before:
            self.wrong(marked, f"{place}: missing key 'file'")
        words = (level or "", inputs or "")
        return BlockSpec(
            block_type, block_id, values, file, *words, lines, place, self.path, key=key or "", router=router
        )

    def per_path(self, key: str, marked: Marked, place: str, paths: int) -> list[tuple[str, Marked]]:
        """Return the values for each path that a key of a routing block lists."""
        if not isinstance(marked.value, list) or not PATH_KEY.fullmatch(key):
            return [(key, marked)]
        wanted = paths - 1 if key.startswith("freq") else paths
        if len(marked.value) != wanted:
            self.wrong(marked, f"{place}: {key} has {len(marked.value)} values, expected {wanted}")
            return []
        return list(per_path(key, marked.value).items())

    def values(self, keys: Mapping[str, Marked], place: str, effect: BlockType, file: Path | str | None) -> dict:
        """Return the values of a block's parameters, and of other keys, which may be knobs of its file."""
        parameters = _table(effect, file)
        extra = {"": (), "model": ("file", "level", "inputs")}.get(effect.file, ("file",))
        allowed = ("type", "id", *extra, *parameters, *(("key",) if effect.key else ()))
        values = {}
        for key, item in keys.items():
            if effect.file == "model" and key not in parameters and _is_number(item):
                values[key] = item.plain
            elif key in parameters:
                value = self.value(item, parameters, key, place)
                if value is not None:
                    values[key] = value
            else:
                hint = did_you_mean(key, allowed)
                if effect.file == "model" and not hint:
                    self.wrong(item, f"{place}: {key} is {_show(item)}, expected a number: a knob of the model")
                else:
                    self.wrong(item, f"{place}: unknown key {quoted(key)}{hint}, allowed: {', '.join(allowed)}")
        return values

    def file(self, marked: Marked, place: str, kind: str) -> Path | str | None:
        """Return the path of the file if it is beside the set list, else its name."""
        name = self.text(marked, f"{place}: file")
        return name and (find_beside(name, self.beside, kind) or name)

    def scenes(
        self, marked: Marked | None, chain: tuple[BlockSpec, ...], unknown: set[str], controls: tuple[Control, ...] = ()
    ):
        """Return scenes, lines and louder as `Preset` holds them; addresses of `unknown` blocks are skipped."""
        scenes: dict[str, dict[str, float | str]] = {}
        louder: dict[str, float] = {}
        lines: dict[tuple[str, str], int] = {}
        types = {block.id: block.type for block in chain}
        tables = {block.id: _table(self.blocks[block.type].of(block.router), block.file) for block in chain}
        known = [f"{block.id}.{name}" for block in chain for name in (*tables[block.id], *block.values)]
        turned = {control.address for control in controls} | {TEMPO_BPM}
        for scene, values in ((self.mapping(marked, "scenes") if marked else None) or {}).items():
            if not scene.strip() or not is_text(scene):
                self.wrong(values, f"scenes: the name {quoted(scene)} is not text")
                continue
            scenes[scene] = {}
            for address, item in (self.mapping(values, f"scenes.{scene}") or {}).items():
                block_id, dot, key = address.partition(".")
                if block_id in unknown:
                    continue
                if address == LOUDER.name:
                    louder[scene] = self.value(item, {LOUDER.name: LOUDER}, address, f"scenes.{scene}")
                    continue
                if address in turned and _is_number(item):
                    scenes[scene][address] = item.plain
                    continue
                if not dot or not key or block_id not in types:
                    hint = did_you_mean(address, known)
                    expected = f"block.parameter with a block of: {', '.join(types)}"
                    self.wrong(item, f"scenes.{scene}: unknown address {quoted(address)}{hint}, expected {expected}")
                    continue
                effect, table = self.blocks[types[block_id]], tables[block_id]
                try:
                    if effect.file == "model" and key not in table:
                        if not _is_number(item):
                            raise UsageError(f"is {_show(item)}, expected a number: a knob of the model")
                        scenes[scene][address] = item.plain
                    else:
                        scenes[scene][address] = check_scene_value(table, key, item.plain)
                except UsageError as error:
                    self.wrong(item, f"scenes.{scene}: {address}: {error}")
                    continue
                lines[scene, address] = item.line
        return scenes, lines, louder


def _table(effect: BlockType, file: Path | str | None) -> dict[str, Parameter]:
    """Return the parameters of a block by name, without the knobs that its file may have."""
    return {parameter.name: parameter for parameter in (*effect.parameters, *random_block.turned_in(file))}


def _is_number(marked: Marked) -> bool:
    return isinstance(marked.value, (int, float)) and not isinstance(marked.value, bool)


def _show(marked: Marked) -> str:
    """Return a short text for a value in a message."""
    if isinstance(marked.value, dict):
        return "a mapping"
    if isinstance(marked.value, list):
        return "a list" if marked.value else "an empty list"
    if isinstance(marked.value, str):
        return quoted(marked.value if len(marked.value) <= SHOWN else f"{marked.value[:SHOWN]}...")
    return "empty" if marked.value is None else repr(marked.value)[:SHOWN]
