"""Presets made ready to play: files read, values set, levels found, compiled and prewarmed.

A preset is one object for as long as it is loaded: its blocks, with their present values and those in the set list, and
the plan that plays them. Turning a knob changes the value in its block; only a change of a structural value needs a new
plan.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..engine.engine import order_kernels
from ..engine.engine_rig import EngineRig
from ..errors import PresetError, RtfxError, UsageError
from ..model.spec import ModelSpec
from ..model.update import with_weights
from ..plan.block import ReadyBlock
from ..plan.chain import Plan, plan_chain
from ..plan.resolve import Models, find_parameter, resolve, with_values
from ..rig.blocks import BlockSpec
from ..rig.controls import MACRO, TEMPO, Control, Target
from ..rig.parameters import BPM, Options, Parameter
from ..rig.presets import Preset, SetList
from .level import levelled

KEPT = 3  # plans kept per preset: those of the slots A and B, and the previous one
PRIME_SECONDS = 10.0  # longest wait for a net's history to fill before it is faded in

GAIN_BLOCK = "level"  # shown as the block of the input and output gain

Value = float | str
Values = list[dict[str, Value]]  # by block in the order of the chain, as a plan takes them


@dataclass(eq=False)
class LoadedBlock:
    """One block of a loaded preset.

    Parameters
    ----------
    ready : ReadyBlock
        The block with its file and the values with which it was loaded.
    written : mapping
        Value of each parameter in the set list; values from the command line are not included.
    values : dict
        Present value of each parameter. The dict is never replaced, as every `Knob` of the block refers to it.
    """

    ready: ReadyBlock
    written: Mapping[str, Value]
    values: dict[str, Value]

    @property
    def spec(self) -> BlockSpec | None:
        """The block as it is written in the set list; None if that is not known."""
        return self.ready.source

    @property
    def id(self) -> str:
        """The first half of the addresses of its parameters; it is unique in the chain."""
        return self.ready.id


@dataclass(frozen=True, eq=False)
class Knob:
    """A parameter that can be set during play: its address, its present value and its value in the set list.

    Parameters
    ----------
    address : str
        ``block.parameter``, or the bare name of the input or output gain.
    values : mapping
        The mapping that holds the value, by the parameter's name.
    written : float, str or None
        The value in the set list; None if there is none.
    """

    address: str
    parameter: Parameter
    values: MutableMapping[str, Any]
    written: Value | None = None

    @property
    def value(self) -> Any:
        """The value that was set last."""
        return self.values[self.parameter.name]

    @property
    def block(self) -> str:
        """The id of its block."""
        return self.address.partition(".")[0] if "." in self.address else GAIN_BLOCK

    @property
    def turned(self) -> bool:
        """Whether the value differs from the set list."""
        return self.written is not None and self.value != self.written

    def check(self, value: Any) -> Value:
        """Return `value` as the block stores it, or raise UsageError that names what is allowed."""
        try:
            return self.parameter.check(value)
        except UsageError as error:
            raise UsageError(f"{self.block}: {error}" if "." in self.address else str(error)) from None

    def __str__(self) -> str:
        return f"{self.address} {self.parameter.worded(self.value)}"


class Compiled(NamedTuple):
    """A plan for some structural values, and an instance of it at rest, which is copied at each selection."""

    plan: Plan
    template: EngineRig


class LoadedPreset:
    """A preset of a set list, compiled and prewarmed; or a preset that cannot play, with the reason.

    Parameters
    ----------
    name : str
    plan, template : Plan, EngineRig, optional
        Compiled for the values of the plan's blocks; None if the preset cannot play.
    scenes : mapping
        For each name, values by address.
    source : Preset, optional
        The preset as it is written in the set list.
    written : mapping, optional
        For each block, its values in the set list; by default those of the plan.
    fault : str
        The reason why it cannot play; "" if it can.

    Attributes
    ----------
    blocks : tuple of LoadedBlock
        In the order of the chain; empty if it cannot play.
    knobs : dict of str to Knob
        Every parameter by address, in the order of the chain: made once, when the preset is loaded.
    learned : bool
        Whether a model's weights differ from its file.
    revision : int
        How often its models have received new weights.
    """

    def __init__(
        self,
        name: str,
        plan: Plan | None = None,
        template: EngineRig | None = None,
        scenes: Mapping[str, Mapping[str, Value]] | None = None,
        source: Preset | None = None,
        written: Mapping[str, Mapping[str, Value]] | None = None,
        fault: str = "",
    ):
        self.name, self.source, self.fault = name, source, fault
        self.scenes = dict(scenes or {})
        self.learned = False
        self.revision = 0
        sources = [planned.source for planned in plan.blocks] if plan else []
        self.blocks = tuple(
            LoadedBlock(block, (written or {}).get(block.id, block.values), dict(block.values)) for block in sources
        )
        self.knobs = {
            f"{block.id}.{name}": Knob(f"{block.id}.{name}", parameter, block.values, block.written.get(name))
            for block in self.blocks
            for name, parameter in block.ready.table.items()
        }
        self._targets: dict[str, tuple[Target, ...]] = {}
        for control in source.controls if source and plan else ():
            self._add_control(control)
        tempos = tuple(Target(address) for address in self.knobs if address.endswith(f".{BPM.name}"))
        if tempos:
            self._add_control(Control(TEMPO, BPM.name, tempos))
        self._structural = [
            (place, name)
            for place, block in enumerate(self.blocks)
            for name, parameter in block.ready.table.items()
            if parameter.kind == "structural"
        ]
        self._made: dict[tuple, Compiled] = {}
        if plan and template:
            self._now = self._made[self.structure(self.now())] = Compiled(plan, template)

    def _add_control(self, control: Control) -> None:
        """Add the knob of a macro, of the tempo, or of a parameter that a container exposes."""
        parameter = control.parameter({block.id: block.ready.table for block in self.blocks})
        target = control.targets[0]
        first = self.knobs[target.address]
        if len(control.targets) == 1 and target.low is None:  # another name for the same value
            self.knobs[control.address] = replace(first, address=control.address)
            return
        self._targets[control.address] = control.targets
        start = first.value if target.low is None else parameter.default
        self.knobs[control.address] = Knob(control.address, parameter, {parameter.name: start}, start)

    def driven(self, address: str, position: Value) -> dict[str, Value]:
        """Return the values of the parameters, by address, that a control turns when it is set to `position`."""
        return {target.address: target.value(position) for target in self._targets.get(address, ())}

    @property
    def plan(self) -> Plan:
        """The plan that plays it."""
        return self._now.plan

    @property
    def template(self) -> EngineRig:
        """An instance of the plan at rest."""
        return self._now.template

    @property
    def values(self) -> dict[str, Value]:
        """The value of every parameter now, by address."""
        return {address: knob.value for address, knob in self.knobs.items()}

    def find(self, address: str) -> Knob:
        """Return the knob of ``block.name``, or of a bare name if only one block has it.

        Raises
        ------
        UsageError
            The address is unknown or ambiguous; the message suggests the closest one.
        """
        names = (address, f"{MACRO}.{address}", f"{TEMPO}.{address}") if isinstance(address, str) else ()
        knob = next((self.knobs[name] for name in names if name in self.knobs), None)
        return knob or self.knobs[find_parameter(self.name, [block.ready for block in self.blocks], address)]

    def now(self) -> Values:
        """Return a copy of the values, so that all steps of making a rig use the same ones."""
        return [dict(block.values) for block in self.blocks]

    def addressed(self, values: Sequence[Mapping]) -> dict[str, Value]:
        """Return the values of all blocks by address."""
        return {
            f"{block.id}.{name}": value
            for place, block in enumerate(self.blocks)
            for name, value in values[place].items()
        }

    def with_values(self, values: Sequence[Mapping], given: Mapping[str, Value]) -> Values:
        """Return the values of each block, with those in `given` (by address) replaced."""
        return [
            {name: given.get(f"{block.id}.{name}", value) for name, value in values[place].items()}
            for place, block in enumerate(self.blocks)
        ]

    def structure(self, values: Sequence[Mapping]) -> tuple:
        """Return the structural values, which determine the plan."""
        return tuple(values[place][name] for place, name in self._structural)

    def settled(self, values: Sequence[Mapping], plan: Plan | None = None) -> Values:
        """Return `values` with the structural ones replaced by those of `plan`, by default the current plan."""
        result = [dict(given) for given in values]
        for place, name in self._structural:
            result[place][name] = (plan or self.plan).blocks[place].source.values[name]
        return result

    def has(self, values: Sequence[Mapping]) -> bool:
        """Return whether a plan for these values is already built."""
        return self.structure(values) in self._made

    def make(self, values: Sequence[Mapping]) -> Compiled:
        """Return a plan for these values, and an instance of it. [any thread]

        Raises
        ------
        RtfxError
            The values exclude each other.
        """
        rate = self.plan.sample_rate
        blocks = [block.ready.redrawn(values[place]) for place, block in enumerate(self.blocks)]
        drawn = [place for place, block in enumerate(self.blocks) if block.ready.spec is not blocks[place].spec]
        plan = plan_chain(levelled(blocks, rate, drawn)[0] if drawn else blocks, rate, self.plan.inputs)
        return Compiled(plan, EngineRig(plan, self.template.cold))

    def keep(self, values: Sequence[Mapping], made: Compiled) -> None:
        """Keep the plan that was made for these values, and discard the oldest of more than `KEPT`."""
        self._made[self.structure(values)] = made
        for key in list(self._made)[:-KEPT]:
            if self._made[key].plan is not self.plan:
                del self._made[key]

    def build(self, values: Sequence[Mapping]) -> bool:
        """Switch to the plan for the structural values, and build it if needed; return whether the plan has changed."""
        if not self.has(values):
            self.keep(values, self.make(values))
        key, before = self.structure(values), self.plan
        self._now = self._made[key] = self._made.pop(key)  # moved to the end, as the newest
        return self.plan is not before

    def take_back(self, asked: Sequence[Mapping]) -> None:
        """Restore the plan's structural values after `asked` failed, unless the user has set others meanwhile."""
        old = self.settled(asked)
        refused = [(place, name) for place, name in self._structural if asked[place][name] != old[place][name]]
        if all(self.blocks[place].values[name] == asked[place][name] for place, name in refused):
            for place, name in refused:
                self.blocks[place].values[name] = old[place][name]

    def swap(self, specs: Mapping[str, ModelSpec]) -> None:
        """Give models new weights, by block id."""
        self.learned = True
        self.revision += 1
        values = self.settled(self.now())
        chain = []
        for place, block in enumerate(self.blocks):
            old, playing = block.ready, self.plan.blocks[place].source
            if old.spec is not None and block.id in specs:
                block.ready = replace(old, spec=with_weights(old.spec, specs[block.id]))
            if playing.spec is old.spec:  # else it is a random net with another seed, which keeps its weights
                playing = block.ready
            chain.append(replace(playing, values=values[place]))
        plan = plan_chain(chain, self.plan.sample_rate, self.plan.inputs)
        fits = plan.layout == self.plan.layout
        self._now = Compiled(plan, EngineRig(plan, self.template.cold, self.template if fits else None))
        self._made = {self.structure(values): self._now}

    def instance(self, values: Sequence[Mapping]) -> EngineRig:
        """Return a rig that starts from rest, at values that were passed to `build`."""
        if not self.template.prewarmed:
            self._now = Compiled(self.plan, EngineRig(self.plan, self.template.cold))
            self._made[self.structure(values)] = self._now
        rig = EngineRig(self.plan, template=self.template)
        rig.start_at(values)
        return rig

    def successor(self) -> EngineRig:
        """Return a rig that will take over the state of the playing one."""
        return EngineRig(self.plan, template=self.template)

    @property
    def memory_frames(self) -> int:
        """Frames of input after which the rig no longer depends on its start from silence."""
        return sum(planned.source.memory_frames(self.plan.sample_rate) for planned in self.plan.blocks)

    @property
    def prime_frames(self) -> int:
        """Frames of input that a rig processes before it is faded in, while an older rig of the preset plays.

        A net whose history is partly silent makes bursts, as the start of the sound passes through its taps.
        """
        return min(self.memory_frames, round(PRIME_SECONDS * self.plan.sample_rate))


