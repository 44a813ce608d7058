"""Takes over what has changed on disk: reads, checks and compiles beside the audio thread, then crossfades."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..effects.table import BLOCKS
from ..errors import PresetError, RtfxError
from ..find import expected
from ..loading.files import path_of
from ..loading.load import Loader, cannot_play
from ..loading.loaded_preset import LoadedPreset, Unplayable
from ..model.read.state_dict import description
from ..plan.resolve import Models
from ..rig.blocks import BlockSpec
from ..rig.set_list import Preset, SetList, load_set_list
from ..units import gain_from_db
from .controller import Controller

Signature = dict[Path, tuple[int, ...]]


class NotTaken(RtfxError):
    """Presets that could not be taken over play as they were; `lines` tell what has been taken over."""

    def __init__(self, message: str, lines: list[str]):
        super().__init__(message)
        self.lines = lines


@dataclass
class Reloader:
    """What a stream plays, and the files that it came from.

    Parameters
    ----------
    presets : sequence of Preset
        As the controller has loaded them.
    loader : Loader
    loaded : dict
        The state of the files from before they were read.
    """

    controller: Controller
    set_list: SetList
    presets: Sequence[Preset]
    loader: Loader
    loaded: Signature

    def __post_init__(self):
        self._attempted = self.presets
        self._stale: set[str] = set()  # presets that play as they were, since what they are now cannot

    @property
    def paths(self) -> set[Path]:
        """Every file that the set list names, read or not, and the set list itself."""
        return paths_of(self.set_list, [*self.presets, *self._attempted])

    def signature(self) -> Signature:
        """Return the state of the files."""
        return signature_of(self.paths)

    def reload(self) -> list[str]:
        """Take over what has changed; return what to tell the player.

        A preset that could play and can no more stays as it was; one that never could is marked.

        Raises
        ------
        NotTaken
            Some presets stay as they were, all others are taken over.
        RtfxError
            The set list has a mistake: nothing changes.
        """
        before = self.loaded
        set_list = load_set_list(self.set_list.path, BLOCKS) if is_file(self.set_list) else self.set_list
        presets = set_list.presets if is_file(self.set_list) else self.presets
        self._attempted = presets
        now = self.signature()
        changed = {path for path in {*before, *now} if before.get(path) != now.get(path)}
        loader = replace(self.loader, models=self._models(changed))
        old = {
            preset.name: (preset, loaded) for preset, loaded in zip(self.presets, self.controller.presets, strict=True)
        }
        fresh: list[LoadedPreset | Unplayable] = []
        taken: list[Preset] = []
        lines: list[str] = []
        faults: dict[str, str] = {}
        for index, preset in enumerate(presets):
            described, loaded = old.get(preset.name, (None, None))
            files = set().union(*(files_of(block) for block in preset.chain))
            unchanged = _said(preset) == _said(described) and not files & changed and preset.name not in self._stale
            if loaded is not None and unchanged:
                fresh.append(loaded)
                taken.append(preset)
                continue
            try:
                new, notes = loader.load(preset)
                self.controller.check_outputs(new.name, new.plan)
            except RtfxError as error:
                if isinstance(loaded, LoadedPreset) and described is not None:
                    faults[preset.name] = str(error)
                    fresh.append(loaded)
                    taken.append(described)
                    continue
                fresh.append(Unplayable(preset.name, str(error), preset))
                taken.append(preset)
                if not (isinstance(loaded, Unplayable) and loaded.reason == str(error)):
                    lines.append(cannot_play(index, preset.name, str(error)))
                continue
            if isinstance(loaded, LoadedPreset):
                keep_turned(loaded, new)
            fresh.append(new)
            taken.append(preset)
            how = _difference(loaded, new) if isinstance(loaded, LoadedPreset) else "new"
            lines += [f"reloaded {preset.name}: {how}", *notes]
        if not any(isinstance(preset, LoadedPreset) for preset in fresh):
            raise PresetError(f"{set_list.path}: no preset can play: rtfx check tells why")
        lines += self._globals(set_list)
        removed = [name for name in old if name not in {preset.name for preset in presets}]
        if removed:
            lines.append(f"reloaded: {', '.join(removed)} removed")
        self.controller.replace(fresh)
        self.set_list, self.presets, self.loader, self.loaded = set_list, taken, loader, now
        self._stale = set(faults)
        if faults:
            raise NotTaken("; ".join(faults.values()), lines)
        return lines

    def _models(self, changed: set[Path]) -> Models:
        """Return what has been read of the files that have not changed."""
        known = self.loader.models
        kept = {
            key: spec
            for key, spec in known.specs.items()
            if not files_of(BlockSpec("model", "", file=key[0])) & changed
        }
        return replace(known, specs=kept)

    def _globals(self, set_list: SetList) -> list[str]:
        """Apply what holds for all presets; return lines."""
        engine, before, now = self.controller.engine, self.set_list.globals, set_list.globals
        for key, name in (("in_gain_db", "in_gain"), ("out_gain_db", "out_gain")):
            if before.get(key, 0.0) != now.get(key, 0.0):
                engine.glide(name, gain_from_db(float(now.get(key, 0.0))))
        if before.get("limiter", True) != now.get("limiter", True) and not self.loader.options.bare:
            engine.record["limit"] = int(now.get("limiter", True))
        lines = ["reloaded: global"] if before != now else []
        if self.set_list.device != set_list.device:
            lines.append("device: what has changed there is heard at the next start")
        return lines


def is_file(set_list: SetList) -> bool:
    """Return whether the set list was read from a file."""
    return set_list.path.suffix.lower() in (".yaml", ".yml")


def paths_of(set_list: SetList, presets: Sequence[Preset]) -> set[Path]:
    """Return every file that presets name, and the set list itself."""
    named = {set_list.path} if is_file(set_list) else set()
    return named.union(*(files_of(block) for preset in presets for block in preset.chain))


def signature_of(paths: set[Path]) -> Signature:
    """Return what tells one state of files from another; a missing file has none."""
    found: Signature = {}
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def files_of(block: BlockSpec) -> set[Path]:
    """Return the files that a block plays, whether they can be read or not."""
    try:
        path = path_of(block)
    except RtfxError:
        return expected(str(block.file), block.beside or (Path(),), BLOCKS[block.type].file)
    if path is None:
        return set()
    beside = description(path) if block.type == "model" else None
    return {path, beside} if beside else {path}


def keep_turned(old: LoadedPreset, new: LoadedPreset) -> None:
    """Keep the values that were turned while it played, but for those that the file now says otherwise."""
    before = {
        block.id: (values, written) for block, values, written in zip(old.blocks, old.values, old.written, strict=True)
    }
    for block, values, written in zip(new.blocks, new.values, new.written, strict=True):
        played, said = before.get(block.id, ({}, {}))
        for name, value in written.items():
            if name in played and said.get(name) == value:
                values[name] = played[name]
    new.build(new.values)


def _said(preset: Preset | None) -> Any:
    """Return all that a preset says, without the lines that it says it on."""
    if preset is None:
        return None
    return [(b.type, b.id, b.values, str(b.file), b.level, b.inputs) for b in preset.chain], preset.scenes


def _difference(old: LoadedPreset, new: LoadedPreset) -> str:
    """Return in words what has changed."""
    if old.plan.layout != new.plan.layout:
        return "another chain, crossfaded"
    if old.plan.weights.tobytes() != new.plan.weights.tobytes():
        return "other weights of the same shapes, nothing compiled, the state kept"
    return "values"
