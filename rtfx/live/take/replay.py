"""Plays a take again: the same callback, from the state it had, with every change at its frame."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from ...effects.limiter import LARGEST
from ...effects.table import BLOCKS
from ...engine.engine import Engine
from ...engine.layout import GLIDES
from ...engine.rig import EngineRig
from ...engine.snapshot import STATE_BYTES, part, restore, unpack
from ...errors import AudioFileError, PresetError, one_line
from ...files import DAMAGED_ZIP, read_file
from ...loading.files import digest
from ...loading.load import Loader, load_presets
from ...loading.loaded_preset import LoadedPreset
from ...plan.resolve import Models, Options
from ...rig.set_list import load_set_list
from .describe import CONTINUING, VERSION, addressed

SPAN_FRAMES = 8192


def take_in(path: str | Path) -> bool:
    """Tell whether a set list is a take: it has the key at the start of a line."""
    try:
        lines = read_file(path).splitlines()
    except OSError:
        return False
    return any(line.startswith(b"take:") for line in lines)


@contextlib.contextmanager
def understood(path: Path) -> Iterator[None]:
    """Say in a line of a take that it holds something else than was written there."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        kind = type(error).__name__
        raise PresetError(
            f"{path}: this take is damaged ({kind}: {one_line(error)[:80]}): is it as it was saved?"
        ) from error