class Origin(NamedTuple):
    """How a rig was made.

    Parameters
    ----------
    values : list of dict
        The values of each block when the rig was published.
    primes : bool
        Whether it processes input for a while before it is faded in.
    """

    preset: LoadedPreset
    values: Values
    primes: bool


@dataclass(frozen=True)
class Loader:
    """Loads the presets of a stream, all with the same settings.

    Parameters
    ----------
    sample_rate : float
        Hz.
    channels : int
        Number of input channels; each goes through models of its own.
    """

    sample_rate: float
    models: Models
    options: Options
    channels: int = 1

    def load(self, preset: Preset, values: Mapping[str, Any] | None = None) -> tuple[LoadedPreset, list[str]]:
        """Return a compiled preset with `values` by address, and notes for the user.

        Raises
        ------
        RtfxError
            A file or a value cannot be used.
        """
        blocks, written, notes = chain(preset, self.sample_rate, self.models, self.options, values or {})
        plan = plan_chain(blocks, self.sample_rate, self.channels)
        template = EngineRig(plan, self.options.cold)
        loaded = LoadedPreset(preset.name, plan, template, preset.scenes, preset, written)
        loaded.learned = any(block.weights is not None for block in preset.chain)
        return loaded, [*notes, *plan.notes, *plan.replaced]


