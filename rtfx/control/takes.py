"""Saves the last minute of a stream: what went in, what came out, and a set list that says what was done to it."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..effects.table import BLOCKS
from ..engine.engine import Engine
from ..engine.layout import LOG_BLOCK, LOG_GLIDE, LOG_RIG, LOG_TABLE, LOG_WAIT
from ..engine.snapshot import packed
from ..errors import RtfxError
from ..find import find_audio, find_model, user_folder
from ..plan.resolve import Options
from ..rig.description import Preset
from .keeper import TAKE_SECONDS, Keeper, Window

VERSION = 1
PARTS = (".dry.wav", ".wet.wav", ".state.npz", ".yaml")


@dataclass(frozen=True)
class Described:
    """What a stream was opened with, so that it can be opened again; see `open_stream`."""

    presets: Sequence[Preset]
    loaded: Sequence[Any]
    first: int
    values: Mapping[str, Any]
    options: Options
    cold: bool
    compat: str | None


class Takes:
    """Saves takes while a stream plays. All methods are for the control thread.

    Attributes
    ----------
    news : deque of str
        One line for each take that is on the disk, or could not be written.
    """

    def __init__(self, engine: Engine, described: Described):
        self.keeper = Keeper(engine)
        self.news: deque[str] = deque()
        self._engine, self._described = engine, described
        self._writers: list[threading.Thread] = []

    def save(self, folder: str | Path | None = None, seconds: float = TAKE_SECONDS) -> Path:
        """Save the last `seconds` beside each other, on a thread of its own; return the set list's name.

        Parameters
        ----------
        folder : path, optional
            By default the working one, or the user's ``takes`` if that cannot be written to.
        """
        window = self.keeper.window(seconds)
        base = _free(_writable(folder))
        described = describe(window, self._described, self._engine, base.name)
        state = _packed(window)
        (base.parent / (base.name + PARTS[-1])).touch()  # the name is taken
        writer = threading.Thread(target=self._write, args=(base, window, described, state), name="rtfx take")
        self._writers = [thread for thread in self._writers if thread.is_alive()] + [writer]
        writer.start()
        return base.parent / (base.name + PARTS[-1])

    def close(self) -> None:
        """Wait until all takes are on the disk, two seconds at most."""
        for writer in self._writers:
            writer.join(timeout=2.0)

    def _write(self, base: Path, window: Window, described: dict, state: dict[str, np.ndarray]) -> None:
        import soundfile
        import yaml  # type: ignore[import-untyped]

        rate = round(float(self._engine.record["sample_rate"]))
        name = str(base)
        try:
            for part, frames in zip(PARTS, (window.dry, window.wet), strict=False):
                soundfile.write(name + part + ".part", frames, rate, subtype="FLOAT", format="WAV")
                os.replace(name + part + ".part", name + part)
            with open(name + PARTS[2], "wb") as file:
                np.savez_compressed(file, **state)  # type: ignore[arg-type]
            text = yaml.safe_dump(described, sort_keys=False, width=120, default_flow_style=None, allow_unicode=True)
            Path(name + PARTS[3]).write_text(text, encoding="utf-8")
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or " ".join(str(error).split())
            self.news.append(f"the take could not be written to {base}.*: {reason}")
            return
        fault = f"; it cannot be rendered again exactly: {window.fault}" if window.fault else ""
        self.news.append(f"{len(window.dry) / rate:.0f} s saved as {base.name}.dry.wav, .wet.wav and .yaml{fault}")


def describe(window: Window, opened: Described, engine: Engine, name: str) -> dict[str, Any]:
    """Return the set list of a take: the rig as it was opened, and under ``take`` what happened."""
    presets, files, faults = [], {}, [window.fault] if window.fault else []
    for preset in opened.presets:
        chain = []
        for block in preset.chain:
            item: dict[str, Any] = {"type": block.type, "id": block.id}
            if block.file is not None:
                item["file"], digest = identity(block.file, block.type)
                files.update({item["file"]: digest} if digest else {})
                if block.weights is not None:
                    faults.append(f"the model of {block.id} has learned since its file was read")
                if not isinstance(block.file, str | Path):
                    faults.append(f"the model of {block.id} is in no file")
            chain.append(item | _plain(block.values))
        scenes = {title: _plain(values) for title, values in preset.scenes.items()}
        presets.append({"name": preset.name, "chain": chain} | ({"scenes": scenes} if scenes else {}))
    known = [id(loaded) for loaded in opened.loaded]
    rigs, events = _told(window, known, opened, faults)
    options = {key: value for key, value in asdict(opened.options).items() if value not in (None, False)}
    limiter = bool(engine.record["limit"])
    take = {
        "version": VERSION,
        "dry": name + PARTS[0],
        "wet": name + PARTS[1],
        "state": name + PARTS[2],
        "frames": len(window.dry),
        "start_frame": window.start,
        "exact": not faults,
        **({"fault": "; ".join(dict.fromkeys(faults))} if faults else {}),
        "inputs": int(engine.record["inputs"]),
        "outputs": int(engine.record["outputs"]),
        "opened": {"preset": opened.first, "values": _plain(opened.values), "cold": opened.cold}
        | ({"compat": opened.compat} if opened.compat else {}),
        "options": options,
        "files": files,
        "playing": window.playing,
        "slots": list(window.state.numbers) if window.state else [],
        "rigs": rigs,
        "events": events,
    }
    device = {"sample_rate": float(engine.record["sample_rate"])}
    return {"version": 1, "device": device, "global": {"limiter": limiter}, "presets": presets, "take": take}


def _told(window: Window, known: list[int], opened: Described, faults: list[str]):
    """Return (rigs by number, events) as plain values; says in `faults` what cannot be told."""
    heard = set(window.state.numbers if window.state else ()) | {window.playing} - {0}
    heard |= {event.rig for event in window.events if event.rig}
    rigs: dict[int, dict] = {}
    now: dict[int, dict] = {}
    for number in sorted(heard - {0}):
        life = window.lives.get(number)
        if life is None or life.origin is None or id(life.origin[0]) not in known:
            faults.append("its rig was made anew while it played")
            continue
        loaded, values, prime = life.origin
        born = _addressed(loaded, values)
        now[number] = _addressed(loaded, window.values.get(number, values))
        index = known.index(id(loaded))
        rigs[number] = {"preset": index, "prime": prime, "tail_frames": life.tail_frames, "values": born}
        rigs[number]["set"] = {key: value for key, value in now[number].items() if value != born[key]}
    events: list[dict] = []
    for event in window.events:
        told: dict[str, Any] = {"frame": event.frame - window.start}
        if event.kind == LOG_BLOCK:
            told["block"] = event.value
        elif event.kind == LOG_WAIT:
            told["waits"] = True
        elif event.kind == LOG_RIG:
            told["rig"] = event.rig
            if event.rig in rigs:
                told["preset"] = opened.presets[rigs[event.rig]["preset"]].name
        elif event.kind == LOG_GLIDE:
            told[event.value[0]] = event.value[1]
        elif event.kind == LOG_TABLE and event.rig in now and event.value is not None:
            values = _addressed(window.lives[event.rig].origin[0], event.value)
            told |= {"rig": event.rig, "set": {k: v for k, v in values.items() if v != now[event.rig][k]}}
            now[event.rig] = values
        events.append(told)
    return rigs, events


def _addressed(loaded: Any, values: Sequence[Mapping]) -> dict[str, Any]:
    """Return values by ``block.name``."""
    return {
        f"{b.id}.{key}": value for b, given in zip(loaded.blocks, values, strict=True) for key, value in given.items()
    }


def _plain(values: Mapping) -> dict:
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}


def identity(file: Any, kind: str) -> tuple[str, str]:
    """Return (absolute path, SHA-256) of a block's file; a model without a file goes by its name alone."""
    if not isinstance(file, str | Path):
        return str(getattr(file, "name", "") or "model"), ""
    if str(file).startswith("random:"):
        return str(file), ""
    try:
        path = (find_model(file) if BLOCKS[kind].file == "model" else find_audio(file)).resolve()
        return str(path), digest(path)
    except (RtfxError, OSError):
        return str(file), ""


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, or of the files in a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def _packed(window: Window) -> dict[str, np.ndarray]:
    """Return the arrays of the state file."""
    if window.state is None:
        return {}
    state = {"engine": window.state.engine}
    for number, arena in window.state.arenas.items():
        state[f"cells{number}"], state[f"image{number}"], state[f"layout{number}"] = packed(arena)
    return state


def _writable(folder: str | Path | None) -> Path:
    place = Path(folder) if folder is not None else Path.cwd()
    if folder is None and not os.access(place, os.W_OK):
        place = user_folder() / "takes"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _free(folder: Path) -> Path:
    """Return ``take``, or ``take-2`` and so on: the first name of which no part exists."""
    for number in itertools.count(1):
        base = folder / ("take" if number == 1 else f"take-{number}")
        if not any((folder / (base.name + part)).exists() for part in PARTS):
            return base
    raise AssertionError
