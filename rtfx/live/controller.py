"""The control thread of a stream: any thread posts changes here, and this one thread applies them to the engine."""

from __future__ import annotations

import threading
from collections import ChainMap, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral
from typing import NamedTuple

from ..engine.engine import Engine
from ..engine.engine_rig import EngineRig
from ..errors import AudioFileError, PresetError, UsageError, did_you_mean, message_of, quoted
from ..host.timeouts import await_end
from ..loading.preset import Compiled, Knob, LoadedPreset, Origin, Shared, Value, Values, cannot_play
from ..model.random.nets import FAMILY as RANDOM
from ..model.spec import ModelSpec
from ..plan.chain import Plan
from ..rig.set_list import GLOBALS
from ..units import db_from_gain, gain_from_db
from .knobs import History

TICK_SECONDS = 0.02
LONG_PRIME_SECONDS = 1.0  # a change that takes longer is announced to the player


class Built(NamedTuple):
    """The result of building a plan while the audio runs: a plan and an instance of it, or the reason why it failed.

    Parameters
    ----------
    values : list of dict
        The values of each block for which the plan was built.
    revision : int
        The preset's revision when the build began; the plan lacks weights that the models have received since.
    """

    preset: LoadedPreset
    values: Values
    revision: int
    made: Compiled | None
    error: str = ""


class Builder:
    """Plans and compiles one preset at a time, on a thread that ends when there is nothing left to build.

    Parameters
    ----------
    done : callable
        Called with each result, on that thread.
    """

    def __init__(self, done: Callable[[Built], None]):
        self._done = done
        self._lock = threading.Lock()
        self._next: tuple[LoadedPreset, Values] | None = None
        self._busy: tuple[LoadedPreset, Values] | None = None

    def ask(self, preset: LoadedPreset, values: Values) -> None:
        """Build a preset at these values; a request that waits is replaced by a newer one. [any thread]"""
        with self._lock:
            if self._busy is not None:
                under_way = self._busy[0] is preset and preset.structure(self._busy[1]) == preset.structure(values)
                self._next = None if under_way else (preset, values)
                return
            self._busy = preset, values
        threading.Thread(target=self._run, args=(preset, values), name="rtfx build", daemon=True).start()

    def _run(self, preset: LoadedPreset, values: Values) -> None:
        while True:
            revision, made, error = preset.revision, None, ""
            try:
                made = preset.make(values)
            except Exception as failure:  # any error: the thread must survive to serve the next request
                error = message_of(failure)
            self._done(Built(preset, values, revision, made, error))
            with self._lock:
                self._busy, self._next = self._next, None
                if self._busy is None:
                    return
                preset, values = self._busy


