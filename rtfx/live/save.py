"""Saves changed values as a scene, or changed random nets as a preset, in the player's set list or in a new one."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..effects.table import BLOCKS
from ..errors import PresetError, UsageError, is_text
from ..errors import quoted as shown
from ..files import free_name, read_file
from ..find import shipped, user_folder
from ..loading.preset import Knob
from ..model.random.nets import words_with
from ..rig.blocks import BlockSpec
from ..rig.edit import (
    chain_of,
    content,
    document,
    nested,
    new_set_list,
    quoted,
    replace_set_list,
    same,
    scalar,
    with_preset,
    with_scene,
)
from ..rig.presets import Preset, SetList
from ..rig.random_block import turned_in
from ..rig.set_list import load_set_list

if TYPE_CHECKING:
    from .stream import Stream

LONGEST_NAME = 60  # characters


def save_scene(stream: Stream, wanted: str = "") -> str:
    """Save the values that differ from the set list as a new scene; return a line to show.

    Parameters
    ----------
    wanted : str
        The name of the scene, or of the preset; by default ``saved 1``, or the preset's name with the seed or file.

    A scene cannot hold the settings of a random net or another file. If these have changed, the whole preset is saved
    as a new one.

    The set list is read again and extended by one insertion. The new text replaces the file only if it loads and has
    the same content apart from the addition. A shipped set list is copied first, and a model that is played alone gets
    a set list of its own: both are in the user's folder, under an unused name.

    Raises
    ------
    UsageError
        The name is taken, or no name.
    PresetError
        The set list cannot be read, extended or written; it has not changed.
    """
    if len(wanted) > LONGEST_NAME or not is_text(wanted):
        raise UsageError(f"the name is {shown(wanted[:LONGEST_NAME])}, expected at most {LONGEST_NAME} characters")
    name = stream.presets[stream.preset]
    origin, target, text = _target(stream)
    before = load_set_list(origin, BLOCKS) if origin else None
    opened = stream.set_list.select(name)
    listed = [preset for preset in before.presets if preset.name == name] if before else []
    heard = with_nets(stream)
    written = listed[0] if listed else opened
    if heard and (_redrawn(heard, written) or _other_file(heard, written)):
        return _save_preset(stream, heard, before, target, text, wanted)
    preset = before.select(name) if before else _with_cab(opened, stream.cab)
    values, left_out = changed(stream)
    ids = {block.id for block in preset.chain}
    left_out += [address for address in values if address.partition(".")[0] not in ids]
    values = {address: as_saved(value) for address, value in values.items() if address not in left_out}
    hint = f"; not saved: {', '.join(left_out)}" if left_out else ""
    if not values:
        return f"no knob of {name} differs from what is written: nothing to save{hint}"
    for scene, held in preset.scenes.items():
        if dict(held) == values:
            return f"scene {shown(scene)} holds just these values{hint}"
    if wanted in preset.scenes:
        raise UsageError(f"{name} has a scene {shown(wanted)}: choose another name")
    scene = wanted or next(f"saved {n}" for n in range(1, len(preset.scenes) + 2) if f"saved {n}" not in preset.scenes)

    def means(after: SetList) -> bool:
        expected = content(before or after)
        expected[2][name][1][scene] = dict(values)
        return same(after, expected)

    text = with_scene(text or new_set_list(preset), name, scene, values)
    replace_set_list(target, text, BLOCKS, means, f"to {name} by hand: scenes: {{{quoted(scene)}: {nested(values)}}}")
    stream.selection.set_list = str(target)
    stream.add_scene(scene, values)
    stream.selection.scenes[name] = scene
    return f"saved as scene {shown(scene)} in {target}{hint}"


def with_nets(stream: Stream) -> Preset | None:
    """Return the current preset's text with the random nets that play now; None if the text is not known."""
    source = stream.source
    if source is None:
        return None
    chain = []
    for block in source.chain:
        turned = {name: value for name, value in _turned(stream, block.id).items() if name in _settings(block)}
        words = block.random_net.removeprefix("random:")
        file = f"random:{words_with(words, turned)}" if turned else block.file
        chain.append(replace(block, file=file, weights=None if turned else block.weights))
    return replace(source, chain=tuple(chain))


def _turned(stream: Stream, block: str) -> dict[str, float | str]:
    """Return the values of a block that differ from the set list, by name."""
    return {knob.parameter.name: knob.value for knob in _differ(stream) if knob.block == block}


