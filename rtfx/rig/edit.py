"""Edits the text of set lists: inserts a scene, a preset or a level trim, and replaces the file by the new text.

The layout of the remaining text does not change.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import PresetError, reason_of
from ..errors import quoted as shown
from ..files import replacement, write_file
from .blocks import BlockSpec, BlockType
from .presets import Preset, SetList
from .set_list import load_set_list

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*( [A-Za-z0-9_.-]+)*")

TRIM = "trim"  # id of the gain block that `with_trims` writes
TRIM_ADDRESS = f"{TRIM}.gain_db"

COMMENT = re.compile(r"#[^\n]*")


def with_scene(text: str, preset: str, scene: str, values: Mapping[str, float | str]) -> str:
    """Return the text of a set list with one more scene.

    Parameters
    ----------
    text : str
        A set list that loads.
    preset, scene : str
        The preset to add to, and the new scene's name.
    values : mapping
        Address to value.

    Raises
    ------
    PresetError
        There is no such preset.

    Notes
    -----
    Through anchors and aliases the scene may also appear in other presets: load and check the result before use.
    """
    newline, root = _newline(text), _composed(text)
    entry = f"{quoted(scene)}: {nested(values)}"
    owner = _preset(root, preset)
    scenes = _child(owner, "scenes")
    if scenes is None:
        if owner.flow_style:
            return _into_braces(text, owner, f"scenes: {{{entry}}}")
        indent = " " * owner.value[0][0].start_mark.column
        return _below(text, owner, f"{indent}scenes:{newline}{indent}  {entry}", newline)
    if scenes.flow_style:
        return _into_braces(text, scenes, entry)
    return _below(text, scenes, " " * scenes.value[0][0].start_mark.column + entry, newline)


def with_preset(text: str, preset: Mapping[str, Any]) -> str:
    """Return the text of a set list with one more preset at the end.

    Parameters
    ----------
    text : str
        A set list that loads.
    preset : mapping
        The keys to write: name, chain, scenes.
    """
    newline, listed = _newline(text), _child(_composed(text), "presets")
    if listed.flow_style:
        return _into_braces(text, listed, nested(preset))
    return _below(text, listed, preset_lines(preset, " " * listed.start_mark.column, newline), newline)


def with_trims(text: str, preset: str, trims: Mapping[str, float]) -> str:
    """Return the text of a set list in which a gain block named `TRIM` ends a preset's chain.

    Parameters
    ----------
    text : str
        A set list that loads.
    preset : str
        Name of the preset; its trim is changed if it has one.
    trims : mapping
        Gain in dB: of the preset under "", which must be there, and of scenes by name.

    Notes
    -----
    As for `with_scene`.
    """
    text = _with_block(text, preset, {"type": "gain", "id": TRIM, "gain_db": trims[""]})
    for scene, db in trims.items():
        if scene:
            values = _child(_child(_preset(_composed(text), preset), "scenes"), scene)
            text = _with_value(text, values, TRIM_ADDRESS, db)
    return text


def _with_block(text: str, preset: str, block: Mapping[str, Any]) -> str:
    """Return the text with a block at the end of a preset's chain, or with the block of that name changed."""
    chain = _child(_preset(_composed(text), preset), "chain")
    for node in chain.value:
        own = _child(node, "id") if node.id == "mapping" else None
        if own is not None and own.value == block["id"]:
            (name, value) = list(block.items())[-1]
            return _with_value(text, node, name, value)
    if chain.flow_style:
        return _into_braces(text, chain, nested(block))
    return _below(text, chain, f"{' ' * chain.start_mark.column}- {nested(block)}", _newline(text))


def _with_value(text: str, mapping: Any, key: str, value: float | str) -> str:
    """Return the text with one value of a mapping changed or added."""
    old = _child(mapping, key)
    if old is not None:
        return text[: old.start_mark.index] + scalar(value) + text[old.end_mark.index :]
    entry = f"{quoted(key)}: {scalar(value)}"
    if mapping.flow_style:
        return _into_braces(text, mapping, entry)
    return _below(text, mapping, " " * mapping.value[0][0].start_mark.column + entry, _newline(text))


def _composed(text: str) -> Any:
    """Return the nodes of YAML, with their places in the text."""
    import yaml  # type: ignore[import-untyped]

    return yaml.compose(text, Loader=yaml.SafeLoader)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def without_trims(set_list: SetList) -> tuple:
    """Return the `content` of a set list without what `with_trims` writes."""
    return content(
        replace(
            set_list,
            presets=tuple(
                replace(
                    preset,
                    chain=tuple(block for block in preset.chain if block.id != TRIM),
                    scenes={
                        scene: {address: value for address, value in values.items() if address != TRIM_ADDRESS}
                        for scene, values in preset.scenes.items()
                    },
                )
                for preset in set_list.presets
            ),
        )
    )


def preset_lines(preset: Mapping[str, Any], indent: str, newline: str = "\n") -> str:
    """Return a preset as a list item in YAML, with a line for each block and each scene."""
    lines = [f"- name: {quoted(preset['name'])}", "  chain:", *(f"    - {nested(block)}" for block in preset["chain"])]
    if preset.get("scenes"):
        lines += ["  scenes:", *(f"    {quoted(name)}: {nested(values)}" for name, values in preset["scenes"].items())]
    return newline.join(indent + line for line in lines)