class Replay:
    """A take made ready to render.

    Attributes
    ----------
    warnings : list of str
        Why the result will not be the wet recording bit for bit; empty if it will.

    Raises
    ------
    PresetError
        The file is no take, or of another version.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        with understood(self.path):
            self._begin(path)

    def _begin(self, path: str | Path) -> None:
        import yaml  # type: ignore[import-untyped]

        set_list = load_set_list(self.path, BLOCKS)
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        try:
            self._take: dict[str, Any] = yaml.load(read_file(self.path), loader)["take"]  # noqa: S506
        except yaml.YAMLError as error:
            raise PresetError(f"{path}: take: is not YAML: {one_line(error)}") from None
        if self._take.get("version") != VERSION:
            raise PresetError(f"{path}: take: version is {self._take.get('version')!r}, expected {VERSION}")
        self.warnings = [] if self._take["exact"] else [str(self._take.get("fault", "it says so"))]
        opened = self._take["opened"]
        self._rate = float(set_list.device["sample_rate"])
        self._check_files()
        self._arrays = self._read()
        options = Options(**self._take["options"])
        models = Models(opened.get("compat"), opened.get("inputs"))
        loader = Loader(self._rate, models, options, opened["cold"], self._take["inputs"])
        self._loaded, _ = load_presets(set_list.presets, opened["preset"], opened["values"], loader)
        self._limiter = bool(set_list.globals.get("limiter", True))
        self._values: dict[int, dict] = {}

    def _check_files(self) -> None:
        files = self._take["files"]
        if isinstance(files, Mapping):  # of earlier takes
            files = [{"file": file, "sha256": expected} for file, expected in files.items()]
        for each in files:
            if digest(each["file"]) != each["sha256"]:
                self.warnings.append(f"{each['file']} has changed since")

    def process(
        self, blocks: Iterable[np.ndarray], sample_rate: int, channels: int
    ) -> tuple[Iterator[np.ndarray], int]:
        """Return (blocks of the output, its channels), lazily; for `render_file`.

        Raises
        ------
        AudioFileError
            The recording does not fit the take.
        """
        with understood(self.path):
            return self._process(blocks, sample_rate, channels)

    def _process(
        self, blocks: Iterable[np.ndarray], sample_rate: int, channels: int
    ) -> tuple[Iterator[np.ndarray], int]:
        if sample_rate != round(self._rate):
            raise AudioFileError(f"the recording has {sample_rate} Hz, expected the take's {self._rate:g} Hz")
        outputs = int(self._take["outputs"])
        engine = Engine(
            self._rate,
            channels,
            outputs,
            device_inputs=channels,
            device_outputs=outputs,
            limiter=self._limiter,
            loudest=float(LARGEST),  # what was kept had been looked at
        )
        state = self._state
        rigs: dict[int, EngineRig] = {}
        block = 64
        if state is not None and int(part(state["engine"], "inputs")[0]) != channels:
            raise AudioFileError(f"the recording has {channels} channels, expected those of the take's dry.wav")
        numbers = [int(number) for number in self._take["slots"]]
        if state is not None:
            for number in {*numbers} - {0}:
                rigs[number] = self._rig(number)
                parts = (state[f"{name}{number}"] for name in ("cells", "image", "layout"))
                if not unpack(rigs[number], *parts):
                    state = self._without("the state it begins with is that of another kind of processor or version")
                    break
        if state is not None:
            restore(engine, state["engine"], rigs, numbers)
            block = int(engine.record["logged_total"]) or block
        else:
            rigs = {}
            engine.record["start_frames"] = 0
            if self._take["playing"]:
                number = int(self._take["playing"])
                rigs[number] = self._rig(number, values_now=True)
                engine.publish(rigs[number])
        return self._guarded(self._played(iter(blocks), engine, rigs, block, channels)), outputs

    def _without(self, reason: str) -> Any:
        self.warnings.append(reason)
        return None

    def _read(self) -> dict[str, np.ndarray]:
        """Return the arrays of the state file; without them there is a warning."""
        try:
            content = read_file(self.path.parent / self._take["state"])
        except OSError:
            self.warnings.append(f"{self._take['state']} is missing: it starts at rest")
            return {}
        try:
            with np.load(BytesIO(content), allow_pickle=False) as file:
                return dict(file)
        except (*DAMAGED_ZIP, MemoryError):
            self.warnings.append(f"{self._take['state']} is damaged: it starts at rest")
            return {}

    @property
    def _state(self) -> Any:
        """The arrays of the state that it begins with, or None."""
        if "engine" in self._arrays and len(self._arrays["engine"]) != STATE_BYTES:
            return self._without("the state it begins with is that of another version")
        return self._arrays if "engine" in self._arrays else None

    def _rig(self, number: int, values_now: bool = False) -> EngineRig:
        """Return the rig of a number as it was when it was published; note its values at the take's start."""
        told = self._take["rigs"][number]
        preset = self._loaded[told["preset"]]
        values = addressed(preset, preset.written) | told["values"]
        now = values | told["set"]
        self._values[number] = now
        given = _by_block(preset, now if values_now else values)
        preset.build(given)
        weights = self._weights(told, preset)
        rig = preset.successor(weights) if told["continues"] and not values_now else preset.instance(given, weights)
        if told["prime"]:
            rig.record["prime_frames"] = preset.prime_frames
        rig.record["tail_frames"] = told["tail_frames"]
        return rig

    def _weights(self, told: Mapping[str, Any], preset: LoadedPreset) -> np.ndarray | None:
        """Return the weights that a rig was given, if they are not those of its files."""
        weights = self._arrays.get(told.get("weights", ""))
        if weights is not None and weights.shape != preset.plan.weights.shape:
            return self._without("weights in it are those of another kind of processor or version")
        return weights

    def _guarded(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        with understood(self.path):
            yield from blocks

    def _played(
        self, blocks: Iterator[np.ndarray], engine: Engine, rigs: dict[int, EngineRig], block: int, channels: int
    ) -> Iterator[np.ndarray]:
        many = self._arrays.get("events")
        events = list(self._take["events"]) if many is None else json.loads(bytes(many))
        if engine.record["waiting"]:
            self._wait(engine, engine.record["waiting"] > 1)
        place = origin = following = 0
        held = np.zeros((0, channels), np.float32)
        ended = False
        while True:
            while following < len(events) and events[following]["frame"] <= place:
                event = events[following]
                following += 1
                if "block" in event:
                    block, origin = int(event["block"]), place
                elif "waits" in event:
                    self._wait(engine, event["waits"] == CONTINUING)
                else:
                    self._happens(event, engine, rigs)
            engine.reclaim()
            for number in [number for number, rig in rigs.items() if rig.address not in engine.rigs]:
                del rigs[number]
            until = events[following]["frame"] if following < len(events) else place + SPAN_FRAMES + block
            span, size = _span(place, until, origin, block)
            while len(held) < span and not ended:
                more = next(blocks, None)
                ended = more is None
                held = np.concatenate([held, more]) if more is not None else held
            x, held = held[:span], held[span:]
            if not len(x):
                return
            yield engine.drive(x, size)
            place += len(x)

    def _wait(self, engine: Engine, continues: bool) -> None:
        """Offer a rig while no slot is free: any will do, it is never heard."""
        engine.publish(self._rig(min(self._take["rigs"])), continues)

    def _happens(self, event: Mapping, engine: Engine, rigs: dict[int, EngineRig]) -> None:
        if "set" in event:
            number = int(event["rig"])
            if number in rigs:
                self._values[number] = self._values[number] | (event["set"] or {})
                rigs[number].glide_to(
                    _by_block(self._loaded[self._take["rigs"][number]["preset"]], self._values[number])
                )
        elif "rig" in event:
            number = int(event["rig"])
            rigs[number] = self._rig(number)
            engine.publish(rigs[number], self._take["rigs"][number]["continues"])
        for name in GLIDES:
            if name in event:
                engine.glide(name, float(event[name]))


def _by_block(preset: Any, values: Mapping[str, Any]) -> list[dict]:
    """Return values by ``block.name`` as one mapping for each block of the chain."""
    result: list[dict] = [{} for _ in preset.blocks]
    places = {block.id: index for index, block in enumerate(preset.blocks)}
    for address, value in values.items():
        block, name = address.split(".", 1)
        result[places[block]][name] = value
    return result


def _span(place: int, until: int, origin: int, block: int) -> tuple[int, int]:
    """Return (frames to go before `until`, frames per callback) so that callbacks begin where they did.

    Within a callback the parts are cut at the same frames as by the callback itself, so one may end at an event.
    """
    inside = (place - origin) % block
    if inside:
        rest = min(block - inside, until - place)
        return rest, rest
    whole = min((until - place) // block, max(SPAN_FRAMES // block, 1))
    return (whole * block, block) if whole else (until - place, until - place)