class Controller:
    """Owns the presets; only this object publishes rigs to the engine.

    Methods may be called from any thread: they check and post a change, then return. `get` returns a posted value at
    once.

    Parameters
    ----------
    presets : sequence of LoadedPreset
    first : int
        The index of the one that plays first, from 0.
    shared : Shared, optional
        The blocks before and after all presets. They play until the stream ends.

    Attributes
    ----------
    gains : dict of str to Knob
        The input and output gain, which all presets share, by address.
    changed : callable
        Called after each change, on the thread that makes it.
    """

    def __init__(self, engine: Engine, presets: Sequence[LoadedPreset], first: int = 0, shared: Shared | None = None):
        self.engine = engine
        self.shared = shared or Shared()
        self._listed = list(presets), first  # one tuple, as other threads read both without the lock
        self._wake = threading.Condition()
        self._turned = False
        self._shared_turned = False
        self._selected = False
        self._replaced = False
        self._stopped = False
        self._updates: dict[tuple[str, str], ModelSpec] = {}  # by the names of preset and block
        self._built: list[Built] = []
        self._builder = Builder(self._receive)
        self.news: deque[str] = deque()
        self.changed: Callable[[], object] = lambda: None
        self.history = History()
        levels: dict[str, Value] = {
            parameter.name: round(db_from_gain(float(engine.record[_gain_of(parameter.name)]["target"])), 4)
            for parameter in GLOBALS
        }
        self.gains = {parameter.name: Knob(parameter.name, parameter, levels) for parameter in reversed(GLOBALS)}
        engine.share(*(each.instance(each.now()) if each else None for each in self.shared))
        # A shared knob has no written value, as what is saved belongs to a preset.
        self._common = {
            address: replace(knob, written=None)
            for each in self.shared.loaded
            for address, knob in each.knobs.items()
            if knob.parameter.kind != "structural"
        }
        self.playing: EngineRig
        self._begin(self.preset, self.preset.now())
        self._thread = threading.Thread(target=self._run, name="rtfx control", daemon=True)

    @property
    def presets(self) -> list[LoadedPreset]:
        """All presets, in order, including those that cannot play."""
        return self._listed[0]

    @property
    def index(self) -> int:
        """The place of the preset selected last, from 0."""
        return self._listed[1]

    @property
    def preset(self) -> LoadedPreset:
        """The preset selected last; one that cannot play is never selected."""
        presets, index = self._listed
        return presets[index]

    @property
    def knobs(self) -> Mapping[str, Knob]:
        """The gains, then every parameter of the current preset in the order of its chain, by address."""
        # a ChainMap iterates over its last mapping first
        return ChainMap(self.preset.knobs, self._common, self.gains)

    def start(self) -> None:
        """Start the control thread."""
        self._thread.start()

    def find(self, address: str) -> Knob:
        """Return the knob of an address, or of a name that only one block has; UsageError if there is none."""
        common = self.gains.get(address) or self._common.get(address)
        return common or self.preset.find(address)

    def set(self, address: str, value) -> None:
        """Set a knob; the sound follows in a ramp, or after a new plan is built. [any thread]"""
        self.set_many({address: value})

    def set_many(self, values: Mapping[str, Value], remember: bool = True) -> None:
        """Turn several knobs at once: all, or none if one value is wrong. [any thread]

        Parameters
        ----------
        values : mapping
            Address to value.
        remember : bool
            Note the change in the history, where one undo reverts all of it.
        """
        preset = self.preset
        knobs = [(self.find(address), value) for address, value in values.items()]
        turned = {knob: knob.check(value) for knob, value in knobs}
        for knob, value in list(turned.items()):
            for address, driven in preset.driven(knob.address, value).items():
                target = preset.knobs[address]
                turned.setdefault(target, target.check(driven))  # a value that the caller gives goes first
        for block in preset.blocks:
            new = {knob.parameter.name: value for knob, value in turned.items() if knob.values is block.values}
            if new:
                block.ready.check_together(block.values | new)
        with self._wake:
            before = {knob: knob.value for knob in turned}
            for knob, value in turned.items():
                knob.values[knob.parameter.name] = value
            addresses = {knob.address for knob in turned} - self.gains.keys()
            self._shared_turned = self._shared_turned or not addresses.isdisjoint(self._common)
            self._turned = self._turned or not addresses <= self._common.keys()
            self._wake.notify()
        for address in self.gains.keys() & {knob.address for knob in turned}:
            self._glide_gain(address)
        if remember:
            for name, own in ((None, True), (preset.name, False)):
                common = self.gains.keys() | self._common.keys()
                some = [knob for knob in turned if (knob.address in common) == own]
                if some:
                    was, now = ({knob.address: found[knob] for knob in some} for found in (before, turned))
                    self.history.note(name, was, now)
        self.changed()

    def set_gain(self, address: str, db: float) -> None:
        """Set the input or output gain in dB, also beyond the range of its knob; a ramp smooths it. [any thread]"""
        self.gains[address].values[address] = db
        self._glide_gain(address)
        self.changed()

    def _glide_gain(self, address: str) -> None:
        self.engine.glide(_gain_of(address), gain_from_db(float(self.gains[address].value)))

    def get(self, address: str):
        """Return the value of a parameter that was posted last. [any thread]"""
        return self.find(address).value

    def select(self, index: int) -> None:
        """Crossfade to a preset by its index from 0, or raise PresetError if it cannot play. [any thread]"""
        with self._wake:
            presets = self.presets
            if not isinstance(index, Integral):
                raise UsageError(f"preset is {index!r}, expected its index, 0 to {len(presets) - 1}")
            if not 0 <= index < len(presets):
                raise UsageError(f"preset {index + 1} does not exist, expected 1 to {len(presets)}")
            if presets[index].fault:
                raise PresetError(cannot_play(index, presets[index].name, presets[index].fault))
            self._listed = presets, index
            self._selected = True
            self._wake.notify()
        self.changed()

    def scene(self, name: str) -> None:
        """Set all values of a scene of the current preset. [any thread]"""
        scenes = self.preset.scenes
        if name not in scenes:
            raise UsageError(
                f"no scene {quoted(name)}{did_you_mean(name, scenes)}, expected one of: {', '.join(scenes) or 'none'}"
            )
        self.set_many(scenes[name])

    def update(self, preset: str, block: str, spec: ModelSpec) -> None:
        """Give a block's model the weights of `spec`; a newer call replaces one that waits. [any thread]

        The preset is named, as a reload may move it. A preset that a reload has removed gets no weights.
        """
        with self._wake:
            self._updates[preset, block] = spec
            self._wake.notify()

    def replace(self, presets: Sequence[LoadedPreset]) -> None:
        """Replace all presets and select the one with the current name, else the nearest in place. [any thread]"""
        playable = [index for index, preset in enumerate(presets) if not preset.fault]
        with self._wake:
            name, before = self.preset.name, self.index
            index = min(playable, key=lambda place: (presets[place].name != name, abs(place - before)))
            self._listed = list(presets), index
            self._replaced = True
            self._wake.notify()
        self.changed()

    def stop(self) -> None:
        """End the control thread."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        await_end(self._thread, 0.5)  # while it compiles it cannot be stopped; it ends afterwards

    def _run(self) -> None:
        told = ""
        while True:
            with self._wake:
                self._wake.wait_for(self._asked, TICK_SECONDS)
                if self._stopped:
                    return
            try:
                self._act()
                told = ""
            except Exception as error:  # any error: the thread must survive to apply the next change
                if message_of(error) != told:  # a lasting fault recurs at every tick: report it once
                    told = message_of(error)
                    self.news.append(f"a change was not made, the sound stays as it was: {told}")

    def _asked(self) -> bool:
        posted = self._turned or self._shared_turned or self._selected or self._replaced
        return bool(posted or self._stopped or self._updates or self._built)

    def _act(self) -> None:
        """Apply every change posted since the last time; free the rigs that the engine has given back."""
        with self._wake:
            selected, turned, shared_turned = self._selected, self._turned, self._shared_turned
            continues = self._replaced and not selected
            self._selected = self._turned = self._shared_turned = self._replaced = False
            updates, self._updates = self._updates, {}
            built, self._built = self._built, []
            preset = self.preset  # changes posted later are applied at the next call
        for one in built:
            self._take(one)
        swapped = self._swap(updates, preset)
        with self._wake:
            values = preset.now()  # under the lock, so that knobs set together are read together
        if not preset.has(values):
            if selected or turned or swapped or built:
                self._builder.ask(preset, values)
            values = preset.settled(values)
        other = preset.build(values)
        if selected:
            self._begin(preset, values)
        elif swapped or (continues and preset.plan is not self.playing.plan):
            fits = preset.plan.layout == self.playing.plan.layout
            if fits and not self.engine.offers(self.playing):
                self._go_on(preset, values)
            else:  # a rig that the engine has not taken yet has no state to continue from
                self._begin(preset, values, primes=not fits)
        elif other:
            self._tell(preset)
            self._begin(preset, values, primes=True)
        elif turned:
            self._turn(preset, values)
        for rig, each in zip(self.engine.shared, self.shared, strict=True):
            if shared_turned and rig and each:
                rig.glide_to(each.now())
        self.engine.reclaim()

    def _begin(self, preset: LoadedPreset, values: Values, primes: bool = False) -> None:
        """Play a preset from rest; with `primes` it processes input for a while before it is faded in."""
        rig = preset.instance(values)
        if primes:
            rig.record["prime_frames"] = frames = preset.prime_frames
            seconds = frames / preset.plan.sample_rate
            if seconds > LONG_PRIME_SECONDS:
                self.news.append(
                    f"{preset.name}: runs silently for {seconds:.1f} s, as long as its memory, then fades in"
                )
        rig.origin = Origin(preset, values, primes)
        self.playing = rig
        self.engine.publish(rig)

    def _turn(self, preset: LoadedPreset, values: Values) -> None:
        """Ramp the playing rig to new values; until it is faded in, also older rigs of the preset that still sound."""
        self.playing.glide_to(values)
        if self.playing.record["prime_frames"]:
            for rig in list(self.engine.rigs.values()):
                if rig is not self.playing and rig.origin and rig.origin.preset is preset:
                    rig.glide_to(preset.settled(values, rig.plan))

    def _tell(self, preset: LoadedPreset) -> None:
        """Tell the player which random nets differ from those that play."""
        for now, before in zip(preset.plan.blocks, self.playing.plan.blocks, strict=True):
            spec, old = now.source.spec, before.source.spec
            if spec and old and spec.family == RANDOM and spec.name != old.name:
                self.news.append("; ".join((f"{now.source.id}: {spec.name}", *spec.warnings)))

    def _receive(self, built: Built) -> None:
        """Store a result of the builder. [builder's thread]"""
        with self._wake:
            self._built.append(built)
            self._wake.notify()

    def _take(self, built: Built) -> None:
        """Keep a plan that was built, or restore the old values if it could not be built."""
        preset, made, error = built.preset, built.made, built.error
        if built.revision != preset.revision:
            return  # it was built without weights that were posted since
        try:
            if made:
                self.check_outputs(preset.name, made.plan)
        except AudioFileError as refusal:
            made, error = None, str(refusal)
        if made:
            preset.keep(built.values, made)
            return
        self.news.append(error)
        with self._wake:
            preset.take_back(built.values)
        self.changed()

    def check_outputs(self, name: str, plan: Plan) -> None:
        """Raise AudioFileError if a plan has more outputs than the stream was opened with."""
        outputs = int(self.engine.record["outputs"])
        if plan.outputs > outputs:
            raise AudioFileError(
                f"preset {quoted(name)} has {plan.outputs} output channels, the stream was opened with {outputs}: "
                "start anew to hear it"
            )

    def _go_on(self, preset: LoadedPreset, values: Values) -> None:
        """Play other weights or values with the state of the playing rig, whose layout is the same."""
        rig = preset.successor()
        rig.glide_to(values)
        rig.origin = Origin(preset, values, False)
        self.playing = rig
        self.engine.publish(rig, continues=True)

    def _swap(self, updates: Mapping[tuple[str, str], ModelSpec], playing: LoadedPreset) -> bool:
        """Give presets new weights; return whether the playing preset is among them."""
        result = False
        for preset in self.presets:
            specs = {block: spec for (name, block), spec in updates.items() if name == preset.name}
            if specs and not preset.fault:
                preset.swap(specs)
                result = result or preset is playing
        return result


def _gain_of(address: str) -> str:
    """Return the engine's name of a gain: ``in_gain`` for ``in_gain_db``."""
    return address.removesuffix("_db")
