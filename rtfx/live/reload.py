"""Reloads files that change on disk: watches them, reads and compiles while the audio runs, then crossfades."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..effects.table import BLOCKS
from ..errors import PresetError, RtfxError, message_of
from ..find import expected
from ..host.timeouts import await_end
from ..loading.files import path_of
from ..loading.preset import LoadedPreset, Loader, cannot_play
from ..model.read.state_dict import description
from ..plan.resolve import Models
from ..rig.blocks import BlockSpec
from ..rig.presets import Preset, SetList
from ..rig.set_list import load_set_list
from .controller import Controller

REST_SECONDS = 0.15  # files that have not changed for this long are complete
PATIENCE_SECONDS = 1.0  # an error is reported once it has lasted this long: a half-written file is no mistake
RESTLESS_SECONDS = 1.0  # files are read after this long even if they still change, as in training
LOOK_MILLISECONDS = 500

Signature = dict[Path, tuple[int, ...]]


class NotTaken(RtfxError):
    """Some presets could not be reloaded and play as before; `lines` say what was reloaded."""

    def __init__(self, message: str, lines: list[str]):
        super().__init__(message)
        self.lines = lines


class Reloader:
    """Reloads the files of a stream that have changed.

    Parameters
    ----------
    loader : Loader
    loaded : dict
        The signature of the files, taken before they were read.
    """

    def __init__(self, controller: Controller, set_list: SetList, loader: Loader, loaded: Signature):
        self.controller, self.set_list, self.loader, self.loaded = controller, set_list, loader, loaded
        self._attempted: Sequence[Preset] = ()
        self._stale: set[str] = set()  # presets whose new version cannot play, so that the old one goes on

    @property
    def paths(self) -> set[Path]:
        """The set list and every file that it names, including missing ones."""
        sources = [preset.source for preset in self.controller.presets if preset.source]
        return paths_of(self.set_list, [*sources, *self._attempted])

    def signature(self) -> Signature:
        """Return a value that changes when a file changes."""
        return signature_of(self.paths)

    def reload(self) -> list[str]:
        """Reload the changed files; return lines for the player.

        A preset whose new version cannot play keeps its old version; a preset that never could play is marked.

        Raises
        ------
        NotTaken
            Some presets keep their old version; all others are reloaded.
        RtfxError
            The set list has a mistake; nothing changes.
        """
        before = self.loaded
        set_list = load_set_list(self.set_list.path, BLOCKS) if is_file(self.set_list) else self.set_list
        old = {preset.name: preset for preset in self.controller.presets}
        presets = set_list.presets if is_file(self.set_list) else [one.source for one in old.values() if one.source]
        self._attempted = presets
        now = self.signature()
        changed = {path for path in {*before, *now} if before.get(path) != now.get(path)}
        loader = replace(self.loader, models=self._models(changed))
        taken: list[LoadedPreset] = []
        lines: list[str] = []
        faults: dict[str, str] = {}
        for index, preset in enumerate(presets):
            loaded = old.get(preset.name)
            files = set().union(*(files_of(block) for block in preset.chain))
            if loaded and not files & changed and preset.name not in self._stale and _says_the_same(preset, loaded):
                loaded.source = preset  # its line numbers may differ
                taken.append(loaded)
                continue
            try:
                new, notes = loader.load(preset)
                self.controller.check_outputs(new.name, new.plan)
            except RtfxError as error:
                if loaded and not loaded.fault:
                    faults[preset.name] = str(error)
                    taken.append(loaded)
                    continue
                taken.append(LoadedPreset(preset.name, source=preset, fault=str(error)))
                if not loaded or loaded.fault != str(error):
                    lines.append(cannot_play(index, preset.name, str(error)))
                continue
            if loaded and not loaded.fault:
                keep_turned(loaded, new)
            taken.append(new)
            how = _difference(loaded, new) if loaded and not loaded.fault else "new"
            lines += [f"reloaded {preset.name}: {how}", *notes]
        if all(preset.fault for preset in taken):
            raise PresetError(f"{set_list.path}: no preset can play: rtfx check tells why")
        lines += self._globals(set_list)
        removed = [name for name in old if name not in {preset.name for preset in presets}]
        if removed:
            lines.append(f"reloaded: {', '.join(removed)} removed")
        self.controller.replace(taken)
        self.set_list, self.loader, self.loaded = set_list, loader, now
        self._stale = set(faults)
        if faults:
            raise NotTaken("; ".join(faults.values()), lines)
        return lines

    def _models(self, changed: set[Path]) -> Models:
        """Return the models already read from files that have not changed."""
        known = self.loader.models
        kept = {
            key: spec
            for key, spec in known.specs.items()
            if not files_of(BlockSpec("model", "", file=key[0])) & changed
        }
        return replace(known, specs=kept)

    def _globals(self, set_list: SetList) -> list[str]:
        """Apply the settings that hold for all presets; return lines for the player."""
        engine, before, now = self.controller.engine, self.set_list.globals, set_list.globals
        for address in self.controller.gains:
            if before.get(address, 0.0) != now.get(address, 0.0):
                self.controller.set_gain(address, float(now.get(address, 0.0)))
        if before.get("limiter", True) != now.get("limiter", True) and not self.loader.options.bare:
            engine.record["limit"] = int(now.get("limiter", True))
        lines = ["reloaded: global"] if before != now else []
        if self.set_list.device != set_list.device:
            lines.append("device: changes apply at the next start")
        return lines


def is_file(set_list: SetList) -> bool:
    """Return whether the set list was read from a file."""
    return set_list.path.suffix.lower() in (".yaml", ".yml")


def paths_of(set_list: SetList, presets: Sequence[Preset]) -> set[Path]:
    """Return the set list and every file that presets name."""
    named = {set_list.path} if is_file(set_list) else set()
    return named.union(*(files_of(block) for preset in presets for block in preset.chain))


def signature_of(paths: set[Path]) -> Signature:
    """Return a value that differs between two states of the files."""
    found: Signature = {}
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return found


def files_of(block: BlockSpec) -> set[Path]:
    """Return the files that a block names, including those that cannot be read."""
    try:
        path = path_of(block)
    except RtfxError:
        return expected(str(block.file), block.beside or (Path(),), BLOCKS[block.type].file)
    if path is None:
        return set()
    beside = description(path) if block.type == "model" else None
    return {path, beside} if beside else {path}


def keep_turned(old: LoadedPreset, new: LoadedPreset) -> None:
    """Copy the values that the player has set, except those that have changed in the file."""
    before = {block.id: block for block in old.blocks}
    for block in new.blocks:
        played = before.get(block.id)
        for name, value in block.written.items():
            if played and name in played.values and played.written.get(name) == value:
                block.values[name] = played.values[name]
    new.build(new.now())


def _says_the_same(preset: Preset, loaded: LoadedPreset) -> bool:
    """Return whether a preset's text has the same meaning as when it was loaded; its lines may differ."""
    return loaded.source is not None and _said(preset) == _said(loaded.source)


