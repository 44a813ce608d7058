"""Takes: the last minute of a stream, saved in such a way that it can be rendered again.

The audio thread keeps its input and output in ring buffers, and logs each change with its frame: a new rig, new
parameters, a new gain. A take consists of both recordings, the set list and these events. To render it, the rig
processes the dry recording through the same callback. No state is saved: the rig starts from rest, `LEAD_SECONDS`
before the wet recording or at the first frame of the stream, so that its state no longer depends on the start when the
wet recording begins.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import read_audio
from ..effects.limiter import LARGEST
from ..effects.table import BLOCKS
from ..engine.engine import Engine
from ..engine.engine_rig import EngineRig
from ..engine.layout import GLIDES, LOG_BLOCK, LOG_GLIDE, LOG_RIG
from ..errors import AudioFileError, PresetError, RtfxError, is_text, one_line, reason_of
from ..files import free_name, read_file, replacement, write_file
from ..find import writable_folders
from ..host.growing import GrowingWave
from ..host.timeouts import STALLED_SECONDS, await_end, await_writing
from ..loading.files import path_of
from ..loading.preset import LoadedPreset, Loader, load_presets
from ..model import rtfx_json
from ..model.spec import ModelSpec
from ..model.update import with_weights
from ..plan.arena import DOMAIN, RIG
from ..plan.chain import Plan
from ..plan.resolve import Models
from ..rig.blocks import BlockSpec
from ..rig.edit import document
from ..rig.parameters import Options
from ..rig.set_list import load_set_list
from ..units import db_from_gain
from .controller import Controller

VERSION = 3
TAKE_SECONDS = 60.0
LEAD_SECONDS = 10.0  # of the dry recording before the wet one
SPARE_SECONDS = 2.5  # extra length of the ring buffers, which fill up while a take is copied out of them
RING_SECONDS = TAKE_SECONDS + LEAD_SECONDS + SPARE_SECONDS
POLL_SECONDS = 0.2
PIECE = 1 << 16  # frames per write; after each one the progress of a slow disk is noted
DRY, WET, EVENTS, LIST = ".dry.wav", ".wet.wav", ".events.json", ".yaml"

# {"frame": n, ...} with "block": frames of a callback; or one of GLIDES: its target; or "rig": a number, with "set":
# values by address. For a new rig "preset" is its name and "set" has all values; else "set" has the changed ones.
Event = dict[str, Any]


@dataclass(frozen=True)
class Take:
    """The last part of a stream: its input, its output, its events, and the text that describes it."""

    dry: np.ndarray
    wet: np.ndarray
    events: list[Event]
    presets: list[LoadedPreset]
    device: dict[str, Any]
    about: dict[str, Any]


class Takes:
    """Reads an engine's log and saves takes while a stream plays. [control thread]

    Parameters
    ----------
    loader : Loader
        How the presets were loaded.
    values : mapping
        Values by address with which the first preset was opened, in place of those in the set list.

    Attributes
    ----------
    news : deque of str
        One line for each take that was written or could not be written.
    say : callable
        Called with a line of text while `close` waits for the disk.
    error : str
        The last take that could not be written, and why; "" if all were written.
    """

    def __init__(self, engine: Engine, controller: Controller, loader: Loader, values: Mapping[str, Any]):
        assert engine.rings is not None
        self.news: deque[str] = deque()
        self.say: Callable[[str], object] = self.news.append
        self.error = ""
        self._engine, self._rings, self._controller = engine, engine.rings, controller
        self._loader, self._opened = loader, (controller.preset.name, dict(values))
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._before: dict[str, Event] = {}  # the last event of each kind that is older than the ring buffers
        for name in GLIDES:
            self._before[name] = {"frame": -1, name: float(engine.record[name]["target"])}
        self._values: dict[int, dict[str, Any]] = {}  # by rig: its values after the events
        self._logged = 0
        self._gap = 0  # first frame at which a take may begin
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rtfx takes", daemon=True)
        self._writers: list[threading.Thread] = []
        self._moved = 0  # pieces written, over all takes

    def start(self) -> None:
        """Start to read the log; call it before the audio starts."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread that reads the log; takes can still be saved."""
        self._stop.set()
        await_end(self._thread, 2.0)

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self._look()

    def _look(self) -> None:
        """Read the log; drop events that are older than the ring buffers."""
        self._rings.prepare()
        # Read this before the log: a rig that was freed earlier logs nothing more.
        oldest = min((int(rig.record["number"]) for rig in list(self._engine.rigs.values())), default=0)
        with self._lock:
            self._follow()
            while self._events and self._events[0]["frame"] < self._rings.head - self._rings.frames:
                _sum_up(self._before, self._events.popleft())
        published = self._engine.published
        while published and published[0].number < oldest:
            self._values.pop(published.popleft().number, None)

    def _follow(self) -> None:
        first, records = self._rings.log(self._logged)
        if first > self._logged and len(records):
            self._gap = int(records[0]["frame"])
        self._logged = first + len(records)
        known = {each.number: each for each in list(self._engine.published)}
        for frame, kind, rig, number, value in records.tolist():
            if kind == LOG_BLOCK:
                self._events.append({"frame": frame, "block": number})
            elif kind == LOG_GLIDE:
                self._events.append({"frame": frame, GLIDES[number]: value})
            elif rig in known and known[rig].origin:
                preset, begun, primes = known[rig].origin
                if kind == LOG_RIG:
                    values = self._values[rig] = _plain(preset.addressed(begun))
                    event = {"frame": number, "rig": rig, "preset": _name(preset), "set": values}
                    self._events.append(event | ({"changed": True} if primes or known[rig].continues else {}))
                elif table := dict(known[rig].tables).get(number):
                    before, now = self._values.get(rig, {}), _plain(preset.addressed(table))
                    self._values[rig] = now
                    turned = {name: value for name, value in now.items() if before.get(name) != value}
                    self._events.append({"frame": frame, "rig": rig, "set": turned})

    def save(self, folder: str | Path | None = None, seconds: float = TAKE_SECONDS) -> Path:
        """Save the last `seconds` on a thread of its own; return the path of the take's set list.

        Parameters
        ----------
        folder : path, optional
            By default the working folder. If it is not writable or full, the take is written to the working folder,
            the user's ``takes``, or the temporary folder, as a recording is.

        Raises
        ------
        AudioFileError
            No folder is writable.
        """
        take = self._cut(seconds)
        wanted = Path(folder) if folder is not None else Path.cwd()
        bases = _bases(wanted, take.dry.nbytes + take.wet.nbytes)
        base = next(bases, None)
        if base is None:
            raise AudioFileError(f"{wanted}: no take can be written there, nor anywhere else: make room on a disk")
        if base.parent != wanted:
            self.news.append(f"{wanted} cannot be written to: the take goes to {base.parent}")
        writer = threading.Thread(target=self._write, args=(base, bases, take), name="rtfx take", daemon=True)
        self._writers = [thread for thread in self._writers if thread.is_alive()] + [writer]
        writer.start()
        return base.parent / (base.name + LIST)

    @property
    def writing(self) -> bool:
        """Whether a take is being written."""
        return any(writer.is_alive() for writer in list(self._writers))

    def close(self) -> None:
        """Wait until all takes are on the disk; give up if the disk has stopped writing."""
        for writer in self._writers:
            if not await_writing(writer, lambda: self._moved, lambda: self.say("writing the take: the disk is slow")):
                self.error = f"a take is not whole: the disk has taken nothing for {STALLED_SECONDS:g} s"
                self.news.append(self.error)

    def _cut(self, seconds: float) -> Take:
        """Return the last `seconds`, with the input before them."""
        rings, e = self._rings, self._engine.record
        presets = [preset for preset in self._controller.presets if not preset.fault]
        rate = float(e["sample_rate"])
        with self._lock:
            self._follow()
            last = rings.head
            events = sorted(
                (event for event in self._events if event["frame"] < last), key=lambda event: event["frame"]
            )
            oldest = max(last - rings.frames + round(SPARE_SECONDS * rate / 2.0), self._gap, 0)
            first = max(last - round(seconds * rate), oldest)
            start = max(first - round(LEAD_SECONDS * rate), oldest)
            before = self._until(start, events)
            rig = before.get("rig", {})
            preset = next((preset for preset in presets if _name(preset) == rig.get("preset")), None)
            if preset:  # start where models of other rates are at the same phase as live
                start += (rig["frame"] - start) % _unit(preset.plan)
                first = max(first, start)
                before = self._until(start, events)
            start, dry = rings.read(rings.dry, start, last)
            _, wet = rings.read(rings.wet, first, last)
        events = [*before.values(), *(event for event in events if event["frame"] >= start)]
        about = {"version": VERSION, "start_frame": start, "lead_frames": len(dry) - len(wet), "outputs": wet.shape[1]}
        if e["stop_frame"] >= 0:
            about["stop_frame"] = int(e["stop_frame"])
        fault = _fault(presets, preset, events, start, about["lead_frames"] / rate)
        fault = fault or ("a global block was turned" if self._controller.shared.turned else "")
        about |= {"exact": not fault, **({"fault": fault} if fault else {})}
        name, values = self._opened
        place = next((place for place, preset in enumerate(presets) if preset.name == name), 0)
        about["opened"] = {"preset": place, "values": _plain(values)}
        about["models"] = {"inputs": self._loader.models.inputs}
        about["options"] = asdict(self._loader.options)
        device = {"device": {"sample_rate": rate}, "global": {"limiter": bool(e["limit"])}}
        events = [event | {"frame": event["frame"] - start} for event in events]
        return Take(dry, wet, events, presets, device, about)

    def _until(self, frame: int, events: Iterable[Event]) -> dict[str, Event]:
        """Return the last event of each kind before a frame."""
        before = dict(self._before)
        for event in events:
            if event["frame"] < frame:
                _sum_up(before, event)
        return before

    def _write(self, base: Path, bases: Iterator[Path], take: Take) -> None:
        """Write a take, in another folder if the first fails, and report the result. [own thread]"""
        while True:
            try:
                self._write_parts(base, take)
                break
            except (OSError, RuntimeError, ValueError, RtfxError) as error:
                reason = reason_of(error)
                for path in base.parent.glob(f"{base.name}.*"):
                    with contextlib.suppress(OSError):
                        path.unlink()
            other = next(bases, None)
            if other is None:
                self.error = f"the take could not be written to {base}.*: {reason}"
                self.news.append(self.error)
                return
            self.news.append(f"the take could not be written to {base}.* ({reason}): it goes to {other.parent}")
            base = other
        seconds = len(take.wet) / take.device["device"]["sample_rate"]
        told = f"not exact: {take.about['fault']}" if "fault" in take.about else "exact"
        self.news.append(f"{seconds:.0f} s saved as {base.name}.dry.wav, .wet.wav and .yaml, {told}")

    def _write_parts(self, base: Path, take: Take) -> None:
        import yaml  # type: ignore[import-untyped]

        for part, frames in ((DRY, take.dry), (WET, take.wet)):
            rate = round(take.device["device"]["sample_rate"])
            with (
                replacement(f"{base}{part}") as path,
                contextlib.closing(GrowingWave(path, rate, frames.shape[1])) as wave,
            ):
                for first in range(0, len(frames), PIECE):
                    wave.write(frames[first : first + PIECE])
                    self._moved += 1
        write_file(f"{base}{EVENTS}", "[" + ",\n".join(map(json.dumps, take.events)) + "]\n")
        presets = []
        for preset in take.presets:
            assert preset.source is not None
            whole = self._controller.shared.around(preset.source)
            chain = tuple(self._kept(block, preset, base) for block in whole.chain)
            presets.append(document(replace(preset.source, name=_name(preset), chain=chain)))
        text = {"version": 1, **take.device, "presets": presets, "take": take.about}
        form = {"sort_keys": False, "width": 120, "default_flow_style": None, "allow_unicode": True}
        write_file(f"{base}{LIST}", yaml.dump(text, None, getattr(yaml, "CSafeDumper", yaml.SafeDumper), **form))

    def _kept(self, block: BlockSpec, preset: LoadedPreset, base: Path) -> BlockSpec:
        """Return a block that names its file; a model that no file holds is saved beside the take."""
        block = replace(block, values=_plain(block.values), weights=None)
        if block.file is None or str(block.file).startswith("random:"):
            return block
        path, plays = None, BLOCKS[block.type].file
        with contextlib.suppress(RtfxError):  # the file no longer exists
            path = path_of(block)
        if path is not None and is_text(str(path.resolve())) and not (preset.learned and plays == "model"):
            return replace(block, file=str(path.resolve()))
        target = base.parent / f"{base.name}.{block.id}{'.json' if plays == 'model' else '.wav'}"
        target = free_name(target) if target.exists() else target
        if plays == "model":
            spec = block.file if isinstance(block.file, ModelSpec) else self._loader.models.of(block)
            played = next(each.ready.spec for each in preset.blocks if each.id == block.id)
            rtfx_json.save(with_weights(spec, played) if preset.learned else spec, target)
        elif path is not None:
            shutil.copyfile(path, target)
        return replace(block, file=target.name)


