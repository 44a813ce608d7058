"""Tells a window of a stream as a set list: the rig as it was opened, and what was done to it at which frame."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...engine.engine import Engine
from ...engine.layout import LOG_BLOCK, LOG_GLIDE, LOG_RIG, LOG_TABLE, LOG_WAIT
from ...engine.snapshot import packed, part
from ...errors import is_text
from ...loading.loaded_preset import LoadedPreset
from ...model.spec import ModelSpec
from ...plan.resolve import Models, Options
from ...rig.blocks import BlockSpec
from .keeper import Event, Window

VERSION = 2
CONTINUING = "a rig that continues"
MOST_VALUES = 20_000  # of events in the set list, whose reader has bounds; more stand in the state file
PARTS = (".dry.wav", ".wet.wav", ".state.npz", ".yaml")


@dataclass(frozen=True)
class Described:
    """What a stream was opened with, so that it can be opened again; see `StreamSettings`."""

    loaded: Sequence[LoadedPreset]
    first: int
    values: Mapping[str, Any]
    options: Options
    cold: bool
    models: Models


class Description:
    """A window told in a set list: the rig as it was opened, and under ``take`` what happened.

    Attributes
    ----------
    set_list : dict
        As it is written.
    arrays : dict
        What stands in the state file.
    models : dict
        File name to model, of those that can be read from nowhere else.
    copies : dict
        File name to path, of files whose own names a set list cannot hold.
    fault : str
        Why it cannot be rendered again exactly, empty if it can.
    """

    def __init__(self, window: Window, opened: Described, engine: Engine, name: str):
        self._window, self._name = window, name
        self._faults = [window.fault] if window.fault else []
        self._presets = list(opened.loaded)
        self._files: dict[str, str] = {}
        self.arrays = _packed(window)
        self.models: dict[str, ModelSpec] = {}
        self.copies: dict[str, str] = {}
        if window.state and part(window.state.engine, "limit")[0] != engine.record["limit"]:
            self._faults.append("the limiter was switched in it")
        rigs, events = self._rigs(), []
        now = {number: self._values(number) for number in rigs}
        for event in window.events:
            events.append(self._event(event, rigs, now))
        if sum(3 + len(event.get("set", ())) for event in events) > MOST_VALUES:
            self.arrays["events"] = np.frombuffer(json.dumps(events).encode(), np.uint8)
            events = []
        presets = self._told_presets()
        self.fault = "; ".join(dict.fromkeys(self._faults))
        take = {
            "version": VERSION,
            "dry": name + PARTS[0],
            "wet": name + PARTS[1],
            "state": name + PARTS[2],
            "frames": len(window.dry),
            "start_frame": window.start,
            "exact": not self.fault,
            **({"fault": self.fault} if self.fault else {}),
            "inputs": int(engine.record["inputs"]),
            "outputs": int(engine.record["outputs"]),
            "opened": {"preset": opened.first, "values": _plain(opened.values), "cold": opened.cold}
            | {name: value for name in ("compat", "inputs") if (value := getattr(opened.models, name))},
            "options": {key: value for key, value in asdict(opened.options).items() if value not in (None, False)},
            "files": [{"file": file, "sha256": digest} for file, digest in self._files.items()],
            "playing": window.playing,
            "slots": list(window.state.numbers) if window.state else [],
            "rigs": rigs,
            "events": events,
        }
        device = {"sample_rate": float(engine.record["sample_rate"])}
        shared = {"limiter": bool(engine.record["limit"])}
        self.set_list = {"version": 1, "device": device, "global": shared, "presets": presets, "take": take}

    def _rigs(self) -> dict[int, dict[str, Any]]:
        """Return what was heard, by number: which preset, from which values, with which weights."""
        window = self._window
        heard = set(window.state.numbers if window.state else ()) | {window.playing}
        heard |= {event.rig for event in window.events}
        rigs: dict[int, dict[str, Any]] = {}
        kept: dict[int, str] = {}
        for number in sorted(heard - {0}):
            life = window.lives.get(number)
            if life is None or life.origin is None:
                continue  # the window's fault says so
            preset, values, primes, learned = life.origin
            if not any(preset is known for known in self._presets):
                self._presets.append(preset)  # made anew while it played
            rigs[number] = {"preset": next(i for i, known in enumerate(self._presets) if known is preset)}
            written = addressed(preset, preset.written)
            born = addressed(preset, values)
            rigs[number]["values"] = {key: value for key, value in born.items() if value != written[key]}
            turned = self._values(number)
            rigs[number]["set"] = {key: value for key, value in turned.items() if value != born[key]}
            rigs[number] |= {"prime": primes, "tail_frames": life.tail_frames, "continues": life.continues}
            if learned and life.weights is not None:
                name = kept.setdefault(id(life.weights), f"weights{number}")
                self.arrays[name] = life.weights
                rigs[number]["weights"] = name
        return rigs

    def _values(self, number: int) -> dict[str, Any]:
        """Return the values of a rig when the window begins, or when it was made in it."""
        origin = self._window.lives[number].origin
        return addressed(origin.preset, self._window.values.get(number, origin.values))

    def _event(self, event: Event, rigs: dict[int, dict[str, Any]], now: dict[int, dict]) -> dict[str, Any]:
        """Return an event; `now` follows it."""
        told: dict[str, Any] = {"frame": event.frame - self._window.start}
        if event.kind == LOG_BLOCK:
            told["block"] = event.value
        elif event.kind == LOG_WAIT:
            told["waits"] = CONTINUING if event.value else "a rig from rest"
        elif event.kind == LOG_RIG:
            told["rig"] = event.rig
            if event.rig in rigs:
                told["preset"] = self._presets[rigs[event.rig]["preset"]].name
        elif event.kind == LOG_GLIDE:
            told[event.value[0]] = event.value[1]
        elif event.kind == LOG_TABLE and event.rig in now and event.value is not None:
            values = addressed(self._window.lives[event.rig].origin.preset, event.value)
            told |= {"rig": event.rig, "set": {k: v for k, v in values.items() if v != now[event.rig][k]}}
            now[event.rig] = values
        return told

    def _told_presets(self) -> list[dict[str, Any]]:
        """Return the presets: those that were opened, then those that were made anew, under names of their own."""
        told: list[dict[str, Any]] = []
        for preset in self._presets:
            assert preset.source is not None
            chain = []
            for block in preset.source.chain:
                item: dict[str, Any] = {"type": block.type, "id": block.id}
                if block.file is not None:
                    item["file"] = self._file(block, preset)
                chain.append(
                    item
                    | {name: word for name in ("level", "inputs") if (word := getattr(block, name))}
                    | _plain(block.values)
                )
            scenes = {title: _plain(values) for title, values in preset.source.scenes.items()}
            used = {one["name"] for one in told}
            own = "".join(character if is_text(character) else "?" for character in preset.name)
            names = itertools.chain([own], (f"{own} {number}" for number in itertools.count(2)))
            name = next(name for name in names if name not in used)
            told.append({"name": name, "chain": chain} | ({"scenes": scenes} if scenes else {}))
        return told

    def _file(self, block: BlockSpec, preset: LoadedPreset) -> str:
        """Return what a block's file is to be called; a model that is in no file, or no more, gets one."""
        read = preset.files[block.id]
        if read.kept and is_text(read.name):
            self._files |= {read.name: read.digest} if read.digest else {}
            return read.name
        if read.spec is None and read.kept:
            names = (f"{self._name}.{block.id}{number}.wav" for number in itertools.chain([""], itertools.count(2)))
            name = next(name for name in names if self.copies.get(name, read.name) == read.name)
            self.copies[name] = read.name
            return name
        if read.spec is None:
            self._faults.append(f"{read.name} has changed since it was read")
            return read.name
        names = (f"{self._name}.{block.id}{number}.json" for number in itertools.chain([""], itertools.count(2)))
        name = next(name for name in names if self.models.get(name, read.spec) is read.spec)
        self.models[name] = read.spec
        return name


def addressed(preset: LoadedPreset, values: Sequence[Mapping]) -> dict[str, Any]:
    """Return values by ``block.name``."""
    return {
        f"{b.id}.{key}": value for b, given in zip(preset.blocks, values, strict=True) for key, value in given.items()
    }


def _plain(values: Mapping) -> dict:
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}


def _packed(window: Window) -> dict[str, np.ndarray]:
    """Return the arrays of the state that a window begins with."""
    if window.state is None:
        return {}
    state = {"engine": window.state.engine}
    for number, arena in window.state.arenas.items():
        state[f"cells{number}"], state[f"image{number}"], state[f"layout{number}"] = packed(arena)
    return state