def _said(preset: Preset) -> Any:
    """Return the content of a preset without line numbers."""
    return [replace(block, file=str(block.file)).written for block in preset.chain], preset.scenes, preset.controls


def _difference(old: LoadedPreset, new: LoadedPreset) -> str:
    """Return a description of the changes."""
    if old.plan.layout != new.plan.layout:
        return "another chain, crossfaded"
    if old.plan.weights.tobytes() != new.plan.weights.tobytes():
        return "other weights of the same shapes, nothing compiled, the state kept"
    return "values"


class Watcher:
    """A thread that reloads files when they change.

    Some editors write a file in pieces, others write a new file and rename it. So this watches the folders, and reads
    the files once they have stopped changing.
    """

    def __init__(self, reloader: Reloader, news: deque[str]):
        self.reloader, self.news = reloader, news
        self._broken = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtfx watch", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; if it is compiling it ends later, and publishes nothing more."""
        self._stop.set()
        await_end(self._thread, 1.0)

    def _run(self) -> None:
        from watchfiles import watch

        seen = self.reloader.loaded
        while not self._stop.is_set():
            folders = folders_of(self.reloader.paths)
            changes = watch(
                *folders,
                watch_filter=None,
                step=20,
                stop_event=self._stop,
                rust_timeout=LOOK_MILLISECONDS,
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
                ignore_permission_denied=True,
            )
            for _ in changes:
                if self.reloader.signature() != seen:
                    seen = self._take()
                if folders_of(self.reloader.paths) != folders:
                    break

    def _take(self) -> Signature:
        """Reload as soon as the files are stable and consistent; return their signature then."""
        told = ""
        seen = self._at_rest(self.reloader.signature)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._stop.is_set():
            try:
                lines = self.reloader.reload()
                self.news.extend(lines or (["corrected: everything that plays is as written"] if self._broken else []))
                self._broken = False
                return seen
            except NotTaken as error:
                self.news.extend(error.lines)
                told = str(error)
            except Exception as error:  # any error: the thread must survive to see the next edit
                told = message_of(error)
            while (now := self.reloader.signature()) == seen:
                if time.monotonic() > deadline or self._stop.wait(REST_SECONDS / 3):
                    self._broken = True
                    self.news.append(f"not reloaded, the sound goes on: {told}")
                    return now
            seen = self._at_rest(self.reloader.signature)
            deadline = time.monotonic() + PATIENCE_SECONDS
        return seen

    def _at_rest(self, signature: Callable[[], Signature]) -> Signature:
        """Return the signature once it has not changed for `REST_SECONDS`, or has changed for `RESTLESS_SECONDS`."""
        before, since = signature(), time.monotonic()
        end = since + RESTLESS_SECONDS
        while time.monotonic() < min(since + REST_SECONDS, end) and not self._stop.wait(REST_SECONDS / 5):
            now = signature()
            if now != before:
                before, since = now, time.monotonic()
        return before


def folders_of(paths: set[Path]) -> list[Path]:
    """Return the folders to watch for changes of the files: those of the files and of the targets of links."""
    folders = {folder.resolve() for path in paths for folder in (path.parent, path.resolve().parent)}
    return sorted(folder for folder in folders if folder.is_dir())
