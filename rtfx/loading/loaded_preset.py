"""A preset compiled and prewarmed, and how a rig that plays it came to be: so that it can be made once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..engine.rig import EngineRig
from ..model.spec import ModelSpec
from ..model.update import with_weights
from ..plan.block import ReadyBlock
from ..plan.chain import Plan, plan_chain
from ..plan.resolve import find_parameter
from ..rig.parameters import Parameter
from ..rig.set_list import Preset
from .level import levelled

KEPT = 3  # plans of one preset: both of A and B, and the one before
PRIME_SECONDS = 10.0  # nets that look back further have not heard all they can when they are faded in


@dataclass
class LoadedPreset:
    """A preset compiled and prewarmed: a template to copy at each selection, and its current values.

    `plan` and `template` are those of some structural values, `blocks` is what they are made of, `revision` counts what
    the models in it have learned. `written` are the values that the set list gives the blocks, without those of the
    command line; `source` is what was loaded; `learned` says that a model has other weights than its file.
    """

    name: str
    plan: Plan
    template: EngineRig
    scenes: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)
    cold: bool = False
    values: list[dict] = field(default_factory=list)
    written: list[dict] = field(default_factory=list)
    source: Preset | None = None
    learned: bool = False
    blocks: list[ReadyBlock] = field(init=False)
    revision: int = 0
    _built: dict[tuple, tuple[Plan, EngineRig]] = field(default_factory=dict)

    def __post_init__(self):
        self.blocks = [planned.source for planned in self.plan.blocks]
        self.values = [dict(block.values) for block in self.blocks]
        self.written = self.written or [dict(values) for values in self.values]
        self._built[self.structure(self.values)] = (self.plan, self.template)

    def now(self) -> list[dict]:
        """Return a copy of the current values: who builds a rig in several steps needs the same in each."""
        return [dict(values) for values in self.values]

    def structure(self, values: Sequence[Mapping]) -> tuple:
        """Return those of the values that decide the plan."""
        return tuple(
            given[parameter.name]
            for block, given in zip(self.blocks, values, strict=True)
            for parameter in block.parameters
            if parameter.kind == "structural"
        )

    def settled(self, values: Sequence[Mapping], plan: Plan | None = None) -> list[dict]:
        """Return values with those structural ones that the plan has, or another plan of this preset."""
        return [
            {
                name: planned.source.values[name] if parameter.kind == "structural" else given[name]
                for parameter in planned.source.parameters
                for name in (parameter.name,)
            }
            for planned, given in zip((plan or self.plan).blocks, values, strict=True)
        ]

    def has(self, values: Sequence[Mapping]) -> bool:
        """Return whether `build` will find what these values need."""
        return self.structure(values) in self._built

    def make(self, values: Sequence[Mapping]) -> tuple[Plan, EngineRig]:
        """Return a plan for these values, and an instance of it. [any thread]

        Raises
        ------
        RtfxError
            They do not go together.
        """
        rate = self.plan.sample_rate
        blocks = [block.redrawn(given) for block, given in zip(self.blocks, values, strict=True)]
        drawn = [i for i, block in enumerate(self.blocks) if block.spec is not blocks[i].spec]
        plan = plan_chain(levelled(blocks, rate, drawn)[0] if drawn else blocks, rate, self.plan.inputs)
        return plan, EngineRig(plan, self.cold)

    def keep(self, values: Sequence[Mapping], made: tuple[Plan, EngineRig]) -> None:
        """Keep what was made for these values; the oldest of many goes."""
        self._built[self.structure(values)] = made
        for key in list(self._built)[:-KEPT]:
            if self._built[key][0] is not self.plan:
                del self._built[key]

    def build(self, values: Sequence[Mapping]) -> bool:
        """Take the plan that fits the structural values, made now if it was not; return whether it is another one."""
        if not self.has(values):
            self.keep(values, self.make(values))
        key = self.structure(values)
        plan, template = self._built[key] = self._built.pop(key)  # the newest
        changed = plan is not self.plan
        self.plan, self.template = plan, template
        return changed

    def swap(self, specs: Mapping[str, ModelSpec]) -> None:
        """Take new weights for models by block."""
        self.learned = True
        self.revision += 1
        values = self.settled(self.now())
        before = self.blocks
        self.blocks = [
            replace(block, spec=with_weights(block.spec, specs[block.id]))
            if block.spec is not None and block.id in specs
            else block
            for block in before
        ]
        playing = [planned.source for planned in self.plan.blocks]  # a random net drawn anew keeps its weights
        blocks = [
            replace(new if now.spec is old.spec else now, values=given)
            for now, old, new, given in zip(playing, before, self.blocks, values, strict=True)
        ]
        plan = plan_chain(blocks, self.plan.sample_rate, self.plan.inputs)
        fits = plan.layout == self.plan.layout
        self.template = EngineRig(plan, self.cold, self.template if fits else None)
        self.plan = plan
        self._built = {self.structure(values): (plan, self.template)}

    def instance(self, values: Sequence[Mapping]) -> EngineRig:
        """Return a rig to play from rest, at values for which `build` was called."""
        if not self.template.prewarmed:
            self.template = EngineRig(self.plan, self.cold)
            self._built[self.structure(values)] = (self.plan, self.template)
        rig = EngineRig(self.plan, template=self.template)
        rig.start_at(values)
        return rig

    def successor(self) -> EngineRig:
        """Return a rig that is to begin with the state of the one that plays."""
        return EngineRig(self.plan, template=self.template)

    @property
    def memory_frames(self) -> int:
        """Frames of input after which the rig has forgotten that it began from silence."""
        return sum(planned.source.memory_frames(self.plan.sample_rate) for planned in self.plan.blocks)

    @property
    def prime_frames(self) -> int:
        """Frames that a rig hears before it is faded in, where another of the preset plays meanwhile.

        With a part of its past silent a net bursts: the beginning of what it has heard passes through its taps.
        """
        return min(self.memory_frames, round(PRIME_SECONDS * self.plan.sample_rate))

    def parameters(self) -> list[tuple[str, Parameter, float]]:
        """Return (address, parameter, value) of every parameter, in the order of the chain."""
        return [
            (f"{block.id}.{parameter.name}", parameter, values[parameter.name])
            for block, values in zip(self.blocks, self.values, strict=True)
            for parameter in block.parameters
        ]

    def find(self, address: str) -> tuple[int, str]:
        """Return (block index, parameter name) of ``block.name``, or of a bare name that one block alone has.

        Raises
        ------
        UsageError
            Unknown or ambiguous; names the closest address.
        """
        return find_parameter(self.name, self.blocks, address)


@dataclass(frozen=True)
class Unplayable:
    """A preset that cannot play, in the place that it has in the set list, and why.

    `values` and `scenes` are those of a preset without blocks.
    """

    name: str
    reason: str
    source: Preset | None = None
    values: list[dict] = field(default_factory=list)
    scenes: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)


class Origin(NamedTuple):
    """How a rig was made.

    Parameters
    ----------
    values : list of dict
        Of each block, when it was published.
    primes : bool
        It runs over the input for a while before it is faded in.
    """

    preset: LoadedPreset
    values: list[dict]
    primes: bool
