"""One command queue for everything that happens while it plays: whoever turns a knob posts here, one thread acts."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral

from ..engine.engine import Engine
from ..engine.rig import EngineRig
from ..errors import AudioFileError, PresetError, UsageError, did_you_mean, message_of, quoted
from ..host.timeouts import await_end
from ..loading.load import cannot_play
from ..loading.loaded_preset import LoadedPreset, Origin, Unplayable
from ..model.random.nets import FAMILY as RANDOM
from ..model.spec import ModelSpec
from ..plan.chain import Plan
from ..plan.resolve import checked
from .build import Builder, Built
from .history import History

TICK_SECONDS = 0.02
LONG_PRIME_SECONDS = 1.0  # from which on the player is told that a change takes its time


class Controller:
    """Owns the presets and is the only one who publishes to the engine.

    Methods may be called from any thread; they check, post and return. Values are those posted last, at once.
    """

    def __init__(self, engine: Engine, presets: Sequence[LoadedPreset | Unplayable], first: int = 0):
        self.engine = engine
        self._listed = list(presets), first  # both at once: others read them without the lock
        self._wake = threading.Condition()
        self._turned = False
        self._selected = False
        self._replaced = False
        self._stopped = False
        self._updates: dict[tuple[int, str], ModelSpec] = {}
        self._built: list[Built] = []
        self._builder = Builder(self._receive)
        self.news: deque[str] = deque()
        self._listeners: list[Callable[[str, float | str], None]] = []
        self.history = History()
        self.playing: EngineRig
        self._begin(self.preset, self.preset.now())
        self._thread = threading.Thread(target=self._run, name="rtfx control", daemon=True)

    @property
    def presets(self) -> list[LoadedPreset | Unplayable]:
        """All presets, in order."""
        return self._listed[0]

    @property
    def index(self) -> int:
        """The place of the preset selected last, from 0."""
        return self._listed[1]

    @property
    def preset(self) -> LoadedPreset:
        """The preset selected last."""
        presets, index = self._listed
        preset = presets[index]
        assert isinstance(preset, LoadedPreset)  # no other one is ever selected
        return preset

    def start(self) -> None:
        """Start the control thread."""
        self._thread.start()

    def set(self, address: str, value) -> None:
        """Turn a parameter of the current preset; it glides there, or is heard once it is built. [any thread]"""
        self.set_many({address: value})

    def set_many(self, values: Mapping[str, float | str], remember: bool = True) -> None:
        """Turn several parameters of the current preset at once: all, or none if one is wrong. [any thread]

        Parameters
        ----------
        values : mapping
            Address to value.
        remember : bool
            Note the change in the history, as one.
        """
        preset = self.preset
        places = [(*preset.find(address), value) for address, value in values.items()]
        turned = [(block, name, checked(preset.blocks[block], name, value)) for block, name, value in places]
        for block in {block for block, *_ in turned}:
            new = {name: number for other, name, number in turned if other == block}
            preset.blocks[block].check_together(preset.values[block] | new)
        addresses = [f"{preset.blocks[block].id}.{name}" for block, name, _ in turned]
        with self._wake:
            before = [preset.values[block][name] for block, name, _ in turned]
            for block, name, number in turned:
                preset.values[block][name] = number
            self._turned = True
            self._wake.notify()
        after = dict(zip(addresses, (number for *_, number in turned), strict=True))
        if remember:
            self.history.note(preset.name, dict(zip(addresses, before, strict=True)), after)
        for address, number in after.items():
            for listener in self._listeners:
                listener(address, number)

    def get(self, address: str) -> float:
        """Return a parameter's value as posted last. [any thread]"""
        block, name = self.preset.find(address)
        return self.preset.values[block][name]

    def select(self, index: int) -> None:
        """Crossfade to a preset by its index from 0, or raise PresetError if it cannot play. [any thread]"""
        with self._wake:
            presets = self.presets
            if not isinstance(index, Integral):
                raise UsageError(f"preset is {index!r}, expected its index, 0 to {len(presets) - 1}")
            if not 0 <= index < len(presets):
                raise UsageError(f"preset {index + 1} does not exist, expected 1 to {len(presets)}")
            wanted = presets[index]
            if isinstance(wanted, Unplayable):
                raise PresetError(cannot_play(index, wanted.name, wanted.reason))
            self._listed = presets, index
            self._selected = True
            self._wake.notify()

    def scene(self, name: str) -> None:
        """Set all values of a scene of the current preset. [any thread]"""
        scenes = self.preset.scenes
        if name not in scenes:
            raise UsageError(
                f"no scene {quoted(name)}{did_you_mean(name, scenes)}, expected one of: {', '.join(scenes) or 'none'}"
            )
        self.set_many(scenes[name])

    def update(self, preset: int, block: str, spec: ModelSpec) -> None:
        """Give a block's model the weights of `spec`; only the latest of many is taken. [any thread]"""
        with self._wake:
            self._updates[preset, block] = spec
            self._wake.notify()

    def replace(self, presets: Sequence[LoadedPreset | Unplayable]) -> None:
        """Have other presets; the current one is that of the same name, else of the same place or near. [any thread]"""
        playable = [index for index, preset in enumerate(presets) if isinstance(preset, LoadedPreset)]
        with self._wake:
            name, before = self.preset.name, self.index
            index = min(playable, key=lambda place: (presets[place].name != name, abs(place - before)))
            self._listed = list(presets), index
            self._replaced = True
            self._wake.notify()

    def subscribe(self, listener: Callable[[str, float | str], None]) -> None:
        """Have ``listener(address, value)`` called, on the thread that turns, at every change."""
        self._listeners.append(listener)

    def stop(self) -> None:
        """End the control thread."""
        with self._wake:
            self._stopped = True
            self._wake.notify()
        await_end(self._thread, 0.5)  # it may be compiling, and is left to it

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
            except Exception as error:  # of whatever kind: the next key shall find a thread that listens
                if message_of(error) != told:  # a fault that stays is met at every tick
                    told = message_of(error)
                    self.news.append(f"the sound goes on as it was: {told}")

    def _asked(self) -> bool:
        return bool(self._turned or self._selected or self._replaced or self._stopped or self._updates or self._built)

    def _act(self) -> None:
        """Do what has been asked for since the last time; free what the engine has given back."""
        with self._wake:
            selected, turned = self._selected, self._turned
            continues = self._replaced and not selected
            self._selected = self._turned = self._replaced = False
            updates, self._updates = self._updates, {}
            built, self._built = self._built, []
            preset = self.preset  # others turn and select meanwhile: what they do is for the next time
        for one in built:
            self._take(one)
        swapped = self._swap(updates, preset)
        with self._wake:
            values = preset.now()  # of several turned at once all, or none
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
            else:  # a rig that has not been heard yet has no state to go on from
                self._begin(preset, values, primes=not fits)
        elif other:
            self._tell(preset)
            self._begin(preset, values, primes=True)
        elif turned:
            self._turn(preset, values)
        self.engine.reclaim()

    def _begin(self, preset: LoadedPreset, values: list[dict], primes: bool = False) -> None:
        """Play a preset from rest; one that `primes` has heard some of its input when it is faded in."""
        rig = preset.instance(values)
        if primes:
            rig.record["prime_frames"] = frames = preset.prime_frames
            seconds = frames / preset.plan.sample_rate
            if seconds > LONG_PRIME_SECONDS:
                self.news.append(f"{preset.name}: listens for {seconds:.1f} s, as far back as it hears, then fades in")
        rig.origin = Origin(preset, values, primes)
        self.playing = rig
        self.engine.publish(rig)

    def _turn(self, preset: LoadedPreset, values: list[dict]) -> None:
        """Glide the rig that plays, and while it only listens those of the preset that are heard meanwhile."""
        self.playing.glide_to(values)
        if self.playing.record["prime_frames"]:
            for rig in list(self.engine.rigs.values()):
                if rig is not self.playing and rig.origin and rig.origin.preset is preset:
                    rig.glide_to(preset.settled(values, rig.plan))

    def _tell(self, preset: LoadedPreset) -> None:
        """Tell which random nets are other ones than those that play."""
        for now, before in zip(preset.plan.blocks, self.playing.plan.blocks, strict=True):
            spec, old = now.source.spec, before.source.spec
            if spec and old and spec.family == RANDOM and spec.name != old.name:
                self.news.append("; ".join((f"{now.source.id}: {spec.name}", *spec.warnings)))

    def _receive(self, built: Built) -> None:
        """Get what was built. [its thread]"""
        with self._wake:
            self._built.append(built)
            self._wake.notify()

    def _take(self, built: Built) -> None:
        """Keep what was built, or take back what could not be."""
        preset, made, error = built.preset, built.made, built.error
        if built.revision != preset.revision:
            return  # without what has been learned since
        try:
            if made:
                self.check_outputs(preset.name, made[0])
        except AudioFileError as refusal:
            made, error = None, str(refusal)
        if made:
            preset.keep(built.values, made)
            return
        self.news.append(error)
        with self._wake:
            both = list(zip(preset.values, built.values, preset.settled(built.values), strict=True))
            wanted = [{name: asked[name] for name in asked if asked[name] != old[name]} for _, asked, old in both]
            if all(values | new == values for (values, *_), new in zip(both, wanted, strict=True)):
                for (values, _, old), new in zip(both, wanted, strict=True):
                    values |= {name: old[name] for name in new}

    def check_outputs(self, name: str, plan: Plan) -> None:
        """Raise AudioFileError if a plan has more outputs than the stream was opened with."""
        outputs = int(self.engine.record["outputs"])
        if plan.outputs > outputs:
            raise AudioFileError(
                f"preset {quoted(name)} has {plan.outputs} output channels, the stream was opened with {outputs}: "
                "start anew to hear it"
            )

    def _go_on(self, preset: LoadedPreset, values: list[dict]) -> None:
        """Play other weights or values with the state of the rig that plays, whose layout is the same."""
        rig = preset.successor()
        rig.glide_to(values)
        rig.origin = Origin(preset, values, False)
        self.playing = rig
        self.engine.publish(rig, continues=True)

    def _swap(self, updates: Mapping[tuple[int, str], ModelSpec], playing: LoadedPreset) -> bool:
        """Give presets new weights; return whether the one that plays has got some."""
        result = False
        for index, preset in enumerate(self.presets):
            specs = {block: spec for (place, block), spec in updates.items() if place == index}
            if specs and isinstance(preset, LoadedPreset):
                preset.swap(specs)
                result = result or preset is playing
        return result
