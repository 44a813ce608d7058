"""The text of set lists: a preset as it is written there, what a list says, and a new text in an old one's place."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..effects.table import BLOCKS
from ..errors import PresetError, reason_of
from ..files import replacement, write_file
from ..rig.add_scene import preset_lines
from ..rig.description import BlockSpec, Preset, SetList
from ..rig.preset import load_set_list


def replace_set_list(path: Path, text: str, means: Callable[[SetList], bool], by_hand: str) -> None:
    """Put `text` in the place of a set list in one step, if `means` says that it reads as it is meant.

    Raises
    ------
    PresetError
        It does not, and what to add `by_hand`; or it cannot be written. The file is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacement(path) as part:
            write_file(part, text, durable=True)
            if not means(load_set_list(part, BLOCKS)):
                raise PresetError(f"{path}: would mean something else")
    except OSError as error:
        raise PresetError(f"{path}: cannot be written ({reason_of(error).lower()}): nothing was saved") from None
    except UnicodeEncodeError:
        raise PresetError(f"{path}: a file named in it has no name in UTF-8: rename it; nothing was saved") from None
    except PresetError:
        raise PresetError(f"{path}: could not be extended safely; add {by_hand}") from None


def same(after: SetList, expected: tuple) -> bool:
    """Return whether a set list says what is expected, its presets in that order."""
    found = content(after)
    return found == expected and list(found[2]) == list(expected[2])


def content(set_list: SetList) -> tuple:
    """Return what a set list says, without where it says it."""
    presets = {
        preset.name: (
            [(block.type, block.id, block.values, block.file, block.level, block.inputs) for block in preset.chain],
            {scene: dict(values) for scene, values in preset.scenes.items()},
        )
        for preset in set_list.presets
    }
    return set_list.device, set_list.globals, presets


def chain_of(preset: Preset) -> list[tuple]:
    """Return what a preset plays, files as paths where they are known to be some."""
    return [(b.type, b.id, b.values, _file(b), b.level, b.inputs) for b in preset.chain]


def new_set_list(preset: Preset) -> str:
    """Return a set list of one preset, its scenes left out.

    Raises
    ------
    PresetError
        A block plays no file, but a model that exists in memory only.
    """
    return f"version: 1\npresets:\n{preset_lines(document(replace(preset, scenes={})), '  ')}\n"


def document(preset: Preset, folder: Path | None = None) -> dict[str, Any]:
    """Return a preset as a set list in `folder` says it.

    Raises
    ------
    PresetError
        As `new_set_list`.
    """
    chain = []
    for block in preset.chain:
        keys: dict[str, float | str] = {"type": block.type, "id": block.id}
        if block.file is not None:
            place = _file(block)
            inside = isinstance(place, Path) and folder is not None and place.is_relative_to(folder)
            keys["file"] = os.path.relpath(str(place), folder) if inside else str(place)
        if block.level:
            keys["level"] = block.level
        if block.inputs:
            keys["inputs"] = block.inputs
        chain.append(keys | block.values)
    return {"name": preset.name, "chain": chain, "scenes": preset.scenes}


def _file(block: BlockSpec) -> Path | str | None:
    """Return the file that a block plays, whole if it is a path to one, else the name as written."""
    if block.file is None:
        return None
    if not isinstance(block.file, str | Path):
        raise PresetError(f"{block.id} is a model without a file: save it first, then name it in a set list")
    there = Path(block.file).expanduser()
    return there.resolve() if there.is_file() else str(block.file)