def nested(value: Any) -> str:
    """Return mappings, lists and values as YAML in braces and brackets."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(key)}: {nested(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(nested, value)) + "]"
    return scalar(value)


def scalar(value: float | str) -> str:
    """Return a value as YAML; numbers get six significant digits, which are finer than any knob."""
    if isinstance(value, str):
        return quoted(value)
    short = f"{value:.6g}"
    return f"{value:.12f}".rstrip("0") if "e" in short else short  # YAML reads 1e-05 as text


def quoted(text: str) -> str:
    """Return text as YAML, with quotes if YAML would otherwise read something else."""
    import yaml

    plain = PLAIN.fullmatch(text) and yaml.safe_load(text) == text
    return text if plain else json.dumps(text, ensure_ascii=False)


def _preset(root: Any, name: str) -> Any:
    """Return the node of a preset."""
    listed = _child(root, "presets")
    for node in listed.value if listed is not None else ():
        found = _child(node, "name")
        if found is not None and found.value == name:
            return node
    raise PresetError(f"the set list has no preset {shown(name)} any more: was it renamed?")


def _child(mapping: Any, key: str) -> Any:
    """Return the node of a key's value, or None."""
    return next((value for name, value in mapping.value if name.value == key), None)


def _into_braces(text: str, node: Any, entry: str) -> str:
    """Insert an entry at the end of a mapping in braces or a list in brackets."""
    closing = node.end_mark.index - 1
    last = node.value[-1] if node.value else None
    last = last[1] if isinstance(last, tuple) else last
    start = int(last.end_mark.index) if last else node.start_mark.index + 1
    tail = text[start:closing]
    comma = "," if node.value and "," not in COMMENT.sub("", tail) else ""
    # after the last value; if a comment follows it, at the closing brace, so that the entry is not in the comment
    place = closing if "#" in tail else start + len(tail.rstrip())
    return text[:place] + comma + (" " if node.value else "") + entry + text[place:]


def _below(text: str, node: Any, lines: str, newline: str) -> str:
    """Insert lines below a block mapping, after the line of its last value."""
    end = _end(node)
    place = end if text[end - 1] == "\n" else text.find("\n", end) + 1
    if not place:
        return f"{text}{newline}{lines}{newline}"
    return f"{text[:place]}{lines}{newline}{text[place:]}"


def _end(node: Any) -> int:
    """Return the offset at which a node's last value ends; PyYAML's mark of a block is after the comments below it."""
    if node.id != "scalar" and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)


def replace_set_list(
    path: Path, text: str, blocks: Mapping[str, BlockType], means: Callable[[SetList], bool], by_hand: str
) -> None:
    """Replace a set list by `text` in one step, if `means` accepts the set list that `text` contains.

    Raises
    ------
    PresetError
        `means` rejects the text, and the message says what to add `by_hand`; or the file cannot be written. The file
        has not changed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacement(path) as part:
            write_file(part, text, durable=True)
            if not means(load_set_list(part, blocks)):
                raise PresetError(f"{path}: would mean something else")
    except OSError as error:
        raise PresetError(f"{path}: cannot be written ({reason_of(error).lower()}): nothing was saved") from None
    except UnicodeEncodeError:
        raise PresetError(f"{path}: a file named in it has no name in UTF-8: rename it; nothing was saved") from None
    except PresetError:
        raise PresetError(f"{path}: could not be extended safely; add {by_hand}") from None


def same(after: SetList, expected: tuple) -> bool:
    """Return whether a set list has the expected `content`, with its presets in that order."""
    found = content(after)
    return found == expected and list(found[2]) == list(expected[2])


def content(set_list: SetList) -> tuple:
    """Return the content of a set list without line numbers."""
    presets = {
        preset.name: (
            [block.written for block in preset.chain],
            {scene: dict(values) for scene, values in preset.scenes.items()},
            dict(preset.louder),
        )
        for preset in set_list.presets
    }
    return set_list.device, set_list.globals, presets


def chain_of(preset: Preset) -> list[tuple]:
    """Return the blocks of a preset for comparison, with files as paths where these are known."""
    return [replace(block, file=_file(block)).written for block in preset.chain]


def new_set_list(preset: Preset) -> str:
    """Return the text of a set list with one preset, without its scenes.

    Raises
    ------
    PresetError
        A block plays a model that exists only in memory.
    """
    return f"version: 1\npresets:\n{preset_lines(document(replace(preset, scenes={})), '  ')}\n"


def document(preset: Preset, folder: Path | None = None) -> dict[str, Any]:
    """Return a preset as the mapping that a set list in `folder` contains.

    Raises
    ------
    PresetError
        As for `new_set_list`.
    """
    chains: dict[tuple[tuple[str, int], ...], list[dict[str, Any]]] = {(): []}  # by branch
    for block in preset.chain:
        keys: dict[str, Any] = {"type": block.type, "id": block.id}
        if block.router is not None:
            paths: list[list[dict[str, Any]]] = [[] for _ in range(block.router.paths)]
            chains |= {(*block.branch, (block.id, number)): path for number, path in enumerate(paths)}
            keys = {block.type: paths, "id": block.id}
        if block.file is not None:
            place = _file(block)
            inside = isinstance(place, Path) and folder is not None and place.is_relative_to(folder)
            keys["file"] = os.path.relpath(str(place), folder) if inside else str(place)
        for name in ("level", "inputs", "key"):
            if getattr(block, name):
                keys[name] = getattr(block, name)
        chains[block.branch].append(keys | block.values)
    return {"name": preset.name, "chain": chains[()], "scenes": preset.scenes}


def _file(block: BlockSpec) -> Path | str | None:
    """Return the file that a block plays: an absolute path if it is a path to a file, else the name as written."""
    if block.file is None:
        return None
    if not isinstance(block.file, str | Path):
        raise PresetError(f"{block.id} is a model without a file: save it first, then name it in a set list")
    there = Path(block.file).expanduser()
    return there.resolve() if there.is_file() else str(block.file)