def _bases(wanted: Path, size: float) -> Iterator[Path]:
    """Yield paths without suffix, ``take``, ``take-2`` and so on, each reserved for this take."""
    for folder in writable_folders(wanted, size):
        for number in itertools.count(1):
            base = folder / ("take" if number == 1 else f"take-{number}")
            if any(folder.glob(f"{base.name}.*")):
                continue
            try:
                (folder / (base.name + LIST)).touch(exist_ok=False)
            except FileExistsError:
                continue
            except OSError:
                break
            yield base
            break


def _sum_up(before: dict[str, Event], event: Event) -> None:
    """Store an event as the last of its kind; changed values are merged into the event of the last new rig."""
    kind = next(name for name in event if name != "frame")
    if kind != "rig" or "preset" in event:
        before[kind] = event
    elif before.get("rig", {}).get("rig") == event["rig"]:
        before["rig"] = before["rig"] | {"set": before["rig"]["set"] | event["set"]}


def _unit(plan: Plan) -> int:
    """Return the period, in frames, after which a plan's resampled models and strided layers repeat their phase."""
    rig = plan.arena[: RIG.itemsize].view(RIG)[0]
    domains = plan.arena[rig["domains"] :][: rig["domain_count"] * DOMAIN.itemsize].view(DOMAIN)
    strides = (block.source.playing.period for block in plan.blocks if block.source.playing)
    return math.lcm(*domains["down"].tolist()) * math.lcm(*strides)


