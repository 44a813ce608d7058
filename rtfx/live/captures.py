"""Other captures and impulse responses for a block that plays: listed, stepped through, and swapped without a gap."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from ..effects.table import BLOCKS, effect_of
from ..errors import PresetError, RtfxError, UsageError, did_you_mean, message_of, quoted, same_name
from ..find import AUDIO_FOLDERS, MODEL_SUFFIXES, files_in, shipped, user_folder
from ..loading.files import path_of
from ..loading.preset import LoadedBlock, Loader
from ..rig.blocks import BlockSpec
from ..rig.presets import Preset
from .controller import Controller
from .reload import keep_turned

FOLDERS = {"model": ("models",), "audio": AUDIO_FOLDERS}
SUFFIXES = {"model": MODEL_SUFFIXES, "audio": (".wav", ".aiff", ".aif")}
KIND_WORDS = {"model": "capture", "audio": "impulse response"}
STEPS = {"next": 1, "previous": -1}
MOST = 5000  # files that are listed


class Captures:
    """Plays other files in the blocks of the current preset; the set list does not change.

    Each file is read, compiled and brought to the common loudness on a thread while the old one plays on; then the two
    are crossfaded. Of several for one block that are asked for meanwhile, the last is loaded.

    Parameters
    ----------
    folder : Path or None
        The folder of the set list, whose files are listed too.
    news : deque of str
        Receives a line when a file plays, or why it cannot.
    """

    def __init__(self, controller: Controller, loader: Loader, folder: Path | None, news: deque[str]):
        self._controller, self._loader, self._folder, self._news = controller, loader, folder, news
        self._lock = threading.Lock()
        self._wanted: dict[tuple[str, str], tuple[str, Path]] = {}  # for a preset and block, the file's name and path
        self._asked: dict[tuple[str, str], Path] = {}  # also those that are being loaded
        self._busy = False

    def listed(self, kind: str) -> dict[str, Path]:
        """Return the files of a kind by name: those beside the set list, the user's own, then those shipped.

        Parameters
        ----------
        kind : str
            "model" or "audio".
        """
        found: dict[str, Path] = {}
        roots = [root / folder for root in (user_folder(), shipped()) for folder in FOLDERS[kind]]
        places = [(root, files_in(root)) for root in roots]
        if self._folder:  # not all below it, as that may be a home folder
            places.insert(0, (self._folder, sorted([*self._folder.glob("*.*"), *self._folder.glob("*/*.*")])))
        for root, paths in places:
            for path in paths:
                if path.suffix.lower() in SUFFIXES[kind] and not path.name.startswith(".") and len(found) < MOST:
                    found.setdefault(path.relative_to(root).as_posix(), path)
        return found

    def play(self, kind: str, words: str) -> str:
        """Load a file for a block; return a line to show.

        Parameters
        ----------
        words : str
            A name that `listed` has, "next" or "previous"; before it the block's id may stand. By default it is the
            first block that plays a file of this kind.

        Raises
        ------
        UsageError
            There is no such file or block.
        """
        preset = self._controller.preset
        blocks = {block.id: block for block in preset.blocks if block.ready.effect.file == kind}
        first, _, rest = words.partition(" ")
        block, name = (
            (blocks[first], rest.strip()) if first in blocks and rest else (next(iter(blocks.values()), None), words)
        )
        if block is None and kind == "model":
            raise UsageError(f"{preset.name} has no block that plays a model")
        files, given = self.listed(kind), name
        if name in STEPS:
            name = self._neighbour(block, files, STEPS[name])
        name = name if name in files else _alike(name, files)
        if not name:
            raise UsageError(
                f"no {KIND_WORDS[kind]} {quoted(given)}{did_you_mean(given, files)}: {len(files)} are known"
            )
        target = block.id if block else "cab"
        with self._lock:
            self._wanted[preset.name, target] = name, files[name]
            self._asked[preset.name, target] = files[name]
            if not self._busy:
                self._busy = True
                threading.Thread(target=self._run, name="rtfx captures", daemon=True).start()
        return f"{target}: loading {name}"

    def _neighbour(self, block: LoadedBlock | None, files: dict[str, Path], step: int) -> str:
        names = list(files)
        if not names:
            raise UsageError("there is no file to step to")
        with self._lock:
            asked = self._asked.get((self._controller.preset.name, block.id)) if block else None
        now = asked or self.file_of(block.spec if block else None)
        paths = [path.resolve() for path in files.values()]
        if now is None or now.resolve() not in paths:
            return names[0 if step > 0 else -1]
        return names[(paths.index(now.resolve()) + step) % len(names)]

    @staticmethod
    def file_of(spec: BlockSpec | None) -> Path | None:
        """Return the file that a block plays; None if it plays none."""
        try:
            return path_of(spec) if spec else None
        except (RtfxError, OSError):
            return None

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._busy = False
                    self._asked.clear()
                    return
                (preset, block), (name, path) = self._wanted.popitem()
            try:
                self._take(preset, block, name, path)
            except Exception as error:  # any error: the old sound goes on, and the thread must end normally
                self._news.append(f"{block} plays on as it was: {message_of(error)}")

    def _take(self, preset: str, block: str, name: str, path: Path) -> None:
        """Load a preset with another file in a block, and crossfade to it."""
        old = next(one for one in self._controller.presets if one.name == preset)
        if old.source is None:
            raise PresetError(f"{preset} was made in Python: give its block another file there")
        loader = self._loader
        if effect_of(old.source.block(block) or BlockSpec("cab", block)).file == "audio":  # the file replaces --cab
            loader = replace(loader, options=loader.options.but(cab=None))
        named = with_file(old.source, block, name)  # as a set list names a file that is not beside it
        found = self.file_of(named.block(block))
        if self._folder in path.parents or found is None or found.resolve() != path.resolve():
            named = with_file(old.source, block, path)
        new, _ = loader.load(named)
        self._controller.check_outputs(new.name, new.plan)
        keep_turned(old, new)
        self._controller.replace([new if one is old else one for one in self._controller.presets])
        self._news.append(f"{block}: {path.stem}")


def _alike(name: str, files: Iterable[str]) -> str:
    """Return the name in other case, or with its suffix; "" if there is none."""
    same = same_name(name)
    return next((one for one in files if same in (same_name(one), same_name(one.rpartition(".")[0]))), "")


def with_file(preset: Preset, block_id: str, path: Path | str) -> Preset:
    """Return a preset in which a block plays another file.

    The values of the old file's own knobs are left out, also in scenes. If the preset lacks the block, a cabinet of
    this name is added at its end.
    """
    block = preset.block(block_id)
    if block is None:
        return replace(preset, chain=(*preset.chain, BlockSpec("cab", block_id, file=path)))
    own = {parameter.name for parameter in BLOCKS[block.type].parameters}
    values = {name: value for name, value in block.values.items() if name in own}
    changed = replace(block, file=path, values=values, level="", inputs="", weights=None)
    scenes = {
        scene: {
            address: value
            for address, value in held.items()
            if address.partition(".")[0] != block_id or address.partition(".")[2] in own
        }
        for scene, held in preset.scenes.items()
    }
    return replace(preset, chain=tuple(changed if one is block else one for one in preset.chain), scenes=scenes)
