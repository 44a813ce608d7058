"""Saves what was turned as a scene: in the player's own set list, else in a new one in the user's folder."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..effects.table import BLOCKS
from ..errors import PresetError
from ..find import shipped, user_folder
from ..rig.add_scene import flow, quoted, scalar, with_scene
from ..rig.description import BlockSpec, Preset, SetList
from ..rig.preset import load_set_list

if TYPE_CHECKING:
    from .stream import Stream

Values = Mapping[str, float | str]


def save_scene(stream: Stream) -> str:
    """Save the values that differ from those written as a new scene, and return a line to show.

    The set list is read anew, gets one insertion, and takes the place of the old file only once it loads and says the
    same as before but for the scene. A shipped set list is copied first, a model played alone gets a set list of its
    own: both stand in the user's folder, under a name that was free.

    Raises
    ------
    PresetError
        The set list cannot be read, extended or written; it is as it was.
    """
    name = stream.presets[stream.preset]
    values, left_out = changed(stream)
    origin, target, text = _target(stream)
    before = load_set_list(origin, BLOCKS) if origin else None
    preset = before.select(name) if before else _played_alone(stream)
    ids = {block.id for block in preset.chain}
    left_out += [address for address in values if address.partition(".")[0] not in ids]
    values = {address: as_saved(value) for address, value in values.items() if address not in left_out}
    hint = f"; not saved: {', '.join(left_out)}" if left_out else ""
    if not values:
        return f"no knob of {name} differs from what is written: nothing to save{hint}"
    for scene, held in preset.scenes.items():
        if dict(held) == values:
            return f"scene {scene!r} holds just these values{hint}"
    scene = next(f"saved {n}" for n in range(1, len(preset.scenes) + 2) if f"saved {n}" not in preset.scenes)
    replace_set_list(target, with_scene(text, name, scene, values), before, name, scene, values)
    stream.desk.set_list = str(target)
    stream.add_scene(scene, values)
    stream.desk.scenes[name] = scene
    return f"saved as scene {scene!r} in {target}{hint}"


def changed(stream: Stream) -> tuple[dict[str, float | str], list[str]]:
    """Return what differs from the values written, and the addresses of what differs but cannot stand in a scene."""
    written = stream.written
    differ = [(address, p, value) for address, p, value in stream.parameters if value != written.get(address)]
    values: dict[str, float | str] = {
        address: value for address, parameter, value in differ if parameter.kind != "structural"
    }
    return values, [address for address, parameter, _ in differ if parameter.kind == "structural"]


def replace_set_list(path: Path, text: str, before: SetList | None, preset: str, scene: str, values: Values) -> None:
    """Put `text` in the place of a set list in one step, if it says what `before` said and the new scene.

    Raises
    ------
    PresetError
        It says something else, or cannot be written; the file is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".tmp", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            _check(load_set_list(temporary, BLOCKS), before, preset, scene, values)
            if path.exists():
                shutil.copymode(path, temporary)
            else:
                os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise PresetError(f"{path}: cannot be written ({reason}): nothing was saved") from None
    except PresetError:
        addition = f"scenes: {{{quoted(scene)}: {flow(values)}}}"
        raise PresetError(f"{path}: could not be extended safely; add to {preset} by hand: {addition}") from None


def _check(after: SetList, before: SetList | None, preset: str, scene: str, values: Values) -> None:
    """Raise PresetError unless `after` is `before` with the scene more."""
    found = _content(after)
    expected = _content(before) if before else _content(after)
    expected[2][preset][1][scene] = dict(values)
    if found != expected or list(found[2]) != list(expected[2]):
        raise PresetError(f"{after.path}: would mean something else")


def _content(set_list: SetList) -> tuple:
    """Return what a set list says, without where it says it."""
    presets = {
        preset.name: (
            [(block.type, block.id, block.values, block.file, block.level) for block in preset.chain],
            {scene: dict(values) for scene, values in preset.scenes.items()},
        )
        for preset in set_list.presets
    }
    return set_list.device, set_list.globals, presets


def _target(stream: Stream) -> tuple[Path | None, Path, str]:
    """Return (the set list to extend, None for a new one; the path to write; the text to extend)."""
    played = stream.set_list
    own = stream.desk.set_list or (str(played.path) if played.presets[0].path else "")
    if not own:
        alone = _played_alone(stream)
        return None, _free(re.sub(r"[^\w.-]+", "-", alone.name).strip("-.")[:60] + ".yaml"), new_set_list(alone)
    path = Path(own).resolve()  # what a link points at is replaced, not the link
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PresetError(f"{path}: cannot be read ({error}): nothing was saved") from None
    return path, _free(path.name) if shipped() in path.parents else path, text


def _played_alone(stream: Stream) -> Preset:
    """Return the current preset of a stream without a file, with the cabinet of the command line."""
    preset = stream.set_list.select(stream.presets[stream.preset])
    if stream.cab in (None, "none"):
        return preset
    kept = tuple(block for block in preset.chain if block.type != "cab")
    return replace(preset, chain=(*kept, BlockSpec("cab", "cab", file=stream.cab)))


def as_saved(value: float | str) -> float | str:
    """Return a value as it will be read back."""
    return value if isinstance(value, str) else float(scalar(value))


def new_set_list(preset: Preset) -> str:
    """Return a set list of one preset.

    Raises
    ------
    PresetError
        A block plays no file, but a model that exists in memory only.
    """
    lines = ["version: 1", "presets:", f"  - name: {quoted(preset.name)}", "    chain:"]
    for block in preset.chain:
        keys: dict[str, float | str] = {"type": block.type, "id": block.id}
        if block.file is not None:
            if not isinstance(block.file, str | Path):
                raise PresetError(f"{block.id} is a model without a file: save it first, then name it in a set list")
            there = Path(block.file).expanduser()
            keys["file"] = str(there.resolve()) if there.is_file() else str(block.file)
        if block.level:
            keys["level"] = block.level
        lines.append(f"      - {flow(keys | block.values)}")
    return "\n".join(lines) + "\n"


def _free(name: str) -> Path:
    """Return a path in the user's folder of set lists that does not exist yet."""
    folder, wanted = user_folder() / "presets", Path(name)
    names = [name, *(f"{wanted.stem}-{number}{wanted.suffix}" for number in range(2, 1000))]
    return next(folder / free for free in names if not os.path.lexists(folder / free))