def _fault(
    presets: Sequence[LoadedPreset], first: LoadedPreset | None, events: Sequence[Event], start: int, lead: float
) -> str:
    """Return why a take cannot be rendered exactly, "" if it can.

    `first` plays when the `lead` seconds before the wet recording begin; a preset selected in them starts from rest.
    """
    faults = [f"{_name(preset)} was given other weights while it played" for preset in presets if preset.learned]
    if any("changed" in event and event["frame"] >= start for event in events):
        faults.append("a chain or a model was changed in it")
    rate = first.plan.sample_rate if first else 0.0
    fresh = any("preset" in event and start <= event["frame"] <= start + lead * rate for event in events)
    for block in (each.ready for each in first.blocks) if first and start and not fresh else ():
        if block.playing and (block.playing.recurrent or block.memory_frames(rate) > lead * rate):
            faults.append(f"{block.id} remembers more than the {lead:.0f} s before it")
    return "; ".join(faults)


def _name(preset: LoadedPreset) -> str:
    """Return the name of a preset in a form that a set list can hold."""
    return "".join(character if is_text(character) else "?" for character in preset.name)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}


def is_take(path: str | Path) -> bool:
    """Return whether a set list is a take: the key ``take`` is at the start of a line."""
    try:
        return any(line.startswith(b"take:") for line in read_file(path).splitlines())
    except OSError:
        return False


