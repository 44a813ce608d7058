"""Takes over files that change on disk: watches them, reads and compiles while the audio runs, then crossfades."""

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
from ..rig.set_list import Preset, SetList, load_set_list
from .controller import Controller

REST_SECONDS = 0.15  # files that have not changed for so long have been written to their end
PATIENCE_SECONDS = 1.0  # an error is told when it has lasted for so long: half a file is no mistake
RESTLESS_SECONDS = 1.0  # after so long they are read in any case: a net in training may be written without a pause
LOOK_MILLISECONDS = 500

Signature = dict[Path, tuple[int, ...]]


class NotTaken(RtfxError):
    """Presets that could not be taken over play as they were; `lines` tell what has been taken over."""

    def __init__(self, message: str, lines: list[str]):
        super().__init__(message)
        self.lines = lines


class Reloader:
    """Takes over what has changed in the files that a stream plays.

    Parameters
    ----------
    loader : Loader
    loaded : dict
        The state of the files from before they were read.
    """

    def __init__(self, controller: Controller, set_list: SetList, loader: Loader, loaded: Signature):
        self.controller, self.set_list, self.loader, self.loaded = controller, set_list, loader, loaded
        self._attempted: Sequence[Preset] = ()
        self._stale: set[str] = set()  # presets that play as they were, since what they are now cannot

    @property
    def paths(self) -> set[Path]:
        """Every file that the set list names, read or not, and the set list itself."""
        sources = [preset.source for preset in self.controller.presets if preset.source]
        return paths_of(self.set_list, [*sources, *self._attempted])

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
                loaded.source = preset  # it may stand on other lines
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
        for address in self.controller.gains:
            if before.get(address, 0.0) != now.get(address, 0.0):
                self.controller.set_gain(address, float(now.get(address, 0.0)))
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
    before = {block.id: block for block in old.blocks}
    for block in new.blocks:
        played = before.get(block.id)
        for name, value in block.written.items():
            if played and name in played.values and played.written.get(name) == value:
                block.values[name] = played.values[name]
    new.build(new.now())


def _says_the_same(preset: Preset, loaded: LoadedPreset) -> bool:
    """Return whether a preset is written as it was when it was loaded, maybe on other lines."""
    return loaded.source is not None and _said(preset) == _said(loaded.source)


def _said(preset: Preset) -> Any:
    """Return all that a preset says, without the lines that it says it on."""
    return [(b.type, b.id, b.values, str(b.file), b.level, b.inputs) for b in preset.chain], preset.scenes


def _difference(old: LoadedPreset, new: LoadedPreset) -> str:
    """Return in words what has changed."""
    if old.plan.layout != new.plan.layout:
        return "another chain, crossfaded"
    if old.plan.weights.tobytes() != new.plan.weights.tobytes():
        return "other weights of the same shapes, nothing compiled, the state kept"
    return "values"


class Watcher:
    """A thread that reloads what changes.

    Editors write a file in place, in pieces, or write another one and rename it: so folders are watched, and what
    counts is what the files are once they rest.
    """

    def __init__(self, reloader: Reloader, news: deque[str]):
        self.reloader, self.news = reloader, news
        self._broken = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtfx watch", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def close(self) -> None:
        """End the thread; one that compiles ends by itself and publishes nothing any more."""
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
        """Reload as soon as the files rest and hold together; return the state they are in then."""
        told = ""
        seen = self._at_rest(self.reloader.signature)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._stop.is_set():
            try:
                lines = self.reloader.reload()
                self.news.extend(lines or (["mended: everything is as it plays"] if self._broken else []))
                self._broken = False
                return seen
            except NotTaken as error:
                self.news.extend(error.lines)
                told = str(error)
            except Exception as error:  # of whatever kind: the thread must live to see the next edit
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
        """Return the files' state once it has not changed for a moment, or has changed for too long."""
        before, since = signature(), time.monotonic()
        end = since + RESTLESS_SECONDS
        while time.monotonic() < min(since + REST_SECONDS, end) and not self._stop.wait(REST_SECONDS / 5):
            now = signature()
            if now != before:
                before, since = now, time.monotonic()
        return before


def folders_of(paths: set[Path]) -> list[Path]:
    """Return the folders in which something happens when one of the files changes, behind links too."""
    folders = {folder.resolve() for path in paths for folder in (path.parent, path.resolve().parent)}
    return sorted(folder for folder in folders if folder.is_dir())