def _differ(stream: Stream) -> list[Knob]:
    """Return the knobs of the preset that differ from the set list, without the input and output gain."""
    return [knob for address, knob in stream.knobs.items() if knob.turned and address not in stream.gains]


def _settings(block: BlockSpec) -> set[str]:
    """Return the names of the settings of a block's random net."""
    return {parameter.name for parameter in turned_in(block.random_net) if parameter.kind == "structural"}


def _redrawn(playing: Preset, written: Preset) -> bool:
    """Return whether a random net differs from the one in the set list."""
    texts = [(block.random_net, written.block(block.id)) for block in playing.chain]
    return any(text and old and text != old.random_net for text, old in texts)


def _other_file(playing: Preset, written: Preset) -> str:
    """Return the name of a file that plays in place of the one in the set list; "" if there is none."""
    for block in playing.chain:
        old = written.block(block.id)
        if block.file is not None and not block.random_net and (old is None or block.file != old.file):
            return Path(str(block.file)).stem
    return ""


def _save_preset(stream: Stream, source: Preset, before: SetList | None, target: Path, text: str, wanted: str) -> str:
    """Add the preset with its present values to the end of a set list; return a line to show."""
    chain = []
    for block in source.chain:
        values = {name: as_saved(value) for name, value in _turned(stream, block.id).items()}
        both = block.values | values
        chain.append(replace(block, values={name: both[name] for name in both if name not in _settings(block)}))
    source = replace(source, chain=tuple(chain))
    heard = _with_cab(source, stream.cab)
    presets = before.presets if before else ()
    for preset in presets:
        if chain_of(preset) == chain_of(heard):
            return f"preset {shown(preset.name)} plays just this"
    seeds = [found[1] for block in source.chain if (found := re.search(r"seed=(\d+)", block.random_net))]
    name = f"{re.sub(r' seed [0-9 ]+$', '', source.name)} seed {' '.join(seeds)}"
    if not seeds:
        name = f"{source.name} {_other_file(source, before.select(source.name) if before else source)}".strip()
    taken = {preset.name for preset in presets}
    if wanted in taken:
        raise UsageError(f"there is a preset {shown(wanted)}: choose another name")
    name = wanted or name
    name = next(free for free in (name, *(f"{name} {n}" for n in range(2, 1000))) if free not in taken)
    heard = replace(heard, name=name)

    def means(after: SetList) -> bool:
        expected = content(before or after)
        expected[2][name] = content(after)[2].get(name)
        return same(after, expected) and chain_of(after.select(name)) == chain_of(heard)

    written = with_preset(text, document(heard, target.parent)) if text else new_set_list(heard)
    replace_set_list(target, written, BLOCKS, means, f"by hand: {nested(document(heard))}")
    stream.selection.set_list = str(target)
    return f"saved as preset {shown(name)} in {target}"


def changed(stream: Stream) -> tuple[dict[str, float | str], list[str]]:
    """Return the values that differ from the set list, and the addresses of those that a scene cannot hold."""
    differ = _differ(stream)
    values = {knob.address: knob.value for knob in differ if knob.parameter.kind != "structural"}
    return values, [knob.address for knob in differ if knob.parameter.kind == "structural"]


def _target(stream: Stream) -> tuple[Path | None, Path, str]:
    """Return (the set list to extend or None for a new one, the path to write, the text to extend or "")."""
    played = stream.set_list
    own = stream.selection.set_list or (str(played.path) if played.presets[0].path else "")
    if not own:
        name = stream.presets[stream.preset]
        return None, _free(re.sub(r"[^\w.-]+", "-", name).strip("-.")[:60] + ".yaml"), ""
    path = Path(own).resolve()  # the target of a link is replaced, not the link
    try:
        text = read_file(path).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"{path}: cannot be read ({error}): nothing was saved") from None
    return path, _free(path.name) if shipped() in path.parents else path, text


def _with_cab(preset: Preset, cab: str | None) -> Preset:
    """Return the preset with the cabinet that the command line names."""
    if cab in (None, "none"):
        return preset
    kept = tuple(block for block in preset.chain if block.type != "cab")
    return replace(preset, chain=(*kept, BlockSpec("cab", "cab", file=cab)))


def as_saved(value: float | str) -> float | str:
    """Return a value as it will be after the set list is read back."""
    return value if isinstance(value, str) else float(scalar(value))


def _free(name: str) -> Path:
    """Return a path in the user's folder of set lists that does not exist yet."""
    wanted = user_folder() / "presets" / name
    return free_name(wanted) if os.path.lexists(wanted) else wanted