@contextlib.contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Turn errors in a damaged take into one PresetError."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        found = f"{type(error).__name__}: {one_line(error)[:80]}"
        raise PresetError(f"{path}: this take is damaged ({found}): is it as it was saved?") from error


class Replay:
    """A take that is ready to render.

    Attributes
    ----------
    verdict : str
        Says whether the result equals the wet recording bit for bit, and if not, the known reasons.

    Raises
    ------
    PresetError
        The file is not a take, or has another version.
    """

    def __init__(self, path: str | Path):
        import yaml

        self.verdict = ""
        self._path = Path(path)
        self._base = self._path.with_suffix("")
        with _understood(self._path):
            self._set_list = load_set_list(self._path, BLOCKS)
            loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            self._take: dict[str, Any] = yaml.load(read_file(self._path), loader)["take"]  # noqa: S506
            if self._take.get("version") != VERSION:
                raise PresetError(f"{path}: take: version is {self._take.get('version')!r}, expected {VERSION}")
            self._rate = float(self._set_list.device["sample_rate"])
            try:
                self._events: list[Event] = json.loads(read_file(f"{self._base}{EVENTS}"))
            except OSError as error:
                raise PresetError(f"{self._base}{EVENTS}: {reason_of(error).lower()}: a take needs it") from error

    def process(
        self, blocks: Iterable[np.ndarray], sample_rate: int, channels: int
    ) -> tuple[Iterator[np.ndarray], int]:
        """Return (blocks (frames, channels) of the output, number of channels), for `render_file`; set the verdict.

        Raises
        ------
        AudioFileError
            The recording does not fit the take.
        """
        if sample_rate != round(self._rate):
            raise AudioFileError(f"the recording has {sample_rate} Hz, expected the take's {self._rate:g} Hz")
        with _understood(self._path):
            y = self._played(np.concatenate([np.zeros((0, channels), np.float32), *blocks]))
            y = y[int(self._take["lead_frames"]) :]
            self.verdict = self._compared(y)
        return iter([y]), y.shape[1]

    def _played(self, dry: np.ndarray) -> np.ndarray:
        take, channels = self._take, dry.shape[1]
        loader = Loader(self._rate, Models(**take["models"]), Options(**take["options"]), channels)
        loaded, _ = load_presets(self._set_list.presets, take["opened"]["preset"], take["opened"]["values"], loader)
        presets = {preset.name: preset for preset in loaded}
        engine = Engine(
            self._rate,
            channels,
            take["outputs"],
            device_inputs=channels,
            device_outputs=take["outputs"],
            live=take["start_frame"] == 0,
            limiter=bool(self._set_list.globals.get("limiter", True)),
            loudest=float(LARGEST),  # the check for too loud samples was made live
        )
        engine.record["clock"] = take["start_frame"]
        engine.stop_at(take.get("stop_frame", -1))
        rigs: dict[int, tuple[LoadedPreset, EngineRig, list[dict]]] = {}
        events = deque(self._events)
        y = np.zeros((len(dry), take["outputs"]), np.float32)
        place, origin, block = 0, 0, 64
        while place < len(dry):
            while events and events[0]["frame"] <= place:
                event = events.popleft()
                if "block" in event:
                    origin, block = event["frame"], event["block"]
                elif "rig" in event:
                    _take_up(event, engine, presets, rigs)
                for name in event.keys() & {*GLIDES}:
                    for cell in ("target", "goal", "value") if event["frame"] < 0 else ("target",):
                        engine.record[name][cell] = event[name]
            engine.reclaim()
            until = min(events[0]["frame"], len(dry)) if events else len(dry)
            inside = (place - origin) % block  # place in a callback: long ones are cut, and an event may be at a cut
            size = block - inside if inside else max((until - place) // block * block, block)
            end = min(place + size, until)
            y[place:end] = engine.drive(dry[place:end], block)
            place = end
        return y

    def _compared(self, y: np.ndarray) -> str:
        name = f"{self._base.name}{WET}"
        try:
            wet = read_audio(f"{self._base}{WET}")[0]
        except AudioFileError as error:
            return f"{error}: whether it is exact is not known"
        if wet.shape != y.shape:
            return f"not exact: {name} has (frames, channels) {wet.shape}, expected {y.shape}"
        apart = np.abs(wet.astype(np.float64) - y).max(axis=1, initial=0.0)
        wrong = np.flatnonzero(apart) / self._rate
        if not len(wrong):
            return f"exact, {name} bit for bit"
        worst = f"{db_from_gain(float(apart.max())):.0f} dBFS, between {wrong[0]:.1f} s and {wrong[-1]:.1f} s"
        reason = self._take.get("fault") or "was a file changed since?"
        return f"not exact: {name} differs by up to {worst}: {reason}"


def _take_up(event: Event, engine: Engine, presets: Mapping[str, LoadedPreset], rigs: dict[int, tuple]) -> None:
    """Apply an event: publish a rig, or set values of the playing one."""
    number, given = event["rig"], event["set"]
    if "preset" in event:
        preset = presets[event["preset"]]
        values = preset.with_values(preset.now(), given)
        preset.build(values)
        rig = preset.instance(values)
        engine.publish(rig)
        for gone in [each for each, (_, rig, _) in rigs.items() if rig.address not in engine.rigs]:
            del rigs[gone]
        rigs[number] = preset, rig, values
    elif number in rigs:
        preset, rig, values = rigs[number]
        values = preset.with_values(values, given)
        rig.glide_to(values)
        rigs[number] = preset, rig, values