class Shared(NamedTuple):
    """The blocks that all presets of a set list share, before and after them, made ready; None where there are none."""

    before: LoadedPreset | None = None
    after: LoadedPreset | None = None

    @property
    def loaded(self) -> list[LoadedPreset]:
        """Those that there are."""
        return [each for each in self if each is not None]

    @property
    def turned(self) -> bool:
        """Whether a value differs from the set list."""
        return any(block.values != dict(block.ready.values) for each in self.loaded for block in each.blocks)

    def around(self, preset: Preset) -> Preset:
        """Return a preset with these blocks in its own chain."""
        before, after = (each.source.chain if each and each.source else () for each in self)
        return preset.between(before, after)


def load_shared(set_list: SetList, outputs: int, loader: Loader) -> tuple[Shared, list[str]]:
    """Return the shared blocks, and notes for the user.

    Parameters
    ----------
    outputs : int
        The largest number of output channels of any preset.

    Raises
    ------
    PresetError
        The blocks before the presets change the number of channels.
    """
    loader = replace(loader, options=loader.options.but(cab=None))
    if loader.options.bare:
        return Shared(), []
    before, after = None, None
    notes: list[str] = []
    if set_list.before:
        before, notes = loader.load(Preset("global before", set_list.before))
        if before.plan.outputs != loader.channels:
            raise PresetError(
                f"{set_list.path}: global before: {loader.channels} channels become {before.plan.outputs}, expected as "
                "many: put the block that widens the sound into after, or into the presets"
            )
    if set_list.after:
        last = Preset("global after", set_list.after)
        after, told = replace(loader, channels=outputs).load(last)
        if after.plan.outputs > outputs:
            after, told = replace(loader, channels=after.plan.outputs).load(last)
        notes += told
    return Shared(before, after), notes


def load_presets(presets: Sequence[Preset], first: int, values: Mapping[str, Any], loader: Loader):
    """Compile and prewarm every preset, preset `first` with `values`; return them and the notes without repeats."""
    loaded, notes = [], []
    for index, preset in enumerate(presets):
        one, said = loader.load(preset, values if index == first else {})
        loaded.append(one)
        notes += [note for note in said if note not in notes]
    return loaded, notes


def load_playable(
    presets: Sequence[Preset], first: int, fixed: bool, values: Mapping[str, Any], loader: Loader
) -> tuple[list[LoadedPreset], int, list[str]]:
    """Compile and prewarm every playable preset; return all presets, the index of the first to play, and notes.

    Parameters
    ----------
    fixed : bool
        If True, `first` must be playable; if False, the next playable preset may replace it.

    Raises
    ------
    RtfxError
        `first` is fixed and cannot play, or no preset can.
    UsageError
        `values` or options are wrong, which is not a fault of a preset.
    """
    loaded: list[LoadedPreset] = []
    found: dict[str, None] = {}  # notes without repeats
    faults: dict[int, RtfxError] = {}
    for index, preset in enumerate(presets):
        try:
            one, said = loader.load(preset, values if index == first else {})
        except UsageError:
            raise
        except RtfxError as error:
            if fixed and index == first:
                raise
            faults[index] = error
            loaded.append(LoadedPreset(preset.name, source=preset, fault=str(error)))
            continue
        loaded.append(one)
        found.update(dict.fromkeys(said))
    if len(faults) == len(presets):
        more = f" (nor can any of the {len(presets) - 1} other presets play)" if len(presets) > 1 else ""
        raise type(faults[0])(f"{faults[0]}{more}") from faults[0]
    if first in faults:
        places = [*range(first, len(presets)), *range(first)]
        first = next(index for index in places if index not in faults)
        loaded[first], _ = loader.load(presets[first], values)
    faulty = [cannot_play(index, presets[index].name, str(error)) for index, error in faults.items()]
    return loaded, first, list(dict.fromkeys([*faulty, *found]))


def cannot_play(index: int, name: str, reason: str) -> str:
    """Return a line that says why a preset cannot play; `index` counts from 0."""
    return f"preset {index + 1}, {name}, cannot play: {reason}"


def chain(
    preset: Preset, sample_rate: float, models: Models, options: Options, values: Mapping[str, Any]
) -> tuple[list[ReadyBlock], dict[str, Mapping[str, Any]], list[str]]:
    """Return the blocks of a preset with their levels, the values that the preset states for each block, and notes.

    A model whose weights have changed since it was loaded keeps its level.
    """
    order_kernels()
    blocks, said = resolve(preset, sample_rate, models, options)
    written = {block.id: block.values for block in blocks}
    read = {block.id: block.spec for block in blocks}
    blocks = [block.redrawn(block.values) for block in with_values(preset.name, blocks, values)]
    blocks, levels = levelled(blocks, sample_rate)
    learned = {block.id: block.weights for block in preset.chain if block.weights is not None}
    blocks = [
        replace(block, spec=with_weights(block.spec, learned[block.id]))
        if block.spec and block.spec is read[block.id] and block.id in learned
        else block
        for block in blocks
    ]
    return blocks, written, said + levels
